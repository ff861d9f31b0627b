"""The store: one SQLite file that answers questions; derived from the sessions' event logs, which
are the truth.

It knows tables and rows, not specs (see `canary.catalog`) and not sessions in progress. There is
one writer (the record of a running session); readers open it read-only. Column names are public:
`canary query db` shows them.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from canary import fsio, oldstore
from canary.clock import Timekeeper
from canary.errors import RecordError
from canary.faults import fault
from canary.home import DIRECTORY, Workspace, is_foreign, is_same, refuse_foreign, tag_locked
from canary.status import Outcome, Status, read_outcome

SCHEMA: Final = 1

_TABLES: Final = """
create table if not exists meta(key text primary key, value text) without rowid;
create table if not exists specs(spec_id text primary key, data json) without rowid;
create table if not exists specs_meta(
  spec_id text primary key, source text, view text) without rowid;
create table if not exists spec_deps(
  spec_id text, position int, dep_id text, condition text,
  primary key(spec_id, position)) without rowid;
create table if not exists selections(
  tag text, spec_id text, primary key(tag, spec_id)) without rowid;
create table if not exists selection_meta(tag text primary key, data json) without rowid;
create table if not exists results(
  spec_id text, spec_name text, spec_fullname text, file_root text, file_path text,
  session text, workspace text, job_state text,
  status_category text, status_outcome text, status_reason text,
  status_code int, timekeeper json, measurements json, attempt int, variables json,
  attributes json, latest int default 1, primary key(spec_id, session)) without rowid;
create index if not exists results_session on results(session);
create index if not exists results_latest
  on results(latest, status_category, status_outcome, spec_fullname, spec_id);
create trigger if not exists results_made after insert on results begin
  update results set latest = 0 where spec_id = new.spec_id and latest and session <
    (select max(session) from results where spec_id = new.spec_id);
end;
create trigger if not exists results_gone after delete on results when old.latest begin
  update results set latest = 1 where spec_id = old.spec_id and session =
    (select max(session) from results where spec_id = old.spec_id);
end;
create table if not exists excluded(
  session text, spec_id text, fullname text, reason text,
  primary key(session, spec_id)) without rowid;
create table if not exists sessions(name text primary key, data json) without rowid;
create table if not exists history(spec_id text primary key, data json) without rowid;
create table if not exists files(path text primary key, key text, data blob) without rowid;
"""

_RESULT: Final = (
    "spec_id, spec_name, spec_fullname, file_root, file_path, session, workspace, job_state,"
    " status_category, status_outcome, status_reason, status_code,"
    " timekeeper, measurements, attempt, variables, attributes"
)


_OUTCOMES: Final = frozenset(o.name for o in Outcome)
DAMAGED: Final = "this record is damaged: canary doctor --rebuild"


class Result(NamedTuple):
    """One row of `results`: the end of one job in one session. `workspace` is its directory,
    absolute."""

    id: str
    name: str
    fullname: str
    file_root: str
    file_path: str
    session: str
    workspace: str
    phase: str
    category: str
    outcome: str
    reason: str | None
    code: int
    timekeeper: str
    measurements: str
    attempt: int = 1
    variables: str = "{}"
    attributes_set: str = "{}"

    @property
    def status(self) -> Status:
        """As a value."""
        return Status(read_outcome(self.outcome), self.reason, self.code)

    @property
    def times(self) -> dict[str, float]:
        """The timekeeper's stamps, epoch seconds; none if they cannot be read."""
        times = read_object(self.timekeeper)
        sound = all(type(t) in (float, int) and abs(t) < 1e12 for t in times.values())
        return times if sound else {}

    @property
    def had_directory(self) -> bool:
        """Was its directory made?"""
        return self.times.get("staged", -1.0) > 0

    @property
    def measured(self) -> dict[str, Any]:
        """The measurements; none if they cannot be read."""
        return read_object(self.measurements)


def read_object(text: Any) -> dict[str, Any]:
    """A stored JSON object; empty if it is damaged."""
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _sound(row: Sequence[Any]) -> Result:
    """A row as it is, or, if it cannot be one that we wrote, as what nobody knows."""
    if set(map(type, row[:10])) != {str}:  # cheap: there are many rows
        row = [*map(str, row[:10]), *row[10:]]
    result = Result(*row)
    if type(result.attempt) is not int:
        result = result._replace(attempt=1)
    if result.outcome not in _OUTCOMES or Outcome[result.outcome].category != result.category:
        none = Outcome.NONE
        return result._replace(category="NONE", outcome=none.name, reason=DAMAGED, code=none.value)
    if type(result.code) is not int:
        return result._replace(code=Outcome[result.outcome].value)
    return result


class Store:
    """An open store. `writable` makes the tables; otherwise nothing is ever written, and one that
    is not there is empty."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._own = f"{path.parent}/sessions/"
        self._moved: dict[str, bool] = {}  # by where the workspace was
        is_lost = not _size(str(path)) and path == Workspace(path.parent).database
        try:
            if is_lost and any(path.parent.glob("sessions/*/*")):
                raise RecordError(
                    "the store is gone",
                    hint="canary doctor --rebuild makes it anew",
                    file=str(path),
                )
            fault("store.open")
            with ExitStack() as stack:
                if writable and path == Workspace(path.parent).database:
                    stack.enter_context(tag_locked(path.parent, fcntl.LOCK_SH))
                self._db = stack.enter_context(closing(_connect(path, writable)))
                self._prepare(writable)
                self._check(writable)
                self._open = stack.pop_all()
        except (OSError, sqlite3.Error) as e:
            sound = "readonly" in str(e) or not os.access(path.parent, os.W_OK)
            hint = None if sound else "canary doctor --rebuild makes it anew"
            if "disk I/O" in str(e) or "full" in str(e):
                hint = "is the disk full?"
            text = f"the store cannot be opened: {e}"
            raise RecordError(text, hint=hint, file=str(path)) from None

    def _prepare(self, writable: bool) -> None:
        if not writable:
            self._db.execute("pragma query_only=1")
            return
        _tune(self._db, self.path)

    def _check(self, writable: bool) -> None:
        if writable:
            _make_tables(self._db)
        row = self._db.execute("select value from meta where key='schema'").fetchone()
        if row is None or not str(row[0]).isdecimal() or int(row[0]) > SCHEMA:
            raise RecordError(
                f"the store has schema {row and row[0]}, this release reads {SCHEMA}",
                hint="update canary",
                file=str(self.path),
            )

    def close(self) -> None:
        """Close it."""
        self._open.close()

    def take_over(self, old: Path) -> None:
        """Copy selections, results and run times of the older tool's store into this empty one."""
        try:
            oldstore.copy(self._db, old, _uri(old), specs=False)
        except sqlite3.Error as e:
            raise RecordError(f"cannot be read: {e}", file=str(old)) from None
        self.write([("insert into history values(?,?)", oldstore.histories(old))])

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement; RecordError if the store is damaged."""
        try:
            return self._db.execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as e:
            raise RecordError(
                f"the store: {e}", hint="canary doctor checks it", file=str(self.path)
            ) from None

    def meta(self, key: str) -> str | None:
        """A fact about the store itself."""
        rows = self.query("select value from meta where key=?", (key,))
        return rows[0][0] if rows else None

    def columns(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT."""
        try:
            cursor = self._db.execute(sql)
            return [c[0] for c in cursor.description or ()], cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as e:
            raise RecordError(f"{e}", hint="canary query db schema shows the tables") from None

    def write(self, batch: Sequence[tuple[str, Iterable[Sequence[Any]]]]) -> None:
        """Several statements with their rows, in one transaction; RecordError if it fails."""
        db = self._db
        try:
            fault("store.write")
            db.execute("begin immediate")
            for sql, rows in batch:
                try:
                    db.executemany(sql, rows)
                except UnicodeEncodeError:
                    db.executemany(sql, [tuple(map(_storable, row)) for row in rows])
            fault("store.commit")
            db.execute("commit")
        except (OSError, OverflowError, sqlite3.Error) as e:
            raise RecordError(f"the store cannot be written: {e}", file=str(self.path)) from None
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        """Give up what is half written."""
        try:
            if self._db.in_transaction:
                self._db.execute("rollback")
        except sqlite3.Error:
            pass  # SQLite has done so itself, or it is closed

    # results

    def outcomes(self, session: str | None = None) -> list[tuple[str, str, str, str]]:
        """ID, full name, category and outcome of each result of a session, or of the latest of
        every job: a fraction of what `results` costs."""
        columns = "spec_id, spec_fullname, status_category, status_outcome"
        if session is not None:
            rows = self.query(f"select {columns} from results where session=?", (session,))
        else:
            rows = self.query(f"select {columns} from results where latest=1")
        return [r if r[3] in _OUTCOMES else (r[0], r[1], "NONE", "NONE") for r in rows]

    def tally(self) -> Counter[tuple[str, str]]:
        """How many jobs came to which category and outcome when they last ran."""
        rows = self.query(
            "select status_category c, status_outcome o, count(*) from results"
            " where latest=1 group by c, o"
        )
        counts: Counter[tuple[str, str]] = Counter()
        for category, outcome, n in rows:
            counts[(category, outcome) if outcome in _OUTCOMES else ("NONE", "NONE")] += n
        return counts

    def results(
        self, session: str | None = None, id: str | None = None, *, passed: bool = True
    ) -> list[Result]:
        """The results of one session, all results of one job (oldest first), or the latest of every
        job (without `passed`: of those that did not pass)."""
        wanted = {"session": session, "spec_id": id}
        given = {column: value for column, value in wanted.items() if value is not None}
        if given:
            where = " and ".join(f"{column}=?" for column in given)
            sql = f"select {_RESULT} from results where {where} order by session"
            rows = self.query(sql, tuple(given.values()))
        else:
            # the plus keeps SQLite from the index: most rows are wanted, in the order they are in
            rows = self.query(
                f"select {_RESULT} from results where +latest=1"
                f" and (? or status_outcome not in ('SUCCESS', 'XDIFF', 'XFAIL'))",
                (passed,),
            )
        own = self._own
        return [
            r if str(r.workspace).startswith(own) else r._replace(workspace=self.here(r.workspace))
            for r in map(_sound, rows)
        ]

    def here(self, directory: str) -> str:
        """A result's directory: that of this workspace, where it was moved or copied since."""
        if str(directory).startswith(self._own):
            return directory
        before, sessions, place = str(directory).rpartition(f"/{DIRECTORY}/sessions/")
        if before not in self._moved:
            self._moved[before] = not is_same(before + sessions, self._own)
        is_here = place.partition("/")[0] in self._sessions_here
        return f"{self._own}{place}" if is_here and self._moved[before] else str(directory)

    @cached_property
    def _sessions_here(self) -> frozenset[str]:
        return frozenset(Workspace(self.path.parent).session_names())

    def histories(self) -> dict[str, str]:
        """JSON of every job's run history."""
        return dict(self.query("select spec_id, data from history"))

    def session(self, name: str) -> dict[str, Any] | None:
        """What is known of a session."""
        rows = self.query("select data from sessions where name=?", (name,))
        return read_object(rows[0][0]) if rows else None

    def sessions(self) -> list[str]:
        """Names of all sessions, oldest first."""
        rows = self.query("select name from sessions where typeof(name)='text' order by name")
        return [r[0] for r in rows]

    def excluded(self, session: str) -> list[tuple[str, str, str]]:
        """ID, full name and reason of each job that a session left out."""
        sql = "select spec_id, fullname, reason from excluded where session=?"
        rows = self.query(sql, (session,))
        return [(i, n, why) for i, n, why in rows if {type(x) for x in (i, n, why)} == {str}]

    # selections

    def tag(self, tag: str) -> list[str] | None:
        """The job IDs of a tag; None if there is no such tag."""
        if not self.query("select 1 from selection_meta where tag=?", (tag,)):
            return None
        return [r[0] for r in self.query("select spec_id from selections where tag=?", (tag,))]

    def tags(self) -> list[tuple[str, int]]:
        """Every tag and how many jobs it has."""
        rows = self.query(
            "select m.tag, count(s.spec_id) from selection_meta m"
            " left join selections s using(tag) group by m.tag"
        )
        return [(str(t), int(n)) for t, n in rows]


def _connect(path: Path, writable: bool) -> sqlite3.Connection:
    around = Workspace(path.parent)
    if writable:
        refuse_foreign(around)
        if not path.exists():
            _create(path)
        return sqlite3.connect(path, isolation_level=None, timeout=30)
    foreign, there = is_foreign(around), path.exists()
    if there and not foreign:
        return sqlite3.connect(_uri(path), uri=True, isolation_level=None)
    db = sqlite3.connect("file::memory:", uri=True, isolation_level=None)
    _make_tables(db)
    if there:
        oldstore.copy(db, path, _uri(path), specs=True)
    return db


def _create(path: Path) -> None:
    """Make an empty store, whole at once: others may look at it, or make one, meanwhile."""
    temporary = f"{path}.{os.getpid()}~"
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
            _tune(db, path)
            _make_tables(db)
        os.link(temporary, path)
    except OSError:
        pass  # another is there, or links are unknown here: then it is made in its place
    finally:
        fsio.remove(temporary)


def _tune(db: sqlite3.Connection, path: Path) -> None:
    # WAL needs memory shared between processes, which a network file system cannot give
    mode = "truncate" if fsio.is_network(path.parent) else "wal"
    db.execute(f"pragma journal_mode={mode}")
    db.execute("pragma synchronous=normal")


def _make_tables(db: sqlite3.Connection) -> None:
    db.executescript(f"begin; {_TABLES}; commit")
    db.execute("insert or ignore into meta values('schema', ?)", (str(SCHEMA),))


def _uri(path: Path) -> str:
    """For reading; where we are not to write, SQLite is kept from making files beside it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    ours = os.access(path.parent, os.W_OK) and not is_foreign(Workspace(path.parent))
    return uri if ours or _size(f"{path}-wal") else f"{uri}&immutable=1"


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _storable(value: Any) -> Any:
    """A file name that is no UTF-8 as it is shown: SQLite stores no such text."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value


def tag_rows(tag: str, ids: Sequence[str] | None) -> list[tuple[str, Iterable[Sequence[Any]]]]:
    """The statements that make a tag of these jobs, or (None) delete it."""
    batch: list[tuple[str, Iterable[Sequence[Any]]]] = [
        ("delete from selections where tag=?", [(tag,)]),
        ("delete from selection_meta where tag=?", [(tag,)]),
    ]
    if ids is not None:
        batch.append(("insert into selections values(?,?)", [(tag, id) for id in ids]))
        batch.append(("insert into selection_meta values(?,?)", [(tag, "{}")]))
    return batch


RESULT_STATEMENT: Final = f"insert or replace into results({_RESULT}) values({','.join('?' * 17)})"


def timings(result: Result) -> dict[str, float]:
    """Seconds in each part of a job's life; -1 where unknown."""
    keeper = Timekeeper.fromdict(result.times)
    parts = (keeper.pending, keeper.setup, keeper.running, keeper.teardown, keeper.total)
    return {part.__name__: round(part(), 6) for part in parts}


def job_record(result: Result) -> dict[str, Any]:
    """A job as `canary query jobs` gives it."""
    times = result.times
    return {
        "id": result.id,
        "name": result.name,
        "fullname": result.fullname,
        "file_path": result.file_path,
        "exec_dir": result.workspace,
        "session": result.session,
        "exit_code": result.code,
        "status": {
            "category": result.category,
            "outcome": result.outcome,
            "reason": result.reason or "",
        },
        "timings": timings(result),
        "started_at": times.get("started", -1.0),
        "stopped_at": times.get("stopped", -1.0),
        "last_activity": None,
        "attempt": result.attempt,
        "measurements": result.measured,
    }
