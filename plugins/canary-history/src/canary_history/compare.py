"""`canary compare A B`: what became of each job, and which numbers moved."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from canary.clock import format_duration
from canary.config import Config
from canary.errors import UsageError
from canary.events import Summary
from canary.table import clean, safe_write, table, width
from canary_history import sides
from canary_history.numbers import change, measured, running, show, show_change
from canary_history.sides import Job, Side

# seconds below which a difference in run time is noise
NOISE: Final = 0.1
ROWS: Final = 10
Pairs = Sequence[tuple[Job, Job]]


@dataclass(frozen=True, slots=True)
class Moved:
    """A number of a job, before and now."""

    id: str
    fullname: str
    name: str
    before: float
    now: float

    @property
    def part(self) -> float:
        """How much it changed, relatively."""
        return change(self.before, self.now)


@dataclass(frozen=True, slots=True)
class Alone:
    """A measurement of a job that is a number on one side alone."""

    id: str
    fullname: str
    name: str
    before: float | None
    now: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Jobs by what became of them; a pair is (before, now)."""

    worse: Pairs
    better: Pairs
    other: Pairs
    gone: Sequence[Job]
    new: Sequence[Job]
    moved: Sequence[Moved]
    alone: Sequence[Alone]
    same: int


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if not args.threshold >= 0:
        raise UsageError(f"--threshold {args.threshold}: want a part, such as 0.2")
    a, b = sides.find(args.a, config), sides.find(args.b, config)
    found = compare(a.jobs, b.jobs, args.threshold)
    if args.json:
        lines = [json.dumps(_data(a, b, found), indent=2)]
    else:
        lines = [*_tables(found, None if args.all else ROWS), *_summary(a, b, found)]
    safe_write(sys.stdout, "\n".join(lines) + "\n")
    return 1 if args.exit_code and (found.worse or any(map(is_bad, found.new))) else 0


def compare(
    before: Mapping[str, Job], now: Mapping[str, Job], threshold: float = 0.2
) -> Comparison:
    """Pair jobs by ID, what is left by full name, and sort the pairs."""
    pairs = [(before[id], job) for id, job in now.items() if id in before]
    gone = {job["fullname"]: job for id, job in before.items() if id not in now}
    new = []
    for id, job in now.items():
        if id not in before:
            if job["fullname"] in gone:
                pairs.append((gone.pop(job["fullname"]), job))
            else:
                new.append(job)
    pairs.sort(key=lambda pair: str(pair[1]["fullname"]))
    worse = [(a, b) for a, b in pairs if is_bad(b) and not is_bad(a)]
    better = [(a, b) for a, b in pairs if is_bad(a) and not is_bad(b)]
    alike = [(a, b) for a, b in pairs if is_bad(a) == is_bad(b)]
    other = [(a, b) for a, b in alike if _outcome(a) != _outcome(b)]
    moved = [m for pair in pairs for m in _moved(*pair, threshold)]
    moved.sort(key=lambda m: -abs(m.part))
    # what is lost is worth more than what is new
    alone = sorted((m for pair in alike for m in _alone(*pair)), key=lambda m: m.before is None)
    same = len(alike) - len(other)
    return Comparison(worse, better, other, list(gone.values()), new, moved, alone, same)


def is_bad(job: Job) -> bool:
    """Did it fail, or was it kept from ending?"""
    return job["status"]["category"] in ("FAIL", "ABORTED")


def _moved(before: Job, now: Job, threshold: float) -> list[Moved]:
    id, name = str(now["id"]), str(now["fullname"])
    found = []
    if before["status"]["category"] == now["status"]["category"] == "PASS":
        old, new = running(before), running(now)
        if min(old, new) >= 0 and abs(new - old) > NOISE:
            found.append(Moved(id, name, "duration", old, new))
    old_values = measured(before)
    for key, value in measured(now).items():
        if key in old_values:
            found.append(Moved(id, name, key, old_values[key], value))
    return [m for m in found if abs(m.part) > threshold]


def _alone(before: Job, now: Job) -> list[Alone]:
    old, new = measured(before), measured(now)
    id, full = str(now["id"]), str(now["fullname"])
    return [Alone(id, full, n, old.get(n), new.get(n)) for n in sorted(old.keys() ^ new.keys())]


def _data(a: Side, b: Side, found: Comparison) -> dict[str, Any]:
    def pairs(several: Pairs) -> list[dict[str, Any]]:
        return [
            {"id": now["id"], "fullname": now["fullname"], "a": old["status"], "b": now["status"]}
            for old, now in several
        ]

    def names(several: Sequence[Job]) -> list[dict[str, Any]]:
        return [{k: job[k] for k in ("id", "fullname", "status")} for job in several]

    return {
        "a": a.title,
        "b": b.title,
        "worse": pairs(found.worse),
        "better": pairs(found.better),
        "other": pairs(found.other),
        "gone": names(found.gone),
        "new": names(found.new),
        "moved": [asdict(m) for m in found.moved],
        "alone": [asdict(m) for m in found.alone],
        "same": found.same,
    }


def _tables(found: Comparison, most: int | None) -> list[str]:
    lines: list[str] = []

    def show_rows(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if rows:
            lines.append(f"{title}: {len(rows)}")
            shown = table(head, rows[:most], columns=width(sys.stdout) - 2)
            lines.extend(f"  {line}" for line in shown)
            if most is not None and len(rows) > most:
                lines.append(f"  ... {len(rows) - most} more: --all")
            lines.append("")

    changed = (
        ("Fail now", found.worse),
        ("Fail no more", found.better),
        ("Ended otherwise", found.other),
    )
    for title, several in changed:
        rows = [
            [now["id"][:7], _outcome(old), _outcome(now), now["fullname"], now["status"]["reason"]]
            for old, now in several
        ]
        show_rows(title, ("ID", "A", "B", "Job", "Details"), rows)
    for title, alone in (("Only in A", found.gone), ("Only in B", found.new)):
        rows = [[job["id"][:7], _outcome(job), job["fullname"]] for job in alone]
        show_rows(title, ("ID", "Outcome", "Job"), rows)
    rows = [[m.id[:7], m.name, *_values(m), show_change(m.part), m.fullname] for m in found.moved]
    show_rows("Numbers that moved", ("ID", "Measurement", "A", "B", "Change", "Job"), rows)
    rows = [[m.id[:7], m.name, *_values(m), m.fullname] for m in found.alone]
    show_rows("Numbers on one side alone", ("ID", "Measurement", "A", "B", "Job"), rows)
    return lines


def _values(m: Moved | Alone) -> list[str]:
    how = format_duration if isinstance(m, Moved) and m.name == "duration" else show
    return ["" if value is None else how(value) for value in (m.before, m.now)]


def _outcome(job: Job) -> str:
    return str(job["status"]["outcome"])


def _summary(a: Side, b: Side, found: Comparison) -> list[str]:
    lines = []
    for letter, side in (("A", a), ("B", b)):
        counts: dict[str, int] = {}
        for job in side.jobs.values():
            counts[_outcome(job)] = counts.get(_outcome(job), 0) + 1
        lines.append(f"{letter}: {clean(side.title)}: {Summary('', counts, 0.0, 0).line()}")
    parts = (
        (len(found.worse), "fail now"),
        (len(found.better), "fail no more"),
        (len(found.other), "ended otherwise"),
        (len(found.gone), "gone"),
        (len(found.new), "new"),
    )
    told = [f"{n} {what}" for n, what in parts if n]
    return [*lines, ", ".join([*told, f"{found.same} as before"])]
