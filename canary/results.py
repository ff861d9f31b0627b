"""A session read back from its record: what reporters and `canary query` get.

Everything here is read from the store and the event log; nothing asks a running session. One
without an end, that was cut off or still runs, has a result of every job of its plan all the same:
what is missing must not look as if all had passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from canary.catalog import Catalog
from canary.clock import Timekeeper
from canary.declare import Results
from canary.errors import RecordError, UsageError
from canary.events import Event, JobFinished, Summary
from canary.graph import Edge, apart
from canary.home import Workspace
from canary.journal import LOG, decode_event, read_lines
from canary.record import result_of
from canary.recovery import Runner, fold_session, unfinished
from canary.settings import View
from canary.spec import JobSpec
from canary.status import Outcome, Status
from canary.store import Result, job_record, read_object
from canary.table import counted
from canary.view import Entry, update, wanted


class Unended:
    """A session that was cut off or still runs, as its log has it."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.name, self.directory = name, workspace.sessions / name
        self.folded = fold_session(self.directory)
        runner = Runner.fromdict(self.folded.header.get("runner"))
        lives = runner is not None and runner.lives() is not False
        self.what = "still runs" if lives else "was cut off"
        if self.folded.exit_code is not None and not lives:
            self.what = "could not be recorded in full"

    def line(self) -> str:
        """What it lacks, for people."""
        folded = self.folded
        left = len(folded.specs.keys() - folded.ends.keys() - folded.removed)
        many = f"{left} of {counted(len(folded.specs), 'job')}"
        hint = "" if self.what == "still runs" else " [canary resume]"
        return f"session {self.name} {self.what}: {many} without a result{hint}"

    def results(self) -> Iterator[Result]:
        """A result of each job of its plan; one without an end was INTERRUPTED, or CANCELLED."""
        folded = self.folded
        for id in folded.specs.keys() - folded.removed:
            with suppress(RecordError):
                spec = JobSpec.fromdict(folded.specs[id])
                place = str(self.directory / folded.paths.get(id, spec.work_path))
                end = folded.ends.get(id) or self._no_end(id)
                yield result_of(spec, end, self.name, place, spec.environment)

    def _no_end(self, id: str) -> JobFinished:
        cut = self.folded.running.get(id)
        outcome = Outcome.CANCELLED if cut is None else Outcome.INTERRUPTED
        status = Status.make(outcome=outcome, reason=f"no result: the session {self.what}")
        times = Timekeeper(started=cut.started if cut else -1.0).asdict()
        return JobFinished(-1.0, id, "", status, times, {}, cut.attempt if cut else 1)


def unended(workspace: Workspace, session: str | None = None) -> list[Unended]:
    """All sessions without an end, or that one alone, if it has none."""
    return [Unended(workspace, n) for n in unfinished(workspace) if session in (None, n)]


def _spec_part(spec: JobSpec, directory: str) -> dict[str, Any]:
    return {
        "file_root": spec.file_root,
        "file": spec.file,
        "family": spec.family,
        "parameters": dict(spec.parameters),
        "meta_parameters": dict(spec.meta_parameters),
        "keywords": list(spec.keywords),
        "owners": list(spec.owners),
        "attributes": dict(spec.attributes),
        "command": list(spec.command),
        "timeout": spec.timeout,
        "stdout": f"{directory}/{spec.stdout}" if directory else None,
        "stderr": f"{directory}/{spec.stderr}" if directory and spec.stderr else None,
    }


class StoredResults(Results):
    """One session of a workspace, or (session None) the latest result of every job."""

    def __init__(self, workspace: Workspace, store: Catalog, session: str | None) -> None:
        self._workspace, self._store, self._name = workspace, store, session
        self.session = session or workspace.latest or ""
        if not self.session:
            raise UsageError("there is no session yet", hint="canary run PATH")
        self.directory = workspace.sessions / self.session
        self.unended = unended(workspace, session)
        known = {r.id: r for r in store.results(session=session)}
        for row in (row for one in self.unended for row in one.results()):
            if row.id not in known or known[row.id].session < row.session:
                known[row.id] = row
        self._results = list(known.values())
        counts = Counter(r.outcome for r in self._results)
        logs = {one.name: one.folded for one in self.unended}
        data = store.session(self.session) or {}
        if log := logs.get(self.session):
            data = {**data, **log.header, "returncode": log.exit_code}
        measured, code = data.get("measurements"), data.get("returncode", 0)
        taken = measured.get("duration") if isinstance(measured, dict) else None
        self.info: Mapping[str, Any] = data
        self.summary = Summary(
            self.session,
            dict(counts),
            float(taken) if isinstance(taken, (int, float)) and 0 <= taken < 1e12 else 0.0,
            code if type(code) is int else -1,
        )

    def events(self) -> Iterable[Event]:
        """See `Results.events`."""
        try:
            yield from filter(None, map(decode_event, read_lines(self.directory / LOG)))
        except FileNotFoundError:
            return

    def past(self, sessions: int) -> Iterator[dict[str, Any]]:
        """See `Results.past`."""
        before = [name for name in self._store.sessions() if name < self.session]
        for name in before[-sessions:] if sessions > 0 else ():
            yield from map(job_record, self._store.results(session=name))

    def jobs(self) -> Iterator[dict[str, Any]]:
        """See `Results.jobs`: the record of `query jobs`, what the spec says, and dependencies."""
        specs = self._store.specs()
        edges = self._store.edges()
        for result in sorted(self._results, key=lambda r: (r.fullname, r.id)):
            yield full_record(result, specs.get(result.id), edges.get(result.id, ()))
        known = {result.id for result in self._results}  # left out now, but it has run before
        for id, fullname, reason in self._store.excluded(self.session):
            if id not in known:
                yield _excluded(id, fullname, reason, self.session, specs.get(id))


def full_record(result: Result, spec: JobSpec | None, edges: Iterable[Edge]) -> dict[str, Any]:
    """A job as `Results.jobs` gives it."""
    record = job_record(result)
    if spec is not None:
        record.update(_spec_part(spec, result.workspace))
    record["variables"] = read_object(result.variables)
    record["attributes_set"] = read_object(result.attributes_set)
    record["attributes"] = {**record.get("attributes", {}), **record["attributes_set"]}
    record["dependencies"] = [{"id": e.id, "when": e.when} for e in edges]
    record["excluded"] = None
    return record


def _excluded(
    id: str, fullname: str, reason: str, session: str, spec: JobSpec | None
) -> dict[str, Any]:
    name = spec.name if spec else fullname.rpartition("/")[2]
    root, path = (spec.file_root, spec.file_path) if spec else ("", "")
    end = ("NOTRUN", "SKIPPED", reason, 0, "{}", "{}", 0)
    row = Result(id, name, fullname, root, path, session, "", "", *end)
    absent: dict[str, Any] = {
        "exec_dir": None,
        "exit_code": None,
        "timings": {},
        "excluded": reason,
    }
    return {**full_record(row, spec, ()), **absent}


def refresh_view(workspace: Workspace, settings: View) -> int:
    """Make the view of the latest results anew; return how many it holds."""
    with closing(Catalog(workspace.database)) as book:
        entries = view_entries(book, settings.only)
    return update(workspace.home / settings.name, entries, mode=settings.mode, fresh=True)


def view_entries(store: Catalog, only: str) -> list[Entry]:
    """What a view of the latest results holds: every job that was started, if `only` wants it."""
    paths = dict(store.query("select spec_id, view from specs_meta where view > ''"))
    found = [r for r in store.results() if r.id in paths and r.times.get("submitted", -1.0) > 0]
    newest = sorted(found, key=lambda r: r.session, reverse=True)
    paths |= apart({r.id: paths[r.id] for r in newest})  # older releases gave one place to several
    return [
        Entry(r.id, paths[r.id], r.workspace, r.session, r.outcome, r.times.get("finished", -1.0))
        for r in found
        if wanted(only, r.category)
    ]
