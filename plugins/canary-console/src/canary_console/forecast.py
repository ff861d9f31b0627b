"""The run that is to be expected: jobs on a machine whose clock jumps from one end to the next.

The queue and the pool are those of a real run, so that what is foreseen is what the scheduler would
do if every job took as long as expected and passed. Nothing is started, staged or written.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from math import isfinite
from typing import Final

from canary.job import BaseJob
from canary.ready import Node, ReadyQueue, Running, wire
from canary.resources import Assigned, Machine, ResourcePool

UNKNOWN: Final = 300.0  # seconds for a job without limit of which nothing is known


@dataclass(frozen=True, slots=True)
class Planned:
    """From when to when a job would run, in seconds since the first start, and on what."""

    job: BaseJob
    start: float
    end: float
    assigned: Assigned


@dataclass(frozen=True, slots=True)
class Forecast:
    """Jobs in the order of their starts, and others with the reason why they would never start."""

    planned: Sequence[Planned]
    refused: Sequence[tuple[BaseJob, str]]

    @property
    def seconds(self) -> float:
        """When the last one ends."""
        return max((p.end for p in self.planned), default=0.0)


def expected(job: BaseJob) -> float:
    """Seconds to plan with."""
    return job.expected_runtime if isfinite(job.expected_runtime) else UNKNOWN


def forecast(
    jobs: Sequence[BaseJob],
    machine: Machine,
    *,
    workers: int | None = None,
    seconds: Callable[[BaseJob], float] = expected,
) -> Forecast:
    """When each job that is not over would start and end.

    `seconds` says how long each takes, whatever the scheduler expects.
    """
    pool = ResourcePool(machine)
    queue = ReadyQueue(pool)
    nodes = wire(jobs)
    for node in nodes.values():
        if pool.refusal(node.request) is not None:
            node.waits = -1  # never
        elif not node.waits:
            queue.push(node)
    plan: list[Planned] = []
    running: dict[str, Running] = {}
    ends: list[tuple[float, int, Node]] = []
    now = 0.0
    alone = False
    while True:
        while not alone and (workers is None or len(running) < workers):
            first = queue.next(running.values(), now)
            if first is None:
                break
            job, alone = first.job, first.job.exclusive
            assigned = pool.checkout(first.request) or {}
            end = now + seconds(job)
            running[job.id] = Running(first, assigned, now, now + expected(job))
            heapq.heappush(ends, (end, len(plan), first))
            plan.append(Planned(job, now, end, assigned))
        if not ends:
            break
        now, _, node = heapq.heappop(ends)
        pool.checkin(running.pop(node.job.id).assigned)
        alone = False
        for child in node.children:
            child.waits -= 1
            if not child.waits:
                queue.push(child)
    never = nodes.keys() - {p.job.id for p in plan}
    left = (node for id, node in nodes.items() if id in never)
    return Forecast(plan, [(node.job, _why(node, pool, never)) for node in left])


def _why(node: Node, pool: ResourcePool, never: Set[str]) -> str:
    before = [d.job.display_name() for d in node.job.dependencies if d.job.id in never]
    return pool.refusal(node.request) or f"waits for {', '.join(before)}"
