"""The process table of Linux as `/proc` shows it: who is whose child, in which session, since when.

Everything here is a question about processes, asked when something was left behind: nothing is on
the path of a job that ends well, and nothing here knows of jobs. A process that vanishes while it
is looked at is simply not there.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

BLOCK: Final = 65536
TICKS: Final = os.sysconf("SC_CLK_TCK")
HAS_BOOT_CLOCK: Final = hasattr(time, "CLOCK_BOOTTIME")


class Process(NamedTuple):
    """One process: ids, the state letter of `ps`, and its start in clock ticks since boot.

    A negative `pid` stands for a whole process group.
    """

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    start: int

    @property
    def dead(self) -> bool:
        """Over, and only waiting to be reaped."""
        return self.state in "ZX"

    def age(self) -> float:
        """Seconds since it was started."""
        return stamp() / 1e6 - self.start / TICKS

    def __str__(self) -> str:
        return f"{abs(self.pid)} {self.name}"


def stamp() -> int:
    """Microseconds since boot, on the clock of `Process.start`.

    Since the epoch on a system without that clock.
    """
    if HAS_BOOT_CLOCK:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return time.time_ns() // 1000


def process(pid: int | str) -> Process | None:
    """The process of that number, if there is one."""
    data = _read(f"/proc/{pid}/stat")
    head, _, tail = data.rpartition(b")")
    if not tail:
        return None
    number, _, name = head.partition(b" (")
    words = tail.split(None, 20)
    parent, group, session = int(words[1]), int(words[2]), int(words[3])
    text = name.decode(errors="replace")
    return Process(int(number), text, words[0].decode(), parent, group, session, int(words[19]))


class Table(dict[int, Process]):
    """All processes by their number, as they were `at` (seconds, monotonic)."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        found = (process(name) for name in os.listdir("/proc") if name.isdecimal())
        super().__init__((p.pid, p) for p in found if p is not None)
        self._children: dict[int, list[int]] = {}
        for p in self.values():
            self._children.setdefault(p.parent, []).append(p.pid)

    def below(self, roots: Iterable[int]) -> set[int]:
        """`roots` and all their descendants, as far as they are there."""
        todo = [pid for pid in roots if pid in self]
        found = set(todo)
        while todo:
            new = [pid for pid in self._children.get(todo.pop(), ()) if pid not in found]
            found.update(new)
            todo.extend(new)
        return found


def environment(pid: int) -> bytes:
    """The environment a process was started with, `\\0NAME=value\\0…\\0`; `\\0` if it is hidden."""
    return b"\0" + _read(f"/proc/{pid}/environ")


def group_path(pid: int) -> str:
    """Where a process is in the unified control group tree; empty if that cannot be known."""
    for line in _read(f"/proc/{pid}/cgroup").split(b"\n"):
        if line.startswith(b"0::"):
            return os.fsdecode(line[3:])
    return ""


def has_pidfd() -> bool:
    """Are there descriptors of processes on this system?"""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def opened(pid: int) -> int | None:
    """A descriptor that is readable once the process is over; None if it is gone already, or no
    descriptor is left."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def send(target: Process, number: signal.Signals) -> None:
    """Send a signal to exactly this process, not to another that has got its number since."""
    fd = opened(target.pid)
    if fd is None:
        return
    try:
        now = process(target.pid)
        if now is not None and now.start == target.start:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        pass
    finally:
        os.close(fd)


def kill(found: Collection[Process], seconds: float) -> None:
    """Kill all of these and wait until they are dead or the time is over.

    Children of ours are left to be reaped.
    """
    for p in found:
        send(p, signal.SIGKILL)
    end = time.monotonic() + seconds
    for fd in [fd for p in found if (fd := opened(p.pid)) is not None]:
        waiter = select.poll()
        waiter.register(fd, select.POLLIN)
        waiter.poll(max(0.0, end - time.monotonic()) * 1000)
        os.close(fd)


def _read(path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = block = os.read(fd, BLOCK)
        while len(block) >= 4000:  # the kernel may give a page at a time
            block = os.read(fd, BLOCK)
            data += block
    except OSError:
        return b""
    finally:
        os.close(fd)
    return data
