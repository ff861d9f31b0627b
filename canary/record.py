"""What is kept of a session: the append-only event log, and all that is derived from it.

The log is the truth. Each event is one `write(2)` before anything acts on it, so that a killed
runner loses nothing; once per batch it is also forced to the disk. The store's rows, `session.lock`
and the view are made from the same events and can be deleted: `canary doctor` makes them again from
the log. One record, one writer: the scheduler's thread.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary import faults, fsio
from canary.errors import RecordError
from canary.events import (
    Event,
    JobFinished,
    JobStarted,
    JobSubmitted,
    Notice,
    SessionFinished,
    SessionStarted,
)
from canary.faults import fault
from canary.home import Workspace
from canary.job import Job
from canary.lockfile import dump
from canary.status import Status
from canary.store import RESULT_STATEMENT, Result, Store
from canary.store import public_environment as public_environment

SCHEMA: Final = 1
LOG: Final = "events.jsonl"
LOCK: Final = "session.lock"
RUNNING: Final = "running"
BATCH_SECONDS: Final = 0.25
BATCH_ROWS: Final = 500

_KINDS: Final = {
    c.kind: c
    for c in (SessionStarted, JobSubmitted, JobStarted, JobFinished, Notice, SessionFinished)
}.items()


class EventLog:
    """An append-only file of JSON lines, each with a checksum of what stands before it.

    What could not be written, on a full disk, is kept and goes before what is written next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = bytearray()
        fault("log.open")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write all lines with one call."""
        self.write(b"".join(map(encode_line, lines)))

    def write(self, data: bytes) -> None:
        """Write encoded lines."""
        self._left += data
        fault("log.append")
        while self._left:
            del self._left[: faults.write(self._fd, bytes(self._left))]

    def sync(self) -> None:
        """Force what was written to the disk."""
        fsio.sync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def encode_line(data: Mapping[str, Any]) -> bytes:
    """A line of the log: compact JSON whose last key `c` is the CRC-32 of all before it."""
    body = dump(data).encode("utf-8", "surrogatepass")[:-1]
    return b'%s,"c":"%08x"}\n' % (body, zlib.crc32(body))


def read_lines(path: Path, damaged: Callable[[int], object] = int) -> Iterator[dict[str, Any]]:
    """The sound lines of a log in order; damaged ones are left out, and `damaged` is called with
    their number. A torn last line is what a killed runner leaves: it is left out, and no damage."""
    with open(path, "rb") as f:
        for number, raw in enumerate(f, 1):
            body, _, tail = raw.rpartition(b',"c":"')
            if (
                len(tail) == 11
                and tail.endswith(b'"}\n')
                and tail[:8] == b"%08x" % zlib.crc32(body)
            ):
                yield json.loads(raw)
            elif raw.endswith(b"\n"):
                damaged(number)


def encode_event(event: Event) -> dict[str, Any]:
    """An event as JSON: `e` its kind, then its fields."""
    data: dict[str, Any] = {"e": event.kind}
    for name in event.__dataclass_fields__:
        if name != "kind":
            value = getattr(event, name)
            data[name] = value.asdict() if isinstance(value, Status) else value
    return data


def decode_event(data: Mapping[str, Any]) -> Event | None:
    """Read what `encode_event` wrote; None for a kind of line that is no event."""
    for kind, cls in _KINDS:
        if data.get("e") == kind:
            names = (n for n in cls.__dataclass_fields__ if n in data and n != "kind")
            values = {n: data[n] for n in names}
            if "status" in values:
                values["status"] = Status.fromdict(values["status"])
            if "argv" in values:
                values["argv"] = tuple(values["argv"])
            return cls(**values)
    return None


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
        self._broken: str | None = None
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
        lines = [encode_line(head)]
        for job in jobs:
            lines.append(_plan_line(job, texts[job.id]))
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
                self._pending[job.id] = result_of(job, self.name)
                self._remember(job)

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
        statement = "insert or replace into history values(?,?)"
        if self._attempt(
            lambda: self.store.write([(RESULT_STATEMENT, rows), (statement, histories)])
        ):
            self._pending.clear()
            self._histories.clear()

    def close(self, exit_code: int, measurements: Mapping[str, Any]) -> None:
        """Write the end of the session everywhere.

        If anything could not be written, the mark of a running session stays, so that the next run
        makes up for it from the log.
        """
        self.commit()
        data = self._write_lock(exit_code, measurements)
        self._attempt(
            lambda: self.store.write(
                [
                    (
                        "insert or replace into sessions values(?,?)",
                        [(self.name, dump(data))],
                    )
                ]
            )
        )
        self._attempt(lambda: self._log.write(b""))
        self._attempt(self._log.sync)
        if self._broken is None:
            self._attempt(lambda: (self.directory / RUNNING).unlink(missing_ok=True))
        self._log.close()

    def exclude(self, excluded: Iterable[tuple[str, str, str]]) -> None:
        """Write the jobs that are left out: ID, full name and reason."""
        rows = [(self.name, id, fullname, reason) for id, fullname, reason in excluded]
        if rows:
            lines = [{"e": "excluded", "id": r[1], "fullname": r[2], "reason": r[3]} for r in rows]
            self._attempt(lambda: self._log.append(lines))
            self._attempt(
                lambda: self.store.write(
                    [("insert or replace into excluded values(?,?,?,?)", rows)]
                )
            )

    def _remember(self, job: Job) -> None:
        if job.history is not None:
            job.history.add(
                job.status.category.value, job.timekeeper.running(), job.timekeeper.finished
            )
            self._histories[job.id] = dump(job.history.asdict())

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
        text = dump(data).encode("utf-8", "surrogatepass")
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
        if self._broken is None:
            self._broken = text
            self.on_trouble(f"the record of this session is incomplete: {text}")


def _plan_line(job: Job, spec_text: str) -> bytes:
    """Like `encode_line`, with the spec's JSON put in as it is."""
    edges = [[d.job.id, d.when] for d in job.dependencies]
    head = dump({"e": "job", "id": job.id, "path": str(job.workspace.path), "edges": edges})
    body = f'{head[:-1]},"spec":{spec_text}'.encode("utf-8", "surrogatepass")
    return b'%s,"c":"%08x"}\n' % (body, zlib.crc32(body))


def result_of(job: Job, session: str) -> Result:
    """A job's row."""
    spec, status = job.spec, job.status
    return Result(
        spec.id,
        spec.name,
        spec.fullname,
        spec.file_root,
        spec.file_path,
        session,
        job.workspace.text,
        job.state.phase.value,
        status.category.value,
        status.outcome.name,
        status.reason,
        status.code,
        dump(job.timekeeper.asdict()),
        dump(job.measurements.data),
        job.attempt,
        dump(public_environment({k: v or "" for k, v in job.variables.items()})),
    )
