"""What is kept of a session: the append-only event log, and all that is derived from it.

The log is the truth. Each event is one `write(2)` before anything acts on it, so that a killed
runner loses nothing; once per batch it is also forced to the disk. The store's rows, `session.lock`
and the view are made from the same events and can be deleted: `canary doctor` makes them again from
the log. One record, one writer: the scheduler's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary import fsio
from canary.clock import stamp
from canary.errors import RecordError
from canary.events import Event, JobFinished
from canary.frozen import EMPTY
from canary.home import Workspace
from canary.job import Job
from canary.journal import LOG, SCHEMA, EventLog, encode_event, encode_line, seal
from canary.lockfile import dump, public_environment
from canary.spec import JobSpec
from canary.store import RESULT_STATEMENT, Result, Store

LOCK: Final = "session.lock"
RUNNING: Final = "running"
BATCH_SECONDS: Final = 0.25
BATCH_ROWS: Final = 500
SESSION_STATEMENT: Final = "insert or replace into sessions values(?,?)"
EXCLUDED_STATEMENT: Final = "insert or replace into excluded values(?,?,?,?)"
HISTORY_STATEMENT: Final = "insert or replace into history values(?,?)"


class Record:
    """Writes one session down."""

    def __init__(self, workspace: Workspace, store: Store, name: str, directory: Path) -> None:
        self.workspace = workspace
        self.store = store
        self.name = name
        self.directory = directory
        self._jobs: dict[str, Job] = {}
        self._pending: dict[str, tuple[Any, ...]] = {}
        self._histories: dict[str, str] = {}
        self.broken: str | None = None
        self._header: dict[str, Any] = {}
        self.on_trouble: Callable[[str], object] = str
        try:
            self._log = EventLog(directory / LOG)
        except OSError as e:
            raise fsio.explain(e, directory / LOG, "write the session's log") from None

    def begin(
        self, jobs: Sequence[Job], texts: Mapping[str, str], header: Mapping[str, Any]
    ) -> None:
        """Write the plan: one line for the session, one for each job with its spec (`texts`: JSON
        by ID)."""
        self._jobs = {job.id: job for job in jobs}
        self._header = {
            "name": self.name,
            "prefix": str(self.directory),
            "started_on": time.time(),
            **header,
        }
        head = {"e": "plan", "schema": SCHEMA, **self._header}
        lines = [encode_line(head), *(plan_line(job, texts[job.id]) for job in jobs)]
        self._attempt(lambda: self._log.write(b"".join(lines)))
        self._attempt(self._log.sync)
        self._write_lock(None, None)
        self._attempt((self.directory / RUNNING).touch)
        self._attempt(lambda: self.workspace.point_to(self.name))

    def event(self, event: Event) -> None:
        """Write an event; its row joins the next batch."""
        self._attempt(lambda: self._log.append([encode_event(event)]))
        if isinstance(event, JobFinished) and not event.retry:
            job = self._jobs.get(event.id)
            if job is not None:
                place = job.workspace.text
                row = result_of(job.spec, event, self.name, place, job.variables)
                self._pending[job.id] = row
                if job.history is not None:
                    self._histories[job.id] = dump(job.remember().asdict())

    @property
    def pending(self) -> int:
        """Rows that wait for the next batch."""
        return len(self._pending)

    def commit(self) -> None:
        """Put what is pending into the store, and the log onto the disk."""
        if not self._pending:
            return
        rows, histories = list(self._pending.values()), list(self._histories.items())
        self._attempt(self._log.sync)
        batch = [(RESULT_STATEMENT, rows), (HISTORY_STATEMENT, histories)]
        if self._attempt(lambda: self.store.write(batch)):
            self._pending.clear()
            self._histories.clear()

    def close(self, exit_code: int, measurements: Mapping[str, Any]) -> None:
        """Write the end of the session everywhere.

        If anything could not be written, the mark of a running session stays, so that the next run
        makes up for it from the log.
        """
        self.commit()
        data = self._write_lock(exit_code, measurements)
        row = (self.name, dump(data))
        self._attempt(lambda: self.store.write([(SESSION_STATEMENT, [row])]))
        self._attempt(lambda: self._log.write(b""))
        self._attempt(self._log.sync)
        if self.broken is None:
            self._attempt(lambda: (self.directory / RUNNING).unlink(missing_ok=True))
        self._log.close()

    def exclude(self, excluded: Iterable[tuple[str, str, str]]) -> None:
        """Write the jobs that are left out: ID, full name and reason."""
        rows = list(excluded)
        if rows:
            lines = [{"e": "excluded", "id": r[0], "fullname": r[1], "reason": r[2]} for r in rows]
            self._attempt(lambda: self._log.append(lines))
        self._attempt(lambda: self.store.write(excluded_rows(self.name, rows)))

    def _write_lock(
        self, exit_code: int | None, measurements: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        data = {
            "schema": SCHEMA,
            **self._header,
            "job_ids": list(self._jobs),
            "returncode": exit_code,
            "finished_on": time.time() if exit_code is not None else None,
            "measurements": dict(measurements or {}),
        }
        text = dump(dated(data)).encode("utf-8", "surrogatepass")
        self._attempt(lambda: fsio.write_atomic(self.directory / LOCK, text, durable=True))
        return {k: v for k, v in data.items() if k != "job_ids"}

    def _attempt(self, do: Callable[[], None]) -> bool:
        """Try to write; the tests go on without it, and what was written stays."""
        try:
            do()
        except (OSError, RecordError) as e:
            self.trouble(str(e))
            return False
        return True

    def trouble(self, text: str) -> None:
        """Something could not be written down: said once a session, whatever follows from it."""
        if self.broken is None:
            self.broken = text
            self.on_trouble(f"the record of this session is incomplete: {text}")


def plan_line(job: Job, spec_text: str) -> bytes:
    """Like `encode_line`, with the spec's JSON put in as it is."""
    edges = [[d.job.id, d.when] for d in job.dependencies]
    head = dump({"e": "job", "id": job.id, "path": str(job.workspace.path), "edges": edges})
    return seal(f'{head[:-1]},"spec":{spec_text}')


def result_of(
    spec: JobSpec,
    end: JobFinished,
    session: str,
    directory: str,
    variables: Mapping[str, str | None] = EMPTY,
) -> Result:
    """The row of a job's end: `directory` is its own, `variables` those that it had."""
    what = (spec.id, spec.name, spec.fullname, spec.file_root, spec.file_path)
    status = end.status
    came_to = (status.category.value, status.outcome.name, status.reason, status.code)
    measured = (dump(end.times), dump(end.measurements), end.attempt)
    known = dump(public_environment({k: v or "" for k, v in variables.items()}))
    said = dump(end.attributes_set)
    return Result(*what, session, directory, "DONE", *came_to, *measured, known, said)


def excluded_rows(session: str, rows: Iterable[Sequence[str]]) -> list[tuple[str, list[Any]]]:
    """The statements that say what the last run left out; without a name it made no session."""
    new = [(session, *row) for row in rows]
    return [("delete from excluded where session=?", [("",)]), (EXCLUDED_STATEMENT, new)]


def dated(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a session as scripts read it in `session.lock`: its times are texts."""
    return {**data, **{k: stamp(data.get(k)) for k in ("started_on", "finished_on")}}
