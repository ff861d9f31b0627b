"""Finding the processes of a runner that is no more: by what it recorded, and by each job's mark.

Used once, before a workspace is run again. Nothing here is a child of ours: it is found, killed and
waited for, and its exit code is lost. This module knows tickets and marks, not jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from canary import procfs
from canary.procfs import Process

VARIABLE: Final = "CANARY_JOB"
ABOVE: Final = "CANARY_JOBS_ABOVE"  # where a runner is part of a job: the marks of that and so on


class Ticket(NamedTuple):
    """Where a job's processes are found again: the leader, the `stamp` of its start, the boot."""

    pid: int
    start: int
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}:{self.start}:{self.boot}"


def marked(mark: str) -> dict[str, str]:
    """The variables that mark a process as a job's, and as those jobs' that this runner is in."""
    own = os.environ.get(VARIABLE)
    if own is None:
        return {VARIABLE: mark}
    return {VARIABLE: mark, ABOVE: f"{os.environ.get(ABOVE, ' ')}{own} "}


def bears(environment: bytes, mark: bytes) -> bool:
    """Is the mark, or what begins so if it ends in a colon, in what `marked` gave to a process?"""
    end = b"" if mark.endswith(b":") else b"\0"
    if b"\0" + VARIABLE.encode() + b"=" + mark + end in environment:
        return True
    at = environment.find(b"\0" + ABOVE.encode() + b"=")
    end = end and b" "
    return at >= 0 and b" " + mark + end in environment[at : environment.find(b"\0", at + 1)]


def read_ticket(text: str) -> Ticket | None:
    """What `str` made of a ticket; None if it is none of ours."""
    pid, _, rest = text.partition(":")
    start, _, boot = rest.partition(":")
    return Ticket(int(pid), int(start), boot) if pid.isdecimal() and start.isdecimal() else None


def boot_id() -> str:
    """A text that is another after each boot; empty where the system has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return ""


def survivors(
    ticket: str, mark: str, *, portable: bool = not procfs.HAS_BOOT_CLOCK
) -> list[Process]:
    """Living processes of a job that a runner which is no more had started.

    `ticket` is what its `Started` gave, `mark` is `launch id:attempt`. Found are the leader and its
    session, by its start time, whatever has the mark in its environment, and all that is below.
    """
    known = read_ticket(ticket)
    if known is None or (known.boot and known.boot != boot_id()):
        return []
    mark = f"{mark}:{known.start}"
    if portable:
        return _survivors_by_ps(f"{VARIABLE}={mark}")
    table = procfs.Table()
    first = known.start * procfs.TICKS // 1_000_000
    leader = table.get(known.pid)
    roots = set()
    if leader is not None and first - 1 <= leader.start <= first + 5 * procfs.TICKS:
        roots = {p.pid for p in table.values() if p.session == known.pid}
    wanted = mark.encode(errors="surrogateescape")
    since = (p.pid for p in table.values() if p.start >= first - 1)
    roots.update(pid for pid in since if bears(procfs.environment(pid), wanted))
    return [table[pid] for pid in sorted(table.below(roots)) if not table[pid].dead]


def _survivors_by_ps(entry: str) -> list[Process]:
    command = ["ps", "axeww", "-o", "pid=,pgid=,state=,command="]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    found = []
    for line in done.stdout.decode(errors="surrogateescape").splitlines():
        words = line.split(None, 4)
        if entry in words[-1].split(" ") and not words[2].startswith("Z"):
            pid, group = int(words[0]), int(words[1])
            found.append(Process(pid, words[3], words[2][0], 0, group, group, 0))
    return found


def kill_survivor(ticket: str, mark: str, *, seconds: float = 10.0) -> list[str]:
    """Kill what `survivors` finds until it finds nothing; return `pid name` of each.

    Blocks until all are dead, or `seconds` are over: then `survivors` still finds them.
    """
    return _kill_all(lambda: survivors(ticket, mark), seconds)


def kill_marked(mark: str, directory: str, *, seconds: float = 10.0) -> list[str]:
    """Kill what bears `mark` (`launch id:attempt`) and has `directory` in its environment.

    For a job whose `Started` was never written, its runner having been killed in between: without
    a ticket, the session's directory tells it from the same job of another workspace.
    """
    if not procfs.HAS_BOOT_CLOCK:
        return []
    wanted = f"{mark}:".encode(errors="surrogateescape")
    place = os.fsencode(directory)

    def find() -> list[Process]:
        table = procfs.Table()
        alive = (p.pid for p in table.values() if not p.dead)
        held = {pid: procfs.environment(pid) for pid in alive}
        roots = {pid for pid, text in held.items() if place in text and bears(text, wanted)}
        return [table[pid] for pid in sorted(table.below(roots)) if not table[pid].dead]

    return _kill_all(find, seconds)


def _kill_all(find: Callable[[], list[Process]], seconds: float) -> list[str]:
    """Kill what is found until nothing is, or the time is over; `pid name` of each."""
    killed: dict[int, str] = {}
    end = time.monotonic() + seconds
    while (found := find()) and time.monotonic() < end:
        killed.update((p.pid, str(p)) for p in found)
        if procfs.HAS_BOOT_CLOCK:
            procfs.kill(found, end - time.monotonic())
        else:
            for p in found:
                os.kill(p.pid, signal.SIGKILL)
            time.sleep(0.01)
    return list(killed.values())
