"""All jobs in columns, for the table and the drawings: small to store and quick to read.

Texts that repeat are numbered. Times are milliseconds since the session began, -1 where unknown.
The names of the keys are those that `assets` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from canary.status import Outcome
from canary_html.model import Job, Model, critical_path, finite, timeline, usage
from canary_html.page import kind, sign
from canary_html.tree import clip

OUTCOMES: Final = (*(o.name for o in Outcome), "left out")
ID_LETTERS: Final = 7
# parts of the session for which the use of resources is given
PARTS: Final = 400


@dataclass(frozen=True, slots=True)
class Level:
    """How much detail the table gets: characters of a text, and whether times and past are in."""

    text: int = 4096
    reason: int = 300
    drawings: bool = True


# the first that is small enough is taken
LEVELS: Final = (Level(), Level(400, 200), Level(200, 80, False), Level(80, 0, False))


def columns(model: Model, level: Level, jobs: int, beside: str) -> dict[str, Any]:
    """The first `jobs` jobs in columns; drawings only if all are in. `beside` is where files of
    jobs are, named by their whole IDs; empty if there are none."""
    shown = model.jobs[:jobs]
    data: dict[str, Any] = {
        "beside": beside,
        "session": model.results.session,
        "began": model.began,
        "outcomes": [{"name": o, "kind": kind(o), "sign": sign(o)} for o in OUTCOMES],
        "all": len(model.jobs),
        "name": [clip(job["fullname"], level.text) for job in shown],
        "id": [job["id"] for job in shown] if beside else short_ids(shown),
        "outcome": [OUTCOMES.index(outcome_of(job)) for job in shown],
        "ms": [_ms(job["timings"].get("running", -1.0)) for job in shown],
        "at": [_since(job["started_at"], model.began) for job in shown],
        "attempt": [job["attempt"] for job in shown],
        "reason": coded(clip(job["status"]["reason"] or "", level.reason) for job in shown),
        "file": coded(clip(job["file_path"], level.text) for job in shown),
        "words": coded(clip(_words(job), level.text) for job in shown),
        "ran": coded(job["session"] or "" for job in shown),
        "deps": {},
        "critical": [],
        "sessions": [],
        "past": [],
        "notices": [clip(f"{n.level}: {n.text}", 400) for n in model.notices[:100]],
    }
    if level.drawings and jobs >= len(model.jobs):
        data |= _drawings(model)
    return data


def _drawings(model: Model) -> dict[str, Any]:
    lanes, bars = timeline(model)
    deps = {n: [i for i, _ in model.dependencies(job)] for n, job in enumerate(model.jobs)}
    return {
        "deps": {n: found for n, found in deps.items() if found},
        "critical": critical_path(model),
        "slots": {node: slots.get("cpus", 0) for node, slots in model.machine.items()},
        "usage": {
            type: {"slots": slots, "busy": [round(n, 2) for n in means]}
            for type, (slots, means) in usage(model, PARTS).items()
        },
        "lanes": lanes,
        "bars": {
            "job": [bar.job for bar in bars],
            "attempt": [bar.attempt for bar in bars],
            "outcome": [OUTCOMES.index(bar.outcome) for bar in bars],
            "start": [_ms(bar.start) for bar in bars],
            "ms": [_ms(bar.stop - bar.start) for bar in bars],
            "lanes": [_ranges(bar.lanes) for bar in bars],
        },
        "sessions": [
            {"name": s.name, "counts": s.counts, "ms": _ms(s.seconds)} for s in model.sessions
        ],
        "past": _past(model),
    }


def _past(model: Model) -> list[dict[str, list[int]]]:
    """For each earlier session the outcome and milliseconds of each job of this report."""
    past = {
        s.name: {"outcome": [-1] * len(model.jobs), "ms": [-1] * len(model.jobs)}
        for s in model.sessions
    }
    for id, found in model.past.items():
        number = model.numbers[id]
        for earlier in found:
            past[earlier.session]["outcome"][number] = OUTCOMES.index(earlier.outcome)
            past[earlier.session]["ms"][number] = _ms(earlier.seconds)
    return list(past.values())


def outcome_of(job: Job) -> str:
    """Its outcome, or `left out`."""
    return str(job["status"]["outcome"]) if job["excluded"] is None else OUTCOMES[-1]


def coded(texts: Iterable[str]) -> dict[str, Any]:
    """Each different text once, and the number of each."""
    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(text, len(numbers)) for text in texts]
    return {"values": list(numbers), "of": indices}


def short_ids(jobs: Sequence[Job]) -> list[str]:
    """The beginnings of IDs, long enough to tell the jobs apart."""
    ids = [str(job["id"]) for job in jobs]
    alike = max((_common(a, b) for a, b in pairwise(sorted(ids))), default=0)
    return [id[: max(ID_LETTERS, alike + 1)] for id in ids]


def _common(a: str, b: str) -> int:
    """How many letters at the beginning of both are the same."""
    differing = (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def _words(job: Job) -> str:
    return " ".join((*(job.get("keywords") or ()), *(job.get("owners") or ())))


def _ms(seconds: float) -> int:
    known = finite(seconds)
    return round(known * 1000) if known >= 0 else -1


def _since(at: float, began: float) -> int:
    return _ms(at - began) if finite(at) > 0 else -1


def _ranges(lanes: Sequence[int]) -> list[int]:
    """`first, count` of each run of neighbours, one after the other."""
    out: list[int] = []
    for lane in lanes:
        if out and lane == out[-2] + out[-1]:
            out[-1] += 1
        else:
            out += [lane, 1]
    return out
