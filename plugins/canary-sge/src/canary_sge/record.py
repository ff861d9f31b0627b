"""What a submission is on disk: launches, orders, and what became of each.

One submission is a directory with an array of tasks, numbered from 1. Of task 3, `3.json` is the
launch; `3.record.json` is written where it runs, first when it begins, then when it is over, and is
the truth; `3.cancel` says that we want it to end, and how many seconds it has for it; `3.open` is
there as long as nobody has told its end. `submission.json` is written before it is submitted, and
again with the job's number. Nothing here knows Grid Engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from canary.fsio import write_atomic
from canary.launch import Launch

DIRECTORY: Final = "sge.jobs"
SCRIPT: Final = "job.sh"
SUBMISSION: Final = "submission.json"


def read_json(path: Path) -> dict[str, Any]:
    """What a file says; nothing if it is not there, or is not to be read."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _write(path: Path, data: Mapping[str, Any]) -> None:
    write_atomic(path, json.dumps(data, default=dict).encode())


@dataclass(frozen=True, slots=True)
class Task:
    """One launch of a submission."""

    directory: Path
    number: int

    def __str__(self) -> str:
        return f"{self.directory}/{self.number}"

    @classmethod
    def at(cls, place: str) -> Task:
        """The one of which `str` is `place`."""
        directory, _, number = place.rpartition("/")
        return cls(Path(directory), int(number))

    def _path(self, kind: str) -> Path:
        return self.directory / f"{self.number}.{kind}"

    def launch(self) -> Launch:
        """What is to be run."""
        return Launch.fromdict(json.loads(self._path("json").read_bytes()))

    def read(self) -> dict[str, Any]:
        """Its record: `began` (seconds since the epoch) and `end` as far as known."""
        return read_json(self._path("record.json"))

    def note(self, **data: Any) -> None:
        """Replace its record."""
        _write(self._path("record.json"), data)

    def order_end(self, grace: float) -> None:
        """Say that it is we who end it, and how long it has."""
        self._path("cancel").write_text(f"{grace}\n")

    def grace(self) -> float | None:
        """How long it has to end, in seconds; None if it is not we who end it."""
        try:
            return float(self._path("cancel").read_text())
        except (OSError, ValueError):
            return None

    def told(self) -> None:
        """Its end is known: nobody looks for it any more, nor for what its environment was."""
        for kind in ("open", "json"):
            self._path(kind).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Submission:
    """Tasks that were submitted together, under a name that no other has."""

    directory: Path
    name: str
    job: str | None = None

    @classmethod
    def write(cls, directory: Path, launches: Sequence[Launch], script: str) -> Submission:
        """All that is there before it is submitted."""
        directory.parent.mkdir(exist_ok=True)
        directory.mkdir(0o700)  # a launch has the whole environment
        for number, launch in enumerate(launches, 1):
            _write(directory / f"{number}.json", launch.asdict())
            (directory / f"{number}.open").touch()
        (directory / SCRIPT).write_text(script)
        return cls(directory, directory.name).numbered(None)

    def numbered(self, job: str | None) -> Submission:
        """The same with the number that it was given."""
        _write(self.directory / SUBMISSION, {"schema": 1, "name": self.name, "job": job})
        return Submission(self.directory, self.name, job)

    @classmethod
    def read(cls, directory: Path) -> Submission:
        """One that was written before."""
        data = read_json(directory / SUBMISSION)
        return cls(directory, str(data.get("name") or directory.name), data.get("job"))

    def open_tasks(self) -> list[Task]:
        """Those whose end nobody has told."""
        numbers = [int(p.stem) for p in self.directory.glob("*.open") if p.stem.isdecimal()]
        return [Task(self.directory, n) for n in sorted(numbers)]


def left_over(sessions: Path, current: str) -> list[Submission]:
    """Submissions of other sessions that have open tasks."""
    found = {path.parent for path in sessions.glob(f"*/{DIRECTORY}/*/*.open")}
    return [Submission.read(d) for d in sorted(found) if d.parts[-3] != current]
