"""Commands about a test do the same for every format of test files.

One table of formats; nothing here knows how a format is read.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Format:
    """A test `job` that writes `out.txt` in `file`, and how a broken file looks.

    `renews` says that the test takes `out.txt` for its reference `ref.txt`.
    """

    file: str
    good: str
    bad: str
    line: int
    needs: str
    renews: bool = True


WRITE = "echo new > out.txt; echo said"
FORMATS = {
    "pyt": Format(
        "job.pyt",
        "import canary\n"
        'canary.directives.keywords("fast")\n'
        'canary.directives.baseline(src="out.txt", dst="ref.txt")\n'
        'if __name__ == "__main__":\n'
        '    print("new", file=open("out.txt", "w"))\n'
        '    print("said")\n',
        "import canary\n\ncanary.directives.keywords(\n",
        3,
        "canary-pyt",
    ),
    "vvt": Format(
        "job.vvt",
        "#!/bin/sh\n#VVT: keywords : fast\n#VVT: baseline : out.txt,ref.txt\n" + WRITE + "\n",
        "#!/bin/sh\n#VVT: keywords : fast\n#VVT: frobnicate : x\n",
        3,
        "canary-vvtest",
    ),
    "yaml": Format(
        "canary_it.yaml",
        "tests:\n  job:\n    keywords: [fast]\n"
        "    baseline: [{src: out.txt, dst: ref.txt}]\n"
        f'    command: "{WRITE}"\n',
        "tests:\n  job:\n    keyword: [fast]\n    command: x\n",
        3,
        "canary-yaml",
    ),
    "toml": Format(
        "canary_it.toml",
        '[tests.job]\nkeywords = ["fast"]\n'
        'baseline = [{src = "out.txt", dst = "ref.txt"}]\n'
        f'command = "{WRITE}"\n',
        '[tests.job]\ncommand = "x"\nkeyword = ["fast"]\n',
        3,
        "canary-yaml",
    ),
    "ctest": Format(
        "CTestTestfile.cmake",
        f'add_test(job "/bin/sh" "-c" "{WRITE}")\n'
        'set_tests_properties(job PROPERTIES LABELS "fast")\n',
        '\n\nadd_test(job "/bin/sh"\n',
        3,
        "canary-ctest",
        renews=False,
    ),
}


@pytest.fixture(params=FORMATS)
def format(request):
    found = FORMATS[request.param]
    names = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    if found.needs not in names:
        pytest.skip(f"{found.needs} is not installed")
    if request.param == "ctest" and shutil.which("ctest") is None:
        pytest.skip("ctest is not on this machine")
    return found


def test_what_is_wrong_is_one_error_with_file_and_line(canary, tree, format):
    root = tree({f"sub/{format.file}": format.bad})
    done = canary("run", root, expect=3)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1, done.stderr
    assert f"{root}/sub/{format.file}:{format.line}: " in errors[0]
    assert "Traceback" not in done.stderr


def test_before_a_run_it_is_found_and_described(canary, tree, format):
    root = tree({f"sub/{format.file}": format.good})
    assert "sub/job" in canary("find", "-r", root, expect=0).stdout.split()
    assert "job" not in canary("find", "-r", "-k", "slow", root).stdout.split()
    said = canary("describe", root / "sub" / format.file, expect=0).stdout
    assert "job" in said
    assert "fast" in said
    shape = json.loads(canary("describe", "--json", root / "sub" / format.file, expect=0).stdout)
    assert "fast" in json.dumps(shape)


def test_after_a_run_it_is_described_located_and_edited(canary, tree, format, tmp_path):
    file = tree({f"sub/{format.file}": format.good}) / "sub" / format.file
    canary("run", "t", expect=0)
    assert "fast" in canary("describe", "sub/job", expect=0).stdout

    def where(option):
        return Path(canary("location", option, "job", expect=0).stdout.strip())

    assert where("-i") == file
    assert where("-s") == file.parent
    assert where("-x").is_dir()
    assert where("-l").read_text() == "said\n"
    editor = tmp_path / "editor"
    editor.write_text(f'#!{sys.executable}\nimport sys\nprint("edits", *sys.argv[1:])\n')
    editor.chmod(0o755)
    done = canary("edit", "job", env={"EDITOR": str(editor)}, expect=0)
    assert re.search(rf"edits .*{re.escape(str(file))}", done.stdout)


def test_its_reference_is_renewed_if_it_has_one(canary, tree, format):
    root = tree({f"sub/{format.file}": format.good, "sub/ref.txt": "old\n"})
    canary("run", "t", expect=0)
    canary("rebaseline", "--dry-run", "job", expect=0)
    assert (root / "sub/ref.txt").read_text() == "old\n"
    canary("rebaseline", "job", expect=0)
    assert (root / "sub/ref.txt").read_text() == ("new\n" if format.renews else "old\n")
