"""A session read back from its record: what reporters and `canary query` get.

Everything here is read from the store and the event log; nothing asks a running session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from canary.catalog import Catalog
from canary.declare import Results
from canary.errors import UsageError
from canary.events import Event, Summary
from canary.graph import Edge
from canary.home import Workspace
from canary.journal import LOG, decode_event, read_lines
from canary.settings import View
from canary.spec import JobSpec
from canary.store import Result, job_record, read_object
from canary.view import Entry, update, wanted


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
        self._results = store.results(session=session)
        counts = Counter(r.outcome for r in self._results)
        data = store.session(self.session) or {}
        taken = float((data.get("measurements") or {}).get("duration", 0.0))
        code = data.get("returncode")
        self.info: Mapping[str, Any] = data
        self.summary = Summary(self.session, dict(counts), taken, int(code or 0))

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
    paths = dict(store.query("select spec_id, view from specs_meta"))
    return [
        Entry(r.id, paths[r.id], r.workspace, r.session, r.outcome, r.times.get("finished", -1.0))
        for r in store.results()
        if r.id in paths and r.times.get("submitted", -1.0) > 0 and wanted(only, r.category)
    ]
