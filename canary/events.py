"""What happens in a session, as frozen values that anyone may read: the record, reporters, the
console, other programs.

Events are ordered and complete: folding a session's events gives its results. The messages between
launcher and scheduler are another thing (`canary.launch`) and may change without these changing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from canary.frozen import shared
from canary.status import Outcome, Status

if TYPE_CHECKING:
    from canary.job import BaseJob


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is epoch seconds on the session's clock."""

    kind: ClassVar[str] = "event"
    at: float


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    """A session begins: its name, directory, command line, how many jobs it will run, and on what:
    `{node: {type: slots}}`."""

    kind = "session_started"
    session: str
    directory: str
    argv: tuple[str, ...]
    jobs: int
    excluded: Mapping[str, int] = shared()
    machine: Mapping[str, Mapping[str, int]] = shared()


@dataclass(frozen=True, slots=True)
class JobSubmitted(Event):
    """A job has its `resources`, `{type: [{"id", "slots", "node"}]}`, and is being staged."""

    kind = "job_submitted"
    id: str
    name: str
    attempt: int = 1
    resources: Mapping[str, Any] = shared()


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """A job's command runs."""

    kind = "job_started"
    id: str
    name: str
    ticket: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """A job is over; `times` are those of its timekeeper, `retry` says that another attempt
    follows, `attributes_set` are those that were set while it ran."""

    kind = "job_finished"
    id: str
    name: str
    status: Status
    times: Mapping[str, float]
    measurements: Mapping[str, Any]
    attempt: int = 1
    retry: bool = False
    attributes_set: Mapping[str, Any] = shared()

    @classmethod
    def of(cls, job: BaseJob, at: float, attempt: int = 1, retry: bool = False) -> JobFinished:
        """The end that a job has come to."""
        times, measured = job.timekeeper.asdict(), dict(job.measurements.data)
        how = (job.status, times, measured, attempt, retry, dict(job.attributes_set))
        return cls(at, job.id, job.display_name(), *how)


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something people should know; `level` is `info`, `warning` or `error`."""

    kind = "notice"
    level: str
    text: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class SessionFinished(Event):
    """The session is over with this exit code."""

    kind = "session_finished"
    exit_code: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a session came to: its name, `{outcome name: count}`, seconds, and the exit code."""

    session: str
    counts: Mapping[str, int]
    duration: float
    exit_code: int
    interrupted: int = 0

    @property
    def total(self) -> int:
        """Number of jobs."""
        return sum(self.counts.values())

    def line(self) -> str:
        """`26 total: 8 pass, 1 skipped, 1 diffed, 16 failed`: what passed, then others, then
        failures."""
        known = sorted(
            (Outcome[name] for name, n in self.counts.items() if n),
            key=lambda o: (o.category.rank, int(o)),
        )
        parts = (
            f"{self.counts[o.name]} {'pass' if o is Outcome.SUCCESS else o.name.lower()}"
            for o in known
        )
        return f"{self.total} total: " + ", ".join(parts)
