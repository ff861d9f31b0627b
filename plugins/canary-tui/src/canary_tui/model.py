"""What there is to show: the latest result of each job, and how far a running session is.

Read from the store, and from the event log of a session that runs, of which only what is new is
read each time. Nothing is drawn here, and nothing is written.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from canary.catalog import Catalog
from canary.clock import format_duration, ran_for
from canary.config import Config
from canary.errors import CanaryError
from canary.home import Workspace
from canary.lookup import open_store
from canary.recovery import Runner
from canary.spec import JobSpec
from canary.status import Outcome
from canary.store import Result, read_object
from canary.table import clean, counted

LOG: Final = "events.jsonl"
RUNNING: Final = "running"
SORTS: Final = ("state", "name", "duration")
# what is first when sorted by state; a job that runs is the news
_RANK: Final = MappingProxyType(
    {"RUNS": 0, "STARTS": 1, "FAIL": 2, "ABORTED": 3, "NONE": 4, "NOTRUN": 5, "WAITS": 6, "PASS": 7}
)
_NEEDS: Final = (
    "select json_extract(s.data, '$.name'), d.condition from spec_deps d"
    " join specs s on s.spec_id = d.dep_id where d.spec_id = ? order by 1"
)
COLOURS: Final = MappingProxyType(
    {
        "PASS": "green",
        "FAIL": "red",
        "ABORTED": "magenta",
        "NOTRUN": "yellow",
        "RUNS": "cyan",
        "STARTS": "cyan",
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """A job: `state` is a category, or RUNS, STARTS or WAITS in a session that runs; `since` is
    when its command started, if it runs."""

    id: str
    fullname: str
    state: str
    outcome: str
    seconds: float
    reason: str
    directory: str
    file: str
    since: float = 0.0

    @property
    def status(self) -> str:
        """As people see it."""
        return self.outcome or self.state

    def took(self) -> str:
        """How long it ran, or runs."""
        if self.state == "RUNS":
            return format_duration(max(0.0, time.time() - self.since))
        return format_duration(self.seconds) if self.seconds >= 0 else ""

    def matches(self, words: Sequence[str]) -> bool:
        """Is each of these words, all in lower case, in what is shown of it?"""
        text = f"{self.fullname} {self.id} {self.state} {self.outcome} {self.reason}".lower()
        return all(word in text for word in words)


def row_of(result: Result) -> Row:
    """A result as a row."""
    return Row(
        result.id,
        clean(result.fullname),
        result.category,
        result.outcome,
        ran_for(result.times),
        clean(result.reason or ""),
        result.workspace,
        f"{result.file_root}/{result.file_path}",
    )


class Tail:
    """The lines of a growing file, as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def lines(self) -> Iterable[dict[str, Any]]:
        """Those that are new and whole; what cannot be read is left out."""
        try:
            with self.path.open("rb") as f:
                f.seek(self._at)
                data = f.read()
        except OSError:
            return
        end = data.rfind(b"\n") + 1
        self._at += end
        for raw in data[:end].splitlines():
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


class Live:
    """A session that runs: rows of its jobs, by ID."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rows: dict[str, Row] = {}
        self._tail = Tail(directory / LOG)
        self._runner: Runner | None = None

    def is_running(self) -> bool:
        """Does its runner live, as far as can be known from here?"""
        return self._is_marked() and self._runner is not None and self._runner.lives() is not False

    def _is_marked(self) -> bool:
        return (self.directory / RUNNING).exists()

    def update(self) -> None:
        """Take in what has happened; nothing of a session that is over."""
        if not self._is_marked():
            return
        for line in self._tail.lines():
            try:
                self._take(line)
            except (KeyError, TypeError, ValueError):
                continue  # a line of a later release

    def _take(self, line: Mapping[str, Any]) -> None:
        kind = line["e"]
        if kind == "plan":
            self._runner = Runner.fromdict(line.get("runner"))
        elif kind == "job":
            spec = line["spec"]
            directory, _, _ = spec["file_path"].rpartition("/")
            name = f"{directory}/{spec['name']}" if directory else spec["name"]
            file = f"{spec['file_root']}/{spec['file_path']}"
            where = str(self.directory / line["path"])
            self.rows[line["id"]] = Row(line["id"], clean(name), "WAITS", "", -1.0, "", where, file)
        elif line.get("id") in self.rows:
            self.rows[line["id"]] = _moved(self.rows[line["id"]], kind, line)


def _moved(row: Row, kind: str, line: Mapping[str, Any]) -> Row:
    if kind == "job_submitted":
        return replace(row, state="STARTS")
    if kind == "job_started":
        return replace(row, state="RUNS", since=float(line["at"]))
    if kind != "job_finished" or line.get("retry"):
        return row
    status = line["status"]
    outcome = Outcome(status["outcome"])
    return replace(
        row,
        state=outcome.category.name,
        outcome=outcome.name,
        seconds=ran_for(line["times"]),
        reason=clean(status.get("reason") or ""),
    )


class Model:
    """The jobs of a workspace, of these paths alone if there are any."""

    def __init__(self, workspace: Workspace, paths: Sequence[str] = ()) -> None:
        self.workspace = workspace
        self.rows: list[Row] = []
        self.live: Live | None = None
        self._paths = tuple(paths)
        self._seen: tuple[object, ...] = ()
        self._stored: Mapping[str, Row] = {}
        self._stored_before: str | None = None

    @classmethod
    def of(cls, config: Config, words: Sequence[str]) -> Model:
        """The workspace around; CanaryError if there is none."""
        cwd = Path(config.cwd)
        workspace, _ = open_store(cwd, config.workspace)
        return cls(workspace, [os.path.realpath(cwd / word) for word in words])

    def update(self) -> bool:
        """Look again; has anything changed?"""
        session = self.workspace.latest
        seen = (session, *(_stamp(Path(f"{self.workspace.database}{x}")) for x in ("", "-wal")))
        if self.live is None or self.live.directory.name != session:
            self.live = Live(self.workspace.sessions / session) if session else None
        if self.live is not None:
            seen = (*seen, _stamp(self.live.directory / LOG), _stamp(self.live.directory / RUNNING))
        if seen == self._seen:
            return False
        self._seen = seen
        if self.live is not None:
            self.live.update()
        if not (self.running and self._stored_before == session):
            self._stored = self._results()
            self._stored_before = session
        # what a session that runs has come to stands in its log: the store is not read all the time
        rows = {**self._stored, **(self.live.rows if self.live and self.running else {})}
        self.rows = [row for row in rows.values() if self._is_wanted(row)]
        return True

    def _results(self) -> dict[str, Row]:
        book = Catalog(self.workspace.database)
        try:
            return {r.id: row_of(r) for r in book.results()}
        finally:
            book.close()

    @property
    def running(self) -> bool:
        """Does a session run?"""
        return self.live is not None and self.live.is_running()

    def _is_wanted(self, row: Row) -> bool:
        if not self._paths:
            return True
        places = (row.file, row.directory)
        return any(p == at or p.startswith(at + "/") for at in self._paths for p in places)

    def shown(self, words: str, sort: str) -> list[Row]:
        """The rows that match, in order."""
        wanted = words.lower().split()
        rows = [row for row in self.rows if row.matches(wanted)] if wanted else list(self.rows)
        if sort == "name":
            return sorted(rows, key=lambda r: (r.fullname, r.id))
        if sort == "duration":
            return sorted(rows, key=lambda r: (-r.seconds, r.fullname, r.id))
        return sorted(rows, key=lambda r: (_RANK.get(r.state, 4), r.fullname, r.id))

    def counts(self) -> str:
        """A line that says how it stands."""
        found = Counter(row.status for row in self.rows)
        parts = [
            f"{n} {'pass' if word == 'SUCCESS' else word.lower()}"
            for word, n in sorted(found.items(), key=lambda item: (-item[1], item[0]))
        ]
        return f"{counted(len(self.rows), 'job')}: {', '.join(parts)}" if parts else "no jobs yet"

    def spec(self, row: Row) -> JobSpec | None:
        """What the job is, if the store knows it."""
        book = Catalog(self.workspace.database)
        try:
            return book.specs([row.id]).get(row.id)
        except CanaryError:
            return None
        finally:
            book.close()

    def details(self, row: Row) -> list[tuple[str, str]]:
        """What is known of a job: names and values."""
        book = Catalog(self.workspace.database)
        try:
            results = book.results(id=row.id)
            specs = book.specs([row.id])
            needs = book.query(_NEEDS, (row.id,))
        except CanaryError as e:
            return [("Error", clean(str(e)))]
        finally:
            book.close()
        out = [
            ("Job", row.fullname),
            ("ID", row.id),
            ("Status", f"{row.state} ({row.outcome})" if row.outcome else row.state),
        ]
        out += [("Reason", row.reason), ("Duration", row.took()), ("File", row.file)]
        if row.id in specs:
            spec = specs[row.id]
            named = ", ".join(f"{k}={v}" for k, v in spec.parameters.items())
            out += [("Parameters", named), ("Keywords", " ".join(spec.keywords))]
            out += [("Owners", " ".join(spec.owners)), ("Timeout", format_duration(spec.timeout))]
            out.append(("Command", " ".join(spec.command)))
        for name, when in needs:
            out.append(("Needs", f"{name} {when or ''}"))
        out.append(("Directory", row.directory))
        if results:
            said = read_object(results[-1].attributes_set)
            out.append(("Attributes", ", ".join(f"{k}={_short(v)}" for k, v in said.items())))
            out += [(str(k), _short(v)) for k, v in results[-1].measured.items()]
        letters = "".join({"PASS": "P", "FAIL": "F"}.get(r.category, "-") for r in results[-40:])
        out.append(("Before", f"{letters} (newest last)" if letters else ""))
        return [(name, clean(text)) for name, text in out if text]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError:
        return 0, 0
    return info.st_mtime_ns, info.st_size


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
