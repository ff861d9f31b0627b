"""A script in a fork of the warm server cannot be told from one that was really started."""

from __future__ import annotations

import os
import py_compile
import re
import runpy
import signal
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from canary.testing.launchers import Bench
from canary_local.launcher import LocalLauncher

FACTS = (Path(__file__).parent / "cases" / "facts.py").read_text()

# what it prints, writes and exits with is compared
ODD = {"facts": FACTS, **runpy.run_path(str(Path(__file__).parent / "cases" / "odd.py"))["ODD"]}


def plain(text, bench, launch):
    """Output without what must differ: places, addresses, process numbers, the file of the run."""
    text = text.replace(launch.cwd, "CWD").replace(str(bench.directory), "DIR")
    text = re.sub(r"script\d+", "script", text)
    # the stack below a script holds one frame of ours
    text = re.sub(r"repeated \d+ more times", "repeated", text)
    text = re.sub(r"0x[0-9a-f]+|at [0-9a-f]{6,}", "ADDRESS", text)
    return re.sub(r"(Thread-\d+|Process-\d+|ident=\d+|-pid\d+|job\d+)", "NUMBER", text)


def files(launch):
    """What it has written beside its output."""
    found = {}
    for path in sorted(Path(launch.cwd).rglob("*")):
        if path.is_file() and path.name != "out.txt" and path.suffix not in (".pyc", ""):
            found[path.name] = path.read_bytes()
        elif path.is_file() and path.name != "out.txt":
            found[path.name] = path.stat().st_size
    return found


class Both:
    """Runs a script warm, and as the core does."""

    def __init__(self, directory):
        self.directory = directory
        self.count = 0
        self.benches = []
        for name, warm in (("warm", True), ("cold", False)):
            place = directory / name
            place.mkdir()
            launcher = LocalLauncher(warm=warm, groups=False, preload=("canary", "json"))
            self.benches.append(Bench(launcher, place))

    def new_directory(self):
        self.count += 1
        place = self.directory / f"place{self.count}"
        place.mkdir()
        return place

    def run(self, text, *words, **how):
        """What came of it: (warm, cold), each its code, reason, output, files."""
        return [self._run(bench, text, words, **how) for bench in self.benches]

    def _run(
        self,
        bench,
        text,
        words,
        *,
        env=None,
        argv=None,
        name="script.pyt",
        source=None,
        prepare=None,
    ):
        launch = bench.launch("?")
        cwd = Path(launch.cwd)
        if source is None:
            source = bench.directory / f"script{bench.number}.py"
            source.write_bytes(textwrap.dedent(text).encode("utf-8", "surrogateescape"))
        (cwd / "script.pyt").symlink_to(source)
        if prepare is not None:
            prepare(cwd)
        added = {key: value.format(cwd=cwd) for key, value in (env or {}).items()}
        argv = argv or (sys.executable, name.format(cwd=cwd))
        launch = replace(launch, argv=(*argv, *words), env={**launch.env, **added})
        end = bench.run(launch)
        return end.code, end.reason, plain(bench.output(launch), bench, launch), files(launch)

    def close(self):
        for bench in self.benches:
            bench.close()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("PYTHON", "LC_", "LANG", "TZ"))]:
            patch.delenv(name)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a script's background
            signal.signal(signal.SIGINT, signal.default_int_handler)
        both = Both(tmp_path_factory.mktemp("fresh"))
        yield both
        both.close()


@pytest.mark.parametrize("name", ODD)
def test_odd_script(both, name):
    warm, cold = both.run(ODD[name], "a b", "", "-x")
    assert warm == cold
    if name not in NOT_SEEN:
        assert (cold[0], cold[2]) != (0, "")  # it did show something


NOT_SEEN = {"nothing", "stdout set to None", "stdout replaced", "a weak reference", "exit 0"} | {
    "exit None", "exit 256", "generator exit", "settrace", "a file left open in a function",
    *(("exit tuple of none", "exit tuple in a function") if sys.version_info >= (3, 12) else ()),
}  # fmt: skip

# shows whether it runs in a fork of the server
WARM = 'with open("/proc/self/cmdline") as f:\n    print("server.py" in f.read())\n'
SHOW = "import sys\nprint(sys.path, sys.flags, sys.argv, __file__)\n"


@pytest.mark.parametrize("again", range(3))
def test_the_same_script_again(both, again):
    """From the second time on its code is kept; it is compiled as if from each job's own path."""
    text = "def f():\n    def g(): 1/0\n    g()\nprint(__file__, f.__code__.co_filename)\nf()\n"
    source = both.benches[0].directory.parent / "again.py"
    source.write_text(text + f"# {again // 2}")
    warm, cold = both.run("", source=source)
    assert warm == cold
    assert cold[2].count("CWD/script.pyt") >= 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("script.pyt", ()),
        ("./script.pyt", ()),
        (".//script.pyt", ()),
        ("deep/../script.pyt", ("x",)),
        ("{cwd}/script.pyt", ()),
        ("{cwd}/./script.pyt", ()),
        ("deep/link.py", ()),
        ("deep/link of link.py", ("-c", "--", "y")),
        ("plain.py", ()),
    ],
)
def test_ways_to_name_a_script(both, name, words):
    (warm, cold) = both.run(SHOW, *words, name=name, prepare=make_links)
    assert warm == cold
    assert both.run(WARM, name=name, prepare=make_links)[0][2] == "True\n"


def make_links(cwd):
    (cwd / "deep").mkdir()
    (cwd / "deep" / "link.py").symlink_to("../script.pyt")
    (cwd / "deep" / "link of link.py").symlink_to(cwd / "deep" / "link.py")
    (cwd / "plain.py").write_bytes((cwd / "script.pyt").read_bytes())


@pytest.mark.parametrize(
    "value",
    ["", ":", "a:b", "{cwd}/a:{cwd}/a", "a/../b::/nowhere//x/", "~/x:./y:..", "{cwd}", "/usr/lib"],
)
def test_python_path(both, value):
    env = {"PYTHONPATH": value}
    warm, cold = both.run(SHOW, env=env)
    assert warm == cold
    assert both.run(WARM, env=env)[0][2] == "True\n"


@pytest.mark.parametrize(
    ("place", "name", "warm"),
    [
        ("a", "json.py", True),
        ("a", "json/__init__.py", True),
        ("a", "canary.py", True),
        ("a", "sitecustomize.py", False),
        ("a", "usercustomize.py", False),
        ("a", "io.py", False),
        ("a", "io.txt", True),
        ("beside", "json.py", True),
        ("beside", "json/__init__.py", True),
        ("beside", "canary.py", True),
        ("beside", "sitecustomize.py", True),
        ("beside", "codecs.py", True),
    ],
)
def test_modules_that_hide_others(both, place, name, warm):
    def prepare(cwd):
        path = (cwd / "a" if place == "a" else source.parent) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("print('mine:', __name__)\ntext = encodings = None\n")

    text = "import json, canary, io, codecs\nprint(json.__file__, canary.__file__, io.__file__)\n"
    for script in (text, WARM):
        source = both.new_directory() / "source.py"
        source.write_text(script)
        env = {"PYTHONPATH": "a"}
        ends = both.run("", source=source, prepare=prepare, env=env)
        if script is text:
            assert ends[0] == ends[1]
            seen = name.startswith(("json", "canary")) or (place, name) == ("a", "sitecustomize.py")
            assert ("mine:" in ends[0][2]) == seen
        else:
            assert (ends[0][2].splitlines()[-1:] == ["True"]) == warm


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONHASHSEED": "0"},
        {"PYTHONDONTWRITEBYTECODE": "1"},
        {"PYTHONUTF8": "1"},
        {"PYTHONIOENCODING": "latin-1:replace"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONDEVMODE": "1"},
        {"PYTHONFAULTHANDLER": "1"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LANG": "nowhere"},
        {"TZ": "Pacific/Auckland"},
        {"LD_LIBRARY_PATH": "/tmp"},
        {"HOME": "/nowhere"},
    ],
)
def test_variables_that_an_interpreter_reads_at_its_start(both, env):
    warm, cold = both.run(FACTS, env=env)
    assert warm == cold
    assert both.run(WARM, env=env)[0][2] == "False\n"


def test_variables_that_it_does_not_read(both):
    env = {"OMP_NUM_THREADS": "3", "X": "a\nb=ü", "EMPTY": "", "PATH": "/bin", "ODD NAME": "1"}
    warm, cold = both.run(FACTS, env=env)
    assert warm == cold
    assert both.run(WARM, env=env)[0][2] == "True\n"


def test_variables_that_are_gone(both):
    text = "import os\nprint(sorted(os.environ), os.system('env | wc -l'))"
    launches = [(b, b.launch("?", env={"PATH": "/bin:/usr/bin"})) for b in both.benches]
    names = {n: os.environ[n] for n in os.environ if n.startswith(("LANG", "LC_", "HOME", "TZ"))}
    ends = []
    for bench, launch in launches:
        Path(launch.cwd, "script.pyt").write_text(text + "\n" + WARM)
        env = {**launch.env, **names}
        launch = replace(launch, argv=(sys.executable, "script.pyt"), env=env)
        assert bench.run(launch).code == 0
        ends.append(bench.output(launch).splitlines())
    assert ends[0][:-1] == ends[1][:-1]
    assert [e[-1] for e in ends] == ["True", "False"]


@pytest.mark.parametrize(
    "argv",
    [
        ("-O", "script.pyt"),
        ("-u", "script.pyt"),
        ("-X", "dev", "script.pyt"),
        ("-c", "import sys; print(sys.argv)", "script.pyt"),
        ("-m", "json.tool", "-h"),
        ("-",),
        ("",),
        ("--version",),
        ("not there.py", "x"),
        ("package",),
        ("archive",),
        ("compiled",),
        ("secret",),
        ("loop",),
        ("/dev/null", "x"),
        ("/proc/self/environ",),
    ],
)
def test_what_is_not_a_plain_script(both, argv):
    def prepare(cwd):
        (cwd / "package").mkdir()
        (cwd / "package" / "__main__.py").write_text("import sys; print('package', sys.argv)")
        with zipfile.ZipFile(cwd / "archive", "w") as z:
            z.writestr("__main__.py", "import sys; print('archive', sys.argv, sys.path[0])")
        (cwd / "x.py").write_text("print('compiled', __name__)")
        py_compile.compile(str(cwd / "x.py"), str(cwd / "compiled"))
        (cwd / "secret").write_text("print(1)")
        (cwd / "secret").chmod(0o000 if os.getuid() else 0o600)
        (cwd / "loop").symlink_to("loop")

    warm, cold = both.run(SHOW, argv=(sys.executable, *argv), prepare=prepare)
    assert warm == cold
    assert cold[2] or cold[0] or argv[0] in ("-", "", "/dev/null")


def test_a_directory_that_is_named_by_a_link(both):
    seen = []
    for bench in both.benches:
        place = both.new_directory()
        (place / "real").mkdir()
        (place / "link").symlink_to("real")
        (place / "real" / "script.pyt").write_text(SHOW + "import os\nprint(os.getcwd())")
        env = {**os.environ, "PYTHONPATH": "x:y", "PWD": "/odd"}
        launch = bench.launch(sys.executable, "script.pyt", env=env)
        bench.run(replace(launch, cwd=str(place / "link")))
        text = bench.output(launch)
        assert f"{place}/link" not in text
        seen.append(text.replace(str(place), "PLACE"))
    assert seen[0] == seen[1]


def test_another_interpreter(both):
    other = str(Path(sys.executable).with_name("python3"))
    if other == sys.executable:
        other = str(Path(sys.executable).with_name("python"))
    warm, cold = both.run(SHOW + WARM, argv=(other, "script.pyt"))
    assert warm == cold
    assert cold[2].endswith("False\n")


def test_errors_apart(both):
    text = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n1/0"
    seen = []
    for bench in both.benches:
        launch = bench.python(text)
        errors = Path(launch.cwd, "errors")
        launch = replace(launch, stderr=str(errors))
        assert bench.run(launch).code == 1
        seen.append((bench.output(launch), errors.read_text().splitlines()[-1]))
    assert seen == [("out\n", "ZeroDivisionError: division by zero")] * 2


def test_nothing_is_left_by_one_script_for_the_next(both):
    """Each starts from the server's state, whatever others have done to theirs."""
    dirt = """
        import builtins, os, signal, sys
        builtins.DIRT = sys.DIRT = os.environ["DIRT"] = "x"
        sys.path.append("/dirt")
        sys.modules["dirt"] = sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.umask(0o777)
        os.chdir("/")
    """
    before = both.run(FACTS)[0]
    both.run(dirt)
    assert both.run(FACTS)[0] == before


def test_frames_below(both):
    """The one thing of ours that a script can find below itself."""
    text = "import sys\nf = sys._getframe()\nprint(f.f_back is None)"
    warm, cold = both.run(text)
    assert (warm[2], cold[2]) == ("False\n", "True\n")
