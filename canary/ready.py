"""Jobs that wait: what each waits for, which goes first, and what the dearest keeps for itself.

Ready jobs wait in one heap per shape of request and probable length. The dearest goes first (cost
along its longest chain of dependents), of nearly equal ones the widest; if it does not fit, the
resources it needs are kept for it, and others may start only where they cannot delay it. Nothing
here starts a job or changes one.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from math import floor, inf, log2
from threading import Thread
from typing import Final

from canary.job import BaseJob
from canary.launch import Launcher
from canary.resources import AMOUNTS, Assigned, Request, ResourcePool
from canary.status import Outcome

# steps to the double, by which costs count as equal, and lengths as those of one heap
COSTS: Final = 14
LENGTHS: Final = 2

Shape = tuple[Request, bool]
Key = tuple[float, ...]
Heap = list[tuple[Key, "Node"]]


@dataclass(slots=True)
class Running:
    """A job that holds resources: since when, probably until when (monotonic seconds), and why it
    is being ended, if it is."""

    node: Node
    assigned: Assigned
    began: float
    expected_end: float
    launcher: Launcher | None = None
    reason: Outcome | None = None
    staging: Thread | None = None


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
    """Cost of the dearest chain that begins with a job: leaves first."""
    order: Iterable[str] = nodes
    if any(node.waits for node in nodes.values()):
        after = {id: [child.job.id for child in node.children] for id, node in nodes.items()}
        order = TopologicalSorter(after).static_order()
    for node in map(nodes.__getitem__, order):
        node.rank = node.job.cost() + max((child.rank for child in node.children), default=0.0)


def _step(number: float, steps: int) -> int:
    """The same for numbers that are nearly equal: `steps` to the double."""
    return floor(steps * log2(min(max(number, 1e-6), 1e12)))


class ReadyQueue:
    """What could be dispatched, by shape and length; jobs that must run alone are a shape of their
    own."""

    def __init__(self, pool: ResourcePool) -> None:
        self._pool = pool
        self._shapes: dict[Shape, dict[int, Heap]] = {}

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def push(self, node: Node) -> None:
        """Add a job whose turn it may be."""
        width = sum(n for type, n in node.request.slots if type not in AMOUNTS)
        key = (-_step(node.rank, COSTS), -width, -node.rank, node.order)
        heaps = self._shapes.setdefault((node.request, node.job.exclusive), {})
        heapq.heappush(heaps.setdefault(_length(node), []), (key, node))

    def clear(self) -> None:
        """Forget all."""
        self._shapes.clear()

    def next(self, running: Collection[Running], now: float) -> Node | None:
        """Take the dearest job that may start beside what runs; the dearest of all keeps what it
        waits for."""
        heaps = self._unlocked()
        if not heaps:
            return None
        dearest = min(heaps)
        first = dearest[0][1]
        if self._fits(first, running):
            return self._take(dearest)
        if first.job.exclusive:
            return None  # let the machine run empty for it
        fitting = (heap for heap in heaps if self._may_pass(heap[0][1]))
        start: float | None = None
        free: list[dict[str, int]] = []
        for heap in sorted(fitting):
            node = heap[0][1]
            if start is None:  # if nothing else starts, it can when enough of these are over
                ends = [(r.expected_end, r.assigned) for r in running]
                start, free = self._pool.free_at(first.request, ends)
            in_time = now + node.job.expected_runtime <= start < inf  # nobody knows: not in time
            if in_time or _leaves_room(free, first.request, node.request):
                return self._take(heap)
        return None

    def _unlocked(self) -> list[Heap]:
        """Those whose first job can have its locks. One that waits for a lock takes nothing from
        the others meanwhile but its other locks, from those that are less dear."""
        found: list[Heap] = []
        waiting: list[tuple[Key, Node]] = []
        for (request, _), heaps in self._shapes.items():
            if not self._pool.is_locked(request):
                found += heaps.values()
            elif len(request.locks) > 1:
                waiting += [heap[0] for heap in heaps.values()]
        kept: dict[str, Key] = {}
        for key, node in sorted(waiting, reverse=True):
            kept |= dict.fromkeys(node.request.locks, key)

        def has_locks(heap: Heap) -> bool:
            key, node = heap[0]
            return all(key < kept.get(lock, (inf,)) for lock in node.request.locks)

        return list(filter(has_locks, found)) if kept else found

    def _take(self, heap: Heap) -> Node:
        node = heapq.heappop(heap)[1]
        if not heap:
            shape = (node.request, node.job.exclusive)
            del self._shapes[shape][_length(node)]
            if not self._shapes[shape]:
                del self._shapes[shape]
        return node

    def _may_pass(self, node: Node) -> bool:
        return not node.job.exclusive and self._pool.can_hold(node.request)

    def _fits(self, node: Node, running: Collection[Running]) -> bool:
        if node.job.exclusive:
            return not running
        return self._pool.can_hold(node.request)


def _length(node: Node) -> int:
    return _step(node.job.expected_runtime, LENGTHS)


def _leaves_room(free: Sequence[Mapping[str, int]], wide: Request, other: Request) -> bool:
    """Does `wide` fit on one of the nodes then, even if `other` still has what it wants?"""
    taken = {type: n for type, n in other.slots if n}
    if max(wide.nodes, other.nodes) > 1 or any(type in taken for type, _ in wide.pieces):
        return False
    if not set(wide.locks).isdisjoint(other.locks):
        return False
    return any(
        all(n + taken.get(type, 0) <= node.get(type, 0) for type, n in wide.slots if n)
        for node in free
    )
