"""Slurm's programs: what they are asked, what their answers mean.

Every call has a time limit and is counted; an answer that did not come is an `OSError`, never an
empty answer. Nothing here knows jobs of ours, batches or files.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from canary.launch import ExitReason
from canary.process import ask

# what a job can end as; whatever is not named here is alive
ENDS: Final[Mapping[str, ExitReason]] = MappingProxyType(
    {
        "COMPLETED": ExitReason.EXITED,
        "FAILED": ExitReason.EXITED,
        "CANCELLED": ExitReason.CANCELLED,
        "TIMEOUT": ExitReason.TIMEOUT,
        "DEADLINE": ExitReason.TIMEOUT,
        "PREEMPTED": ExitReason.CANCELLED,
        "NODE_FAIL": ExitReason.CANCELLED,
        "BOOT_FAIL": ExitReason.CANCELLED,
        "OUT_OF_MEMORY": ExitReason.MEMORY_LIMIT,
    }
)
STARTED: Final = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", *ENDS})
# in the queue: a job that has run is there again when it was queued again, or held
WAITING: Final = frozenset({"PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT"})
# a request that no node can ever serve waits with one of these reasons
NEVER: Final = frozenset(
    {
        "PartitionConfig",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "BadConstraints",
    }
)
# a node could not start it: it is held until somebody lets it go
HELD: Final = "launch failed requeued held"
_ASKS: Final = ("SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_")
_LONG: Final = 200  # more tickets than that are not named one by one
_GONE: Final = "Invalid job id"


@dataclass(frozen=True, slots=True)
class Seen:
    """What Slurm says of a job: its state, and the reason it gives."""

    state: str
    reason: str = ""

    @property
    def end(self) -> ExitReason | None:
        """How it ended; None while it is alive."""
        return ENDS.get(self.state)

    @property
    def waits(self) -> bool:
        """Is it in the queue?"""
        return self.state in WAITING

    def __str__(self) -> str:
        said = self.reason if self.reason not in ("", "None") else ""
        return f"{self.state} ({said})" if said else self.state


class Refused(Exception):
    """A program of Slurm has refused what it was asked, with its reason in a line."""


class Pace:
    """When to ask for status again: soon after a change, ever less often without, and never more
    than `per_minute` times a minute; after a failure twice as long, up to a minute."""

    def __init__(self, longest: float, per_minute: int) -> None:
        self.longest = max(longest, 1.0)
        self.per_minute = max(per_minute, 1)
        self._wait = 0.5
        self._due = 0.0
        self._asked: deque[float] = deque()

    def due(self, now: float) -> bool:
        """Is it time to ask?"""
        return now >= self._due and self.has_room(now)

    def has_room(self, now: float) -> bool:
        """Is there room for one more call in this minute?"""
        while self._asked and self._asked[0] <= now - 60.0:
            self._asked.popleft()
        return len(self._asked) < self.per_minute

    def count(self, now: float) -> None:
        """A call is made."""
        self._asked.append(now)

    def asked(self, now: float, *, changed: bool = False, failed: bool = False) -> None:
        """All that was to be asked was asked, with this success."""
        if failed:
            self._wait = min(max(self._wait, 1.0) * 2.0, 60.0)
        else:
            self._wait = 1.0 if changed else min(self._wait * 1.5, self.longest)
        self._due = now + self._wait

    def hurry(self, now: float) -> None:
        """Something was submitted or cancelled: ask soon."""
        self._wait = 0.5
        self._due = min(self._due, now + self._wait)


class Slurm:
    """The programs of Slurm that are on the path; `limit` seconds a call."""

    def __init__(self, limit: float = 10.0, environment: Mapping[str, str] | None = None) -> None:
        self.limit = limit
        base = os.environ if environment is None else environment
        self.environment = {k: v for k, v in base.items() if not k.startswith(_ASKS)}

    def call(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """What the program prints; Refused if it fails, OSError if it cannot answer."""
        code, out, errors = ask(words, self.limit, dict(self.environment if env is None else env))
        if code == 0:
            return out
        said = errors.strip()
        line = re.sub(r"^\w+: (error: )?", "", said.splitlines()[0]) if said else ""
        if _unanswered(said):
            raise ConnectionError(f"{words[0]}: {line}")
        raise Refused(f"{words[0]}: {line or f'exit code {code}'}")

    def submit(self, words: Sequence[str], script: str, env: Mapping[str, str]) -> str:
        """Submit a script; the ID of its job."""
        # what an allocation around us says of itself is not for the new one
        kept = {k: v for k, v in env.items() if not k.startswith("SLURM_") or k in _KEPT}
        answer = self.call("sbatch", "--parsable", *words, script, env=kept)
        return answer.strip().partition(";")[0]

    def states(self, tickets: Collection[str]) -> dict[str, Seen]:
        """One call for all: what is said of each; who is not in the answer is not known (any
        more)."""
        which = ["-j", ",".join(tickets)] if len(tickets) <= _LONG else ["--me"]
        try:
            text = self.call("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r", *which)
        except Refused as e:
            if _GONE in str(e):
                return {}
            raise ConnectionError(str(e)) from None
        found = {}
        for line in text.splitlines():
            ticket, _, rest = line.partition("|")
            if ticket in tickets:
                found[ticket] = Seen(*rest.split("|", 1))
        return found

    def accounted(self, tickets: Collection[str]) -> dict[str, Seen]:
        """What the accounting has of jobs that the controller has forgotten; OSError without it."""
        ids = ",".join(tickets)
        try:
            text = self.call("sacct", "-n", "-X", "-P", "-o", "JobID,State", "-j", ids)
        except Refused as e:
            raise ConnectionError(str(e)) from None
        rows = (line.split("|") for line in text.splitlines() if "|" in line)
        # "CANCELLED by 1000"
        return {id: Seen(state.split()[0]) for id, state in rows if id in tickets and state}

    def named(self, name: str) -> str | None:
        """The job of that name, of whose submission the answer was lost."""
        try:
            text = self.call("squeue", "-h", "-r", "-t", "all", "--me", "-n", name, "-o", "%i")
        except Refused as e:
            raise ConnectionError(str(e)) from None
        if not text.split():
            try:
                text = self.call("sacct", "-n", "-X", "-P", "-o", "JobID", "--name", name)
            except (Refused, OSError):
                return None
        return text.split()[0] if text.split() else None

    def release(self, ticket: str) -> None:
        """Let a job go that Slurm holds back."""
        self.call("scontrol", "release", ticket)

    def cancel(self, tickets: Collection[str]) -> None:
        """Cancel these; one that is over already is no error."""
        if tickets:
            try:
                self.call("scancel", "-Q", *tickets)
            except Refused as e:
                if _GONE not in str(e):
                    raise ConnectionError(str(e)) from None


_KEPT: Final = frozenset({"SLURM_CONF", "SLURM_CLUSTERS"})
_SILENCE: Final = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Zero Bytes were transmitted",
    "Transport endpoint",
    "temporarily unable",
    "slurm_persist_conn",
    "Problem talking to the database",
)


def _unanswered(said: str) -> bool:
    """Is it that nobody answered, rather than a refusal?"""
    return any(text in said for text in _SILENCE)


def minutes(seconds: float) -> str:
    """A time limit as Slurm wants it: whole minutes, rounded up."""
    return str(max(1, -(-int(seconds + 0.999) // 60)))


def time_limit(text: str) -> float | None:
    """Seconds of a time as Slurm writes it: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`; None
    for `infinite`, and for what is no time."""
    days, dash, rest = text.rpartition("-")
    parts = [days or "0", *rest.split(":")]
    if len(parts) > 4 or not all(part.isdecimal() for part in parts):
        return None
    first, *numbers = map(int, parts)
    if dash:
        numbers = [*numbers, 0, 0]
    elif len(numbers) < 3:
        numbers = [0, *numbers, 0]
    hours, minutes, seconds = numbers[:3]
    return ((first * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds


def expand(names: str) -> list[str]:
    """`n[1-3,07],m` as a list of hosts."""
    out: list[str] = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)*", names):
        head, bracket, rest = part.partition("[")
        if not bracket:
            out.append(part)
            continue
        inside, _, tail = rest.partition("]")
        for piece in inside.split(","):
            low, _, high = piece.partition("-")
            for n in range(int(low), int(high or low) + 1):
                out += expand(f"{head}{n:0{len(low)}d}{tail}")
    return out
