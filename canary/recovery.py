"""After a runner that was killed: one run at a time, survivors are ended, and the log becomes
the store again.

A session without an end in its lock whose runner is gone was cut off. Before anything else runs,
the processes it left are killed, and what its event log says is put into the store: every job
that finished has its result, every other is as if it had not been run. The same fold makes a
store anew from all logs (see `canary.mending`).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from canary import fsio, journal, lockfile, record
from canary.catalog import Catalog, spec_rows
from canary.clock import Timekeeper
from canary.errors import RecordError, WorkspaceError
from canary.events import JobFinished
from canary.faults import fault
from canary.graph import Edge
from canary.home import Workspace
from canary.procfs import process
from canary.spec import JobSpec
from canary.status import Category, Outcome, Status
from canary.store import RESULT_STATEMENT
from canary.survivors import boot_id, kill_marked, kill_survivor
from canary.table import counted

RUN_LOCK: Final = "run.lock"
REMOVED: Final = "removed"  # a line of the log: a result that `canary gc` has removed


class Runner(NamedTuple):
    """Who runs: enough to know later whether that very process still lives."""

    host: str
    pid: int
    start: int
    boot: str

    @classmethod
    def this(cls) -> Runner:
        """This process."""
        me = process(os.getpid())
        return cls(socket.gethostname(), os.getpid(), me.start if me else 0, boot_id())

    @classmethod
    def fromdict(cls, data: Any) -> Runner | None:
        """Read what `asdict` wrote; None if it is anything else."""
        try:
            return cls(str(data["host"]), int(data["pid"]), int(data["start"]), str(data["boot"]))
        except (KeyError, TypeError, ValueError):
            return None

    def lives(self) -> bool | None:
        """Is it still there? None if it is of another host, where we cannot look."""
        if self.host != socket.gethostname():
            return None
        if self.boot and self.boot != boot_id():
            return False
        found = process(self.pid)
        return found is not None and not found.dead and found.start == self.start


@contextmanager
def run_lock(
    workspace: Workspace, say: Callable[[str], None], *, force: bool = False
) -> Iterator[None]:
    """Hold the workspace for one run; a second run of this host waits until the first is over.

    The lock is the kernel's, so that a killed holder never keeps it; who holds it stands in the
    file, because the kernel's lock may not reach other hosts of a shared file system.
    """
    path = workspace.root / RUN_LOCK
    try:
        fault("lock")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as e:
        raise fsio.explain(e, path, "lock the workspace") from None
    try:
        _lock(fd, path, say)
        holder = Runner.fromdict(_content(fd))
        if holder is not None and holder.lives() is None and not force:
            raise WorkspaceError(
                f"a run of {holder.host} (process {holder.pid}) holds this workspace",
                hint=f"wait for it; if that host is gone, remove {path}",
            )
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(Runner.this()._asdict()).encode(), 0)
        except OSError as e:
            raise fsio.explain(e, path, "lock the workspace") from None
        try:
            yield
        finally:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _lock(fd: int, path: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except OSError as e:
        if e.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise fsio.explain(e, path, "lock the workspace") from None
    holder = Runner.fromdict(_content(fd))
    who = f"process {holder.pid}" if holder else "another process"
    say(f"{who} runs in this workspace: waiting for its end")
    fcntl.flock(fd, fcntl.LOCK_EX)


def _content(fd: int) -> Any:
    try:
        return json.loads(os.pread(fd, 4096, 0) or b"null")
    except ValueError:
        return None


@dataclass(slots=True)
class Folded:
    """What a session's log says: its header, specs and edges by ID, results, and what was under
    way at its end."""

    header: dict[str, Any] = field(default_factory=dict)
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    edges: dict[str, list[list[Any]]] = field(default_factory=dict)
    ends: dict[str, JobFinished] = field(default_factory=dict)
    running: dict[str, Cut] = field(default_factory=dict)
    excluded: list[tuple[str, str, str]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    exit_code: int | None = None
    damaged: list[int] = field(default_factory=list)


class Cut(NamedTuple):
    """A job that was under way: where its processes are found, its attempt, when it started."""

    ticket: str
    attempt: int
    started: float = -1.0


def fold(log: Path) -> Folded:
    """Read a log to its end; one that is not there says nothing."""
    out = Folded()
    if not log.exists():
        return out
    for line in journal.read_lines(log, out.damaged.append):
        kind = line.get("e")
        if kind == "plan":
            if line.get("schema", 0) > journal.SCHEMA:
                raise RecordError(
                    "this log is of a newer release", hint="update canary", file=str(log)
                )
            out.header = {k: v for k, v in line.items() if k not in ("e", "c", "schema")}
        elif kind == "job":
            out.specs[line["id"]] = line["spec"]
            out.paths[line["id"]] = line["path"]
            out.edges[line["id"]] = line["edges"]
        elif kind == "job_submitted":
            out.running[line["id"]] = Cut("", line["attempt"])
        elif kind == "job_started":
            out.running[line["id"]] = Cut(line["ticket"], line["attempt"], line["at"])
        elif kind == "job_finished":
            out.running.pop(line["id"], None)
            end = journal.decode_event(line)
            if isinstance(end, JobFinished) and not end.retry:
                out.ends[end.id] = end
        elif kind == REMOVED:
            out.ends.pop(line["id"], None)
            out.removed.add(line["id"])
        elif kind == "excluded":
            out.excluded.append((line["id"], line["fullname"], line["reason"]))
        elif kind == "session_finished":
            out.exit_code = line["exit_code"]
    return out


def fold_session(directory: Path) -> Folded:
    """What a session's log says, and those of batches of its jobs that ran elsewhere."""
    out = fold(directory / journal.LOG)
    for log in sorted(directory.glob(f"*.batches/*/{journal.LOG}")):
        part = fold(log)
        for id, end in part.ends.items():
            if end.status.category is not Category.ABORTED and id not in out.removed:
                out.ends.setdefault(id, end)
                out.running.pop(id, None)
        for id, cut in part.running.items():
            if id in out.running:  # no survivor of the runner: whoever holds the batch ends it
                out.running[id] = cut._replace(ticket="batch")
    return out


def unfinished(workspace: Workspace) -> list[str]:
    """Sessions that were cut off: their mark of a running session is still there."""
    try:
        names = workspace.session_names()
    except OSError:
        return []
    return [n for n in names if os.path.exists(f"{workspace.sessions}/{n}/{record.RUNNING}")]


def recover(workspace: Workspace, book: Catalog, say: Callable[[str], None]) -> list[str]:
    """Close every session that was cut off; return their names."""
    names = unfinished(workspace)
    for name in names:
        directory = workspace.sessions / name
        folded = fold_session(directory)
        killed = _end_survivors(folded, directory)
        restore(book, name, directory, folded)
        _close(directory, name, folded)
        say(_told(name, folded, len(killed)))
    return names


def end_survivors(workspace: Workspace) -> None:
    """Kill what cut-off sessions left running, before their record is removed."""
    for name in unfinished(workspace):
        directory = workspace.sessions / name
        _end_survivors(fold(directory / journal.LOG), directory)


def _end_survivors(folded: Folded, directory: Path) -> list[str]:
    killed: list[str] = []
    for id, cut in folded.running.items():
        mark = f"{id}:{cut.attempt}"
        if cut.ticket:
            killed += kill_survivor(cut.ticket, mark)
        else:
            killed += kill_marked(mark, str(directory))
    return killed


def _told(name: str, folded: Folded, killed: int) -> str:
    if folded.exit_code is not None:
        return f"session {name} could not be recorded in full: made up for from its log"
    left = len(folded.specs) - len(folded.ends)
    kept, again = counted(len(folded.ends), "result"), counted(left, "job")
    text = f"session {name} was cut off: {kept} kept, {again} to run again"
    return text + (f", {counted(killed, 'process')} killed" if killed else "")


def restore(book: Catalog, name: str, directory: Path, folded: Folded) -> None:
    """Put a folded log into the store; a job that was under way is INTERRUPTED."""
    specs = {id: JobSpec.fromdict(data) for id, data in folded.specs.items()}
    texts = {id: json.dumps(data, separators=(",", ":")) for id, data in folded.specs.items()}
    edges = {id: [Edge(i, w) for i, w in rows] for id, rows in folded.edges.items() if rows}
    ends = {**folded.ends, **{id: _cut_off(id, cut) for id, cut in folded.running.items()}}
    lost = book.specs(id for id in ends if id not in specs)  # where a line of the log is damaged
    known = {**lost, **specs}
    rows = []
    for id, end in ends.items():
        if id in known:
            spec = known[id]
            place = str(directory / folded.paths.get(id, spec.work_path))
            rows.append(record.result_of(spec, end, name, place, _variables(spec, place)))
    code = folded.exit_code
    data = {**folded.header, "name": name, "prefix": str(directory), "returncode": code}
    batch = spec_rows(specs, edges, texts)
    batch += [
        (RESULT_STATEMENT, rows),
        (record.EXCLUDED_STATEMENT, [(name, *r) for r in folded.excluded]),
        (record.SESSION_STATEMENT, [(name, json.dumps(data))]),
    ]
    book.write(batch)


def _variables(spec: JobSpec, place: str) -> dict[str, str | None]:
    """Those that a job had; its log does not say, its lock does."""
    try:
        return {k: v and str(v) for k, v in lockfile.read(place)["variables"].items()}
    except (RecordError, KeyError, AttributeError):
        return dict(spec.environment)


def _cut_off(id: str, cut: Cut) -> JobFinished:
    """The end of a job whose end nobody has seen."""
    status = Status.make(outcome=Outcome.INTERRUPTED, reason="the runner was killed while it ran")
    times = Timekeeper(started=cut.started).asdict()
    return JobFinished(-1.0, id, "", status, times, {}, cut.attempt)


def _close(directory: Path, name: str, folded: Folded) -> None:
    data = {
        "schema": journal.SCHEMA,
        **folded.header,
        "name": name,
        "job_ids": list(folded.specs),
        "returncode": folded.exit_code if folded.exit_code is not None else -1,
        "cut_off": folded.exit_code is None,
        "finished_on": None,
        "measurements": {},
    }
    fsio.write_atomic(
        directory / record.LOCK, json.dumps(record.dated(data)).encode(), durable=True
    )
    (directory / record.RUNNING).unlink(missing_ok=True)
