"""Keeps jobs to an amount of memory where the kernel does not do it for us: by looking now and
then.

One timer looks at all jobs that have a limit, and there is none while no job has. What a tree of
processes has is the memory that is its own; what processes share is counted once. This module ends
nobody: it says who is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from canary.loop import Loop, Timer
from canary.supervisor import Run

LOOK: Final = 0.2  # seconds
MIB: Final = 1 << 20


class Watch:
    """Calls `over(run, bytes)` once for a run whose processes, which `members` numbers, have more
    than its limit."""

    def __init__(
        self,
        loop: Loop,
        members: Callable[[Run], Iterable[int]],
        over: Callable[[Run, int], None],
    ) -> None:
        self._loop = loop
        self._members = members
        self._over = over
        self._limits: dict[Run, int] = {}
        self._timer: Timer | None = None

    def add(self, run: Run, limit: int) -> None:
        """Look at it from now on."""
        self._limits[run] = limit
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK, self._look)

    def drop(self, run: Run) -> None:
        """It is over."""
        self._limits.pop(run, None)

    def close(self) -> None:
        """Look no more."""
        self._limits.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        for run, limit in list(self._limits.items()):
            pids = list(self._members(run))
            # shared memory makes the first number too big; the second takes longer to get
            if sum(map(_resident, pids)) > limit and (used := sum(map(own, pids))) > limit:
                self.drop(run)
                self._over(run, used)
        if self._limits:
            self._timer = self._loop.call_later(LOOK, self._look)


def _resident(pid: int) -> int:
    return _number(pid, "status", "VmRSS:")


def own(pid: int) -> int:
    """Bytes that are a process's own, of what it shares its share; 0 if it is no more."""
    return _number(pid, "smaps_rollup", "Pss:") or _resident(pid)


def _number(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(name))
