"""Ownership of everything a job starts: telling whose a process is, reaping it.

`TreeReaper` (Linux) makes this process the one that inherits orphans, so that whatever outlives a
job's command is a child of ours, and one read of the list of our children says that there is
nothing. Only if there is something is the process table searched. `GroupReaper` is for systems
without that: it knows process groups alone. Neither decides when anything is to be killed, and
neither ever waits for "any child": a plugin's processes are its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from canary import procfs
from canary.procfs import Process
from canary.survivors import VARIABLE, bears

PR_SET_CHILD_SUBREAPER: Final = 36
NOTHING: Final = b"\0"
YOUNG: Final = 1.0  # seconds in which a process may be in the middle of exec
EXEC: Final = 0.05  # seconds that a look may wait for the end of exec


class Fence(Protocol):
    """A stronger hold on a tree than the process table gives (a control group)."""

    def holds(self, pid: int) -> bool:
        """Is the process, alive or dead, in it?"""

    def pids(self) -> Collection[int]:
        """All that live in it."""

    def kill(self) -> None:
        """Kill all that live in it."""


class Tree:
    """The processes of one job.

    `pid` is the leader's, 0 until it is known; `awaited` says that somebody waits for it, so that
    it is not to be reaped here. `mark` is what the environment bears. `seen` are processes once
    seen below the leader. What reaped orphans have used adds up in `user`, `system`, `max_rss`.
    """

    __slots__ = ("awaited", "fence", "mark", "max_rss", "pid", "seen", "system", "user")

    def __init__(self, mark: str, fence: Fence | None = None) -> None:
        self.pid = 0
        self.awaited = True
        self.mark = mark.encode(errors="surrogateescape")
        self.fence = fence
        self.seen: set[tuple[int, int]] = set()
        self.user = self.system = 0.0
        self.max_rss = 0


@contextmanager
def sweeping() -> Iterator[None]:
    """Kill at the end whatever has become ours meanwhile and is no job's: an orphan of what was
    started for another purpose than to be a job."""
    reaper = TreeReaper() if procfs.has_pidfd() else GroupReaper()
    reaper.open()
    try:
        yield
    finally:
        reaper.close()


class GroupReaper:
    """The portable way: a job is its process group; what leaves the group escapes."""

    portable = True

    def open(self) -> None:
        """Get ready; may be called again after `close`."""

    def close(self) -> None:
        """Give everything back."""

    def own(self, tree: Tree) -> None:
        """The leader of `tree` runs now."""

    def release(self, tree: Tree) -> None:
        """Nothing of `tree` is left, or it is given up."""

    def has_strays(self, tree: Tree) -> bool:
        """Once the leader is reaped: may anything of the tree be left? Cheap."""
        try:
            while os.waitpid(-tree.pid, os.WNOHANG)[0]:
                pass  # orphans that came to us because another launcher is a `TreeReaper`
        except ChildProcessError:
            pass
        return self._is_there(tree)

    def members(self, tree: Tree, max_age: float = 0.0) -> list[Process]:  # noqa: ARG002 - no table
        """All living processes of the tree; dead ones that are ours to reap are reaped.

        The answer may be `max_age` seconds old: many jobs can then share one look.
        """
        if not (self._is_there(tree) if tree.awaited else self.has_strays(tree)):
            return []
        return [Process(-tree.pid, "process group", "", 0, tree.pid, tree.pid, 0)]

    def _is_there(self, tree: Tree) -> bool:
        try:
            os.killpg(tree.pid, 0)
        except OSError:
            return False
        return True

    def send(self, target: Process, number: signal.Signals) -> None:
        """Signal one of `members`."""
        try:
            os.killpg(target.group, number)
        except OSError:
            pass

    def note(self, trees: Iterable[Tree]) -> None:
        """Remember what is below the leaders now, so that it is recognised once it is an orphan."""


class TreeReaper(GroupReaper):
    """The way of Linux: orphans come to us, known by session, mark, fence, or as seen below."""

    portable = False

    def open(self) -> None:
        """See `GroupReaper.open`: this process becomes a subreaper."""
        self._me = os.getpid()
        self._session = os.getsid(0)
        self._trees: dict[Tree, None] = {}
        self._leaders: dict[int, Tree] = {}
        self._owned: dict[int, Tree] = {}
        self._table: procfs.Table | None = None
        self._ours: set[int] = set()
        self._hidden: set[tuple[int, int]] = set()
        self._list = _open_children(self._me)
        self._before = self._children()
        self._strangers = set(self._before)
        _become_subreaper()
        if _in_main_thread() and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            # inherited from who started us; with it the system throws exit codes away
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def close(self) -> None:
        """See `GroupReaper.close`; orphans that no job could be named for are killed.

        Only in the main thread: elsewhere other launchers may be at work. Left alone are processes
        of our own session (a plugin's), with a mark (another launcher's), or older than `open`.
        """
        if _in_main_thread():
            found = map(procfs.process, self._children() - self._before)
            lost = [p for p in found if p and self._is_lost(p)]
            procfs.kill(lost, seconds=2.0)
            for p in lost:
                _reap(p.pid, None)
        if self._list >= 0:
            os.close(self._list)

    def own(self, tree: Tree) -> None:
        """See `GroupReaper.own`."""
        self._trees[tree] = None
        if tree.pid:
            self._leaders[tree.pid] = tree

    def release(self, tree: Tree) -> None:
        """See `GroupReaper.release`."""
        self._trees.pop(tree, None)
        if self._leaders.get(tree.pid) is tree:
            del self._leaders[tree.pid]

    def has_strays(self, tree: Tree) -> bool:
        """See `GroupReaper.has_strays`: does a child of ours belong to it?"""
        children = self._children()
        if self._strangers:
            self._strangers &= children
        leaders, strangers = self._leaders, self._strangers
        unknown = [pid for pid in children if pid not in leaders and pid not in strangers]
        if not unknown:
            self._owned.clear()
            return False
        self._sort(unknown)
        return tree in self._owned.values()

    def members(self, tree: Tree, max_age: float = 0.0) -> list[Process]:
        """See `GroupReaper.members`."""
        if self._table is None or time.monotonic() - self._table.at > max_age:
            self._table = procfs.Table()
            self._ours = self._table.below([self._me])
        table = self._table
        self.has_strays(tree)
        roots = {pid for pid, owner in self._owned.items() if owner is tree}
        if tree.pid and self._leaders.get(tree.pid, tree) is tree:  # else another has the number
            roots.update(pid for pid in self._ours if table[pid].session == tree.pid)
            if tree.awaited and tree.pid in self._ours:
                roots.add(tree.pid)  # it may not have a session of its own yet
        roots.update(pid for pid, start in tree.seen if pid in table and table[pid].start == start)
        if tree.fence is not None and tree.pid:  # until then, who starts it may be in there
            roots.update(tree.fence.pids())
        living = []
        for pid in sorted(table.below(roots)):
            p = table[pid]
            if not p.dead:
                living.append(p)
                if p.session != tree.pid:
                    tree.seen.add((pid, p.start))  # while it dies it shows no mark
            elif p.parent == self._me and not self._is_awaited(pid, tree):
                _reap(pid, tree)
        return living

    def send(self, target: Process, number: signal.Signals) -> None:
        """See `GroupReaper.send`."""
        procfs.send(target, number)

    def note(self, trees: Iterable[Tree]) -> None:
        """See `GroupReaper.note`; those in the leader's session are known by that."""
        table = procfs.Table()
        for tree in trees:
            found = (table[pid] for pid in table.below([tree.pid]))
            tree.seen.update((p.pid, p.start) for p in found if p.session != tree.pid)

    def _children(self) -> set[int]:
        """Our children, adopted ones included; those that other threads started may be missing."""
        if self._list < 0:
            return {p.pid for p in procfs.Table().values() if p.parent == self._me}
        data = block = os.pread(self._list, procfs.BLOCK, 0)
        while len(block) > 3000:  # the kernel gives a page at a time
            block = os.pread(self._list, procfs.BLOCK, len(data))
            data += block
        return set(map(int, data.split()))

    def _sort(self, unknown: Iterable[int]) -> None:
        """Find owners for children of ours that were not started by us as leaders."""
        self._until = time.monotonic() + EXEC
        owned = {}
        for pid in unknown:
            p = procfs.process(pid)
            if p is None:
                continue
            owner = self._owned.get(pid) or self._owner(p)
            if owner is not None:
                owned[pid] = owner
            elif p.dead:
                if p.session not in (pid, self._session):  # nothing we started can be like that
                    _reap(pid, None)
            elif p.session == self._session or p.age() > YOUNG:
                self._strangers.add(pid)
        self._owned = owned

    def _owner(self, p: Process) -> Tree | None:
        for tree in self._trees:
            if p.session == tree.pid or (p.pid, p.start) in tree.seen:
                return tree
        environment = self._environment(p)
        for tree in self._trees:
            if bears(environment, tree.mark) or (
                tree.fence is not None and tree.fence.holds(p.pid)
            ):
                return tree
        return None

    def _environment(self, p: Process) -> bytes:
        """Its environment. In the middle of exec it shows none: that is waited for, once, for a
        moment that all of a look share, as nothing else may tell whose a young process with a
        session of its own is."""
        found, key = procfs.environment(p.pid), (p.pid, p.start)
        if found == NOTHING and not p.dead and p.age() < YOUNG and key not in self._hidden:
            while found == NOTHING and time.monotonic() < self._until:
                time.sleep(0.0005)
                found = procfs.environment(p.pid)
            if found == NOTHING:
                self._hidden.add(key)  # it is another user's, or has emptied it
        return found

    def _is_awaited(self, pid: int, tree: Tree) -> bool:
        leads = self._leaders.get(pid)
        return leads is not None and (leads is not tree or tree.awaited)

    def _is_lost(self, p: Process) -> bool:
        if p.session == self._session or (p.dead and p.session == p.pid):
            return False
        return f"\0{VARIABLE}=".encode() not in procfs.environment(p.pid)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _open_children(me: int) -> int:
    try:
        return os.open(f"/proc/{me}/task/{me}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # a kernel built without it


def _become_subreaper() -> None:
    """Orphans below this process become its children, from now on.

    It stays so: another launcher, in another thread, may have come to rely on it.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)


def _reap(pid: int, tree: Tree | None) -> None:
    try:
        done, _, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return
    if done and tree is not None:
        tree.user += usage.ru_utime
        tree.system += usage.ru_stime
        tree.max_rss = max(tree.max_rss, usage.ru_maxrss)
