"""What is damaged in a workspace, and how it is made whole: behind `canary doctor`.

Logs are made whole first, from what the store and the locks of jobs still know; then the store is
made anew from the logs, and locks that cannot be read from the store. Nothing that was damaged is
thrown away: it is kept beside what replaces it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

from canary import fsio, journal, lockfile, record
from canary.catalog import Catalog, spec_rows
from canary.clock import Timekeeper
from canary.errors import CanaryError, RecordError
from canary.events import JobFinished, SessionFinished
from canary.faults import fault
from canary.history import RunHistory
from canary.home import Workspace
from canary.job import Dependency, Job, JobPhase, load_job_from_file, load_job_from_state
from canary.journal import decode_line, encode_line
from canary.recovery import Folded, close, fold, fold_session, put_aside, restore, unfinished
from canary.status import Outcome
from canary.store import RESULT_STATEMENT, Result, Store, read_object
from canary.table import counted
from canary.workspace import ExecutionSpace

_T = TypeVar("_T")


def rebuild(workspace: Workspace, say: Callable[[str], None]) -> int:
    """Make the store anew from all logs, keeping the old file beside it; return the number of
    sessions. What a log lacks, but the old store or the lock of a job knows, is kept."""
    try:
        return _rebuild(workspace, say)
    except OSError as e:
        raise fsio.explain(e, e.filename or workspace.root, "rebuild the store") from None


def _rebuild(workspace: Workspace, say: Callable[[str], None]) -> int:
    database, new = workspace.database, Path(f"{workspace.database}.new")
    _remove(new)
    old = database if _is_there(database) else _damaged(database)  # a rebuild was cut off
    with closing(Catalog(new, writable=True)) as book, closing(_old(old)) as before:
        histories: dict[str, RunHistory] = {}
        book.write([(record.SESSION_STATEMENT, _still(before.query, _SESSIONS))])
        open_ones, directories = unfinished(workspace), sessions_of(workspace)
        for directory in directories:
            try:
                folded = _mended(directory, before, say)
            except RecordError as e:
                say(str(e))
                continue
            except OSError as e:
                raise fsio.explain(e, directory, "mend the log of a session") from None
            known = restore(book, directory.name, directory, folded)
            over = known["returncode"] is not None or directory.name not in open_ones
            if over and not _is_locked(directory):
                close(directory, known, folded)
            _learn(histories, folded)
        rows = [(id, json.dumps(h.asdict())) for id, h in histories.items()]
        book.write([(record.HISTORY_STATEMENT, rows)])
        _salvage(book, before)
        for name, some in groupby(unreadable_locks(book), lambda r: r.session):
            lent = fold_session(workspace.sessions / name).lent
            for result in some:
                with contextlib.suppress(CanaryError, *journal.WRONG):
                    job = _job_of(book, result)
                    job.assign_resources(lent.get(job.id, {}))
                    job.save()
    _put_aside(database)
    fault("rename")
    os.replace(new, database)
    if directories:
        put_aside(workspace.root / "refs" / "latest")
        workspace.point_to(directories[-1].name)
    return len(directories)


_BESIDE: Final = ("-shm", "-wal", "-journal")  # what SQLite has beside a store


def _damaged(database: Path) -> Path:
    return Path(f"{database}.damaged")


def _is_there(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def _remove(database: Path, parts: Iterable[str] = ("", *_BESIDE)) -> None:
    for suffix in parts:
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def _put_aside(database: Path) -> None:
    """Move a store to where damaged ones are kept. At each moment it is whole here, or there: who
    finds none here goes on with that one, and leaves it."""
    if _is_there(database):
        aside = _damaged(database)
        _remove(aside)
        for suffix in _BESIDE[1:]:  # whoever reads it makes the first anew
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{database}{suffix}", f"{aside}{suffix}")
        fault("rename")
        os.replace(database, aside)
    _remove(database, _BESIDE)


def _old(database: Path) -> Catalog:
    """A store as far as it can be read; an empty one if it cannot."""
    try:
        return Catalog(database)
    except CanaryError:
        return Catalog(database.with_suffix(".none"))


def sessions_of(workspace: Workspace) -> list[Path]:
    """The directories of all sessions; one into which nothing was written is none."""
    found = [d for n in workspace.session_names() if (d := workspace.sessions / n).is_dir()]
    return [d for d in found if any(x.is_dir() or x.lstat().st_size for x in d.iterdir())]


def _is_locked(directory: Path) -> bool:
    """Has the session a lock that can be read?"""
    try:
        return "returncode" in json.loads(fsio.read_ends(f"{directory}/{record.LOCK}"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _mended(directory: Path, before: Catalog, say: Callable[[str], None]) -> Folded:
    """What a session's log says, after all that it lacks and others still know is written there,
    and what is damaged has been moved to a file beside it."""
    name, log = directory.name, directory / journal.LOG
    folded = fold_session(directory)
    about: dict[str, Any] = {"name": name}
    lines: list[bytes] = []
    with contextlib.suppress(CanaryError):
        about |= before.session(name) or {}
        for row in {*before.excluded(name)}.difference(folded.excluded):
            line = {"e": "excluded", "id": row[0], "fullname": row[1], "reason": row[2]}
            lines.append(encode_line(line))
    if not folded.header:
        lines.append(encode_line({"e": "plan", "schema": journal.SCHEMA, **about}))
    if folded.exit_code is None and type(about.get("returncode")) is int:
        over = SessionFinished(-1.0, about["returncode"], {})
        lines.append(encode_line(journal.encode_event(over)))
    known, kept = folded.removed | (folded.specs.keys() & folded.ends.keys()), 0
    locks = directory.rglob(lockfile.FILE_NAME) if folded.damaged or not folded.header else ()
    for job in _witnesses(directory.name, before, locks, known):
        cut = job.id in folded.running and job.status.outcome is Outcome.INTERRUPTED
        if job.id in known or cut or not job.is_done():
            continue
        known.add(job.id)
        if job.id not in folded.specs:
            lines.append(record.plan_line(job, lockfile.dump(job.spec.asdict())))
        if job.id not in folded.ends:
            end = JobFinished.of(job, job.timekeeper.finished, job.attempt)
            lines.append(encode_line(journal.encode_event(end)))
            kept += 1
    if folded.damaged:
        say(_damage(name, folded))
        shutil.copyfile(log, f"{log}.damaged")
    put_aside(log)
    if kept:
        say(f"session {name}: {counted(kept, 'result')} that its log lacked: kept")
    if lines or folded.damaged:
        with open(log, "a+b") as f:
            f.seek(0)
            raws = (raw for n, raw in enumerate(f, 1) if n not in folded.damaged)
            sound = [raw for raw in raws if decode_line(raw)]
        fsio.write_atomic(log, b"".join([*sound, *lines]), durable=True)
    return fold_session(directory)


def _witnesses(
    session: str, before: Catalog, locks: Iterable[Path], known: Collection[str]
) -> Iterator[Job]:
    """Jobs that are not `known`, as the old store has them, then as locks have them."""
    with contextlib.suppress(CanaryError):
        for result in before.results(session=session):
            with contextlib.suppress(CanaryError, LookupError):
                if result.id not in known and result.outcome != Outcome.NONE.name:
                    yield _job_of(before, result)
    for file in locks:
        with contextlib.suppress(CanaryError):
            try:
                yield load_job_from_file(file)
            except RecordError:  # of a job that it depends on, perhaps
                yield load_job_from_state({**lockfile.read(file), "dependencies": ()})


def _job_of(book: Catalog, result: Result, *, alone: bool = False) -> Job:
    """A job as it was at its end, and (unless `alone`) those it depends on; LookupError if nobody
    knows its spec."""
    root = Workspace(book.path.parent).sessions / result.session
    space = ExecutionSpace(root, Path(os.path.relpath(result.workspace, root)), result.session)
    job = Job(book.specs([result.id])[result.id], space)
    how = {"status": result.status.asdict(), "timekeeper": result.times}
    measured = {"measurements": {"data": result.measured}}
    job.setstate({"state": {"phase": JobPhase.DONE}, **how, **measured})
    job.attempt, job.variables = result.attempt, read_object(result.variables)
    job.set_attributes(**read_object(result.attributes_set))
    needs = "select dep_id, condition from spec_deps where spec_id=? order by position"
    for id, when in () if alone else book.query(needs, (job.id,)):
        past = [r for r in book.results(id=id) if r.session <= result.session]
        if past:
            job.dependencies.append(Dependency(_job_of(book, past[-1], alone=True), when))
    return job


def unreadable_locks(book: Store) -> Iterator[Result]:
    """Latest results whose job has a directory, but no lock there that can be read."""
    for result in sorted(book.results(), key=lambda r: r.session):
        here = os.path.isdir(f"{book.path.parent}/sessions/{result.session}")  # not taken over
        if here and result.had_directory and os.path.isdir(result.workspace):
            try:
                if lockfile.read(result.workspace)["spec"]["id"] != result.id:
                    yield result
            except (LookupError, TypeError):
                yield result
            except RecordError as e:
                if e.hint != lockfile.NEWER:
                    yield result


_SESSIONS: Final = "select name, data from sessions"
_TAKEN: Final = (
    ("selections", "tag, spec_id"),
    ("selection_meta", "tag, data"),
    ("history", "spec_id, data"),
)


def _salvage(book: Catalog, before: Catalog) -> None:
    """Take over what no log holds: tests that were collected but never run, tags, and results of
    which there is no log, or no spec. Where the old store is damaged, what else it has is kept."""
    known = book.specs()
    have = set(book.query("select spec_id, session from results"))
    names = _still(before.query, "select distinct session from results")
    rows = [r for (name,) in names for r in _still(before.results, name)]
    rows = [r for r in rows if (r.id, r.session) not in have and r.outcome != "NONE"]
    specs = {id: spec for id, spec in _still(lambda: before.specs().items()) if id not in known}
    texts = {id: lockfile.dump(spec.asdict()) for id, spec in specs.items()}
    batch = spec_rows(specs, dict(_still(lambda: before.edges().items())), texts)
    for table, columns in _TAKEN:
        taken = _still(before.query, f"select {columns} from {table}")
        batch.append((f"insert or ignore into {table} values(?,?)", taken))
    book.write([*batch, (RESULT_STATEMENT, rows)])


def _still(ask: Callable[..., Iterable[_T]], *words: str) -> list[_T]:
    """What an old store can still answer; nothing where it is damaged."""
    with contextlib.suppress(CanaryError):
        return list(ask(*words))
    return []


def _damage(name: str, folded: Folded) -> str:
    """One line on a log with damaged lines."""
    lines = counted(len(folded.damaged), "line")
    return f"session {name}: {lines} of its log damaged, the first is line {folded.damaged[0]}"


def differences(workspace: Workspace, book: Catalog) -> Iterator[str]:
    """What is damaged in the logs and locks, and where the store does not say what the logs say; a
    line each.

    Sessions that run, or were cut off, are left out.
    """
    open_ones = set(unfinished(workspace))
    for directory in sessions_of(workspace):
        name = directory.name
        if name in open_ones:
            continue
        if not _is_locked(directory):
            yield f"session {name}: its lock is missing or damaged: canary doctor --rebuild"
        folded = fold(directory / journal.LOG)
        if not folded.header:
            yield f"session {name}: its log is missing or damaged: canary doctor --rebuild"
        elif folded.damaged:
            yield f"{_damage(name, folded)}: canary doctor --rebuild"
        said = {id: end.status.outcome.name for id, end in folded.ends.items()}
        held = {r.id: r.outcome for r in book.results(session=name)}
        wrong = [id for id, outcome in said.items() if held.get(id) != outcome]
        if wrong:
            yield (
                f"session {name}: the store differs from the log in {len(wrong)} of {len(said)}"
                f" results, the first is of {wrong[0][:7]}: canary doctor --rebuild"
            )
    if bad := [r.workspace for r in unreadable_locks(book)]:
        count = counted(len(bad), "job lock")
        yield f"{count} cannot be read, the first is in {bad[0]}: canary doctor --rebuild"


def _learn(histories: dict[str, RunHistory], folded: Folded) -> None:
    for id, end in folded.ends.items():
        times = Timekeeper.fromdict(end.times)
        history = histories.setdefault(id, RunHistory())
        history.add(end.status.category.value, times.running(), times.finished)
