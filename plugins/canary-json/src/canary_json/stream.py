"""Writes what happens in a session, as it happens, for other programs.

A thread writes, so that a reader who is slow holds nobody up; a reader who goes away, or a disk
that is full, is one warning, and the session goes on. The record of the session is not made from
this, nor this from the record.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import canary
from canary.catalog import Catalog
from canary.events import Event, JobFinished
from canary.lockfile import dump, public_environment
from canary.results import StoredResults, full_record
from canary.status import Status
from canary.store import Result
from canary.table import say
from canary_json import lines

if TYPE_CHECKING:
    from canary.config import Config
    from canary.graph import Edge
    from canary.job import Job
    from canary.session import Session
    from canary.spec import JobSpec

# seconds that a reader has for what is left when the session is over
PATIENCE: Final = 10.0


class Stream:
    """The hooks of one command; `to` is a file, `-`, or the number of an open descriptor."""

    def __init__(self, to: str, cwd: Path) -> None:
        self._to = to
        self._cwd = cwd
        self._writer: Writer | None = None
        self._own_stdout: int | None = None
        self._jobs: dict[str, Job] = {}
        self._parts: dict[str, tuple[JobSpec | None, tuple[Edge, ...]]] = {}
        self._session = ""

    @canary.hookimpl
    def canary_session_start(self, session: Session) -> None:
        """Open the stream; say which session it is, and which jobs there are."""
        try:
            self._writer = Writer(self._open())
        except OSError as e:
            say("warning", f"there will be no stream of events: {self._to}: {e.strerror}")
            return
        write = self._writer.write
        self._session = session.name
        head = {
            "schema": lines.SCHEMA,
            "canary": canary.version,
            "session": session.name,
            "directory": str(session.directory),
            "workspace": str(session.workspace.home),
        }
        write(lines.encode("stream", head))
        book = Catalog(session.workspace.database)
        try:
            # a file that cannot be read is a job that the store knows nothing more of
            known = {row[0] for row in book.query("select spec_id from specs")}
            edges = book.edges()
            for job in session.jobs:
                self._jobs[job.id] = job
                self._parts[job.id] = job.spec if job.id in known else None, edges.get(job.id, ())
                write(lines.encode("job", {"job": self._record(job, job.state.phase.value)}))
            if book.excluded(session.name):
                jobs = StoredResults(session.workspace, book, session.name).jobs()
                for left_out in (job for job in jobs if job["excluded"] is not None):
                    write(lines.encode("excluded", {"job": left_out}))
        finally:
            book.close()

    def _open(self) -> int:
        if self._to.isdecimal():
            os.set_inheritable(int(self._to), False)  # a job must not keep a pipe open
            return os.dup(int(self._to))
        if self._to != "-":
            return os.open(
                self._cwd / self._to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
            )
        # standard output is the stream's alone: what people are to read goes to standard error
        sys.stdout.flush()
        self._own_stdout = os.dup(1)
        os.dup2(2, 1)
        return os.dup(self._own_stdout)

    def _record(self, job: Job, phase: str, end: JobFinished | None = None) -> dict[str, Any]:
        """The job as a report has it: read back from texts, as those of the store are."""
        spec, edges = self._parts[job.id]
        status = end.status if end else Status.make()
        row: tuple[Any, ...] = (
            job.spec.id,
            job.spec.name,
            job.spec.fullname,
            job.spec.file_root,
            job.spec.file_path,
            self._session,
            job.workspace.text,
            phase,
            status.category.value,
            status.outcome.name,
            status.reason,
            status.code,
            dump(end.times if end else {}),
            dump(end.measurements if end else {}),
            end.attempt if end else 0,
            dump(public_environment({k: v or "" for k, v in job.variables.items()} if end else {})),
            dump(end.attributes_set if end else {}),
        )
        stored = Result._make(_storable(v) if isinstance(v, str) else v for v in row)
        return full_record(stored, spec, edges)

    @canary.hookimpl
    def canary_event(self, event: Event) -> None:
        """One line."""
        if self._writer is None:
            return
        result: Mapping[str, Any] | None = None
        if isinstance(event, JobFinished) and event.id in self._jobs:
            result = self._record(self._jobs[event.id], "DONE", event)
        self._writer.write(lines.encode_event(event, result))

    @canary.hookimpl
    def canary_session_finish(self) -> None:
        """Let the reader have all of it."""
        self._close()

    @canary.hookimpl
    def canary_unconfigure(self, config: Config) -> None:  # noqa: ARG002 - by contract
        """Give standard output back, also after an error."""
        self._close()
        if self._own_stdout is not None:
            sys.stdout.flush()
            os.dup2(self._own_stdout, 1)
            os.close(self._own_stdout)
            self._own_stdout = None

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None and (problem := writer.close()):
            say("warning", f"the stream of events ({self._to}) is incomplete: {problem}")


class Writer:
    """A thread that writes what it is given, in order, as soon as there is something."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._problem: str | None = None
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()
        self.write: Callable[[bytes], None] = self._waiting.put

    def _run(self) -> None:
        more = True
        while more:
            parts = [self._waiting.get()]
            while not self._waiting.empty():
                parts.append(self._waiting.get())
            more = parts[-1] is not None
            if self._problem is None:
                self._put(b"".join(p for p in parts if p is not None))
        os.close(self._fd)

    def _put(self, data: bytes) -> None:
        """Write whole lines, or note what went wrong: a file keeps no part of a line then."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, memoryview(data)[done:])
        except OSError as e:
            self._problem = e.strerror
            torn = done - (data.rfind(b"\n", 0, done) + 1)
            with suppress(OSError):  # a pipe has no place to go back to
                if os.lseek(self._fd, 0, os.SEEK_CUR) == os.fstat(self._fd).st_size:
                    os.ftruncate(self._fd, os.lseek(self._fd, -torn, os.SEEK_CUR))

    def close(self, patience: float = PATIENCE) -> str | None:
        """Write what is left; what went wrong, or None."""
        self._waiting.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            return f"its reader did not take all of it within {patience:g} s"
        return self._problem


def _storable(text: str) -> str:
    """A file name that is no UTF-8 as it is shown."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
