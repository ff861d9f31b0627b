"""Past run times of a job, kept as a handful of numbers: how long it will probably take.

Means and variances are updated in a single pass (Welford), so that no list of runs is needed. The
numbers live in the workspace's store; the small JSON file per job read and written here is for jobs
run on their own, outside a session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from canary import fsio


@dataclass(slots=True)
class RunHistory:
    """Count, mean, variance, extremes (seconds) of passing runs, and how many runs ended in each
    category."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    min: float = -1.0
    max: float = -1.0
    categories: dict[str, int] = field(default_factory=dict)
    last: float = -1.0

    @property
    def variance(self) -> float:
        """Sample variance in seconds squared; 0 with fewer than two runs."""
        return self.squares / (self.count - 1) if self.count > 1 else 0.0

    def add(self, category: str, duration: float, at: float) -> None:
        """Take one run in; only passing runs tell how long a job takes."""
        self.categories[category] = self.categories.get(category, 0) + 1
        self.last = max(self.last, at)
        if category != "PASS" or duration < 0:
            return
        self.count += 1
        delta = duration - self.mean
        self.mean += delta / self.count
        self.squares += delta * (duration - self.mean)
        self.min = duration if self.count == 1 else min(self.min, duration)
        self.max = max(self.max, duration)

    def asdict(self) -> dict[str, Any]:
        """As JSON."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "variance": self.variance}

    @classmethod
    def fromdict(cls, data: Mapping[str, Any]) -> RunHistory:
        """Read what `asdict` wrote; an empty history if it is anything else."""
        try:
            categories = {str(k): int(v) for k, v in data.get("categories", {}).items()}
            mean, squares, low, high, last = (
                float(data[name]) for name in ("mean", "squares", "min", "max", "last")
            )
            known = cls(int(data["count"]), mean, squares, low, high, categories, last)
            sound = 0 <= known.count < 1e15 and isfinite(mean + squares + low + high + last)
            return known if sound else cls()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return cls()


def _file(cache: Path, id: str) -> Path:
    return cache / "runs" / id[:2] / f"{id[2:]}.json"


def load(cache: Path, id: str) -> RunHistory:
    """The history of a job in a cache directory; empty if there is none that can be read."""
    try:
        return RunHistory.fromdict(json.loads(_file(cache, id).read_bytes()))
    except (OSError, ValueError, RecursionError):
        return RunHistory()


def store(cache: Path, id: str, history: RunHistory) -> None:
    """Write the history of a job into a cache directory; a cache that cannot be written is no
    error."""
    file = _file(cache, id)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fsio.write_atomic(file, json.dumps(history.asdict()).encode())
    except OSError:
        pass
