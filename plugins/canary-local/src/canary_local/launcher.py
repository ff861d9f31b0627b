"""The launcher `local`: the core's, with control groups, pinning, and warm Python.

A job that is a Python script is run by a fork of the warm server; any other that is to be in a
control group or on certain CPUs is executed by such a fork, so that it is there before its first
instruction. What the server cannot do, or no server does, is started as the core does it. If the
server dies, the jobs it had started are lost and their processes killed; it is started again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from canary.launch import ExitReason, Launch, Post, Usage
from canary.loop import Loop
from canary.process import SubprocessLauncher
from canary.supervisor import Run
from canary_local.groups import Group, Groups, open_groups
from canary_local.memory import LOOK, MIB, Watch
from canary_local.topology import look
from canary_local.warm import Server, is_script

DEATHS: Final = 3  # a server that dies so often without a job between is given up


class Order:
    """What was asked of a server for one run."""

    __slots__ = ("files", "run", "started")

    def __init__(self, run: Run, files: tuple[int, int]) -> None:
        self.run = run
        self.files = files
        self.started = False


class LocalLauncher(SubprocessLauncher):
    """Commands as processes of this machine, with the means given here."""

    name: ClassVar[str] = "local"

    def __init__(
        self,
        *,
        warm: bool = True,
        groups: bool = True,
        pin: bool = False,
        hyperthreads: bool = False,
        enforce_memory: bool = False,
        preload: tuple[str, ...] = (),
        portable: bool = False,
    ) -> None:
        super().__init__(portable=portable)
        self._warm = warm
        self._wants_groups = groups
        self._pin = pin
        self._hyperthreads = hyperthreads
        self._enforce_memory = enforce_memory
        self._preload = preload

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        usable = not self.portable
        self._groups: Groups | None = open_groups() if usable and self._wants_groups else None
        self._server: Server | None = None
        self._places: tuple[tuple[int, ...], ...] = ()
        self._given: dict[str, tuple[int, ...]] = {}
        self._watch = Watch(loop, self._pids, self._over_limit)
        self._usable = usable
        self._deaths = 0
        self._orders: dict[int, Order] = {}
        self._key = 0

    def close(self) -> None:
        """See `Launcher.close`."""
        if self._server is not None:
            self.loop.unwatch(self._server)
            self._server.close()
            self._server = None
        self._watch.close()
        super().close()
        if self._groups is not None:
            self._groups.close()

    def fence(self, launch: Launch) -> Group | None:
        """See `Supervisor.fence`."""
        group = self._groups.take() if self._groups is not None else None
        if group is not None:
            group.limit_memory(self._memory(launch))
        return group

    def released(self, run: Run) -> None:
        """See `Supervisor.released`."""
        group = run.tree.fence
        self._watch.drop(run)
        if isinstance(group, Group) and self._groups is not None:
            self._groups.give(group, clean=not (run.leaked or run.killed))

    def spawn(self, run: Run, out: int, err: int) -> None:
        """See `Supervisor.spawn`."""
        cpus = self._cpus(run.launch)
        if cpus != run.launch.affinity:
            run.launch = replace(run.launch, affinity=cpus)
        limit = self._memory(run.launch)
        fence = run.tree.fence
        if limit is not None and not (isinstance(fence, Group) and fence.limits_memory):
            self._watch.add(run, limit)
        kind = self._kind(run)
        if kind and self._ask(run, kind, (out, err)):
            return
        super().spawn(run, out, err)
        group = run.tree.fence
        if isinstance(group, Group):
            try:
                os.write(group.entry, str(run.tree.pid).encode())
            except OSError:
                pass  # over already

    def ended(self, run: Run, code: int | None, user: float, system: float, max_rss: int) -> None:
        """See `Supervisor.ended`."""
        group = run.tree.fence
        if isinstance(group, Group) and run.reason is None and group.has_hit_limit():
            run.reason = ExitReason.MEMORY_LIMIT
            run.say(_too_much(self._memory(run.launch) or 0))
        super().ended(run, code, user, system, max_rss)

    def usage(self, run: Run) -> Usage:
        """See `Supervisor.usage`; what the small server starts begins with less memory."""
        usage = super().usage(run)
        if run.user < 0 or not run.extra:
            return usage
        rss = max(run.max_rss, run.tree.max_rss) * 1024
        known = run.extra == "run" or (self._server is not None and not self._server.has_had(rss))
        return Usage(usage.user, usage.system, rss if known else -1)

    # what a job may use

    def _memory(self, launch: Launch) -> int | None:
        """The bytes it may have, None: no limit."""
        if launch.memory_limit is not None or not self._enforce_memory or launch.nodes > 1:
            return launch.memory_limit
        return MIB * sum(x["slots"] for x in launch.resources.get("memory", ())) or None

    def _pids(self, run: Run) -> Collection[int]:
        if run.tree.fence is not None:
            return run.tree.fence.pids()
        return [p.pid for p in self.reaper.members(run.tree, LOOK / 2)]

    def _over_limit(self, run: Run, used: int) -> None:
        limit = self._memory(run.launch) or 0
        detail = f"{_too_much(limit)} ({-(-used // MIB)} MiB when it was looked at)"
        self.stop(run, ExitReason.MEMORY_LIMIT, detail, 0.0)

    def _cpus(self, launch: Launch) -> tuple[int, ...]:
        """The CPUs it may use, of those we may; none: all."""
        wanted = set(launch.affinity)
        ids = [str(x["id"]) for x in launch.resources.get("cpus", ())]
        if ids and (wanted or self._pin):
            wanted = {cpu for id in ids for cpu in self._place(id)}
        return tuple(sorted(wanted & os.sched_getaffinity(0))) if wanted else ()

    def _place(self, id: str) -> tuple[int, ...]:
        """The logical CPUs of one of the pool, always the same, and no other's as long as there
        are enough; none for an ID that is no number."""
        if not self._places:
            self._places = look(hyperthreads=self._hyperthreads).cpus
        if not id.isdecimal() or not self._places:
            return ()
        if id not in self._given:
            taken = set(self._given.values())
            free = [place for place in self._places if place not in taken]
            own = [place for place in free if str(place[0]) == id]
            shared = self._places[int(id) % len(self._places)]
            self._given[id] = next(iter([*own, *free]), shared)
        return self._given[id]

    # the server

    def _kind(self, run: Run) -> str:
        """What to ask the server for; nothing if it is better not asked."""
        launch = run.launch
        if not self._usable:
            return ""
        if self._warm and is_script(launch, self._base()):
            return "run"
        return "exec" if run.tree.fence is not None or launch.affinity else ""

    def _base(self) -> Mapping[str, str]:
        return os.environ if self._server is None else self._server.environ

    def _ask(self, run: Run, kind: str, files: tuple[int, int]) -> bool:
        """Order the run from the server, which is started if there is none."""
        group = run.tree.fence
        fds: tuple[int, ...] = files
        if isinstance(group, Group) and self._groups is not None:
            fds = (*files, group.entry, self._groups.home)
        self._key += 1
        try:
            if self._server is None:
                self._server = Server(self._preload)
                self.loop.watch(self._server, self._hear)
            self._server.order(kind, self._key, run.launch, self.environment(run), fds=fds)
        except (OSError, ValueError):
            return False
        run.extra = kind
        self._orders[self._key] = Order(run, files)
        return True

    def _hear(self) -> None:
        """The server has something to say, or is no more."""
        server = self._server
        if server is None:
            return
        try:
            message = server.receive()
        except BlockingIOError:
            return
        if message is None:
            self._server_died(server)
            return
        what, key, *rest = message
        order = self._orders.get(key)
        if order is None or not self.is_running(order.run):
            self._orders.pop(key, None)
        elif what == "started":
            order.started = True
            self.started(order.run, *rest)
        elif what == "ended":
            self._deaths = 0
            del self._orders[key]
            self.ended(order.run, *rest)
        else:
            del self._orders[key]
            number, name = rest
            error = OSError(number, os.strerror(number), name) if number else ValueError(name)
            self.refuse(order.run, error)

    def _server_died(self, server: Server) -> None:
        """What it had started is lost; what it had not is started anew."""
        self.loop.unwatch(server)
        server.close()
        self._server = None
        self._deaths += 1
        self._usable = self._deaths < DEATHS
        orders, self._orders = self._orders, {}
        for order in orders.values():
            run = order.run
            if not self.is_running(run):
                continue
            if order.started or run.reason is not None or self.reaper.members(run.tree):
                self.lost(run, "worker lost")
                continue
            try:
                self.spawn(run, *order.files)
            except (OSError, ValueError, TypeError) as e:
                self.refuse(run, e)


def _too_much(limit: int) -> str:
    return f"used more than its {limit / MIB:g} MiB of memory"
