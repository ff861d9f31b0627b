"""What a report is made of: jobs, their attempts with times and places, links, and the past.

Reads `Results` once and knows nothing of HTML. Jobs are known by their number in the report, the
order of their full names.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from canary.declare import Results
from canary.events import (
    Event,
    JobFinished,
    JobStarted,
    JobSubmitted,
    Notice,
    SessionStarted,
)
from canary.status import Outcome

Job = Mapping[str, Any]
Place = tuple[str, str]  # node and core
# records of earlier sessions that are read: time and room for trends are not to grow without end
PAST_RECORDS: Final = 400_000
PAST_SESSIONS: Final = 30
# what one job may take of the table of places, so that a thousand whole nodes are no matter
PLACES: Final = 4096


@dataclass(slots=True)
class Attempt:
    """One try of a job; times are epoch seconds, negative where unknown."""

    number: int
    places: tuple[Place, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)  # slots of what is no CPU
    started: float = -1.0
    stopped: float = -1.0
    outcome: str = "NONE"
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long it ran; negative where unknown."""
        return self.stopped - self.started if 0 <= self.started <= self.stopped else -1.0


@dataclass(frozen=True, slots=True)
class Earlier:
    """How a job ended in an earlier session."""

    session: str
    outcome: str
    seconds: float
    measurements: Mapping[str, Any]


@dataclass(slots=True)
class Session:
    """What an earlier session came to."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Model:
    """A report's content."""

    results: Results
    jobs: list[Job]
    numbers: dict[str, int]
    dependents: list[list[int]]
    began: float = -1.0
    machine: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    past: dict[str, list[Earlier]] = field(default_factory=dict)

    def dependencies(self, job: Job) -> list[tuple[int, str]]:
        """Number and condition of each dependency that is in the report."""
        found = ((self.numbers.get(d["id"]), d["when"] or "always") for d in job["dependencies"])
        return [(number, when) for number, when in found if number is not None]

    def attempts_of(self, job: Job) -> Sequence[Attempt]:
        """Its attempts in this session; none if its result is of another."""
        return self.attempts.get(job["id"], ()) if job["session"] == self.results.session else ()

    def info(self) -> Mapping[str, Any]:
        """What was recorded of the session as a whole."""
        return mapping(getattr(self.results, "info", {}))


def read(results: Results) -> Model:
    """All that is known."""
    jobs = list(results.jobs())
    jobs.sort(key=lambda job: (job["fullname"], job["id"]))
    numbers = {job["id"]: n for n, job in enumerate(jobs)}
    model = Model(results, jobs, numbers, [[] for _ in jobs])
    for n, job in enumerate(jobs):
        for upstream, _ in model.dependencies(job):
            model.dependents[upstream].append(n)
    for event in results.events():
        _take(model, event)
    if model.began <= 0:
        model.began = min((j["started_at"] for j in jobs if j["started_at"] > 0), default=0.0)
    _read_past(model)
    return model


def _take(model: Model, event: Event) -> None:
    """Fold one event in."""
    if isinstance(event, SessionStarted):
        model.began = finite(event.at)
        model.machine = {
            node: {type: int(finite(n)) for type, n in slots.items() if finite(n) >= 0}
            for node, slots in mapping(event.machine).items()
            if isinstance(slots, Mapping)
        }
    elif isinstance(event, JobSubmitted):
        held = {t: _entries(found) for t, found in mapping(event.resources).items()}
        cores = held.pop("cpus", [])[:PLACES]
        places = tuple((str(x.get("node", "")), str(x.get("id", ""))) for x in cores)
        others = {t: sum(int(finite(x.get("slots", 1))) for x in xs) for t, xs in held.items()}
        model.attempts.setdefault(str(event.id), []).append(Attempt(_number(event), places, others))
    elif isinstance(event, JobStarted):
        _attempt(model, event).started = finite(event.at)
    elif isinstance(event, JobFinished):
        attempt, times = _attempt(model, event), mapping(event.times)
        attempt.started = finite(times.get("started", attempt.started))
        attempt.stopped = finite(times.get("stopped"))
        if attempt.stopped < 0 <= attempt.started:
            attempt.stopped = finite(event.at)
        attempt.outcome, attempt.reason = event.status.outcome.name, event.status.reason or ""
    elif isinstance(event, Notice) and event.level != "info":
        model.notices.append(event)


def _attempt(model: Model, event: JobStarted | JobFinished) -> Attempt:
    attempts, number = model.attempts.setdefault(str(event.id), []), _number(event)
    if not attempts or attempts[-1].number != number:
        attempts.append(Attempt(number))
    return attempts[-1]


def _number(event: JobSubmitted | JobStarted | JobFinished) -> int:
    return max(1, int(finite(event.attempt)))


def _entries(found: Any) -> list[Mapping[str, Any]]:
    """What a job held of a type, as it was recorded."""
    return [x for x in found if isinstance(x, Mapping)] if isinstance(found, (list, tuple)) else []


def _read_past(model: Model) -> None:
    wanted = min(PAST_SESSIONS, PAST_RECORDS // max(1, len(model.jobs)))
    for record in model.results.past(wanted):
        name, outcome = record["session"], record["status"]["outcome"]
        if not model.sessions or model.sessions[-1].name != name:
            model.sessions.append(Session(name))
        session = model.sessions[-1]
        seconds = finite(record["timings"].get("running", -1.0))
        session.counts[outcome] = session.counts.get(outcome, 0) + 1
        session.seconds += max(0.0, seconds)
        number = model.numbers.get(record["id"])
        # among the latest results are those of earlier sessions
        if number is not None and model.jobs[number]["session"] != name:
            earlier = Earlier(name, outcome, seconds, record["measurements"])
            model.past.setdefault(record["id"], []).append(earlier)


def finite(value: Any) -> float:
    """A number of seconds as it was recorded; -1 if it is none."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else -1.0


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping as it was recorded; an empty one if it is none."""
    return value if isinstance(value, Mapping) else {}


def is_trouble(job: Job) -> bool:
    """Did it run, or was it to run, and not pass?"""
    return job["excluded"] is None and job["status"]["category"] != "PASS"


def critical_path(model: Model) -> list[int]:
    """The chain of dependencies that takes longest: on any machine, the run lasts at least so
    long."""
    lengths: dict[int, float] = {}
    before: dict[int, int] = {}
    for n in _in_order(model):
        upstream = [i for i, _ in model.dependencies(model.jobs[n]) if i in lengths]
        last = max(upstream, key=lengths.__getitem__, default=-1)
        before[n] = last
        seconds = finite(model.jobs[n]["timings"].get("running", -1.0))
        lengths[n] = max(0.0, seconds) + lengths.get(last, 0.0)
    path: list[int] = []
    at = max(lengths, key=lengths.__getitem__, default=-1)
    while at >= 0:
        path.append(at)
        at = before[at]
    return path[::-1]


def _in_order(model: Model) -> Iterator[int]:
    """All jobs, each after those it depends on."""
    waiting = [len(model.dependencies(job)) for job in model.jobs]
    ready = [n for n, count in enumerate(waiting) if count == 0]
    while ready:
        n = ready.pop()
        yield n
        for dependent in model.dependents[n]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                ready.append(dependent)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the timeline: seconds since the session began, and the lanes it fills."""

    job: int
    attempt: int
    outcome: str
    start: float
    stop: float
    lanes: tuple[int, ...]


def timeline(model: Model) -> tuple[list[Place], list[Bar]]:
    """The lanes (node and core) and what ran on them; what has no place gets a lane that is free
    then."""
    found = [
        (n, attempt)
        for n, job in enumerate(model.jobs)
        for attempt in model.attempts_of(job)
        if attempt.seconds >= 0
    ]
    places = {place for _, attempt in found for place in attempt.places}
    places |= _idle(model, places)
    lanes = sorted(places, key=_natural)
    index = {place: n for n, place in enumerate(lanes)}
    free: list[tuple[float, int]] = []
    bars = []
    for n, attempt in sorted(found, key=lambda pair: pair[1].started):
        at = tuple(sorted({index[place] for place in attempt.places}))
        if not at:
            at = (_free_lane(free, lanes, attempt),)
        start = max(0.0, attempt.started - model.began)
        stop = max(start, attempt.stopped - model.began)
        bars.append(Bar(n, attempt.number, attempt.outcome, start, stop, at))
    return lanes, bars


def usage(model: Model, bins: int) -> dict[str, tuple[int, list[float]]]:
    """For each type but CPUs that a machine has: its slots, and how many were in use in each of so
    many equal parts of the session, on average."""
    slots: dict[str, int] = {}
    for counts in model.machine.values():
        for type, n in counts.items():
            slots[type] = slots.get(type, 0) + n
    changes: dict[str, list[tuple[float, int]]] = {t: [] for t, n in slots.items() if n}
    changes.pop("cpus", None)
    end = 0.0
    for job in model.jobs:
        for attempt in model.attempts_of(job):
            if attempt.seconds >= 0:
                end = max(end, attempt.stopped - model.began)
                for type in changes.keys() & attempt.others:
                    n = attempt.others[type]
                    changes[type].append((attempt.started - model.began, n))
                    changes[type].append((attempt.stopped - model.began, -n))
    return {
        type: (slots[type], _means(sorted(found), end, bins)) for type, found in changes.items()
    }


def _means(changes: Sequence[tuple[float, int]], end: float, bins: int) -> list[float]:
    """The mean of what `changes` (time, difference) add up to in each part of 0 to `end`."""
    sums = [0.0] * bins
    value, at = 0, 0.0
    for time, change in changes if end > 0 else ():
        first, last = at * bins / end, max(0.0, time) * bins / end
        for n in range(int(first), min(bins, math.ceil(last))):
            sums[n] += value * (min(last, n + 1) - max(first, n))
        value, at = value + change, max(0.0, time)
    return sums


def _idle(model: Model, used: Collection[Place]) -> set[Place]:
    """Cores of the machine that no job had; none if they are too many to be shown."""
    idle: set[Place] = set()
    for node, slots in model.machine.items():
        ids = {id for at, id in used if at == node}
        count = slots.get("cpus", 0)
        others = (str(n) for n in range(count) if str(n) not in ids)
        left = max(0, min(count - len(ids), PLACES + 1 - len(idle)))
        idle |= {(node, id) for id in islice(others, left)}
    return idle if len(idle) <= PLACES else set()


def _free_lane(free: list[tuple[float, int]], lanes: list[Place], attempt: Attempt) -> int:
    if free and free[0][0] <= attempt.started:
        lane = heapq.heappop(free)[1]
    else:
        lane = len(lanes)
        lanes.append(("", str(len(free))))
    heapq.heappush(free, (attempt.stopped, lane))
    return lane


def _natural(place: Place) -> tuple[str, int, int, str]:
    node, id = place
    return (node, 0, int(id), "") if id.isdecimal() else (node, 1, 0, id)


def totals(jobs: Iterable[Job]) -> dict[str, int]:
    """How many jobs came to each outcome, in the order of `Outcome`; what was left out comes as
    `left out`."""
    counts: dict[str, int] = {}
    for job in jobs:
        name = "left out" if job["excluded"] is not None else job["status"]["outcome"]
        counts[name] = counts.get(name, 0) + 1
    order = [o.name for o in Outcome] + ["left out"]
    return {name: counts[name] for name in order if name in counts}
