"""`Canary.cmake` in projects that the real cmake configures, and the tests it writes, run."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys

import pytest

from canary_ctest.assets import canary_cmake

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int n, char **words) {
  for (int i = 1; i < n; ++i)
    printf("<%s>", words[i]);
  return n > 1 ? atoi(words[1]) : 0;
}
"""
# starts what follows it from the first word that is an absolute path on
MPIEXEC = (
    '#!/bin/sh\necho "mpi $*"\nuntil case $1 in /*) ;; *) false;; esac; do shift; done\nexec "$@"\n'
)
HEAD = f"""
cmake_minimum_required(VERSION 3.20)
project(Demo C)
list(APPEND CMAKE_MODULE_PATH "{canary_cmake().parent}")
include(Canary)
add_executable(program program.c)
"""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def installed(name):
    return any(d.metadata["Name"] == name for d in importlib.metadata.distributions())


needs_pyt = pytest.mark.skipif(not installed("canary-pyt"), reason="needs canary-pyt")
pytestmark = [needs_compiler, needs_pyt]


@pytest.fixture
def project(built):
    def make(text, files=(), *, build=True, options=()):
        return built(
            HEAD + text, {"program.c": PROGRAM, **dict(files)}, build=build, options=options
        )

    return make


def test_it_is_found_as_an_asset():
    (point,) = importlib.metadata.entry_points(group="canary.assets", name="canary.cmake")
    assert point.load()() == canary_cmake()
    assert canary_cmake().is_file()


def test_a_command(project, by_canary, canary):
    root = project(
        r"""
add_canary_test(NAME good COMMAND program 0 "a b" "x;y" "q\"q" "back\\slash" "$<CONFIG>{}"
  KEYWORDS fast unit LINK ${CMAKE_CURRENT_SOURCE_DIR}/data.txt)
add_canary_test(NAME bad COMMAND program 3 NO_DEFAULT_LINK)
add_canary_test(NAME after COMMAND program 0 DEPENDS_ON bad)
""",
        {"data.txt": "data\n"},
        options=["-DCMAKE_BUILD_TYPE=Debug"],
    )
    found = by_canary(root, expect=8)
    assert found == {
        "good": "PASS (SUCCESS)",
        "bad": "FAIL (FAILED)",
        "after": "NOTRUN (BLOCKED)",
    }
    good = by_canary.results / "good"
    text = (good / "canary-out.txt").read_text()
    assert text == '<0><a b><x;y><q"q><back\\slash><Debug{}>'
    assert {"program", "data.txt"} < {p.name for p in good.iterdir()}
    assert "program" not in {p.name for p in (by_canary.results / "bad").iterdir()}
    spec = json.loads((good / "testcase.lock").read_text())["spec"]
    assert spec["attributes"]["program"] == str(root / "program")
    assert set(spec["keywords"]) >= {"fast", "unit"}
    assert "3" in by_canary.jobs["bad"]["status"]["reason"]


def test_words_that_cmake_takes_for_false(project, by_canary):
    root = project(
        "add_canary_test(NAME off COMMAND false KEYWORDS no)\nadd_canary_test(NAME 0 SCRIPT n)\n",
        {"n": "# passes\n"},
        build=False,
    )
    assert by_canary(root, expect=8) == {"off": "FAIL (FAILED)", "n": "PASS (SUCCESS)"}
    assert '"no"' in (root / "off.pyt").read_text()


def test_a_script(project, by_canary):
    script = (
        'import sys\n\nif __name__ == "__main__":\n    sys.exit(0 if "@WORD@" == "yes" else 1)\n'
    )
    root = project(
        "set(WORD yes)\nadd_canary_test(NAME own SCRIPT own.pyt.in)\n",
        {"own.pyt.in": script},
        build=False,
    )
    assert by_canary(root, expect=0) == {"own": "PASS (SUCCESS)"}


def test_a_parallel_command(project, by_canary, tmp_path):
    root = project(
        """
set(MPI_FOUND TRUE)
set(MPIEXEC_EXECUTABLE /no/such/mpiexec)
set(MPIEXEC_NUMPROC_FLAG -n)
set(MPIEXEC_EXECUTABLE_OVERRIDE ${CMAKE_CURRENT_SOURCE_DIR}/mpiexec)
set(MPIEXEC_PREFLAGS_OVERRIDE "--bind cpu --per=%(cpus)s")
file(CHMOD ${CMAKE_CURRENT_SOURCE_DIR}/mpiexec PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
add_parallel_canary_test(NAME par COMMAND program 0 x NPROC 1 2 KEYWORDS mpi)
""",
        {"mpiexec": MPIEXEC},
    )
    found = by_canary(root, main=("-r", "cpus=2"), expect=0)
    assert found == {"par.cpus=1": "PASS (SUCCESS)", "par.cpus=2": "PASS (SUCCESS)"}
    text = (by_canary.results / "par.cpus=2/canary-out.txt").read_text()
    assert text == f"mpi -n 2 --bind cpu --per=2 {root}/program 0 x\n<0><x>"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("add_canary_test(COMMAND program)", "NAME is missing"),
        ("add_canary_test(NAME a)", "give COMMAND or SCRIPT"),
        ("add_canary_test(NAME a COMMAND program SCRIPT b)", "not both"),
        ("add_canary_test(NAME a COMMAND program COST)", None),
        ("add_canary_test(NAME a odd COMMAND program)", "unknown arguments: odd"),
        ("add_parallel_canary_test(NAME a COMMAND program NPROC 1)", "MPI was not found"),
        ("set(MPI_FOUND 1)\nadd_parallel_canary_test(NAME a COMMAND program)", "NPROC is missing"),
        (
            "set(MPI_FOUND 1)\nadd_parallel_canary_test(NAME a COMMAND program NPROC many)",
            "NPROC many",
        ),
        ("add_canary_test_options(deep)", "unknown arguments: deep"),
    ],
)
def test_wrong_calls(built, tmp_path, text, says):
    if says is None:
        built(HEAD + text, {"program.c": PROGRAM})  # a word of the command like any other
        return
    source = tmp_path / "source"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(HEAD + text)
    (source / "program.c").write_text(PROGRAM)
    done = subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path / "build"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert says in " ".join(done.stderr.split())


def test_target_and_options(project, canary, canary_environment, tmp_path):
    """The target runs what is there, with the options that were named."""
    script = (
        "import sys\n\nimport canary\n\n"
        "canary.directives.enable(True, when='options=\"deep and wide\"')\n\n"
        'if __name__ == "__main__":\n    sys.exit(0)\n'
    )
    launcher = tmp_path / "bin" / "canary"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m canary "$@"\n')
    launcher.chmod(0o755)
    root = project(
        "add_canary_test(NAME own SCRIPT own.pyt)\n"
        "add_canary_test_options(ON_OPTION deep)\n"
        "add_canary_test_options(ON_OPTION wide deep)\n"
        "add_canary_test_target()\n",
        {"own.pyt": script},
        options=[f"-DCMAKE_PROGRAM_PATH={launcher.parent}"],
        build=False,
    )
    done = subprocess.run(
        ["cmake", "--build", root, "--target", "canary"],
        env=canary_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 total: 1 pass" in done.stdout
    assert (root / ".canary").is_dir()


def test_configuration(project, canary):
    root = project("add_canary_test_options(ON_OPTION deep)\nwrite_canary_config()\n", build=False)
    text = (root / "canary.yaml").read_text()
    assert 'project: "Demo"' in text
    assert 'options: ["deep"]' in text
    yaml = pytest.importorskip("yaml")
    data = yaml.safe_load(text)
    assert data["build"]["build_directory"] == str(root)
    assert data["cmake"]["compiler"].keys() >= {"vendor", "version", "cc"}
    done = canary("-f", root / "canary.yaml", "config", "show", expect=0)
    assert 'project = "Demo"' in done.stdout
    assert f'vendor = "{data["cmake"]["compiler"]["vendor"]}"' in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("ninja") is None, reason="needs ninja")
def test_a_generator_of_several_configurations(project):
    root = project(
        "add_canary_test(NAME a COMMAND program)\n",
        options=["-G", "Ninja Multi-Config"],
        build=False,
    )
    texts = {c: (root / c / "a.pyt").read_text() for c in ("Debug", "Release")}
    for configuration, text in texts.items():
        assert f'"{root}/{configuration}/program"' in text
