"""What a batch can be given: of the session's machine, the part that its words of `sbatch` name.

The session's machine has what a user says of it (`-r`, a pool file, oversubscription); Slurm says
which of its nodes belong to which partition. A job is meant for the nodes that it will run on: how
many it needs follows from their size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from canary.resources import Machine, Request, ResourcePool
from canary_slurm.batch import OWN
from canary_slurm.packing import Room

if TYPE_CHECKING:
    from canary.job import Job
    from canary.resources import Instance, Node
    from canary_slurm.machine import Cluster
    from canary_slurm.options import Ask


COUNTED: Final = ("cpus", "gpus")


@dataclass(frozen=True, slots=True)
class _Part:
    """The nodes that jobs with the same words can be given; `where` says which those are."""

    machine: Machine
    pool: ResourcePool
    where: str
    threads: Mapping[str, int]
    limit: float | None


class Site:
    """A machine, and the partitions of the cluster that it is, if it is one; without a machine
    nothing is known, and everything fits."""

    def __init__(self, machine: Machine | None, cluster: Cluster | None = None) -> None:
        self.machine = machine
        self.cluster = cluster
        self._parts: dict[tuple[str | None, str | None], _Part] = {}

    def place(self, job: Job, ask: Ask) -> str | None:
        """Mean the job for the nodes that it will run on; why these cannot hold it, if they
        cannot."""
        if self.machine is None:
            return None
        part = self._part(ask)
        if job.workspace.capacity != part.machine.capacity:
            job.fit(part.machine.capacity)
        refusal = part.pool.refusal(Request.of(job.required_resources()))
        return refusal and refusal + part.where

    def room(self, jobs: Sequence[Job], ask: Ask) -> Room:
        """What a batch of these can be given on any node that can hold each of them."""
        if self.machine is None:
            cpus, gpus = (max(_share(job, type) for job in jobs) for type in COUNTED)
            return Room(cpus=cpus, gpus=gpus)
        part = self._part(ask)
        wanted = {t: max(_share(job, t) for job in jobs) for t in ("cpus", "gpus", "memory")}
        able = [n for n in part.machine.nodes if all(_slots(n, t) >= wanted[t] for t in wanted)]
        node = min(able or part.machine.nodes, key=lambda n: _slots(n, "cpus"))
        each = {t: max((i.slots for i in node.resources.get(t, ())), default=1) for t in COUNTED}
        each = {t: n for t, n in each.items() if n > 1}
        return Room(
            cpus=_slots(node, "cpus"),
            gpus=_slots(node, "gpus"),
            memory=_slots(node, "memory"),
            slots=each,
            threads=part.threads.get(node.id, 1),
            limit=part.limit,
        )

    @cached_property
    def _floating(self) -> dict[str, tuple[Instance, ...]]:
        """Of each type that a batch is lent, wherever it runs, the most that one node has."""
        found: dict[str, tuple[Instance, ...]] = {}
        for node in self.machine.nodes if self.machine else ():
            for type in node.resources.keys() - OWN:
                if _slots(node, type) > sum(i.slots for i in found.get(type, ())):
                    found[type] = node.resources[type]
        return found

    def _part(self, ask: Ask) -> _Part:
        key = (ask.partition, ask.constraint)
        if key not in self._parts:
            self._parts[key] = self._find(*key)
        return self._parts[key]

    def _find(self, partition: str | None, constraint: str | None) -> _Part:
        assert self.machine is not None
        offered = self.cluster.offered(partition, constraint) if self.cluster else ()
        threads = {place.node.id: place.threads for place in offered}
        known = {node.id for node in self.cluster.nodes} if self.cluster else set()
        # what Slurm does not know is of a pool file: the user knows better
        nodes = [n for n in self.machine.nodes if n.id in threads or n.id not in known]
        machine = replace(self.machine, nodes=tuple(nodes)) if nodes else self.machine
        for node in machine.nodes:
            machine = machine.with_instances(node.id, self._floating)
        names = {"partition": partition, "constraint": constraint}
        said = " and ".join(f"{k} {v}" for k, v in names.items() if v)
        limits = [place.limit for place in offered]
        longest = None if not limits or None in limits else max(filter(None, limits), default=None)
        return _Part(machine, ResourcePool(machine), f" ({said})" * bool(said), threads, longest)


def _share(job: Job, type: str) -> int:
    """Slots of a type that the job needs of each of its nodes."""
    return -(-job.get_resource_parameters_from_spec().get(type, 0) // max(job.nodes, 1))


def _slots(node: Node, type: str) -> int:
    return sum(instance.slots for instance in node.resources.get(type, ()))
