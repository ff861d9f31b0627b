"""Ownership of everything a job starts: telling whose a process is, reaping it.

`TreeReaper` (Linux) makes this process the one that inherits orphans, so that whatever outlives a job's command is a
child of ours and one read of the list of our children says that there is nothing. Only if there is something is the
process table searched. `GroupReaper` is for systems without that: it knows process groups alone. Neither decides when
anything is to be killed, and neither ever waits for "any child": a plugin's processes are its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Collection, Iterable
from typing import Final, Protocol

from canary import procfs
from canary.procfs import Process
from canary.survivors import VARIABLE

PR_SET_CHILD_SUBREAPER: Final = 36
PR_GET_CHILD_SUBREAPER: Final = 37


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

    `pid` is the leader's, 0 until it is known. `entry` is the mark in the environment. `seen` are processes once seen
    below the leader. Seconds and bytes of reaped orphans add up in `user`, `system` and `max_rss`.
    """

    __slots__ = ("entry", "fence", "max_rss", "pid", "seen", "system", "user")

    def __init__(self, mark: str, fence: Fence | None = None) -> None:
        self.pid = 0
        self.entry = f"\0{VARIABLE}={mark}\0".encode(errors="surrogateescape")
        self.fence = fence
        self.seen: set[tuple[int, int]] = set()
        self.user = self.system = 0.0
        self.max_rss = 0


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
            os.killpg(tree.pid, 0)
        except OSError:
            return False
        return True

    def members(self, tree: Tree) -> list[Process]:
        """All living processes of the tree; dead ones that are ours to reap are reaped."""
        if not self.has_strays(tree):
            return []
        return [Process(tree.pid, "process group", "", 0, tree.pid, tree.pid, 0)]

    def send(self, target: Process, number: signal.Signals) -> None:
        """Signal one of `members`."""
        try:
            os.killpg(target.group, number)
        except OSError:
            pass

    def note(self, trees: Iterable[Tree]) -> None:
        """Remember what is below the leaders now, so that it is recognised once it is an orphan."""


class TreeReaper(GroupReaper):
    """The way of Linux: orphans come to us, and are known by session, mark, fence, or as once seen below a job."""

    portable = False

    def open(self) -> None:
        """See `GroupReaper.open`: this process becomes a subreaper."""
        self._me = os.getpid()
        self._session = os.getsid(0)
        self._trees: dict[Tree, None] = {}
        self._leaders: dict[int, Tree] = {}
        self._owned: dict[int, Tree] = {}
        self._list = _open_children(self._me)
        self._before = self._children()
        self._strangers = set(self._before)
        self._was = _subreaper(None)
        _subreaper(1)
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                # inherited from who started us; with it the system throws exit codes away
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def close(self) -> None:
        """See `GroupReaper.close`; orphans that no job could be named for are killed.

        Only in the main thread: elsewhere other launchers may be at work. Processes of our own session (a plugin's),
        with a mark (another launcher's) or older than `open` are left alone.
        """
        if threading.current_thread() is threading.main_thread():
            found = map(procfs.process, self._children() - self._before)
            lost = [p for p in found if p and self._is_lost(p)]
            procfs.kill(lost, seconds=2.0)
            for p in lost:
                _reap(p.pid, None)
        if self._list >= 0:
            os.close(self._list)
        if not self._was:
            _subreaper(0)

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

    def members(self, tree: Tree) -> list[Process]:
        """See `GroupReaper.members`."""
        table = procfs.processes()
        self.has_strays(tree)
        roots = {pid for pid, owner in self._owned.items() if owner is tree}
        if tree.pid and self._leaders.get(tree.pid, tree) is tree:  # else the number has gone to another job
            ours = procfs.below(table, [self._me])
            roots.update(pid for pid in ours if table[pid].session == tree.pid)
        roots.update(pid for pid, start in tree.seen if pid in table and table[pid].start == start)
        if tree.fence is not None:
            roots.update(tree.fence.pids())
        living = []
        for pid in sorted(procfs.below(table, roots)):
            p = table[pid]
            if not p.dead:
                living.append(p)
            elif p.parent == self._me and pid != tree.pid:
                _reap(pid, tree)
        return living

    def send(self, target: Process, number: signal.Signals) -> None:
        """See `GroupReaper.send`."""
        procfs.send(target, number)

    def note(self, trees: Iterable[Tree]) -> None:
        """See `GroupReaper.note`; those in the leader's session are known by that."""
        table = procfs.processes()
        for tree in trees:
            found = (table[pid] for pid in procfs.below(table, [tree.pid]))
            tree.seen.update((p.pid, p.start) for p in found if p.session != tree.pid)

    def _children(self) -> set[int]:
        """Our children, adopted ones included; those that other threads of ours started may be missing."""
        if self._list < 0:
            return {p.pid for p in procfs.processes().values() if p.parent == self._me}
        data = block = os.pread(self._list, procfs.BLOCK, 0)
        while len(block) > 3000:  # the kernel gives a page at a time
            block = os.pread(self._list, procfs.BLOCK, len(data))
            data += block
        return set(map(int, data.split()))

    def _sort(self, unknown: Iterable[int]) -> None:
        """Find owners for children of ours that were not started by us as leaders."""
        owned = {}
        for pid in unknown:
            p = procfs.process(pid)
            if p is None:
                continue
            owner = self._owned.get(pid) or self._owner(p)
            if owner is not None:
                owned[pid] = owner
            elif p.dead:
                if p.session not in (pid, self._session):  # nothing that was started by us can be like that
                    _reap(pid, None)
            elif p.session == self._session or p.age() > 1.0:
                self._strangers.add(pid)  # a younger one may be in the middle of exec, without environment
        self._owned = owned

    def _owner(self, p: Process) -> Tree | None:
        for tree in self._trees:
            if p.session == tree.pid or (p.pid, p.start) in tree.seen:
                return tree
        environment = procfs.environment(p.pid)
        for tree in self._trees:
            if tree.entry in environment or (tree.fence is not None and tree.fence.holds(p.pid)):
                return tree
        return None

    def _is_lost(self, p: Process) -> bool:
        if p.session == self._session or (p.dead and p.session == p.pid):
            return False
        return f"\0{VARIABLE}=".encode() not in procfs.environment(p.pid)


def _open_children(me: int) -> int:
    try:
        return os.open(f"/proc/{me}/task/{me}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1  # a kernel built without it


def _subreaper(value: int | None) -> int:
    """Set, or with None get, whether orphans below this process become its children."""
    libc = ctypes.CDLL(None)
    if value is not None:
        return int(libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(value), 0, 0, 0))
    answer = ctypes.c_int(0)
    libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return answer.value


def _reap(pid: int, tree: Tree | None) -> None:
    try:
        done, _, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return
    if done and tree is not None:
        tree.user += usage.ru_utime
        tree.system += usage.ru_stime
        tree.max_rss = max(tree.max_rss, usage.ru_maxrss)
