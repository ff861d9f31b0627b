"""Runs one job where Grid Engine has put it, and leaves its record.

Two processes. The outer one is Grid Engine's: it is signalled, and killed a while later. The inner
one owns the job and all that it starts, in a session of its own, so that it outlives a kill for as
long as it takes to end them and to say so: the pipe between the two tells it of signals, and by its
end that the outer one is gone. Nothing here knows Grid Engine's programs.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from canary.launch import Exit, ExitReason, Message, Started
from canary.loop import Loop
from canary.process import SubprocessLauncher
from canary.survivors import kill_marked, kill_survivor
from canary_sge.record import Task

# what Grid Engine sends before it kills (USR2), and what limits and people may send
WARNINGS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGTERM, signal.SIGINT)
# seconds between two looks whether anybody is there to be told
LOOK: Final = 2.0
# 99 and 100 mean something to Grid Engine
WELL, ILL = 0, 1


class Guard:
    """One job from its start to its end; `orders` is the pipe's end for reading."""

    def __init__(self, task: Task, orders: int) -> None:
        self.task = task
        self.orders = orders
        self.launch = task.launch()
        self.loop = Loop()
        self.launcher = SubprocessLauncher()
        self.began: float | None = None
        self.end: Exit | None = None
        self.why = ""

    def run(self) -> int:
        """Do it; what Grid Engine is to hear of it."""
        self.launcher.open(self.loop, self._take)
        try:
            self.loop.watch(self.orders, self._hear)
            self.launcher.start([self.launch])
            self._look()
            self.loop.run()
        finally:
            self.launcher.close()
        return WELL if self.end is not None and self.end.code == 0 else ILL

    def _take(self, message: Message) -> None:
        if isinstance(message, Started):
            self.began = message.at
            self.task.note(began=message.at, host=socket.gethostname(), ticket=message.ticket)
        elif isinstance(message, Exit):
            if self.why and message.reason is ExitReason.CANCELLED:
                message = replace(message, detail=self.why)
            self.end = message
            self.task.note(began=self.began, host=socket.gethostname(), end=message.asdict())
            self.loop.stop()

    def _look(self) -> None:
        if self.task.directory.exists():
            self.loop.call_later(LOOK, self._look)
        else:  # the workspace was wiped: nobody waits for us
            self.launcher.cancel([self.launch.id], 0.0)

    def _hear(self) -> None:
        heard = os.read(self.orders, 100)
        wanted = self.task.grace()
        if not heard:
            self.loop.unwatch(self.orders)
            self.why = "" if wanted is not None else "Grid Engine has killed it"
            self.launcher.cancel([self.launch.id], 0.0)
            return
        # USR1 is a soft limit, or says that it is about to be suspended: it goes on
        numbers = [n for n in heard if n != signal.SIGUSR1]
        if not numbers:
            return
        if wanted is None:
            what = f"signal {numbers[0]}: qdel, or a limit of the queue"
            self.why = f"Grid Engine has ended it ({what})"
        self.launcher.cancel([self.launch.id], self.launch.grace if wanted is None else wanted)


def main() -> int:
    """Run the task of this number in this directory."""
    task = Task(Path(sys.argv[1]), int(sys.argv[2]))
    if task.read():  # a job may have begun once: its directory is not as it was
        _lost(task, "Grid Engine has started it a second time")
        return ILL
    ours, theirs = os.pipe()
    for number in WARNINGS:
        signal.signal(number, lambda n, _: os.write(theirs, bytes([n])))
    pid = os.fork()
    if pid == 0:
        for number in WARNINGS:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.close(theirs)
        os._exit(_inner(task, ours))
    os.close(ours)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        _lost(task, "the process that watched it was killed")
    return WELL if status == 0 else ILL


def _lost(task: Task, why: str) -> None:
    """End what is left of it, and its record, if that has no end."""
    known = {"began": None, **task.read()}
    if "end" in known:
        return
    launch = task.launch()
    mark = f"{launch.id}:{launch.attempt}"
    if "ticket" in known:
        killed = kill_survivor(known["ticket"], mark)
    else:  # it may have begun all the same
        killed = kill_marked(mark, str(Path(launch.stdout).parent))
    end = Exit(launch.id, time.time(), None, ExitReason.LOST, why, leaked=tuple(killed))
    task.note(**known, end=end.asdict())


def _inner(task: Task, orders: int) -> int:
    try:
        return Guard(task, orders).run()
    except OSError as e:  # the workspace is gone, or the disk is full: nobody can be told
        sys.stderr.write(f"canary: {e}\n")
        return ILL


if __name__ == "__main__":
    sys.exit(main())
