"""What a session has come to so far, kept up to date event by event; asking costs next to nothing.

Every number is a running sum: nothing here looks at all jobs again, however many there are. The
module knows events and jobs' expected run times, and nothing of how they are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from canary.clock import ran_for
from canary.events import Event, JobFinished, JobStarted
from canary.status import Category, Outcome

# as many as there is room for in a table
KEPT: Final = 10
# running jobs looked at one by one for what is left of them
_LOOKED_AT: Final = 256


class Expected(Protocol):
    """What is asked of a job: its ID, and how long it will take, in seconds."""

    @property
    def id(self) -> str:
        """Stable identity."""

    @property
    def timeout(self) -> float:
        """Its time limit, without multipliers."""

    @property
    def expected_runtime(self) -> float:
        """Seconds it will probably take; its time limit if nothing is known."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs: its name, and since when (epoch seconds)."""

    name: str
    since: float


class Tally:
    """Counts by outcome, what runs, and the first ends of each outcome, as far as events told."""

    def __init__(self, jobs: Iterable[Expected] = ()) -> None:
        self.forecast = Forecast(jobs)
        self.total = self.forecast.left
        self.done = 0
        self.counts: Counter[Outcome] = Counter()
        # in the order of their starts; a batch that holds jobs of the session is among them
        self.running: dict[str, Running] = {}
        self.started = 0
        self.kept: dict[Outcome, list[JobFinished]] = {}

    @property
    def waiting(self) -> int:
        """Jobs that have not started."""
        return max(0, self.total - self.done - self.started)

    @property
    def stopping(self) -> bool:
        """Is the session being ended early?"""
        return bool(self.counts[Outcome.CANCELLED])

    def of(self, category: Category) -> int:
        """Jobs that ended in a category."""
        return sum(n for outcome, n in self.counts.items() if outcome.category is category)

    def add(self, event: Event) -> None:
        """Take an event; those that do not concern jobs change nothing."""
        if isinstance(event, JobStarted):
            self.started += event.id not in self.running and event.id in self.forecast
            self.running[event.id] = Running(event.name, event.at)
            self.forecast.began(event.at)
        elif isinstance(event, JobFinished):
            was = self.running.pop(event.id, None)
            self.started -= was is not None and event.id in self.forecast
            self.forecast.ran(event, was)
            if event.retry or not self.forecast.ended(event.id):
                return
            outcome = event.status.outcome
            self.done += 1
            self.counts[outcome] += 1
            kept = self.kept.setdefault(outcome, [])
            if len(kept) < KEPT:
                kept.append(event)

    def seconds_left(self, now: float) -> float | None:
        """How long the rest will probably take; None if nobody can say."""
        return self.forecast.seconds_left(self.running, now)


@dataclass(slots=True)
class _Guesses:
    """Jobs whose run time was guessed in one way, and how right the guesses were.

    `ahead` are seconds guessed for the jobs still left; `guessed` and `took` are those of jobs that
    have run. `trust` is what a guess is multiplied with while none of them has.
    """

    trust: float | None
    left: dict[str, float] = field(default_factory=dict)
    ahead: float = 0.0
    guessed: float = 0.0
    took: float = 0.0

    def scale(self) -> float | None:
        """Seconds that a guessed second takes; None if it is not known."""
        return self.took / self.guessed if self.guessed > 0 else self.trust


class Forecast:
    """How long the rest will take: what is left of work, over how much is done at once.

    A guess from earlier runs is believed at once; a time limit says nothing before jobs with one
    have run, and then only how they compare.
    """

    def __init__(self, jobs: Iterable[Expected]) -> None:
        self._known = _Guesses(trust=1.0)
        self._limits = _Guesses(trust=None)
        for job in jobs:
            guess = job.expected_runtime
            kind = self._limits if guess == max(0.0, job.timeout) else self._known
            kind.left[job.id] = guess
            kind.ahead += guess
        self._busy = 0.0
        self._began = -1.0
        self._runs = 0

    @property
    def left(self) -> int:
        """Jobs that are not over."""
        return len(self._known.left) + len(self._limits.left)

    def __contains__(self, id: str) -> bool:
        return self._kind(id) is not None

    def began(self, at: float) -> None:
        """A job started."""
        if self._began < 0:
            self._began = at

    def ran(self, event: JobFinished, was: Running | None) -> None:
        """A run is over, be it the last of its job or not."""
        took = ran_for(event.times)
        if took < 0 and was is not None:
            took = max(0.0, event.at - was.since)
        if took < 0:
            return
        self._busy += took
        self._runs += 1
        kind = self._kind(event.id)
        if kind is not None:
            kind.guessed += kind.left[event.id]
            kind.took += took

    def ended(self, id: str) -> bool:
        """A job is over; False if it is none of the session's, or was over before."""
        kind = self._kind(id)
        if kind is None:
            return False
        kind.ahead -= kind.left.pop(id)
        return True

    def _kind(self, id: str) -> _Guesses | None:
        if id in self._known.left:
            return self._known
        return self._limits if id in self._limits.left else None

    def _guess(self, id: str) -> float | None:
        kind = self._kind(id)
        scale = kind.scale() if kind else None
        return kind.left[id] * scale if kind is not None and scale is not None else None

    def _ahead(self) -> float | None:
        """Seconds of work for the jobs that are left, as if nothing of them were done."""
        total = 0.0
        for kind in (self._known, self._limits):
            scale = kind.scale()
            if scale is not None:
                total += max(0.0, kind.ahead) * scale
            elif kind.left and self._runs:
                total += len(kind.left) * self._busy / self._runs
            elif kind.left:
                return None
        return total

    def seconds_left(self, running: Mapping[str, Running], now: float) -> float | None:
        """How long until all is over; None if nobody can say."""
        ahead = self._ahead()
        passed = now - self._began
        if ahead is None or self._began < 0 or passed <= 0:
            return None
        busy, longest = self._busy, 0.0
        for id, run in islice(running.items(), _LOOKED_AT):
            spent = max(0.0, now - run.since)
            busy += spent
            guess = self._guess(id)
            if guess is not None:
                ahead -= min(spent, guess)
                longest = max(longest, guess - spent)
        at_once = min(busy / passed, self.left)
        if at_once <= 0:
            return None
        return max(ahead / at_once, longest)
