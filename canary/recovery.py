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
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from canary import fsio, home, journal, lockfile, record, view
from canary.catalog import Catalog, spec_rows
from canary.clock import Timekeeper
from canary.errors import CanaryError, RecordError, WorkspaceError
from canary.events import JobFinished
from canary.faults import fault
from canary.graph import Edge
from canary.home import Raced, Workspace
from canary.procfs import process
from canary.signals import telling
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
        except journal.WRONG:
            return None

    def lives(self) -> bool | None:
        """Is it still there? None if it is of another host, where we cannot look."""
        if self.host != socket.gethostname():
            return None
        if self.boot and self.boot != boot_id():
            return False
        found = process(self.pid)
        return found is not None and not found.dead and found.start == self.start


def insist(hold: Callable[[], AbstractContextManager[Workspace]], stack: ExitStack) -> Workspace:
    """Enter what `hold` gives; if others were faster there, it is asked again."""
    while True:
        with suppress(Raced):
            return stack.enter_context(hold())


@contextmanager
def run_lock(workspace: Workspace, say: Callable[[str], None]) -> Iterator[Workspace]:
    """Hold the workspace for one run; a second run of this host waits until the first is over.

    Raced if that removes it. The lock is the kernel's, so that a killed holder never keeps it; who
    holds it stands in the file, because the kernel's lock may not reach other hosts of a shared
    file system.
    """
    path = workspace.root / RUN_LOCK
    if not _is_free(path):
        text = "cannot lock the workspace: this is no file"
        raise WorkspaceError(text, hint=f"remove {path}", file=str(path))
    while True:
        try:
            fault("lock")
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            raise Raced(home.REMOVED, file=str(path.parent)) from None
        except OSError as e:
            raise fsio.explain(e, path, "lock the workspace") from None
        try:
            _lock(fd, path, say)
            if not _is_at(path, fd):
                continue  # whoever held it has removed the workspace, and perhaps made a new one
            holder = Runner.fromdict(_content(fd))
            if holder is not None and holder.lives() is None:
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
                yield workspace
            finally:
                os.ftruncate(fd, 0)
            return
        finally:
            os.close(fd)


def _is_free(path: Path) -> bool:
    """Is there a file, or nothing? Asked once, as it may come or go between two questions."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return True


def _lock(fd: int, path: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except OSError as e:
        if e.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise fsio.explain(e, path, "lock the workspace") from None

    def tell() -> None:
        holder = Runner.fromdict(_content(fd))
        who = f"process {holder.pid}" if holder else "another process"
        say(f"{who} runs in this workspace: waiting for its end")

    with telling(tell):
        tell()
        fcntl.flock(fd, fcntl.LOCK_EX)


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _content(fd: int) -> Any:
    try:
        return json.loads(os.pread(fd, 4096, 0) or b"null")
    except (ValueError, RecursionError):
        return None


def wipe(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Remove a workspace and its views; what is not of canary's making is left in the views.

    A run that is under way is waited for, and what a killed one left is killed.
    """
    with suppress(Raced), _cleared(workspace, say) as aside:
        workspace.root.rename(aside)


@contextmanager
def renewed(workspace: Workspace, say: Callable[[str], None]) -> Iterator[Workspace]:
    """Hold, as `run_lock` does, an empty workspace in the place of one that is removed as by
    `wipe`."""
    with ExitStack() as stack:
        with _cleared(workspace, say) as aside:
            new = stack.enter_context(home.prepared(workspace.root))
            stack.enter_context(run_lock(new, say))
            workspace.root.rename(aside)
            fault("renew")
            new = home.publish(new, workspace.root)
        yield new


@contextmanager
def _cleared(workspace: Workspace, say: Callable[[str], None]) -> Iterator[Path]:
    """Nobody uses it and its views are gone; it can be renamed to what is given, which is removed
    in the end."""
    home.refuse_removal(workspace)
    aside = home.beside(workspace.root)
    try:
        try:
            with run_lock(workspace, say):
                for name in unfinished(workspace):
                    directory = workspace.sessions / name
                    folded = fold(directory / journal.LOG)
                    if not runs_elsewhere(folded.header, directory, say):
                        _end_batches(directory)
                        _end_survivors(folded, directory)
                view.remove_all(workspace.home)
                with home.tag_locked(workspace.root, fcntl.LOCK_EX):
                    yield aside  # renamed at once: nobody begins in what is half removed
        finally:
            fsio.remove(aside)  # NFS lets no directory go while a file in it is open, as the lock
    except OSError as e:
        raise fsio.explain(e, e.filename or aside, "remove the workspace") from None


# what is a text in each line that has it, and in specs
_TEXTS: Final = ("id", "name", "fullname", "reason", "path", "ticket", "file_root", "file_path")


@dataclass(slots=True)
class Folded:
    """What a session's log says: its header, specs and edges by ID, results, the resources that
    jobs had, when it ended, and what was under way at its end."""

    header: dict[str, Any] = field(default_factory=dict)
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    edges: dict[str, list[Edge]] = field(default_factory=dict)
    ends: dict[str, JobFinished] = field(default_factory=dict)
    running: dict[str, Cut] = field(default_factory=dict)
    excluded: list[tuple[str, str, str]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    lent: dict[str, dict[str, Any]] = field(default_factory=dict)
    exit_code: int | None = None
    finished: float = -1.0
    damaged: list[int] = field(default_factory=list)

    def take(self, line: Mapping[str, Any]) -> bool:
        """Add a line of the log; False if it lacks what such a line has."""
        kind = line.get("e")
        try:
            parts = (line, line.get("spec", {}))
            if not all(isinstance(part.get(name, ""), str) for part in parts for name in _TEXTS):
                return False
            if kind == "plan":
                if line.get("schema", 0) > journal.SCHEMA:
                    raise RecordError("this log is of a newer release", hint=lockfile.NEWER)
                record.dated(line)
                self.header = {k: v for k, v in line.items() if k not in ("e", "c", "schema")}
            elif kind == "job":
                self.edges[line["id"]] = [Edge(str(i), w and str(w)) for i, w in line["edges"]]
                self.paths[line["id"]] = line["path"]
                self.specs[line["id"]] = line["spec"]
            elif kind == "job_submitted":
                self.running[line["id"]] = Cut("", _number(line["attempt"]))
                self.lent[line["id"]] = dict(line.get("resources", {}))
            elif kind == "job_started":
                at = float(line["at"])
                self.running[line["id"]] = Cut(line["ticket"], _number(line["attempt"]), at)
            elif kind == "job_finished":
                end = journal.decode_event(line)
                if not isinstance(end, JobFinished):
                    return False
                Timekeeper.fromdict(end.times)
                _number(end.attempt)
                _number(end.status.code)
                self.running.pop(end.id, None)
                if not end.retry:
                    self.ends[end.id] = end
            elif kind == REMOVED:
                self.ends.pop(line["id"], None)
                self.removed.add(line["id"])
            elif kind == "excluded":
                self.excluded.append((line["id"], line["fullname"], line["reason"]))
            elif kind == "session_finished":
                self.exit_code, self.finished = _number(line["exit_code"]), float(line["at"])
        except (CanaryError, *journal.WRONG) as e:
            if isinstance(e, CanaryError) and e.hint == lockfile.NEWER:
                raise
            return False
        return True


def _number(value: Any) -> int:
    """One that a store takes."""
    if type(value) is not int or abs(value) >> 31:
        raise ValueError(value)
    return value


class Cut(NamedTuple):
    """A job that was under way: where its processes are found, its attempt, when it started."""

    ticket: str
    attempt: int
    started: float = -1.0


def fold(log: Path) -> Folded:
    """Read a log to its end; one that is not there says nothing."""
    out = Folded()
    if log.is_file():
        try:
            for _ in journal.read_lines(log, out.damaged.append, out.take):
                pass
        except RecordError as e:
            raise e.located(file=str(log)) from None
    return out


def fold_session(directory: Path) -> Folded:
    """What a session's log says, and those of batches of its jobs that ran elsewhere."""
    out = fold(directory / journal.LOG)
    for log in _batches(directory):
        part = fold(log)
        out.lent |= part.lent
        for id, end in part.ends.items():
            if end.status.category is not Category.ABORTED and id not in out.removed:
                out.ends.setdefault(id, end)
                out.running.pop(id, None)
        own = part.running and _own_batch(log)
        for id, cut in part.running.items():
            if own and id not in out.ends:
                out.running[id] = cut
            elif id in out.running:  # no survivor of the runner: whoever holds the batch ends it
                out.running[id] = cut._replace(ticket="batch")
    return out


def _batches(directory: Path) -> list[Path]:
    """The logs of a session's batches."""
    return sorted(directory.glob(f"*.batches/*/{journal.LOG}"))


def _own_batch(log: Path) -> str:
    """The ID of a batch that the session's runner had as a process: nobody else holds it. Empty if
    a batch system does."""
    try:
        data = json.loads(fsio.read_ends(f"{log.parent}/manifest.json"))
        return str(data["id"]) if data["backend"] == "local" else ""
    except (*journal.WRONG, RecursionError):
        return ""


def unfinished(workspace: Workspace) -> list[str]:
    """Sessions that were cut off: their mark of a running session is still there, or the newest's
    lock has no end (to read them all would take long)."""
    names, root = workspace.session_names(), workspace.sessions
    marked = [n for n in names if os.path.exists(f"{root}/{n}/{record.RUNNING}")]
    return marked + [n for n in names[-1:] if n not in marked and _is_open(root / n)]


def _is_open(directory: Path) -> bool:
    """Has a session with a log a lock without an end, or none?"""
    lock, log = fsio.read_text(f"{directory}/{record.LOCK}"), directory / journal.LOG
    end = lock.rpartition('"returncode":')[2]  # such quotes are never within a text of JSON
    return end.startswith(("null", lock)) and log.is_file() and log.stat().st_size > 0


def recover(workspace: Workspace, book: Catalog, say: Callable[[str], None]) -> list[str]:
    """Close every session that was cut off; return their names."""
    names = []
    for name in unfinished(workspace):
        directory = workspace.sessions / name
        folded = fold_session(directory)
        if runs_elsewhere(folded.header, directory, say):
            continue
        names.append(name)
        if killed := _end_batches(directory):
            folded = fold_session(directory)  # they went on until now
        killed += _end_survivors(folded, directory)
        known = restore(book, name, directory, folded)
        close(directory, known, folded)
        kept = sum(r.id not in folded.running for r in book.results(session=name))
        say(_told(known, folded, kept, len(killed)))
    return names


def runs_elsewhere(
    header: Mapping[str, Any], directory: Path, say: Callable[[str], object] = str
) -> bool:
    """Is it a copy of a session whose runner lives? Then its jobs are not ours to end; that is
    said. In its own place it is over, even if its runner is not quite gone: we have the lock."""
    runner, place = Runner.fromdict(header.get("runner")), header.get("prefix")
    if runner is None or home.is_same(str(place), str(directory)) or not runner.lives():
        return False
    say(f"session {directory.name} is left as it is: process {runner.pid} runs it in {place}")
    return True


def _end_batches(directory: Path) -> list[str]:
    """Kill those that were processes of the session's runner, before they start the next job."""
    own = filter(None, map(_own_batch, _batches(directory)))
    return [process for id in own for process in kill_marked(f"{id}:1", str(directory))]


def _end_survivors(folded: Folded, directory: Path) -> list[str]:
    killed: list[str] = []
    for id, cut in folded.running.items():
        mark = f"{id}:{cut.attempt}"
        if cut.ticket:
            killed += kill_survivor(cut.ticket, mark)
        else:
            killed += kill_marked(mark, str(directory))
    return killed


def _told(known: Mapping[str, Any], folded: Folded, kept: int, killed: int) -> str:
    results = counted(kept, "result")
    if known["returncode"] is not None:
        return f"session {known['name']} could not be recorded in full: {results} kept"
    again = counted(len(folded.specs) - len(folded.ends), "job")
    text = f"session {known['name']} was cut off: {results} kept, {again} to run again"
    return text + (f", {counted(killed, 'process')} killed" if killed else "")


def restore(book: Catalog, name: str, directory: Path, folded: Folded) -> dict[str, Any]:
    """Put a folded log into the store; a job that was under way is INTERRUPTED. What is known of
    the session then."""
    specs = {}
    for id, data in folded.specs.items():
        with suppress(RecordError):
            specs[id] = JobSpec.fromdict(data)
    texts = {id: json.dumps(data, separators=(",", ":")) for id, data in folded.specs.items()}
    ends = {**folded.ends, **{id: _cut_off(id, cut) for id, cut in folded.running.items()}}
    lost = book.specs(id for id in ends if id not in specs)  # where a line of the log is damaged
    known = {**lost, **specs}
    rows = []
    for id, end in ends.items():
        if id in known:
            spec = known[id]
            place = str(directory / folded.paths.get(id, spec.work_path))
            rows.append(record.result_of(spec, end, name, place, _variables(spec, place)))
    data = {"returncode": None, **(book.session(name) or {}), **folded.header}
    data |= {"name": name, "prefix": str(directory)}
    if folded.exit_code is not None:
        data["returncode"] = folded.exit_code
    if folded.finished > 0 and not data.get("finished_on"):
        data |= {"finished_on": folded.finished, "measurements": _measured(data, folded)}
    batch = spec_rows(specs, folded.edges, texts)
    batch += [
        (RESULT_STATEMENT, rows),
        (record.EXCLUDED_STATEMENT, [(name, *r) for r in folded.excluded]),
        (record.SESSION_STATEMENT, [(name, json.dumps(data))]),
    ]
    book.write(batch)
    return data


def _measured(data: Mapping[str, Any], folded: Folded) -> dict[str, Any]:
    """How long a session took, seconds, and the exit code that its jobs came to."""
    bits = {end.status.exit_bit for end in folded.ends.values()}
    began = data.get("started_on")
    taken = folded.finished - began if isinstance(began, float) else 0.0
    return {"sum": sum(bits), "duration": taken}


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


def put_aside(path: Path) -> None:
    """Move what is no file, a pipe or a directory, out of the way of one that is written anew."""
    if os.path.lexists(path) and not path.is_file():
        path.rename(f"{path}.damaged")


def close(directory: Path, known: Mapping[str, Any], folded: Folded) -> None:
    """Write the lock of a session that is over, of which this is `known`."""
    cut_off = known["returncode"] is None
    data = {"schema": journal.SCHEMA, "finished_on": None, "measurements": {}, **known}
    data |= {"job_ids": list(folded.specs), "cut_off": cut_off}
    if cut_off:
        data["returncode"] = -1
    text = json.dumps(record.dated(data))
    put_aside(directory / record.LOCK)
    fsio.write_atomic(directory / record.LOCK, text.encode(), durable=True)
    (directory / record.RUNNING).unlink(missing_ok=True)
