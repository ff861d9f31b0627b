"""A script in a fork of the warm server cannot be told from one that was really started."""

from __future__ import annotations

import os
import py_compile
import re
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from canary.testing.launchers import Bench
from canary_local.launcher import LocalLauncher

FACTS = (Path(__file__).parent / "cases" / "facts.py").read_text()

# name -> a script; what it prints, writes and exits with is compared
ODD = {
    "nothing": "",
    "facts": FACTS,
    "exit 0": "import sys; sys.exit(0)",
    "exit None": "import sys; sys.exit()",
    "exit 3": "import sys; sys.exit(3)",
    "exit 256": "import sys; sys.exit(256)",
    "exit 300": "import sys; sys.exit(300)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit True": "import sys; sys.exit(True)",
    "exit of a big number": "import sys; sys.exit(1 << 80)",
    "exit text": "import sys; print('out'); sys.exit('it is wrong: ü')",
    "exit other": "import sys; sys.exit([1, None])",
    "exit float": "import sys; sys.exit(2.0)",
    "exit whose text fails": "class E:\n def __str__(self): 1/0\nimport sys; sys.exit(E())",
    "exit in a function": "def f(): raise SystemExit(7)\ntry: f()\nfinally: print('finally')",
    "exit of a subclass": "class E(SystemExit): pass\nraise E(9)",
    "builtin exit": "exit(4)",
    "hard exit": "import os; print('lost'); os._exit(5)",
    "error": "def f(x):\n    return 1 / x\nprint('before')\nf(0)",
    "error with a cause": "try: 1/0\nexcept Exception as e: raise ValueError('second') from e",
    "error with a context": "try: 1/0\nexcept Exception: {}['key']",
    "error with a note": "e = ValueError('x')\nif hasattr(e, 'add_note'): e.add_note('noted')\nraise e",
    "error in an import": "import nothing_of_that_name",
    "error at depth": "def f(n): return f(n - 1) + 1\nf(100000)",
    "error whose text fails": "class E(Exception):\n def __str__(self): 1/0\nraise E",
    "base exception": "raise BaseException('base')",
    "generator exit": "raise GeneratorExit",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt by signal": "import os, signal; os.kill(os.getpid(), signal.SIGINT)\nprint('not so')",
    "interrupt that is caught": """
        import os, signal
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            print("caught")
    """,
    "term": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "broken pipe": """
        import os
        r, w = os.pipe()
        os.close(r)
        try:
            os.write(w, b"x")
        except BrokenPipeError:
            print("an error, not a signal")
    """,
    "abort": "import os; os.abort()",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_lineno)\n1/0",
    "hook that fails": "import sys\ndef hook(*a): raise KeyError('hook')\nsys.excepthook = hook\n1/0",
    "hook that exits": "import sys\nsys.excepthook = lambda *a: sys.exit(6)\n1/0",
    "hook that is gone": "import sys\ndel sys.excepthook\n1/0",
    "hook that sees last": """
        import atexit, sys
        atexit.register(lambda: print(sys.last_type, sys.last_value, sys.last_traceback.tb_lineno))
        1 / 0
    """,
    "at exit": """
        import atexit
        atexit.register(print, "first")
        atexit.register(print, "second")
        @atexit.register
        def f():
            raise ValueError("in a callback")
        print("body")
    """,
    "at exit with an exit": "import atexit, sys\natexit.register(sys.exit, 8)\nsys.exit(3)",
    "thread": """
        import threading
        go = threading.Event()
        def work():
            go.wait()
            print("thread done")
        threading.Thread(target=work).start()
        threading.Timer(0.05, go.set).start()
        print("main done")
    """,
    "thread that fails": "import threading\nt = threading.Thread(target=lambda: 1/0, name='T')\nt.start()\nt.join()",
    "daemon thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
        print("main done")
    """,
    "pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        futures = [pool.submit(pow, 2, n) for n in range(5)]
        print([f.result() for f in futures])
    """,
    "an object that says goodbye": """
        class A:
            def __init__(self, name): self.name = name
            def __del__(self): print("bye", self.name)
        a = A("a")
        _b = A("b")
        def f(x=A("default")): return a
        class B:
            c = A("of a class")
        cycle = [A("cycle")]
        cycle.append(cycle)
        print("end")
    """,
    "a file left open": "f = open('left', 'w')\nf.write('text')\nprint('done')",
    "a file left open in a function": "f = open('left', 'w')\ndef g(): return f\nf.write('text' * 5000)",
    "a module that says goodbye": """
        open("other.py", "w").write('''
class A:
    def __del__(self): print("bye from other")
a = A()
def f(): return a
''')
        import other
        print(other.f())if 0 else print("imported")
    """,
    "a generator left": "def g():\n try: yield\n finally: print('closed')\nx = g()\nnext(x)",
    "a weak reference": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')",
    "output without end of line": "import sys\nsys.stdout.write('no end')\nsys.stderr.write('err')",
    "output of all kinds": """
        import os, sys
        print("1 print")
        os.write(1, b"2 write\\n")
        sys.stdout.flush()
        sys.stdout.buffer.write(b"3 bytes \\xff\\n")
        print("4 error", file=sys.stderr)
        os.system("echo 5 shell")
        sys.__stdout__.write("6 original\\n")
    """,
    "output that cannot be encoded": "print('\\ud800')",
    "error output that cannot be encoded": "import sys; print('\\ud800', file=sys.stderr)",
    "output to a closed stream": "import sys\nsys.stdout.close()\nprint('x')",
    "stdout set to None": "import sys\nsys.stdout = None\nprint('x')",
    "stdout replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('not seen')",
    "stdout closed below": "import os\nprint('x')\nos.close(1)",
    "full device": "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nprint('x')",
    "position": "import sys\nprint('12345')\nprint(sys.stdout.tell())",
    "input": "print(repr(input('? ')))",
    "fork": """
        import os, sys
        print("before")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """,
    "multiprocessing fork": """
        import multiprocessing
        def work(n): return n * n
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(work, range(5)))
    """,
    "multiprocessing spawn": """
        import multiprocessing, os
        def work(q, n): q.put((n * n, __name__, os.path.basename(__file__)))
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            q = context.Queue()
            p = context.Process(target=work, args=(q, 7))
            p.start()
            print(q.get())
            p.join()
            print(p.exitcode)
    """,
    "subprocess of itself": """
        import subprocess, sys
        if len(sys.argv) > 1:
            sys.exit(print("child", sys.argv[1:], sys.flags))
        subprocess.run([sys.executable, __file__, "again"], check=True)
    """,
    "executing another program": "import os; os.execvp('echo', ['echo', 'replaced'])",
    "signal from a timer": """
        import signal
        def handler(number, frame): raise TimeoutError(number)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            signal.pause()
        except TimeoutError as e:
            print("alarm", e)
    """,
    "asyncio": "import asyncio\nasync def f():\n await asyncio.sleep(0)\n print('ran')\nasyncio.run(f())",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n x: int = 1\nprint(A(2), A.__module__)",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)",
    "annotations": "x: int = 1\nprint(__annotations__)",
    "own name": "print(__name__, __file__, __doc__)\nimport __main__\nprint(__main__.__name__)",
    "docstring": "'''What it is.'''\nprint(__doc__)",
    "inspect": "import inspect\ndef f(): pass\nprint(inspect.getsource(f), inspect.getfile(f) == __file__)",
    "traceback of now": "import traceback\ndef f(): print(traceback.extract_stack()[-1])\nf()",
    "warning": "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)",
    "warning of the compiler": "print(1 is 1)",
    "warning of a file left": "import warnings\nwarnings.simplefilter('always')\nopen('x', 'w')",
    "recursion of imports": "import json, re, enum, typing, unittest, logging\nprint(json.dumps([1]))",
    "logging": "import logging\nlogging.warning('w')\nlogging.basicConfig(force=True)\nlogging.error('e')",
    "unittest": """
        import unittest
        class T(unittest.TestCase):
            def test_good(self): pass
            def test_bad(self): self.assertEqual(1, 2)
        if __name__ == "__main__":
            unittest.main()
    """,
    "ctypes": "import ctypes\nctypes.CDLL(None).puts(b'from C')\nprint('from Python')",
    "compiled code of ours": "import _struct, _json, math\nprint(math.pi)",
    "relative import": "from . import x",
    "import of itself": "import sys\nprint(sys.modules.get('script') is None)",
    "next to it": "open('beside.py', 'w').write('x = 1')\nimport beside\nprint(beside.x, beside.__file__)",
    "hash of a text is stable in a run": "print(hash('x') == hash('x'))",
    "randomness": "import random, os, uuid\nprint(len({random.random() for _ in range(9)}))",
    "syntax error": "print('x'\nfor",
    "indentation": "if True:\nprint(1)",
    "null byte": "print('a')\0",
    "not text": "x = '\udcff'",
    "coding": "# -*- coding: latin-1 -*-\nprint('\udce4')",
    "unknown coding": "# -*- coding: nowhere -*-\nprint(1)",
    "byte order mark": "\ufeffprint('bom')",
    "line ends": "print(1)\r\nprint('''a\r\nb''')\r\n",
    "interpreter line": "#!/usr/bin/env python3\nprint(__file__)",
    "future": "from __future__ import annotations\nx: nothing = 1\nprint(__annotations__)",
    "star import": "from os.path import *\nprint(join('a', 'b'))",
    "deep nesting": "x = " + "(" * 90 + "1" + ")" * 90 + "\nprint(x)",
    "too deep nesting": "x = " + "(" * 300 + "1" + ")" * 300,
    "faulthandler": "import faulthandler, sys\nfaulthandler.enable()\nprint(faulthandler.is_enabled())",
    "settrace": "import sys\nsys.settrace(lambda *a: None)\nprint('traced')",
    "memory": "import tracemalloc\ntracemalloc.start()\nx = [1] * 1000\nprint(tracemalloc.is_tracing())",
    "chdir": "import os\nos.chdir('/')\nprint(os.getcwd(), __file__)",
    "umask": "import os\nos.umask(0o077)\nopen('secret', 'w').close()\nprint(oct(os.stat('secret').st_mode))",
    "environment": "import os\nos.environ['NEW'] = 'x'\nos.system('echo $NEW')\nprint(os.getenv('HOME'))",
    "sys.exit in a thread": "import sys, threading\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start()\nt.join()\nprint('on')",
    "locals are globals": "print(locals() is globals(), vars() is globals())",
    "main is itself": "import sys\nprint(sys.modules['__main__'].__dict__ is globals())",
    "interactive": "import sys\nprint(hasattr(sys, 'ps1'), sys.flags.interactive, sys.flags.inspect)",
    "inspect on request": "import os\nos.environ['PYTHONINSPECT'] = '1'\nprint('x')",
    "time": "import time\nprint(time.process_time() < 5, time.thread_time() < 5)",
    "sqlite": "import sqlite3\nc = sqlite3.connect('db')\nc.execute('create table t(x)')\nc.commit()\nprint(1)",
    "temporary files": "import tempfile\nt = tempfile.TemporaryDirectory()\nprint(bool(t.name))",
    "sockets": "import socket\na, b = socket.socketpair()\na.send(b'x')\nprint(b.recv(1))",
    "canary": "import canary\nprint(canary.version_info, canary.__file__)",
}  # fmt: skip


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
    assert cold[2] or cold[0] or argv in [("-",), ("",)]


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
