"""Keeping a command to its limits: deadlines, quiet and endless output, pauses, and its whole tree.

`Supervisor` is the base of every launcher whose jobs are processes of this machine. It posts an
`Exit` only when all that the job started is dead. Everything happens in the scheduler's loop: a job
that ends well costs no thread, no tick and no look at the process table. How a command is started
is left to subclasses; this module never sees a job.
"""

from __future__ import annotations

import abc
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from canary.faults import fault
from canary.launch import Exit, ExitReason, Launch, Launcher, Message, Post, Started, Usage
from canary.loop import Loop, Timer
from canary.output import cut_middle, explain, open_output
from canary.procfs import Process, has_pidfd, opened, stamp
from canary.reaper import Fence, GroupReaper, Tree, TreeReaper
from canary.survivors import Ticket, boot_id, marked

SETTLE: Final = 0.1  # for what a command leaves behind to end by itself: a `tee` that still writes
GIVE_UP: Final = 10.0  # a killed process that is still there then hangs in the kernel
LOOK: Final = 1.0  # outputs of jobs older than this are looked at this often
HELD_UP: Final = 0.1  # seconds that a timer is late by when something has held the loop up
SHARED: Final = 0.05  # so old may a process table be that many stops of one moment share
WATCHED: Final = 64  # so many leftovers of one job are waited for at a time
RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(eq=False)
class Run:
    """One launch on its way from start to `Exit`; written by its launcher alone.

    `reason` is set by whoever stops it first. `code` is the leader's, None until it is `over`.
    `leaked` names processes by pid, `waiting` are pidfds by pid. `extra` is for subclasses.
    """

    launch: Launch
    tree: Tree
    start: int
    began: float
    files: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    timers: dict[str, Timer] = field(default_factory=dict)
    reason: ExitReason | None = None
    detail: str = ""
    over: bool = False
    killed: bool = False
    code: int | None = None
    user: float = -1.0
    system: float = -1.0
    max_rss: int = -1
    leaked: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)
    extra: Any = None

    def __post_init__(self) -> None:
        self.known_at = self.quiet_since = self.began
        self.next_note = self.began + LOOK

    def cancel(self, *names: str) -> None:
        """Forget these timers, all if none is named."""
        for name in names or tuple(self.timers):
            timer = self.timers.pop(name, None)
            if timer is not None:
                timer.cancel()

    def say(self, text: str) -> None:
        """Add to the detail."""
        self.detail = f"{self.detail}; {text}" if self.detail else text


class Supervisor(Launcher):
    """Base of launchers for this machine. `portable` does without pidfds, `/proc` and subreapers.

    A subclass gives `spawn`. It may override `fence`, `usage` and `released`, and `open` and
    `close` with a call to these.
    """

    def __init__(self, *, portable: bool = False) -> None:
        self.portable = portable or not sys.platform.startswith("linux")

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        if not self.portable:
            self.portable = not has_pidfd()
        self._runs: dict[str, Run] = {}
        self._outbox: list[Message] = []
        self._look: Timer | None = None
        self._paused_at: float | None = None
        self._boot = boot_id()
        self._peak = 0
        self.reaper = GroupReaper() if self.portable else TreeReaper()
        self.reaper.open()

    def close(self) -> None:
        """See `Launcher.close`; what an exception has left running is killed."""
        if self._look is not None:
            self._look.cancel()
        for run in self._runs.values():
            self._signal(run, signal.SIGKILL)
        self.reaper.close()

    # what a subclass does, or may do otherwise

    @abc.abstractmethod
    def spawn(self, run: Run, out: int, err: int) -> None:
        """Start the command with these descriptors as its output, in a session of its own.

        Sees to it that `started` and then `ended` are called, now or later. Raises OSError,
        ValueError or TypeError if it cannot be started.
        """

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
        if rss > self._peak:  # which has grown meanwhile, maybe
            self._peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rss = rss * RSS_UNIT if rss > self._peak else -1
        return Usage(run.user + tree.user, run.system + tree.system, rss)

    def released(self, run: Run) -> None:
        """The run is over and its tree is dead, just before `Exit` is posted."""

    # for subclasses to call

    def environment(self, run: Run) -> dict[str, str]:
        """The job's environment with its mark."""
        return {**run.launch.env, **marked(self._mark(run.launch, run.start))}

    def started(self, run: Run, pid: int, since: float) -> None:
        """The leader of the run is process `pid`, begun at `since` (seconds, monotonic): on a busy
        machine it may have run for long before that is known here."""
        run.tree.pid = pid
        run.known_at = self.loop.monotonic()
        self.reaper.own(run.tree)
        if run.reason is not None:  # it was stopped before its leader was known
            self._signal(run, signal.SIGKILL if run.killed else signal.SIGTERM)
        elif self._paused_at is not None:
            self._signal(run, signal.SIGSTOP)
        ticket = Ticket(pid, run.start, self._boot)
        at = self.now() - max(0.0, self.loop.monotonic() - since)
        self.later(Started(run.launch.id, at, str(ticket)))

    def ended(self, run: Run, code: int | None, user: float, system: float, max_rss: int) -> None:
        """The leader is over and reaped.

        `code` as in `Exit`, seconds, and `ru_maxrss` as the system counts it.
        """
        if not self.is_running(run):
            return  # it was given up before
        run.over = True
        run.tree.awaited = False
        run.code, run.user, run.system, run.max_rss = code, user, system, max_rss
        run.cancel("deadline")
        if self.reaper.has_strays(run.tree):
            self._clear(run)
        else:
            self._finish(run)

    def stop(self, run: Run, reason: ExitReason, detail: str, grace: float) -> None:
        """End the run for this reason: TERM to the whole tree, KILL after `grace` seconds."""
        by_itself = run.over and run.reason is None
        if run.reason is None and not by_itself:
            run.reason, run.detail = reason, detail
        run.cancel("deadline")
        if grace <= 0 or by_itself:
            self._kill(run)
            return
        at = self.loop.monotonic() + grace
        kill = run.timers.get("kill")
        if kill is None:
            for p in self._members(run):
                self.reaper.send(p, signal.SIGTERM)
                self.reaper.send(p, signal.SIGCONT)
                if p.session != run.tree.pid:
                    run.leaked[p.pid] = str(p)
        elif kill.at <= at:
            return
        self._arm(run, "kill", at, partial(self._kill, run))

    def lost(self, run: Run, detail: str) -> None:
        """Nobody can say how the leader ends: kill the tree, then post `ExitReason.LOST`."""
        run.reason, run.detail = ExitReason.LOST, detail
        run.over = run.killed = True
        run.tree.awaited = False
        run.cancel()
        self._clear(run)

    def refuse(self, run: Run, error: Exception) -> None:
        """The command could not be started."""
        run.reason, run.detail = ExitReason.NOT_STARTED, explain(run.launch, error)
        self._forget(run)
        self.later(Exit(run.launch.id, self.now(), None, run.reason, run.detail))

    def later(self, message: Message) -> None:
        """Post it once the scheduler is back in its loop, before any later message."""
        self._outbox.append(message)
        if len(self._outbox) == 1:
            self.loop.soon(self._send)

    def is_running(self, run: Run) -> bool:
        """Is its `Exit` still to come?"""
        return self._runs.get(run.launch.id) is run

    def running(self) -> list[Run]:
        """All whose `Exit` is still to come."""
        return list(self._runs.values())

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
            for name, timer in run.timers.items():
                run.timers[name] = Timer(timer.at, timer.call or (lambda: None))
                timer.cancel()

    def resume(self) -> None:
        """See `Launcher.resume`."""
        if self._paused_at is None:
            return
        gap, self._paused_at = self.loop.monotonic() - self._paused_at, None
        for run in self._runs.values():
            run.began += gap
            run.quiet_since += gap
            for name, timer in list(run.timers.items()):
                self._arm(run, name, timer.at + gap, timer.call or (lambda: None))
            self._signal(run, signal.SIGCONT)
            self._watch_output(run)

    # the beginning

    def _mark(self, launch: Launch, start: int) -> str:
        return f"{launch.id}:{launch.attempt}:{start}"

    def _begin(self, launch: Launch) -> None:
        start = stamp()
        tree = Tree(self._mark(launch, start), self.fence(launch))
        run = Run(launch, tree, start, self.loop.monotonic())
        self._runs[launch.id] = run
        try:
            if not launch.argv:
                raise ValueError("no words")
            fault("output")
            out = err = open_output(launch.stdout)
            run.files = (out,)
            if launch.stderr is not None and launch.stderr != launch.stdout:
                err = open_output(launch.stderr)
                run.files = (out, err)
            fault("spawn")
            self.spawn(run, out, err)
        except (OSError, ValueError, TypeError) as e:
            self.refuse(run, e)
            return
        if launch.timeout is not None:
            self._arm(run, "deadline", run.began + launch.timeout, partial(self._time_out, run))
        self._watch_output(run)

    def _time_out(self, run: Run) -> None:
        call, launch = run.timers["deadline"], run.launch
        if self._may_be_over(run, call.at):
            at = self.loop.monotonic() + HELD_UP
            self._arm(run, "deadline", at, partial(self._time_out, run))
        else:
            detail = f"timed out after {launch.timeout:g} s"
            self.stop(run, ExitReason.TIMEOUT, detail, launch.grace)

    def _may_be_over(self, run: Run, due: float) -> bool:
        """Has something held the loop up, a slow hook say, so that the end of the run may be there
        and only wait to be read? Then it was in time, for all we know."""
        late = self.loop.monotonic() - due > HELD_UP
        return late and not (run.tree.pid and self._members(run))

    def _arm(self, run: Run, name: str, at: float, call: Callable[[], None]) -> None:
        run.cancel(name)
        run.timers[name] = self.loop.call_at(at, call)

    def _send(self) -> None:
        messages, self._outbox = self._outbox, []
        for message in messages:
            self.post(message)

    # the end

    def _kill(self, run: Run) -> None:
        """KILL to the whole tree."""
        run.killed = True
        run.cancel("kill")
        if run.over:
            self._clear(run)
        else:
            self._signal(run, signal.SIGKILL)
            self._arm_give_up(run)

    def _arm_give_up(self, run: Run) -> None:
        if "give up" not in run.timers:
            at = self.loop.monotonic() + GIVE_UP
            self._arm(run, "give up", at, partial(self._give_up, run))

    def _signal(self, run: Run, number: signal.Signals) -> None:
        if number is signal.SIGKILL and run.tree.fence is not None and run.tree.pid:
            run.tree.fence.kill()
        own = run.launch.pauses_itself and number in (signal.SIGSTOP, signal.SIGCONT)
        for p in self._members(run):
            if not own or abs(p.pid) == run.tree.pid:  # a group's is negative
                self.reaper.send(p, signal.SIGTSTP if own and number is signal.SIGSTOP else number)

    def _members(self, run: Run) -> list[Process]:
        """Its processes, maybe as seen a moment ago, but not before it began."""
        return self.reaper.members(run.tree, min(SHARED, self.loop.monotonic() - run.known_at))

    def _clear(self, run: Run) -> None:
        """The leader is over: wait for what is left of its tree, or kill it."""
        if run.killed:
            self._arm_give_up(run)
            left = self._kill_rest(run)
        else:
            left = self.reaper.members(run.tree)
        if not left:
            self._finish(run)
            return
        if not run.timers.keys() & {"kill", "give up"}:  # it ended by itself
            at = self.loop.monotonic() + SETTLE
            self._arm(run, "kill", at, partial(self._kill, run))
        if not (self._watch_strays(run, left) or run.waiting):
            run.waiting[0] = -1
            self._arm(run, "look", self.loop.monotonic() + 0.01, partial(self._stray_over, run, 0))

    def _kill_rest(self, run: Run) -> list[Process]:
        """Kill until a look finds nothing new; all that was there still and is not known dead."""
        killed: set[int] = set()
        while True:
            left = self.reaper.members(run.tree)
            new = [p for p in left if p.pid not in killed]
            run.leaked.update((p.pid, str(p)) for p in new if p.pid != run.tree.pid)
            if new and run.tree.fence is not None:
                run.tree.fence.kill()
            for p in new:
                self.reaper.send(p, signal.SIGKILL)
            killed.update(p.pid for p in new)
            if not new or self.portable:
                return left

    def _watch_strays(self, run: Run, left: Sequence[Process]) -> bool:
        if self.portable:
            return False
        for p in left[:WATCHED]:
            fd = None if p.pid in run.waiting else opened(p.pid)
            if fd is not None:
                run.waiting[p.pid] = fd
                self.loop.watch(fd, partial(self._stray_over, run, p.pid))
        return bool(run.waiting)

    def _stray_over(self, run: Run, pid: int) -> None:
        if pid not in run.waiting:
            return  # the run was finished by another callback of this turn of the loop
        self._unwatch(run.waiting.pop(pid))
        if not run.waiting:
            self._clear(run)

    def _unwatch(self, fd: int) -> None:
        if fd >= 0:
            self.loop.unwatch(fd)
            os.close(fd)

    def _give_up(self, run: Run) -> None:
        left = self.reaper.members(run.tree)
        run.leaked.update((p.pid, str(p)) for p in left)
        run.say(f"cannot be killed: {', '.join(map(str, left))}")
        self._finish(run)

    def _finish(self, run: Run) -> None:
        if self._outbox:
            self._send()
        launch = run.launch
        if launch.output_limit is not None:
            try:
                self._limit_output(run, launch.output_limit)
            except OSError as e:
                run.say(f"its output cannot be cut: {e.strerror}")
        usage = self.usage(run)
        self._forget(run)
        reason = run.reason or ExitReason.EXITED
        leaked = tuple(run.leaked.values())
        self.post(Exit(launch.id, self.now(), run.code, reason, run.detail, usage, leaked))

    def _forget(self, run: Run) -> None:
        del self._runs[run.launch.id]
        run.cancel()
        for fd in run.files:
            os.close(fd)
        for fd in run.waiting.values():
            self._unwatch(fd)
        self.reaper.release(run.tree)
        self.released(run)

    # output

    def _limit_output(self, run: Run, limit: int) -> None:
        """Cut what is over the limit, and say so; it is a failure unless it may be trimmed."""
        cut = sum(cut_middle(fd, limit) for fd in run.files)
        if cut and run.reason is None and not run.launch.trim_output:
            run.reason = ExitReason.OUTPUT_LIMIT
            run.say(f"wrote more than {limit} bytes of output")
        elif cut and run.reason is not ExitReason.OUTPUT_LIMIT:
            run.say(f"{cut} bytes of output were left out")

    def _watch_output(self, run: Run) -> None:
        """See to it that the one timer for outputs is there, and early enough for this run."""
        launch = run.launch
        if launch.no_output_timeout is not None:
            run.sizes = _sizes(run)
        elif launch.output_limit is None:
            return
        at = self.loop.monotonic() + _pace(launch)
        if self._look is not None:
            if self._look.at <= at:
                return
            self._look.cancel()
        self._look = self.loop.call_at(at, self._look_at_all)

    def _look_at_all(self) -> None:
        now = self.loop.monotonic()
        following = min([self._look_at(run, now) for run in self.running()], default=now)
        due = [run for run in self._runs.values() if now >= run.next_note]
        for run in due:
            run.next_note = now + min(2 * (now - run.began), 60.0)
        if due:
            self.reaper.note([run.tree for run in due])
        self._look = None
        if self._runs:
            self._look = self.loop.call_at(max(following, now + 0.01), self._look_at_all)

    def _look_at(self, run: Run, now: float) -> float:
        """Is there output, and not too much? When to look again."""
        launch = run.launch
        if run.over or run.reason is not None:
            return now + LOOK
        sizes = _sizes(run)
        limit, quiet = launch.output_limit, launch.no_output_timeout
        if limit is not None and not launch.trim_output and max(sizes) > limit:
            detail = f"wrote more than {limit} bytes of output"
            self.stop(run, ExitReason.OUTPUT_LIMIT, detail, 0.0)
        if sizes != run.sizes:
            run.sizes, run.quiet_since = sizes, now
        following = now + _pace(launch)
        if quiet is None:
            return following
        due = run.quiet_since + quiet
        if now >= due and not self._may_be_over(run, due):
            detail = f"no output for {quiet:g} s"
            self.stop(run, ExitReason.NO_OUTPUT, detail, launch.grace)
        return min(following, due)


def _sizes(run: Run) -> tuple[int, ...]:
    return tuple(os.fstat(fd).st_size for fd in run.files)


def _pace(launch: Launch) -> float:
    """How often to look at its output, seconds."""
    quiet = launch.no_output_timeout
    return LOOK if quiet is None else min(LOOK, quiet / 4)
