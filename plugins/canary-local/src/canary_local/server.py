"""The warm server: a small Python process that forks once for each job, asked over a socket.

Run as a script, `python server.py DESCRIPTOR MODULES`, before anything big is loaded. Messages are
`marshal`led tuples, one each; the output files of a job come along as descriptors. A child either
turns into a fresh interpreter (`fresh`) that runs a Python script, or executes a program. The
server waits for its children and says how they ended; when the other end of the socket is closed it
kills them. Orphans below them go to the runner.
"""

from __future__ import annotations

FRESH = tuple(__import__("sys").modules)
NAMES = tuple(globals())

import errno
import gc
import marshal
import os
import sys
import time

import _signal  # type: ignore[import-not-found] # its face, `signal`, is not loaded at every start
import _socket
import select

OURS = __file__
# the runner decides when jobs end, whoever else is told to
BLOCKED = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
RESET = (_signal.SIGPIPE, _signal.SIGXFSZ)  # those that Python ignores from its start
MESSAGE = 1 << 18
VARIABLE = "CANARY_JOB"

SAFE_PATH = getattr(sys.flags, "safe_path", False)
if not SAFE_PATH:
    del sys.path[0]
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(OURS))))
from canary_local import fresh

del sys.path[0]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, NoReturn


class Job:
    """One order: `kind` is `run` (a Python script) or `exec`, `key` is how the runner calls it."""

    def __init__(self, data: bytes, fds: list[int]) -> None:
        self.kind, self.key, self.argv, self.cwd, self.env, self.gone, self.cpus = marshal.loads(
            data
        )
        self.out, self.err, self.group, self.home = (*fds, -1, -1)[:4]
        self.fds = fds
        self.directory = ""
        self.hidden: frozenset[str] = frozenset()
        self.code: CodeType | None = None


class Server:
    """Serves one runner."""

    def __init__(self, fd: int, base: fresh.Base) -> None:
        self.base = base
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        os.set_inheritable(fd, False)
        self.fd = fd
        self.pid = os.getpid()
        self.children: dict[int, tuple[str, int]] = {}
        self.sources = fresh.Sources()
        # blocked rather than ignored: a child has only to take the mask off
        self.mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, BLOCKED)
        self.mark_at, self.mark_size = find_mark()
        self.poll = select.epoll()
        self.poll.register(fd, select.EPOLLIN)

    def serve(self) -> Job:
        """Serve; returns in children that are to run a Python script, and only there."""
        while True:
            for fd, _ in self.poll.poll():
                if fd != self.fd:
                    self.reap(fd)
                else:
                    job = self.receive()
                    if self.start(job):
                        return job

    def receive(self) -> Job:
        """The next order; leaves with all children if there is no runner any more."""
        try:
            data, extra, flags, _ = self.socket.recvmsg(MESSAGE, 64, _socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            data = b""
        if not data:
            for _, pid in self.children.values():
                try:
                    os.killpg(pid, _signal.SIGKILL)
                except OSError:
                    pass
            os._exit(0)
        raw = extra[0][2] if extra else b""
        fds = [int.from_bytes(raw[i : i + 4], sys.byteorder) for i in range(0, len(raw), 4)]
        job = Job(data, fds)
        if flags & _socket.MSG_CTRUNC:  # there was no room for all of its files
            job.kind = "refuse"
        return job

    def start(self, job: Job) -> bool:
        """Fork or spawn; True in a child that is to run a Python script."""
        pid, since = -1, time.monotonic()
        try:
            if job.kind == "refuse":
                raise OSError(errno.EMFILE, "")
            if job.kind == "run" and self.prepare(job):
                pid = os.fork()
            else:
                pid = self.spawn(job)
        except (OSError, ValueError) as e:
            self.fail(job, e)
        if pid == 0:
            self.change(job)
            return True
        for fd in set(job.fds):
            os.close(fd)
        if pid > 0:
            self.watch(job, pid, since)
        return False

    def watch(self, job: Job, pid: int, since: float) -> None:
        """Say that it has started and when, and look out for its end."""
        self.send("started", job.key, pid, since)
        try:
            fd = os.pidfd_open(pid)
        except OSError as e:  # no descriptor is left
            os.kill(pid, _signal.SIGKILL)
            os.waitpid(pid, 0)
            self.fail(job, e)
            return
        self.children[fd] = job.key, pid
        self.poll.register(fd, select.EPOLLIN)

    def spawn(self, job: Job) -> int:
        """Start a program from its own directory, group and CPUs, where this process goes for it.

        So it needs no fork, and nothing has to be done in the child.
        """
        env = {**os.environ, **job.env}
        for name in job.gone:
            env.pop(name, None)
        cpus = os.sched_getaffinity(0) if job.cpus else ()
        os.chdir(job.cwd)
        try:
            if job.group >= 0:
                move(job.group)
            if cpus:
                os.sched_setaffinity(0, job.cpus)
            return self.execute(job, env)
        finally:
            if job.group >= 0:
                move(job.home)
            if cpus:
                os.sched_setaffinity(0, cpus)
            os.chdir("/")

    def execute(self, job: Job, env: dict[str, str]) -> int:
        """Start the program where it is found by the job's own search path."""
        name = job.argv[0]
        places = [""] if "/" in name else [f"{d or '.'}/" for d in os.get_exec_path(env)]
        files = ((os.POSIX_SPAWN_DUP2, job.out, 1), (os.POSIX_SPAWN_DUP2, job.err, 2))
        first: OSError | None = None
        for place in places:
            try:
                return os.posix_spawn(
                    place + name,
                    job.argv,
                    env,
                    file_actions=files,
                    setsid=True,
                    setsigmask=self.mask,
                    setsigdef=RESET,
                )
            except (FileNotFoundError, NotADirectoryError) as e:
                first = first or e
            except PermissionError as e:
                first = e
        raise first or FileNotFoundError(errno.ENOENT, "", name)

    def prepare(self, job: Job) -> bool:
        """What can be found out before the fork, and be remembered; false if it is not to fork."""
        try:
            script, found = fresh.real(fresh.script_file(job.argv[1], job.cwd))
            job.directory = script.rpartition("/")[0] or "/"
            path = fresh.search_path(job.env.get("PYTHONPATH", ""), job.cwd)
            job.hidden = self.base.hidden(job.directory, path)
            job.code = self.sources.code(script, found)
        except (fresh.Unfit, OSError):
            return False
        return True

    def reap(self, fd: int) -> None:
        """A child is over."""
        key, pid = self.children.pop(fd)
        self.poll.unregister(fd)
        os.close(fd)
        _, status, used = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.send("ended", key, code, used.ru_utime, used.ru_stime, used.ru_maxrss)

    def send(self, *words: Any) -> None:
        """Tell the runner; if it is no more, that is seen at the next read."""
        try:
            self.socket.send(marshal.dumps(words))
        except OSError:
            pass

    def fail(self, job: Job, error: Exception) -> None:
        """Tell the runner why the job could not be started."""
        number = getattr(error, "errno", None) or 0
        self.send("failed", job.key, number, getattr(error, "filename", None) or str(error))

    # in the child

    def change(self, job: Job) -> None:
        """Session, mark, group, CPUs, files, directory, environment, signals."""
        os.setsid()
        if os.getppid() != self.pid:
            os._exit(1)  # the server has died, and with it who would say how this one ends
        try:
            if job.group < 0:
                self.write_mark(job.env[VARIABLE])
            else:
                move(job.group)
            if job.cpus:
                os.sched_setaffinity(0, job.cpus)
            os.chdir(job.cwd)
            os.dup2(job.out, 1)
            os.dup2(job.err, 2)
            for name in job.gone:
                os.environ.pop(name, None)
            for name, value in job.env.items():  # `update` would load more memory
                os.environ[name] = value
        except (OSError, ValueError) as e:
            self.fail(job, e)
            os._exit(127)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self.mask)
        self.poll.close()
        self.socket.close()
        os.closerange(3, max([self.fd, *self.children, *job.fds]) + 2)

    def write_mark(self, mark: str) -> None:
        """Show the mark in `/proc`, where a fork has the environment its parent began with."""
        data = os.fsencode(mark)
        if not self.mark_at or len(data) > self.mark_size:
            return
        try:
            fd = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
            os.pwrite(fd, data.ljust(self.mark_size, b"\0"), self.mark_at)
            os.close(fd)
        except OSError:
            pass  # then its orphans are known by other means


def move(group: int) -> None:
    """Go to a control group; without it, a job is owned by other means."""
    try:
        os.write(group, b"0")
    except OSError:
        pass


def become(program: str, argv: list[str]) -> NoReturn:
    """Be another program, with the signals of a new process."""
    for number in RESET:
        _signal.signal(number, _signal.SIG_DFL)
    os.execv(program, argv)


def find_mark() -> tuple[int, int]:
    """Address and size of the place for the mark in the environment of this process."""
    entry = f"{VARIABLE}=".encode()
    try:
        with open("/proc/self/environ", "rb") as f:
            environ = b"\0" + f.read()
        with open("/proc/self/stat", "rb") as f:
            start = int(f.read().rpartition(b")")[2].split()[47])
    except (OSError, IndexError, ValueError):
        return 0, 0
    at = environ.find(b"\0" + entry)
    if at < 0 or not start:
        return 0, 0
    at += len(entry)
    return start + at, environ.index(b"\0", at + 1) - at - 1


def is_clean() -> bool:
    """Nothing that was loaded at the start has left threads or trace functions behind."""
    return len(os.listdir("/proc/self/task")) == 1 and not (sys.gettrace() or sys.getprofile())


def preload(names: str) -> None:
    """Import what many jobs will; what is not there is left out."""
    for name in names.split(","):
        try:
            __import__(name)
        except Exception:  # noqa: BLE001 - a job that wants it will see why
            pass


gc.disable()
own = tuple(name for name in sys.modules if name.partition(".")[0] == "canary_local")
preload(sys.argv[2])
if not is_clean():
    sys.exit(3)
base = fresh.Base(FRESH, own)
server = Server(int(sys.argv[1]), base)
compile("", "", "exec")  # makes what the compiler needs, once for all
gc.collect()
gc.freeze()
job = server.serve()

# only a child that is to run a script comes here; the script's frame lies directly on this one
cwd = os.getcwd()  # without links, which the name in the order may have
path = fresh.search_path(job.env.get("PYTHONPATH", ""), cwd)
fresh.become(base, job.argv, path if SAFE_PATH else [job.directory, *path], job.hidden)
file = fresh.script_file(job.argv[1], cwd)
try:
    code = fresh.load(file) if job.code is None else fresh.relabel(job.code, file)
except (fresh.Unfit, OSError):
    become(job.argv[0], job.argv)
del server
interrupted = False
try:
    exec(code, fresh.new_main(base, NAMES, file))
    result: Any = None
    fresh.flush_quietly()
except BaseException as e:  # noqa: BLE001 - reported as the interpreter does
    fresh.flush_quietly()
    interrupted = isinstance(e, KeyboardInterrupt)
    result = fresh.report(e, OURS)
del code
if result is None:
    result = 0
if type(result) is int and 0 <= result < 256 and not interrupted and fresh.ends_quickly(base):
    fresh.end(base, result)
if interrupted:
    sys.excepthook = lambda *_: None  # it has been shown
    raise KeyboardInterrupt
raise SystemExit(result)  # not `sys.exit`, which takes a tuple apart from Python 3.12 on
