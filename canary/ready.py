"""Jobs that wait: what each waits for, which goes first, and what the dearest keeps for itself.

Ready jobs wait in one heap per shape of request. The dearest goes first (cost along its longest
chain of dependents); if it does not fit, the resources it needs are kept for it, and others may
start only where they cannot delay it. Nothing here starts a job or changes one.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import inf

from canary.job import BaseJob
from canary.launch import Launcher
from canary.resources import Assigned, Request, ResourcePool
from canary.status import Outcome


@dataclass(slots=True)
class Running:
    """A job that holds resources: since when, probably until when (monotonic seconds), and why it
    is being ended, if it is."""

    job: BaseJob
    assigned: Assigned
    request: Request
    attempt: int
    began: float
    expected_end: float
    launcher: Launcher | None = None
    reason: Outcome | None = None


@dataclass(slots=True)
class Node:
    """A job among those it waits for and those that wait for it; the highest `rank` goes first.

    `attempt` is the number of the one to come, `first` that of its first in this session.
    """

    job: BaseJob
    order: int
    request: Request
    rank: float = 0.0
    waits: int = 0
    children: list[Node] = field(default_factory=list)
    attempt: int = 1
    first: int = 1

    def __lt__(self, other: Node) -> bool:
        return (-self.rank, self.order) < (-other.rank, other.order)


def wire(jobs: Sequence[BaseJob]) -> dict[str, Node]:
    """The jobs that are not over, by ID, tied to each other and ranked."""
    nodes: dict[str, Node] = {}
    for order, job in enumerate(jobs):
        if not job.state.is_done():
            node = Node(job, order, Request.of(job.required_resources()))
            node.attempt = node.first = job.first_attempt
            nodes[job.id] = node
    for node in nodes.values():
        for dependency in node.job.dependencies:
            upstream = nodes.get(dependency.job.id)
            if upstream is not None:
                upstream.children.append(node)
                node.waits += 1
    _rank(nodes)
    return nodes


def _rank(nodes: dict[str, Node]) -> None:
    """Cost of the dearest chain that begins with a job: leaves first, iteratively."""
    parents: dict[str, list[Node]] = {}
    missing: dict[str, int] = {}
    todo: list[Node] = []
    for id, node in nodes.items():
        node.rank = node.job.cost()
        missing[id] = len(node.children)
        if not node.children:
            todo.append(node)
        for child in node.children:
            parents.setdefault(child.job.id, []).append(node)
    best: dict[str, float] = {}
    while todo:
        node = todo.pop()
        node.rank += best.get(node.job.id, 0.0)
        for parent in parents.get(node.job.id, ()):
            id = parent.job.id
            best[id] = max(best.get(id, 0.0), node.rank)
            missing[id] -= 1
            if not missing[id]:
                todo.append(parent)


class ReadyQueue:
    """What could be dispatched, by shape; jobs that must run alone are a shape of their own."""

    def __init__(self, pool: ResourcePool) -> None:
        self._pool = pool
        self._heaps: dict[tuple[Request, bool], list[Node]] = {}

    def __bool__(self) -> bool:
        return bool(self._heaps)

    def push(self, node: Node) -> None:
        """Add a job whose turn it may be."""
        heapq.heappush(self._heaps.setdefault((node.request, node.job.exclusive), []), node)

    def clear(self) -> None:
        """Forget all."""
        self._heaps.clear()

    def next(self, running: Collection[Running], now: float) -> Node | None:
        """Take the dearest job that may start beside what runs; the dearest of all keeps what it
        waits for."""
        # a job that waits for a lock takes nothing from the others meanwhile
        locked = self._pool.is_locked
        heads = [heap[0] for heap in self._heaps.values() if not locked(heap[0].request)]
        if not heads:
            return None
        first = min(heads)
        if self._fits(first, running):
            return self._take(first)
        if first.job.exclusive or len(heads) == 1:
            return None  # let the machine run empty for it
        start = self._start_of(first, running)
        for node in sorted(heads)[1:]:
            if node.job.exclusive or not self._fits(node, running):
                continue
            in_time = now + node.job.expected_runtime <= start < inf  # nobody knows: not in time
            if in_time or _share_nothing(node, first):
                return self._take(node)
        return None

    def _take(self, node: Node) -> Node:
        shape = (node.request, node.job.exclusive)
        heapq.heappop(self._heaps[shape])
        if not self._heaps[shape]:
            del self._heaps[shape]
        return node

    def _fits(self, node: Node, running: Collection[Running]) -> bool:
        if node.job.exclusive:
            return not running
        return self._pool.can_hold(node.request)

    def _start_of(self, wide: Node, running: Collection[Running]) -> float:
        """When `wide` can start if nothing else starts: what runs ends in order of its expected
        ends."""
        ordered = sorted(running, key=lambda r: r.expected_end)
        return self._pool.free_at(wide.request, [(r.expected_end, r.assigned) for r in ordered])


def _share_nothing(node: Node, wide: Node) -> bool:
    return wide.request.nodes == 1 and {t for t, n in node.request.slots if n}.isdisjoint(
        t for t, n in wide.request.slots if n
    )
