"""Running commands on this machine: start, wait, stop in time, and never leave a process behind.

`ProcessLauncher` is the base of every launcher whose jobs are processes here; it keeps deadlines, watches output, and
posts an `Exit` only when the whole tree of the job is dead. `SubprocessLauncher` is the core's default. Everything
happens in the scheduler's loop: a job that ends well costs no thread, no timer tick and no look at the process table.
This module never sees a job.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from canary.launch import Exit, ExitReason, Launch, Launcher, Message, Post, Started, Usage
from canary.loop import Loop, Timer
from canary.procfs import Process, stamp
from canary.reaper import Fence, GroupReaper, Tree, TreeReaper
from canary.survivors import VARIABLE, Ticket, boot_id

SETTLE: Final = 0.1  # what a command leaves behind has this long to end by itself (a `tee` that still writes)
GIVE_UP: Final = 10.0  # a killed process that is still there then hangs in the kernel
LOOK: Final = 1.0  # outputs of jobs older than this are looked at this often
TAIL: Final = 1 << 20
RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class Run:
    """One launch on its way from start to `Exit`; written by its launcher alone.

    `reason` is set by whoever stops it first. `code` is None until the leader is over. `extra` is for subclasses.
    """

    __slots__ = (
        "began", "code", "deadline", "detail", "extra", "files", "give_up", "kill", "killed", "launch", "leaked",
        "max_rss", "next_note", "quiet_since", "reason", "sizes", "start", "system", "tree", "user", "waiting",
    )  # fmt: skip

    def __init__(self, launch: Launch, tree: Tree, start: int, began: float) -> None:
        self.launch = launch
        self.tree = tree
        self.start = start
        self.began = self.quiet_since = began
        self.next_note = began + LOOK
        self.files: tuple[int, ...] = ()
        self.sizes: tuple[int, ...] = ()
        self.deadline: Timer | None = None
        self.kill: Timer | None = None
        self.give_up: Timer | None = None
        self.killed = False
        self.reason: ExitReason | None = None
        self.detail = ""
        self.code: int | None = None
        self.user = self.system = -1.0
        self.max_rss = -1
        self.leaked: dict[int, str] = {}
        self.waiting: set[int] = set()
        self.extra: Any = None


class ProcessLauncher(Launcher):
    """Base of launchers for this machine. `portable` does without pidfds, `/proc` and subreapers.

    A subclass may override `spawn`, `fence`, `usage` and `released`, and `open` and `close` with a call to these.
    """

    def __init__(self, *, portable: bool = False) -> None:
        self.portable = portable or not sys.platform.startswith("linux")

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        self._runs: dict[str, Run] = {}
        self._outbox: list[Message] = []
        self._look: Timer | None = None
        self._paused_at: float | None = None
        self._paused: list[tuple[Run, str, Timer]] = []
        self._boot = boot_id()
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._portable = self.portable or not _has_pidfd()
        self.reaper = GroupReaper() if self._portable else TreeReaper()
        self.reaper.open()

    def close(self) -> None:
        """See `Launcher.close`."""
        if self._look is not None:
            self._look.cancel()
        self.reaper.close()
        os.close(self._null)

    # what a subclass may do otherwise

    def spawn(self, run: Run, out: int, err: int) -> None:
        """Start the command with these descriptors as its output, in a session of its own.

        Calls `started` and sees to it that `ended` is called, now or later; OSError or ValueError if it cannot.
        """
        launch = run.launch
        child = subprocess.Popen(
            launch.argv,
            stdin=self._null,
            stdout=out,
            stderr=err,
            cwd=launch.cwd,
            env=self.environment(run),
            start_new_session=True,
        )
        child.returncode = 0  # it is waited for here, not by the object
        self.started(run, child.pid)
        self._await_leader(run, child.pid)

    def fence(self, launch: Launch) -> Fence | None:  # noqa: ARG002 - none here
        """A stronger hold on the job's processes than this module has."""
        return None

    def usage(self, run: Run) -> Usage:
        """What the tree has used, when it is over."""
        tree = run.tree
        if run.user < 0:
            return Usage()
        rss = max(run.max_rss, tree.max_rss)
        # a child begins with the memory of its parent: what is not above that is not known
        known = rss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Usage(run.user + tree.user, run.system + tree.system, rss * RSS_UNIT if known else -1)

    def released(self, run: Run) -> None:
        """The run is over and its tree is dead, just before `Exit` is posted."""

    # for subclasses to call

    def environment(self, run: Run) -> dict[str, str]:
        """The job's environment with its mark."""
        return {**run.launch.env, VARIABLE: f"{run.launch.id}:{run.launch.attempt}:{run.start}"}

    def started(self, run: Run, pid: int) -> None:
        """The leader of the run is process `pid`."""
        run.tree.pid = pid
        self.reaper.own(run.tree)
        self._later(Started(run.launch.id, time.time(), str(Ticket(pid, run.start, self._boot))))

    def ended(self, run: Run, code: int | None, user: float, system: float, max_rss: int) -> None:
        """The leader is over and reaped; code as in `Exit`, seconds, and `ru_maxrss` as the system counts it."""
        run.code, run.user, run.system, run.max_rss = code, user, system, max_rss
        if run.deadline is not None:
            run.deadline.cancel()
        if self.reaper.has_strays(run.tree):
            self._clear(run)
        else:
            self._finish(run)

    def stop(self, run: Run, reason: ExitReason, detail: str, grace: float) -> None:
        """End the run for this reason: TERM to the whole tree, KILL after `grace` seconds."""
        ended_by_itself = run.code is not None and run.reason is None
        if run.reason is None and not ended_by_itself:
            run.reason, run.detail = reason, detail
        if run.deadline is not None:
            run.deadline.cancel()
        at = self.loop.monotonic() + grace
        if grace <= 0 or ended_by_itself:
            self._kill(run)
        elif run.kill is None:
            for p in self.reaper.members(run.tree):
                self.reaper.send(p, signal.SIGTERM)
                self.reaper.send(p, signal.SIGCONT)
                if p.session != run.tree.pid:
                    run.leaked[p.pid] = str(p)
            run.kill = self.loop.call_at(at, partial(self._kill, run))
        elif at < run.kill.at:
            run.kill.cancel()
            run.kill = self.loop.call_at(at, partial(self._kill, run))

    def lost(self, run: Run, detail: str) -> None:
        """Nobody can say any more how the leader ends: kill the tree, then post `ExitReason.LOST`."""
        run.reason, run.detail = ExitReason.LOST, detail
        run.killed = True
        for timer in (run.deadline, run.kill):
            if timer is not None:
                timer.cancel()
        self._clear(run)

    # the launcher's contract

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        for launch in launches:
            self._begin(launch)

    def cancel(self, ids: Collection[str], grace: float) -> None:
        """See `Launcher.cancel`."""
        for id in ids:
            run = self._runs.get(id)
            if run is not None:
                self.stop(run, ExitReason.CANCELLED, "cancelled", grace)

    def pause(self) -> None:
        """See `Launcher.pause`."""
        if self._paused_at is not None:
            return
        self._paused_at = self.loop.monotonic()
        if self._look is not None:
            self._look.cancel()
            self._look = None
        for run in self._runs.values():
            self._signal(run, signal.SIGSTOP)
            for name in ("deadline", "kill", "give_up"):
                timer: Timer | None = getattr(run, name)
                if timer is not None and timer.call is not None:
                    self._paused.append((run, name, Timer(timer.at, timer.call)))
                    timer.cancel()

    def resume(self) -> None:
        """See `Launcher.resume`."""
        if self._paused_at is None:
            return
        gap = self.loop.monotonic() - self._paused_at
        for run, name, timer in self._paused:
            if timer.call is not None and self._runs.get(run.launch.id) is run:
                setattr(run, name, self.loop.call_at(timer.at + gap, timer.call))
        self._paused_at, self._paused = None, []
        for run in self._runs.values():
            run.began += gap
            run.quiet_since += gap
            self._signal(run, signal.SIGCONT)
            self._watch_output(run)

    # start

    def _begin(self, launch: Launch) -> None:
        start = stamp()
        mark = f"{launch.id}:{launch.attempt}:{start}"
        run = Run(launch, Tree(mark, self.fence(launch)), start, self.loop.monotonic())
        self._runs[launch.id] = run
        try:
            out = _open(launch.stdout)
            run.files = (out,)
            err = out
            if launch.stderr is not None and launch.stderr != launch.stdout:
                err = _open(launch.stderr)
                run.files = (out, err)
            self.spawn(run, out, err)
        except (OSError, ValueError, TypeError) as e:
            self.refuse(run, e)
            return
        if launch.timeout is not None:
            detail = f"timed out after {launch.timeout:g} s"
            call = partial(self.stop, run, ExitReason.TIMEOUT, detail, launch.grace)
            run.deadline = self.loop.call_at(run.began + launch.timeout, call)
        if launch.output_limit is not None or launch.no_output_timeout is not None:
            self._watch_output(run)

    def refuse(self, run: Run, error: Exception) -> None:
        """The command could not be started."""
        run.reason, run.detail = ExitReason.NOT_STARTED, explain(run.launch, error)
        for timer in (run.deadline, run.kill):
            if timer is not None:
                timer.cancel()
        self._forget(run)
        self._later(Exit(run.launch.id, time.time(), None, run.reason, run.detail))

    def _later(self, message: Message) -> None:
        """Post it once `start` has returned: the scheduler is in the middle of its own work."""
        self._outbox.append(message)
        if len(self._outbox) == 1:
            self.loop.post(self._send)

    def _send(self) -> None:
        messages, self._outbox = self._outbox, []
        for message in messages:
            self.post(message)

    def _await_leader(self, run: Run, pid: int) -> None:
        if not self._portable:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                pass  # no descriptor is left for it
            else:
                self.loop.watch(fd, partial(self._leader_over, run, fd))
                return
        threading.Thread(target=self._wait_apart, args=(run, pid), daemon=True).start()

    def _leader_over(self, run: Run, fd: int) -> None:
        self.loop.unwatch(fd)
        os.close(fd)
        _, status, used = os.wait4(run.tree.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.ended(run, code, used.ru_utime, used.ru_stime, used.ru_maxrss)

    def _wait_apart(self, run: Run, pid: int) -> None:
        _, status, used = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.loop.post(partial(self.ended, run, code, used.ru_utime, used.ru_stime, used.ru_maxrss))

    # the end

    def _kill(self, run: Run) -> None:
        """KILL to the whole tree."""
        run.killed = True
        if run.kill is not None:
            run.kill.cancel()
        if run.give_up is None:
            run.give_up = self.loop.call_later(GIVE_UP, partial(self._give_up, run))
        if run.code is None:
            self._signal(run, signal.SIGKILL)
        else:
            self._clear(run)

    def _signal(self, run: Run, number: signal.Signals) -> list[Process]:
        if number is signal.SIGKILL and run.tree.fence is not None:
            run.tree.fence.kill()
        members = self.reaper.members(run.tree)
        for p in members:
            self.reaper.send(p, number)
        return members

    def _clear(self, run: Run) -> None:
        """The leader is over; wait for what is left of its tree, or kill it."""
        if run.killed:
            if run.give_up is None:
                run.give_up = self.loop.call_later(GIVE_UP, partial(self._give_up, run))
            left = self._signal(run, signal.SIGKILL)
            run.leaked.update((p.pid, str(p)) for p in left if p.pid != run.tree.pid)
        else:
            left = self.reaper.members(run.tree)
        if not left:
            self._finish(run)
            return
        if run.kill is None:  # it ended by itself
            run.kill = self.loop.call_later(SETTLE, partial(self._kill, run))
        watched = not self._portable and any([self._watch_stray(run, p.pid) for p in left[:64]])
        if not watched and not run.waiting:
            run.waiting.add(-1)
            self.loop.call_later(0.01, partial(self._stray_over, run, -1))

    def _watch_stray(self, run: Run, pid: int) -> bool:
        if pid in run.waiting:
            return True
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False
        run.waiting.add(pid)

        def over() -> None:
            self.loop.unwatch(fd)
            os.close(fd)
            self._stray_over(run, pid)

        self.loop.watch(fd, over)
        return True

    def _stray_over(self, run: Run, pid: int) -> None:
        run.waiting.discard(pid)
        if not run.waiting and self._runs.get(run.launch.id) is run:
            self._clear(run)

    def _give_up(self, run: Run) -> None:
        left = self.reaper.members(run.tree)
        run.detail += f"{'; ' if run.detail else ''}cannot be killed: {', '.join(map(str, left))}"
        run.leaked.update((p.pid, str(p)) for p in left)
        self._finish(run)

    def _finish(self, run: Run) -> None:
        launch = run.launch
        if self._outbox:
            self._send()
        if launch.output_limit is not None:
            self._limit(run, launch.output_limit)
        for timer in (run.kill, run.give_up):
            if timer is not None:
                timer.cancel()
        usage = self.usage(run)
        self._forget(run)
        reason = run.reason or ExitReason.EXITED
        leaked = tuple(run.leaked.values())
        self.post(Exit(launch.id, time.time(), run.code, reason, run.detail, usage, leaked))

    def _forget(self, run: Run) -> None:
        del self._runs[run.launch.id]
        for fd in run.files:
            os.close(fd)
        run.files = ()
        self.reaper.release(run.tree)
        self.released(run)

    # output

    def _limit(self, run: Run, limit: int) -> None:
        """Cut what is over the limit; the reason of the end, unless it may be cut."""
        cut = sum(cut_middle(fd, limit) for fd in run.files)
        if not cut:
            return
        if run.reason is None and not run.launch.trim_output:
            run.reason, run.detail = ExitReason.OUTPUT_LIMIT, _over_limit(limit)
        elif run.launch.trim_output:
            run.detail += f"{'; ' if run.detail else ''}{cut} bytes of output were left out"

    def _watch_output(self, run: Run) -> None:
        """See to it that the one timer for outputs is there, and early enough for this run."""
        wait = min(LOOK, run.launch.no_output_timeout or LOOK)
        at = self.loop.monotonic() + wait
        if self._look is not None:
            if self._look.at <= at:
                return
            self._look.cancel()
        self._look = self.loop.call_at(at, self._look_at_outputs)

    def _look_at_outputs(self) -> None:
        now = self.loop.monotonic()
        self._look = None
        following = now + LOOK
        for run in list(self._runs.values()):
            if run.code is None and run.reason is None:
                following = min(following, self._look_at(run, now))
        due = [run for run in self._runs.values() if now >= run.next_note]
        for run in due:
            run.next_note = now + min(2 * (now - run.began), 60.0)
        if due:
            self.reaper.note([run.tree for run in due])
        if self._runs:
            self._look = self.loop.call_at(max(following, now + 0.01), self._look_at_outputs)

    def _look_at(self, run: Run, now: float) -> float:
        """Is there output, and not too much? When to look again."""
        launch = run.launch
        sizes = tuple(os.fstat(fd).st_size for fd in run.files)
        limit = launch.output_limit
        if limit is not None and not launch.trim_output and max(sizes) > limit:
            self.stop(run, ExitReason.OUTPUT_LIMIT, _over_limit(limit), 0.0)
        quiet = launch.no_output_timeout
        if sizes != run.sizes:
            run.sizes, run.quiet_since = sizes, max(run.began, now) if run.sizes else run.began
        elif quiet is not None and now >= run.quiet_since + quiet:
            self.stop(run, ExitReason.NO_OUTPUT, f"no output for {quiet:g} s", launch.grace)
        return now + LOOK if quiet is None else run.quiet_since + quiet


class SubprocessLauncher(ProcessLauncher):
    """The core's own launcher: each command is a child of the runner."""

    name: ClassVar[str] = "subprocess"


def run_blocking(launch: Launch, launcher: Launcher | None = None) -> Exit:
    """Run one launch with a loop of its own and return how it ended.

    An exception raised meanwhile (KeyboardInterrupt) ends the job first and is then raised; a second one at once.
    """
    launcher = launcher or SubprocessLauncher()
    loop = Loop()
    ends: list[Exit] = []

    def post(message: Message) -> None:
        if isinstance(message, Exit):
            ends.append(message)
            loop.stop()

    launcher.open(loop, post)
    try:
        launcher.start([launch])
        try:
            loop.run()
        except BaseException:
            _end(launcher, launch, loop, ends)
            raise
    finally:
        launcher.close()
        loop.close()
    return ends[0]


def _end(launcher: Launcher, launch: Launch, loop: Loop, ends: list[Exit]) -> None:
    try:
        launcher.cancel([launch.id], launch.grace)
        if not ends:
            loop.run()
    except KeyboardInterrupt:
        launcher.cancel([launch.id], 0.0)
        if not ends:
            loop.run()


def explain(launch: Launch, error: Exception) -> str:
    """One line on why a command could not be started."""
    program = launch.argv[0] if launch.argv else ""
    if not isinstance(error, OSError):
        return "the command is empty" if not launch.argv else f"{program}: {error}"
    name = os.fsdecode(error.filename) if error.filename else ""
    if name == launch.cwd or not os.path.isdir(launch.cwd):  # noqa: PTH112 - text is at hand
        return f"the work directory cannot be entered: {error.strerror}: {launch.cwd}"
    if name in (launch.stdout, launch.stderr):
        return f"the output file cannot be opened: {error.strerror}: {name}"
    path = os.path.join(launch.cwd, program)  # noqa: PTH118 - as above
    hints = {
        errno.ENOENT: "no such program",
        errno.EACCES: "is a directory" if os.path.isdir(path) else "not executable",  # noqa: PTH112 - as above
        errno.ENOEXEC: "not a program (a script without a #! line?)",
        errno.E2BIG: "arguments and environment are too large",
        errno.EAGAIN: "no more processes may be started (ulimit -u)",
        errno.EMFILE: "no more files may be opened (ulimit -n)",
    }
    if error.errno == errno.ENOENT and os.path.exists(path):  # noqa: PTH110 - as above
        return f"{program}: the interpreter named in its #! line does not exist"
    return f"{program}: {hints.get(error.errno or 0, error.strerror)}"


def cut_middle(fd: int, limit: int) -> int:
    """Cut a file, open to read and write, to `limit` bytes: its head, a line saying so, its tail; bytes left out.

    Nobody may be writing to it any more.
    """
    size = os.fstat(fd).st_size
    if size <= limit:
        return 0
    tail = min(limit // 2, TAIL)
    out = size - limit
    note = f"\n... {out} bytes left out ...\n".encode()
    data = note + os.pread(fd, tail, size - tail)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_APPEND)  # with it pwrite would append
    head = max(0, limit - len(data))
    os.pwrite(fd, data, head)
    os.ftruncate(fd, head + len(data))
    return out


def _over_limit(limit: int) -> str:
    return f"wrote more than {limit} bytes of output"


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, 0o666)


def _has_pidfd() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True
