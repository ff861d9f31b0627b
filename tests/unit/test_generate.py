"""Files become specs, whatever the code in them does: one bad file is one error."""

from __future__ import annotations

import errno
import marshal
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from canary import generate, procfs
from canary.errors import CanaryErrors, SpecError, WorkspaceError
from canary.generate import Cache, cache_key
from canary.spec import ExpandContext, JobSpec, Loaded, SpecFile, SpecGenerator

CONTEXT = ExpandContext(
    options=frozenset(),
    platforms=frozenset(),
    timeout_for=lambda keywords: 300.0,
    repository=lambda file: file,
)


class Python(SpecGenerator):
    """Runs a file; what it calls `data` is its data."""

    name = "python"
    patterns = ("*.py",)

    def load(self, file):
        namespace = {"data": file.path, "cacheable": True}
        exec(compile(Path(file.file).read_text(), file.file, "exec"), namespace)
        return Loaded(namespace["data"], namespace["cacheable"])

    def expand(self, file, data, context):
        if data == "fail":
            raise SpecError("cannot be expanded", line=7)
        if data == "several":
            raise CanaryErrors([SpecError("one", line=1), SpecError("two", line=2)])
        if data == "bug":
            raise KeyError("no such key")
        return [
            JobSpec(
                file_root=file.root,
                file_path=file.path,
                id=f"{file.path}-{i}",
                family=str(data),
                name=str(data),
                command=("true",),
            )
            for i in range(2)
        ]


class World:
    """Files in a directory, and what became of them."""

    def __init__(self, root):
        self.root = root
        self.generator = Python()
        self.seconds = 20.0

    def write(self, **texts):
        return [self.file(f"{name}.py", text) for name, text in texts.items()]

    def file(self, name, text):
        path = self.root / name
        path.write_text(text)
        stat = path.stat()
        return SpecFile(str(self.root), name, "python", stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def expand(self, files, cache=None):
        return generate.expand(
            files,
            {"python": self.generator},
            CONTEXT,
            cache=cache,
            file_seconds=self.seconds,
        )


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def names(made):
    return [spec.name for spec in made.specs]


def around(world, text):
    """A bad file between two good ones: its one error. The good ones are there, in order."""
    files = world.write(a="data = 'a'", bad=text, c="data = 'c'")
    made = world.expand(files)
    assert names(made) == ["a", "a", "c", "c"]
    assert made.bad_files == [files[1]]
    (error,) = made.errors
    assert error.file == str(world.root / "bad.py")
    return error


def test_specs_come_in_the_order_of_the_files(world):
    texts = {f"f{i}": f"data = {i}" for i in (3, 1, 2)}
    made = world.expand(world.write(**texts))
    assert names(made) == ["3", "3", "1", "1", "2", "2"]
    assert [s.file_path for s in made.specs][::2] == ["f3.py", "f1.py", "f2.py"]
    assert made.errors == made.bad_files == []


def test_no_files_are_no_trouble(world):
    assert world.expand([]) == generate.Generated([], [], [])


# what files do


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('my fault')", "ValueError: my fault"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("data = object()", "unmarshallable"),
        ("import os; os._exit(0)", "exit code 0"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "signal 2"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "signal 15"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import os; os.closerange(0, 100)", "ended the collector with exit code 70"),
        ("class E(Exception):\n def __str__(self): raise E\nraise E", "exit code 70"),
    ],
)
def test_a_file_that_ends_in_any_way_is_one_error(world, text, said):
    error = around(world, text)
    assert isinstance(error, SpecError)
    assert re.search(said, error.message), error.message
    assert error.hint


def test_a_file_that_hangs_is_one_error(world):
    world.seconds = 1.0
    began = time.monotonic()
    error = around(world, "import time; time.sleep(600)")
    assert "still loading after 1 s" in error.message
    assert time.monotonic() - began < 10


def test_a_file_that_closes_everything_and_hangs_is_one_error(world):
    """Nothing is to be heard from it any more, though it lives."""
    began = time.monotonic()
    around(world, "import os, time; os.closerange(0, 100); time.sleep(600)")
    assert time.monotonic() - began < 10


def test_a_file_that_stops_itself_is_one_error(world):
    world.seconds = 1.0
    error = around(world, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert "still loading" in error.message


def test_the_time_is_that_of_each_file(world):
    world.seconds = 1.0
    files = world.write(**{f"f{i}": f"import time; time.sleep(0.3); data = {i}" for i in range(5)})
    assert len(world.expand(files).specs) == 10


def test_what_a_hanging_file_started_is_ended_too(world):
    world.seconds = 1.0
    text = """
import subprocess, time
child = subprocess.Popen(["sleep", "600"])
open("child", "w").write(str(child.pid))
time.sleep(600)
"""
    around(world, text)
    await_end(int(Path("child").read_text()))


START = """
import os, subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session={apart})
with open("children", "a") as f:
    print(child.pid, file=f)
"""
FORK = """
import os, time
child = os.fork()
if child:
    with open("children", "a") as f:
        print(child, file=f)
    os._exit(4)
time.sleep(600)
"""


def await_end(pid):
    """Until the process is over; a number that is free is one."""
    deadline = time.monotonic() + 20
    while (found := procfs.process(pid)) and not found.dead:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "end",
    ["data = 'x'", "1 / 0", "os._exit(3)", "os.kill(os.getpid(), 11)", "os.closerange(3, 99)"],
)
def test_nothing_that_files_start_outlives_the_collection(world, apart, end):
    """Whether the file that started it is well or not, or another ends the collector."""
    start = START.format(apart=apart)
    world.expand(world.write(a=start, b=start + end, c="data = 'c'"))
    children = Path("children").read_text().split()
    assert len(children) >= 2
    for pid in children:
        await_end(int(pid))


def test_a_child_that_a_file_leaves_in_its_pipe_is_not_waited_for(world):
    """It holds the pipe open, on which nothing is to be heard any more."""
    began = time.monotonic()
    world.seconds = 600.0
    error = around(world, FORK)
    assert "exit code 4" in error.message
    assert time.monotonic() - began < 60
    for pid in Path("children").read_text().split():
        await_end(int(pid))


KILLS_LATER = {
    "by a thread": """
import os, threading, time
def kill():
    while not os.path.exists("began"):
        time.sleep(0.01)
    os._exit(9)
threading.Thread(target=kill).start()
""",
    "by a child": """
import os, time
if not os.fork():
    while not os.path.exists("began"):
        time.sleep(0.01)
    os.kill(os.getppid(), 9)
    os._exit(0)
""",
    "by a limit": """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
""",
}


@pytest.mark.parametrize("how", KILLS_LATER)
def test_what_one_file_does_to_the_collector_later_is_not_the_fault_of_the_next(world, how):
    next_file = """
import os, time
if not os.path.exists("began"):
    with open("began", "w") as f:
        f.write("here is b")
    time.sleep(1)
data = "b"
"""
    files = world.write(a=KILLS_LATER[how] + "\ndata = 'a'", b=next_file, c="data = 'c'")
    made = world.expand(files)
    assert made.errors == []
    assert names(made) == ["a", "a", "b", "b", "c", "c"]


def test_a_timer_that_a_file_leaves_does_not_go_off_in_the_next(world):
    set_timer = "import signal; signal.setitimer(signal.ITIMER_REAL, 600); data = 'a'"
    files = world.write(a=set_timer, b="import signal; data = signal.getitimer(signal.ITIMER_REAL)")
    assert names(world.expand(files))[2] == "(0.0, 0.0)"


def test_a_file_that_kills_the_keeper_does_not_outlive_the_collection(world):
    text = "import os, time; open('pid', 'w').write(str(os.getpid()))\n"
    error = around(world, text + "os.kill(os.getppid(), 9); time.sleep(600)")
    assert "ended the collector and its keeper" in error.message
    await_end(int(Path("pid").read_text()))


def test_a_process_that_a_file_leaves_is_gone_before_the_next_is_read(world):
    leave = "import os, time\ndata = os.fork()\nif not data: time.sleep(600)\n"
    leave += "open('pid', 'w').write(str(data))"
    look = "import os; data = os.path.exists(f'/proc/{open(\"pid\").read()}')"
    made = world.expand(world.write(a=leave, b=look))
    assert made.errors == []
    assert names(made)[2] == "False"


def test_a_time_limit_that_a_file_sets_for_itself_does_not_end_the_next(world):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (5, 6)); data = 'a'"
    look = "import resource; data = resource.getrlimit(resource.RLIMIT_CPU)"
    assert names(world.expand(world.write(a=limit, b=look)))[2] == str(
        resource.getrlimit(resource.RLIMIT_CPU)
    )


LEAVES = {
    "a recursion limit": ("sys.setrecursionlimit(900)", "sys.getrecursionlimit()"),
    "a handler": (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "subprocess.run(['false']).returncode",
    ),
    "a mask": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
        "len(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    ),
    "a priority": ("os.nice(3)", "os.nice(0)"),
    "a umask": ("os.umask(0o777)", "os.umask(0)"),
    "a user": ("os.setuid(65534)", "(os.getuid(), os.geteuid())"),
    "a group": ("os.setegid(65534)", "(os.getgid(), os.getegid())"),
    "groups": ("os.setgroups([65533, 65534])", "os.getgroups()"),
}


@pytest.mark.parametrize("what", LEAVES)
def test_what_a_file_leaves_is_not_there_for_the_next(world, what):
    if what in ("a user", "a group", "groups") and os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    change, look = LEAVES[what]
    head = "import os, signal, subprocess, sys\n"
    [alone] = names(world.expand(world.write(b=f"{head}data = {look}")))[::2]
    files = world.write(a=f"{head}{change}\ndata = 'a'", b=f"{head}data = {look}")
    made = world.expand(files)
    assert made.errors == []
    assert names(made)[2] == alone


@pytest.mark.parametrize(
    "frame",
    [
        *("hello", "", "None", "1", "''", "()", "('errors',)", "('errors', 1)"),
        *("('errors', [()])", "('data', 1, True)", "('data', b'', True)"),
    ],
)
def test_a_file_that_writes_to_the_collectors_pipe_is_one_error(world, frame):
    """Whether it is no frame, or one that says nothing."""
    frame = marshal.dumps(eval(frame)) if frame not in ("hello", "") else frame.encode()
    said = len(frame).to_bytes(4, "little") + frame
    text = f"""
import os
for fd in range(3, 60):
    try:
        os.write(fd, {said!r})
    except OSError:
        pass
"""
    assert around(world, text).message == "wrote to the collector's pipe"


def test_where_no_process_can_be_started_it_is_said_for_what(world, monkeypatch):
    def no_fork():
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    files = world.write(a="data = 'a'")
    monkeypatch.setattr(os, "fork", no_fork)
    with pytest.raises(WorkspaceError, match=r"a\.py: cannot start a process .* \(EAGAIN\)"):
        world.expand(files)


def test_where_one_process_can_be_started_but_not_the_next(world, monkeypatch):
    me, fork = os.getpid(), os.fork

    def first_only():
        if os.getpid() != me:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    files = world.write(a="data = 'a'")
    monkeypatch.setattr(os, "fork", first_only)
    (error,) = world.expand(files).errors
    assert "no process can be started" in str(error)
    assert "Resource temporarily unavailable" in str(error)


def test_a_file_that_forks_is_loaded_once(world):
    """The child that comes back out of the file must not go on with the other files."""
    files = world.write(
        a="import os\nif os.fork():\n    os.wait()\n    data = 'parent'\nelse:\n    data = 'child'",
        b="open('loaded', 'a').write('b'); data = 'b'",
    )
    assert names(world.expand(files)) == ["parent", "parent", "b", "b"]
    assert Path("loaded").read_text() == "b"


def test_a_file_that_leaves_a_child_behind(world):
    text = "import os, time\nif not os.fork():\n    time.sleep(600)\ndata = 'x'"
    files = world.write(a=text, b="data = 'b'")
    assert names(world.expand(files)) == ["x", "x", "b", "b"]


def test_a_file_sees_no_open_files_of_the_runner(world, tmp_path):
    """A lock, for one: the child may outlive a runner that was killed."""
    files = world.write(a="import os; data = ' '.join(os.listdir('/proc/self/fd'))")
    with (tmp_path / "lock").open("w"):
        seen = names(world.expand(files))[0].split()
    assert len(seen) <= 5  # the standard three, its pipe, and the directory it lists


def test_nothing_a_file_does_reaches_the_runner_or_the_next_file(world, tmp_path):
    rude = """
import os, signal, sys, threading
os.environ["RUDE"] = "yes"
os.environ.pop("HOME", None)
os.chdir("/")
os.umask(0o777)
sys.path.insert(0, "/rude")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
threading.Thread(target=lambda: __import__("time").sleep(600), daemon=True).start()
data = "rude"
"""
    files = world.write(
        a=rude, b="import os; data = (os.getcwd(), 'RUDE' in os.environ, 'HOME' in os.environ)"
    )
    umask = os.umask(0o022)
    os.umask(umask)
    before = Path.cwd(), dict(os.environ), list(sys.path), signal.getsignal(signal.SIGCHLD)
    made = world.expand(files)
    assert names(made)[2] == str((str(tmp_path), False, True))
    after = Path.cwd(), dict(os.environ), list(sys.path), signal.getsignal(signal.SIGCHLD)
    assert after == before
    assert os.umask(umask) == umask


def test_a_file_that_removes_the_directory_it_is_in_is_one_error(world, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    files = world.write(bad="import os; os.rmdir(os.getcwd())")
    made = world.expand(files)
    assert len(made.errors) == 1


def test_what_a_file_prints_is_shown_on_the_error_stream(tmp_path):
    """In a process of its own, because descriptors are what is looked at."""
    (tmp_path / "a.py").write_text("print('out of a'); import sys; sys.stderr.write('err of a\\n')")
    (tmp_path / "b.py").write_text(
        "import os; os.write(1, b'raw of b\\n'); input_ = os.read(0, 10)"
    )
    code = f"""
from canary import generate
from canary.spec import ExpandContext, Loaded, SpecFile, SpecGenerator
class G(SpecGenerator):
    name, patterns = "g", ("*.py",)
    def load(self, file):
        exec(open(file.file).read())
        return Loaded(None)
    def expand(self, file, data, context):
        return []
context = ExpandContext(frozenset(), frozenset(), lambda k: 1.0, lambda f: f)
files = [SpecFile({str(tmp_path)!r}, n, "g") for n in ("a.py", "b.py")]
print("before")
made = generate.expand(files, {{"g": G()}}, context)
print("after", made.errors)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, input="secret", check=True
    )
    assert done.stdout == "before\nafter []\n"
    assert sorted(done.stderr.splitlines()) == ["err of a", "out of a", "raw of b"]


def test_a_runner_that_leaves_before_it_hears_how_a_child_ended_is_no_trouble():
    """The keeper has said it, and still has processes to kill. In a process of its own, because
    pytest would take what its thread has to say."""
    code = """
import os, socket, time
from canary import generate
def serve():
    for _ in range(50):
        if os.fork() == 0:
            time.sleep(600)
    os._exit(0)
near, far = socket.socketpair()
keeper = os.fork()
if keeper == 0:
    near.close()
    generate._keep(far.detach(), serve)
far.close()
generate._readable([near.fileno()], 20)
near.close()
os.waitpid(keeper, 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_all_errors_of_all_files_are_found_at_once(world):
    files = world.write(a="1 / 0", b="import os; os._exit(3)", c="data = 'fail'", d="data = 'd'")
    made = world.expand(files)
    assert names(made) == ["d", "d"]
    assert [Path(e.file).stem for e in made.errors] == ["a", "b", "c"]
    assert made.bad_files == files[:3]


def test_every_file_may_kill_the_collector(world):
    files = world.write(**{f"f{i}": "import os; os._exit(1)" for i in range(5)})
    assert [Path(e.file).stem for e in world.expand(files).errors] == [f"f{i}" for i in range(5)]


# errors that know their place


def test_an_error_keeps_the_place_it_names(world):
    text = """
from canary.errors import SpecError
raise SpecError("wrong", hint="do this", file="other.inc", line=3, key="k", column=5)
"""
    files = world.write(bad=text)
    (error,) = world.expand(files).errors
    assert str(error) == "other.inc:3: k: wrong (column 5) [do this]"


def test_several_errors_of_one_file_are_all_there(world):
    text = """
from canary.errors import CanaryErrors, SpecError
raise CanaryErrors([SpecError("one", line=1), SpecError("two", line=2)])
"""
    files = world.write(bad=text)
    made = world.expand(files)
    assert [str(e) for e in made.errors] == [f"{files[0].file}:1: one", f"{files[0].file}:2: two"]
    assert made.bad_files == files


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("fail", ["bad.py:7: cannot be expanded"]),
        ("several", ["bad.py:1: one", "bad.py:2: two"]),
        ("bug", ["bad.py: KeyError: 'no such key' [raised while python expanded it]"]),
    ],
)
def test_a_file_that_cannot_be_expanded_is_an_error_of_its_own(world, data, said):
    files = world.write(a="data = 'a'", bad=f"data = {data!r}")
    made = world.expand(files)
    assert names(made) == ["a", "a"]
    assert [str(e) for e in made.errors] == [f"{world.root}/{text}" for text in said]
    assert made.bad_files == [files[1]]


@pytest.mark.parametrize(
    "value", ["None", "True", "2**80", "1.5", "'é\\udcff'", "b'x'", "(1, [2], {'a': {3}})"]
)
def test_plain_data_of_any_kind_arrives(world, value):
    files = world.write(a=f"data = {value}")
    assert names(world.expand(files))[0] == str(eval(value))


def test_much_data_arrives_whole(world):
    """More than a pipe holds, and more than one read takes."""
    files = world.write(a="data = 'x' * 5_000_000", b="data = 'b'")
    made = world.expand(files)
    assert [len(name) for name in names(made)] == [5_000_000, 5_000_000, 1, 1]


# cache


COUNT = "open('count', 'a').write('.'); data = 'n'"


def loads():
    return len(Path("count").read_text()) if Path("count").exists() else 0


def again(world, files, cache):
    """Expand with what an earlier expansion kept."""
    new = Cache({**cache.known, **cache.fresh})
    return world.expand(files, new), new


def test_an_unchanged_file_is_not_loaded_again(world):
    files = world.write(a=COUNT)
    first = Cache()
    made = world.expand(files, first)
    assert set(first.fresh) == {files[0].file}
    made_again, second = again(world, files, first)
    assert loads() == 1
    assert made_again.specs == made.specs
    assert second.fresh == {}


@pytest.mark.parametrize("change", ["time", "size", "inode", "version"])
def test_a_file_that_may_have_changed_is_loaded_again(world, change):
    (file,) = world.write(a=COUNT)
    first = Cache()
    world.expand([file], first)
    if change == "version":
        world.generator.version = 2
    fields = {"time": "mtime_ns", "size": "size", "inode": "inode"}
    values = asdict(file)
    if change in fields:
        values[fields[change]] += 1
    _, second = again(world, [SpecFile(**values)], first)
    assert loads() == 2
    assert len(second.fresh) == 1


def test_what_depends_on_more_than_the_file_is_not_kept(world):
    files = world.write(a=COUNT + "; cacheable = False")
    cache = Cache()
    world.expand(files, cache)
    assert cache.fresh == {}


@pytest.mark.parametrize("damage", [b"", b"\xff", b"(\x02\x00\x00\x00i"])
def test_a_damaged_entry_is_none(world, damage):
    files = world.write(a=COUNT)
    cache = Cache({files[0].file: (cache_key(files[0], world.generator), damage)})
    assert names(world.expand(files, cache)) == ["n", "n"]
    assert loads() == 1


def test_an_entry_with_one_wrong_bit_is_none(world):
    """Also where it could be read as other data."""
    first = Cache()
    world.expand(world.write(a="data = ['one', 2, {'three': 4.0}]"), first)
    ((_, whole),) = first.fresh.values()
    damaged = [
        whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :]
        for i in range(len(whole))
        for bit in range(8)
    ]
    files = world.write(**{f"f{i}": "data = 'n'" for i in range(len(damaged))})
    known = {
        file.file: (cache_key(file, world.generator), blob)
        for file, blob in zip(files, damaged, strict=True)
    }
    cache = Cache(known)
    assert set(names(world.expand(files, cache))) == {"n"}
    assert cache.loaded == len(damaged)


def test_errors_are_not_kept(world):
    files = world.write(bad="1 / 0")
    cache = Cache()
    world.expand(files, cache)
    assert cache.fresh == {}


def test_when_all_is_known_no_collector_is_started(world, monkeypatch):
    files = world.write(a="data = 'a'")
    cache = Cache()
    world.expand(files, cache)
    monkeypatch.delattr(os, "fork")
    made, _ = again(world, files, cache)
    assert names(made) == ["a", "a"]


# many files


def test_many_files_have_two_collectors(world, monkeypatch):
    monkeypatch.setattr(generate, "PARALLEL_FROM", 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    files = world.write(**{f"f{i}": "import os; data = os.getpid()" for i in range(9)})
    made = world.expand(files)
    pids = names(made)[::2]
    assert len(set(pids)) == 2
    assert pids == [pids[0]] * 5 + [pids[8]] * 4
    assert [s.file_path for s in made.specs][::2] == [f"f{i}.py" for i in range(9)]


def test_two_collectors_outlive_bad_files_and_leave_nothing_behind(
    world, monkeypatch, no_child_is_left
):
    monkeypatch.setattr(generate, "PARALLEL_FROM", 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    texts = {f"f{i}": f"data = {i}" for i in range(8)}
    texts |= {
        "f1": "import os; os._exit(1)",
        "f5": "1 / 0",
        "f7": "import os; os.kill(os.getpid(), 9)",
    }
    before = set(os.listdir("/proc/self/fd"))
    made = world.expand(world.write(**texts))
    assert names(made)[::2] == ["0", "2", "3", "4", "6"]
    assert [Path(e.file).stem for e in made.errors] == ["f1", "f5", "f7"]
    assert set(os.listdir("/proc/self/fd")) == before
    no_child_is_left()


def test_an_interrupt_ends_the_collector(world):
    """As Ctrl-C does, while a file is loading."""
    text = "import os; open('pid', 'w').write(str(os.getpid()))\nwhile True: pass"
    files = world.write(a=text)
    old = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            world.expand(files)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert not Path(f"/proc/{Path('pid').read_text()}").exists()
