"""Control groups: one for each running job, made below our own where the system lets us.

A group holds a job's processes whatever they do, and kills them all at once. Any writable place in
the unified (version 2) tree will do, controllers are not needed; with the memory controller a job
can also be kept to a limit. Groups are used again, because making one costs more than a job does.
"""

from __future__ import annotations

import itertools
import os
import select
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from canary.procfs import group_path, process

PREFIX: Final = "canary-"


class Group:
    """One job's group: a `canary.reaper.Fence`. `entry` is open for who is to be moved into it."""

    def __init__(self, directory: Path, path: str) -> None:
        self.directory = directory
        self.path = path
        self.entry = os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        self.limits_memory = (directory / "memory.max").exists()
        self._limited = False
        self._kills = 0

    def holds(self, pid: int) -> bool:
        """See `Fence.holds`."""
        path = group_path(pid)
        return path == self.path or path.startswith(f"{self.path}/")

    def pids(self) -> Collection[int]:
        """See `Fence.pids`."""
        try:
            # a job may be a runner with groups of its own
            lists = [path.read_text() for path in self.directory.rglob("cgroup.procs")]
        except OSError:
            return []
        return [int(word) for text in lists for word in text.split()]

    def kill(self) -> None:
        """See `Fence.kill`."""
        _write(self.directory / "cgroup.kill", "1")

    def limit_memory(self, limit: int | None) -> bool:
        """Let the kernel keep the next job to so many bytes; false if it cannot."""
        if not self.limits_memory:
            return limit is None
        if limit is not None or self._limited:
            self._limited = limit is not None
            _write(self.directory / "memory.oom.group", "1")
            _write(self.directory / "memory.swap.max", "0" if self._limited else "max")
            self._kills = self._oom_kills()
            return _write(self.directory / "memory.max", str(limit) if self._limited else "max")
        return True

    def has_hit_limit(self) -> bool:
        """Has the kernel killed for want of memory since `limit_memory`?"""
        return self._limited and self._oom_kills() > self._kills

    def close(self) -> None:
        """Remove it, if it is empty."""
        os.close(self.entry)
        _remove(self.directory)

    def _oom_kills(self) -> int:
        try:
            text = (self.directory / "memory.events").read_text()
        except OSError:
            return 0
        return sum(int(n) for key, n in map(str.split, text.splitlines()) if key == "oom_kill")


class Groups:
    """The groups of one launcher, in a group of its own below that of this process, `home`."""

    def __init__(self, directory: Path, path: str) -> None:
        self.directory = directory
        self.path = path
        self.home = os.open(directory.parent / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        self._free: list[Group] = []
        self._doubtful: list[Group] = []
        self._made = 0

    def take(self) -> Group | None:
        """A group without processes; None if none can be made."""
        if self._free:
            return self._free.pop()
        if self._doubtful and not self._doubtful[-1].pids():
            return self._doubtful.pop()
        self._made += 1
        name = str(self._made)
        try:
            (self.directory / name).mkdir()
            return Group(self.directory / name, f"{self.path}/{name}")
        except OSError:
            return None

    def give(self, group: Group, *, clean: bool) -> None:
        """Give one back; if it is not known to be `clean`, it is looked at before it is used."""
        (self._free if clean else self._doubtful).append(group)

    def close(self) -> None:
        """Kill what is left, and remove all groups."""
        if self._doubtful:
            _write(self.directory / "cgroup.kill", "1")
            _wait_until_empty(self.directory)
        for group in (*self._free, *self._doubtful):
            group.close()
        self._free, self._doubtful = [], []
        os.close(self.home)
        _remove(self.directory)


def open_groups() -> Groups | None:
    """Groups for this process; None if the system has none, or not for us.

    What a runner that is no more has left behind is killed and removed first.
    """
    place = find_own()
    if place is None:
        return None
    directory, path = place
    if not os.access(directory / "cgroup.procs", os.W_OK):
        return None  # a process may only be moved by who may write where it comes from
    me = process(os.getpid())
    name = f"{PREFIX}{os.getpid()}-{me.start if me else 0}"
    try:
        for old in directory.glob(f"{PREFIX}*"):
            _clean(old)
        number = next(n for n in itertools.count() if _make(directory / f"{name}-{n}"))
        own = directory / f"{name}-{number}"
        if not (own / "cgroup.kill").exists():
            own.rmdir()
            return None  # before Linux 5.14
    except OSError:
        return None
    _write(own / "cgroup.subtree_control", "+memory")
    return Groups(own, f"{path.rstrip('/')}/{own.name}")


def _make(directory: Path) -> bool:
    """Make a directory; false if it is there (another launcher of this process has it)."""
    try:
        directory.mkdir()
    except FileExistsError:
        return False
    return True


def find_own() -> tuple[Path, str] | None:
    """Directory and path of the group this process is in."""
    path = group_path(os.getpid())
    if not path:
        return None
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            root, mount = fields.split(" ")[3:5]
            inside = path if root == "/" else path.removeprefix(root)
            return Path(mount + inside), path
    return None


def _clean(directory: Path) -> None:
    """Kill and remove the groups of a runner that is no more."""
    pid, _, rest = directory.name.removeprefix(PREFIX).partition("-")
    start, _, _ = rest.partition("-")
    if not pid.isdecimal():
        return
    runner = process(pid)
    if runner is not None and str(runner.start) == start:
        return
    _write(directory / "cgroup.kill", "1")
    _remove(directory)


def _wait_until_empty(directory: Path, seconds: float = 2.0) -> None:
    """Wait for the end of processes that have been killed; the kernel says when."""
    waiter = select.poll()
    with open(directory / "cgroup.events") as events:
        waiter.register(events, select.POLLPRI)
        end = time.monotonic() + seconds
        while "populated 1" in events.read() and (left := end - time.monotonic()) > 0:
            waiter.poll(left * 1000)
            events.seek(0)


def _write(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True


def _remove(directory: Path) -> None:
    """Remove a group and those below it, as far as they are empty."""
    try:
        for path in directory.iterdir():
            if path.is_dir():
                _remove(path)
        directory.rmdir()
    except OSError:
        pass  # not empty yet: the next run removes it
