"""Which jobs go into which batch: levels, shapes, and simulated schedules.

Flat batches hold jobs that do not wait for each other, so that batches can wait for batches; atomic
ones hold all that is connected. Within that, jobs of one shape (nodes, what they ask of Slurm, a
parameter's value) are spread over a number of batches, or filled into batches of a duration. Pure
functions of jobs; nothing is written or submitted here.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from canary.errors import UsageError
from canary_slurm.options import Ask, Batching, ask_of

if TYPE_CHECKING:
    from canary.job import Job

UNKNOWN: Final = 3600.0  # seconds of a job that has neither limit nor history


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a batch can be given of a node: slots of `cpus` and `gpus`; `memory` in MiB, 0: as Slurm
    does it; `slots` of each CPU and GPU; `threads`, CPUs of Slurm's that each CPU is; and for how
    many seconds, at most."""

    cpus: int
    gpus: int = 0
    memory: int = 0
    slots: Mapping[str, int] = field(default_factory=dict)
    threads: int = 1
    limit: float | None = None


Rooms = Callable[["Sequence[Job]"], Room]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The jobs of one batch, and what they need: nodes, slots of CPUs and GPUs of each, seconds:
    what they will probably take, and after how many Slurm may end them."""

    jobs: tuple[Job, ...]
    ask: Ask
    nodes: int
    cpus: int
    gpus: int
    memory: int
    estimate: float
    walltime: float
    exclusive: bool
    room: Room


def limit_of(job: Job) -> float:
    """The most seconds that a job may take."""
    limit = job.total_timeout()
    return limit if limit > 0 else UNKNOWN


def expected(job: Job) -> float:
    """The seconds that a job will probably take."""
    return min(job.expected_runtime, limit_of(job))


def makespan(
    jobs: Sequence[Job],
    cpus: int,
    workers: int | None = None,
    seconds: Callable[[Job], float] = expected,
) -> float:
    """Seconds that the jobs take on so many CPUs, at most `workers` at once: those that wait for
    none first, the longest of them first, each where it fits first. Each takes `seconds`."""
    least = -(-cpus // workers) if workers else 1
    ends: dict[str, float] = {}
    free = [0.0] * cpus
    for level in _levels(jobs):
        for job in sorted(level, key=lambda j: (-seconds(j), j.id)):
            taken = heapq.nsmallest(min(cpus, max(least, job.cpus)), free)
            waits = [ends.get(d.job.id, 0.0) for d in job.dependencies]
            ends[job.id] = end = max([taken[-1], *waits]) + seconds(job)
            for at in taken:
                free.remove(at)
            free += [end] * len(taken)
    return max(ends.values(), default=0.0)


def pack(jobs: Sequence[Job], batching: Batching, rooms: Rooms) -> list[Pack]:
    """All jobs in batches, those first that others wait for; `rooms` says what jobs that share one
    can be given. UsageError for one allocation of jobs that ask for different things."""
    if batching.layout == "allocation":
        return _allocation(jobs, batching, rooms)
    if batching.layout != "atomic":
        return _flat(jobs, batching, rooms)
    units: dict[Hashable, list[list[Job]]] = {}
    torn: list[Job] = []
    for unit in _components(jobs):
        asks = {_submission(job, batching) for job in unit}
        if len(asks) == 1:
            units.setdefault(asks.pop(), []).append(unit)
        else:
            torn += unit
    flat = {ask: [job for unit in found for job in unit] for ask, found in units.items()}
    shares = _shares(flat, batching.count)
    groups = [g for ask, found in units.items() for g in _spread_units(found, shares.get(ask))]
    made = [_made(group, batching, rooms(group)) for group in groups]
    # what is connected and still wants to be in different places waits for each other
    return [*made, *_flat(torn, batching, rooms)]


def _allocation(jobs: Sequence[Job], batching: Batching, rooms: Rooms) -> list[Pack]:
    asks = {_submission(job, batching): job for job in jobs}
    if len(asks) > 1:
        one, other, *_ = asks.values()
        raise UsageError(
            f"{one.name} and {other.name} ask Slurm for different things: one allocation cannot"
            " give both",
            hint="-b spec=atomic makes batches for each",
        )
    return [_made(jobs, batching, rooms(jobs))] if jobs else []


def _flat(jobs: Sequence[Job], batching: Batching, rooms: Rooms) -> list[Pack]:
    out = []
    for level in _levels(jobs):
        shapes: dict[Hashable, list[Job]] = {}
        for job in level:
            shapes.setdefault(_shape(job, batching), []).append(job)
        shares = _shares(shapes, batching.count)
        for shape, members in shapes.items():
            room = rooms(members)
            for group in _split(members, shares.get(shape), batching, room.cpus):
                out.append(_made(group, batching, room))
    return out


def _made(jobs: Sequence[Job], batching: Batching, room: Room) -> Pack:
    nodes = max(job.nodes for job in jobs)
    if batching.layout == "allocation":
        nodes = max(nodes, batching.nodes)
    widest = max(-(-job.cpus // max(job.nodes, 1)) for job in jobs)
    if is_whole := nodes > 1 or batching.layout == "allocation":
        cpus = room.cpus
    else:
        wanted = sum(job.cpus for job in jobs)
        cpus = min(room.cpus, max(widest, min(wanted, batching.workers or wanted)))
    cpus = max(1, cpus)
    gpus = sum(job.gpus for job in jobs)
    memories = [job.get_resource_parameters_from_spec().get("memory", 0) for job in jobs]
    return Pack(
        jobs=tuple(jobs),
        ask=_submission(jobs[0], batching),
        nodes=nodes,
        cpus=cpus,
        gpus=room.gpus if gpus and is_whole else min(room.gpus, gpus),
        memory=room.memory if is_whole else min(room.memory, sum(memories)),
        estimate=makespan(jobs, cpus * nodes, batching.workers),
        walltime=_walltime(jobs, batching, cpus * nodes, room.limit),
        exclusive=any(job.exclusive for job in jobs),
        room=room,
    )


def _submission(job: Job, batching: Batching) -> Ask:
    """What it asks of the submission that it is in; its time is its own."""
    return replace(ask_of(job, batching.ask), walltime=None)


def _walltime(jobs: Sequence[Job], batching: Batching, cpus: int, limit: float | None) -> float:
    """Seconds after which Slurm may end jobs: what they take if each takes the time it asks for,
    or a quarter more than expected; for those that ask for none, also one's limit and a minute. No
    more than `limit`, unless one asks for more."""
    said = {job.id: ask_of(job, batching.ask).walltime for job in jobs}
    unsaid = [limit_of(job) for job in jobs if said[job.id] is None]
    most = makespan(jobs, cpus, batching.workers, lambda job: said[job.id] or 1.25 * expected(job))
    if unsaid:
        most += max(unsaid) + 60.0
    longest = max((seconds or 0.0 for seconds in said.values()), default=0.0)
    return most if limit is None else min(most, max(limit, longest))


def _shape(job: Job, batching: Batching) -> Hashable:
    """Jobs of one shape may share a batch; one that must be alone shares with nobody."""
    nodes = job.nodes if batching.same_nodes else 0
    by = None
    if batching.by is not None:
        parameters = {**job.spec.meta_parameters, **job.spec.parameters}
        by = str(parameters.get(batching.by))
    return nodes, _submission(job, batching), by, job.id if job.exclusive else ""


def _levels(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs that wait for none of the others, those that wait for these alone, and so on."""
    ids = {job.id: job for job in jobs}
    depth: dict[str, int] = {}
    todo = list(jobs)
    while todo:
        job = todo.pop()
        if job.id in depth:
            continue
        inside = [d.job.id for d in job.dependencies if d.job.id in ids]
        missing = [ids[id] for id in inside if id not in depth]
        if missing:
            todo += [job, *missing]
        else:
            depth[job.id] = max((depth[id] + 1 for id in inside), default=0)
    levels: dict[int, list[Job]] = {}
    for job in jobs:
        levels.setdefault(depth[job.id], []).append(job)
    return [levels[n] for n in sorted(levels)]


def _components(jobs: Sequence[Job]) -> list[list[Job]]:
    """What is connected by dependencies, in order."""
    leader = {job.id: job.id for job in jobs}

    def find(id: str) -> str:
        while leader[id] != id:
            leader[id] = id = leader[leader[id]]
        return id

    for job in jobs:
        for dependency in job.dependencies:
            if dependency.job.id in leader:
                leader[find(job.id)] = find(dependency.job.id)
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(find(job.id), []).append(job)
    return list(groups.values())


def _area(jobs: Sequence[Job]) -> float:
    return sum(expected(job) * max(1, job.cpus) for job in jobs)


def _shares(shapes: Mapping[Hashable, Sequence[Job]], count: int | None) -> dict[Hashable, int]:
    """How many of `count` batches each shape gets: by its work, at least one, no more than jobs."""
    if not count:
        return {}
    total = sum(map(_area, shapes.values())) or 1.0
    return {
        shape: max(1, min(len(jobs), math.floor(count * _area(jobs) / total + 0.5)))
        for shape, jobs in shapes.items()
    }


def _split(
    jobs: Sequence[Job], share: int | None, batching: Batching, node_cpus: int
) -> list[list[Job]]:
    if batching.by is not None and batching.count is None:
        return [list(jobs)]
    if batching.count == 0:
        return [[job] for job in jobs]
    if share is not None:
        return _spread_units([[job] for job in jobs], share)
    return _fill(jobs, batching.duration, node_cpus)


def _spread_units(units: Sequence[list[Job]], count: int | None) -> list[list[Job]]:
    """The largest unit first, each to the group with the least work; without a count each its
    own."""
    if not count:
        return [list(unit) for unit in units]
    heap: list[tuple[float, int, list[Job]]] = [(0.0, n, []) for n in range(min(count, len(units)))]
    for unit in sorted(units, key=lambda u: (-_area(u), u[0].id)):
        work, n, group = heapq.heappop(heap)
        heapq.heappush(heap, (work + _area(unit), n, group + unit))
    return [group for _, _, group in sorted(heap, key=lambda g: g[1]) if group]


def _fill(jobs: Sequence[Job], duration: float, cpus: int) -> list[list[Job]]:
    """The longest first, into a simulated schedule; what would end after `duration` opens the next
    batch."""
    out: list[list[Job]] = []
    free: list[float] = []
    for job in sorted(jobs, key=lambda j: (-expected(j), j.id)):
        width = min(cpus, max(1, -(-job.cpus // max(1, job.nodes))))
        taken = heapq.nsmallest(width, free)
        if not out or taken[-1] + expected(job) > duration:
            out.append([])
            free = [0.0] * cpus
            taken = free[:width]
        out[-1].append(job)
        end = taken[-1] + expected(job)
        for at in taken:
            free.remove(at)
        free += [end] * width
    return out
