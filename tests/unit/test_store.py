"""The store: what is written is found again, and a damaged one is one line."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest

from canary import home
from canary.catalog import Catalog, spec_rows
from canary.errors import RecordError
from canary.graph import Edge
from canary.lockfile import dump
from canary.spec import DependencyPattern, JobSpec
from canary.status import Outcome, Status
from canary.store import RESULT_STATEMENT, Result, Store, tag_rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workspace.sqlite3"


@pytest.fixture
def store(path):
    made = Store(path, writable=True)
    yield made
    made.close()


def result(id, session, outcome="SUCCESS", **more):
    status = Status(Outcome[outcome], "because", 3)
    values = {
        "id": id,
        "name": f"name {id}",
        "fullname": f"d/name {id}",
        "file_root": "/r",
        "file_path": "d/f.x",
        "session": session,
        "workspace": f"/s/{session}/{id}",
        "phase": "DONE",
        "category": status.category.value,
        "outcome": outcome,
        "reason": status.reason,
        "code": status.code,
        "timekeeper": '{"started":1.5,"stopped":4.0}',
        "measurements": "{}",
        **more,
    }
    return Result(**values)


def put(store, *results):
    store.write([(RESULT_STATEMENT, [tuple(r) for r in results])])


# results


def test_results_by_session_by_job_and_latest(store):
    one, two = result("a", "s1", "FAILED"), result("b", "s1")
    again = result("a", "s2")
    put(store, one, two)
    put(store, again)
    assert sorted(store.results(session="s1")) == [one, two]
    assert store.results(id="a") == [one, again]
    assert store.results(session="s2", id="a") == [again]
    assert {r.id: r for r in store.results()} == {"a": again, "b": two}
    assert store.results(session="s3") == store.results(id="z") == []


def test_the_latest_of_a_job_does_not_depend_on_the_order_of_writing(store):
    put(store, result("a", "s2"), result("a", "s3", "FAILED"), result("a", "s1"))
    (latest,) = store.results()
    assert (latest.session, latest.outcome) == ("s3", "FAILED")


def test_a_result_written_twice_is_replaced(store):
    put(store, result("a", "s1"))
    put(store, result("a", "s1", "FAILED"))
    (only,) = store.results()
    assert only.status == Status(Outcome.FAILED, "because", 3)


@pytest.mark.parametrize("gone", ["s1", "s2", "s3"])
def test_the_latest_of_those_that_are_left(store, gone):
    put(
        store, *(result("a", f"s{n}", o) for n, o in ((2, "DIFFED"), (3, "FAILED"), (1, "TIMEOUT")))
    )
    put(store, result("b", "s3"))
    store.write([("delete from results where session=?", [(gone,)])])
    (left,) = (r for r in store.results() if r.id == "a")
    assert left.session == ("s2" if gone == "s3" else "s3")
    latest = {id: (category, outcome) for id, _, category, outcome in store.outcomes()}
    assert latest == {r.id: (r.category, r.outcome) for r in store.results()}
    assert store.tally() == Counter(latest.values())


def test_a_result_as_values():
    made = result("a", "s1", "DIFFED", code=-1)
    assert made.status == Status(Outcome.DIFFED, "because", -1)
    assert made.times == {"started": 1.5, "stopped": 4.0}


def test_directories_of_a_workspace_that_was_moved(tmp_path):
    """Those of its sessions are where it is now; however the way to it is written, it is one."""
    root = tmp_path / "w" / ".canary"
    (root / "sessions" / "1").mkdir(parents=True)
    (tmp_path / "link").symlink_to("w")
    said = {
        "a": "/old/.canary/sessions/1/d/a",
        "b": "/old/.canary/sessions/2/b",  # which is not here
        "c": f"{tmp_path}/link/.canary/sessions/1/c",
        "d": f"{root}/sessions/1/d",
        "e": "\0/.canary/sessions/1/e",
        "f": 5,
    }
    store = Store(root / "workspace.sqlite3", writable=True)
    put(store, *(result(id, "1", workspace=place) for id, place in said.items()))
    moved = {"a": f"{root}/sessions/1/d/a", "e": f"{root}/sessions/1/e", "f": "5"}
    assert {r.id: r.workspace for r in store.results()} == said | moved
    store.close()


def test_column_names_are_public(store):
    put(store, result("a", "s1"))
    columns, rows = store.columns("select spec_id, status_outcome as o from results")
    assert (columns, rows) == (["spec_id", "o"], [("a", "SUCCESS")])
    with pytest.raises(RecordError, match=r"no such table.*query db schema"):
        store.columns("select * from missing")


def test_other_tables(store):
    store.write(
        [
            ("insert into sessions values(?,?)", [("s2", '{"a":1}'), ("s1", "{}")]),
            ("insert into history values(?,?)", [("a", "{}")]),
            ("insert into excluded values(?,?,?,?)", [("s1", "a", "d/a", "why")]),
        ]
    )
    assert store.sessions() == ["s1", "s2"]
    assert store.session("s2") == {"a": 1}
    assert store.session("s3") is None
    assert store.histories() == {"a": "{}"}
    assert store.excluded("s1") == [("a", "d/a", "why")]
    assert store.excluded("s2") == []


def test_a_session_whose_name_is_no_text_is_none(store):
    names = [(b"s1", "{}"), ("s2", "{}"), (b"\xff", "{}")]
    rows = [("s2", "a", "d/a", None), ("s2", "b", b"d/b", "why"), ("s2", "c", "d/c", "why")]
    store.write([("insert into sessions values(?,?)", names)])
    store.write([("insert into excluded values(?,?,?,?)", rows)])
    assert store.sessions() == ["s2"]
    assert store.excluded("s2") == [("c", "d/c", "why")]


@pytest.mark.parametrize("value", [10**20, [], {}])
def test_what_a_store_cannot_hold_is_one_line(store, value):
    with pytest.raises(RecordError, match="cannot be written"):
        store.write([("insert into excluded values(?,?,?,?)", [("s1", "a", value, "why")])])
    with pytest.raises(RecordError, match="the store: "):
        store.query("select 1 where ? > 0", (value,))


def test_tags(store):
    store.write(tag_rows("nightly", ["a", "b"]))
    store.write(tag_rows("empty", []))
    assert sorted(store.tag("nightly")) == ["a", "b"]
    assert store.tag("empty") == []
    assert store.tag("none") is None
    assert store.tags() == [("empty", 0), ("nightly", 2)]
    store.write(tag_rows("nightly", ["c"]))
    assert store.tag("nightly") == ["c"]
    store.write(tag_rows("nightly", None))
    assert store.tags() == [("empty", 0)]


# transactions


def test_a_batch_is_written_whole_or_not_at_all(store):
    with pytest.raises(RecordError, match="cannot be written"):
        store.write(
            [
                ("insert into sessions values(?,?)", [("s1", "{}")]),
                ("insert into nothing values(?)", [(1,)]),
            ]
        )
    assert store.sessions() == []
    store.write([("insert into sessions values(?,?)", [("s1", "{}")])])
    assert store.sessions() == ["s1"]


def test_an_interrupt_while_writing_leaves_nothing_half_done(store):
    def rows():
        yield ("s1", "{}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write([("insert into sessions values(?,?)", rows())])
    assert store.sessions() == []
    store.write([("insert into sessions values(?,?)", [("s2", "{}")])])


def test_a_name_that_is_no_utf8_is_stored_as_it_is_shown(store):
    odd = os.fsdecode(b"t\xff.x")
    put(store, result("a", "s1", file_path=odd), result("b", "s1"))
    assert {r.id: r.file_path for r in store.results()} == {"a": "t\\xff.x", "b": "d/f.x"}
    with pytest.raises(RecordError):
        store.query("select * from files where path=?", (odd,))


# opening


def test_one_that_is_not_there_is_empty_and_stays_away(path):
    made = Store(path)
    assert made.results() == []
    assert made.sessions() == []
    made.close()
    assert not path.exists()


def test_readers_never_write(path, store):
    put(store, result("a", "s1"))
    reader = Store(path)
    assert [r.id for r in reader.results()] == ["a"]
    with pytest.raises(RecordError):
        reader.write([("delete from results", [()])])
    reader.close()
    assert len(store.results()) == 1


def test_readers_and_the_writer_do_not_wait_for_each_other(path, store):
    put(store, result("a", "s1"))
    reader = Store(path)
    reader._db.execute("begin")
    assert len(reader.results()) == 1
    put(store, result("b", "s1"))
    assert len(reader.results()) == 1
    reader._db.execute("rollback")
    assert len(reader.results()) == 2
    reader.close()


def test_what_a_killed_writer_committed_is_there(path):
    code = f"""
import errno
import fcntl
import os
from pathlib import Path
from canary.store import Store
store = Store(Path({str(path)!r}), writable=True)
store.write([("insert into sessions values(?,?)", [("s1", "{{}}")])])
store._db.execute("begin immediate")
store._db.execute("insert into sessions values('s2', '{{}}')")
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    for writable in (False, True):
        made = Store(path, writable=writable)
        assert made.sessions() == ["s1"]
        made.close()


def test_one_that_others_make_meanwhile_is_theirs_and_whole(tmp_path, monkeypatch):
    path = tmp_path / "workspace.sqlite3"
    link, seen = os.link, []

    def late(source, target):
        seen.append(path.exists())
        with closing(Store(path, writable=True)) as theirs:
            theirs.write([("insert into sessions values(?,?)", [("theirs", "{}")])])
        link(source, target)

    monkeypatch.setattr(os, "link", lambda *names: (monkeypatch.undo(), late(*names)))
    with closing(Store(path, writable=True)) as mine:
        assert seen == [False]
        assert mine.query("select name from sessions") == [("theirs",)]
    assert not [name for name in os.listdir(tmp_path) if name.endswith("~")]


def test_one_is_made_where_links_are_unknown(tmp_path, monkeypatch):
    def unknown(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unknown)
    with closing(Store(tmp_path / "workspace.sqlite3", writable=True)) as store:
        assert store.sessions() == []
    assert os.listdir(tmp_path) == ["workspace.sqlite3"]


def test_a_workspace_is_not_taken_away_while_its_store_is_written(tmp_path):
    made = home.create(tmp_path)
    with closing(Store(made.database, writable=True)), open(made.root / home.TAG, "r+") as tag:
        with pytest.raises(BlockingIOError):
            fcntl.flock(tag, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with closing(Store(made.database, writable=True)):
            pass  # several may write, one after the other
    with closing(Store(made.database)), home.tag_locked(made.root, fcntl.LOCK_EX):
        pass  # readers remove nothing


def test_who_waits_to_write_writes_to_the_new_one(tmp_path, monkeypatch):
    made = home.create(tmp_path)
    flock, asked = fcntl.flock, []

    def late(fd, how):
        flock(fd, how)
        asked.append(how)
        if len(asked) == 1:
            made.root.rename(tmp_path / "old")
            home.create(tmp_path)

    monkeypatch.setattr(fcntl, "flock", late)
    with closing(Store(made.database, writable=True)):
        assert len(asked) == 2
    assert made.database.exists()
    assert not (tmp_path / "old" / "workspace.sqlite3").exists()


def test_opening_again_changes_nothing(path, store):
    put(store, result("a", "s1"))
    store.close()
    again = Store(path, writable=True)
    assert len(again.results()) == 1
    again.close()


@pytest.mark.parametrize("writable", [False, True])
def test_a_file_that_is_no_store_is_one_line(path, writable):
    path.write_bytes(b"this is not a database, but it is long enough to look like one" * 20)
    with pytest.raises(RecordError, match="cannot be opened: file is not a database") as caught:
        Store(path, writable=writable)
    assert "doctor" in caught.value.hint
    assert caught.value.file == str(path)


def test_a_database_of_somebody_else_is_refused(path):
    other = sqlite3.connect(path)
    other.execute("create table t(x)")
    other.commit()
    other.close()
    with pytest.raises(RecordError, match=r"cannot be opened|schema"):
        Store(path)


@pytest.mark.parametrize("schema", ["2", "x", None])
def test_a_newer_schema_is_refused(path, store, schema):
    store._db.execute("update meta set value=? where key='schema'", (schema,))
    for writable in (False, True):
        with pytest.raises(RecordError, match="this release reads 1"):
            Store(path, writable=writable)


def test_pages_that_are_damaged_are_one_line(path, store):
    put(store, *(result(str(i), "s1", reason="x" * 500) for i in range(500)))
    store._db.execute("pragma wal_checkpoint(truncate)")
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(4096 * 40, len(data), 4096):
        data[page : page + 100] = b"\xaa" * 100
    path.write_bytes(data)
    damaged = Store(path)
    with pytest.raises(RecordError, match=r"the store: .*doctor"):
        damaged.results()
    damaged.close()


# specs


def spec(id, *depends):
    return JobSpec(
        file_root="/r",
        file_path=f"d/{id}.x",
        id=id,
        family=id,
        name=id,
        command=("true",),
        parameters={"n": 1.5},
        dependencies=tuple(map(DependencyPattern, depends)),
    )


@pytest.fixture
def catalog(path):
    made = Catalog(path, writable=True)
    yield made
    made.close()


def keep(catalog, specs, edges):
    by_id = {s.id: s for s in specs}
    catalog.write(spec_rows(by_id, edges, {id: dump(s.asdict()) for id, s in by_id.items()}))


def test_specs_and_their_dependencies(catalog):
    specs = [spec("a"), spec("b", "a"), spec("c")]
    keep(catalog, specs, {"b": [Edge("a", "always")]})
    assert catalog.specs() == {s.id: s for s in specs}
    assert catalog.specs(["c", "z"]) == {"c": specs[2]}
    assert catalog.edges() == {"b": (Edge("a", "always"),)}
    graph = catalog.graph()
    assert graph.upstream("b") == (Edge("a", "always"),)
    assert sorted(graph.order()) == ["a", "b", "c"]


def test_dependencies_are_replaced_with_their_spec(catalog):
    keep(catalog, [spec("a"), spec("b", "a"), spec("c")], {"b": [Edge("a", None)]})
    keep(catalog, [spec("b", "c")], {"b": [Edge("c", "on_success")]})
    assert catalog.edges() == {"b": (Edge("c", "on_success"),)}
    keep(catalog, [spec("b")], {})
    assert catalog.edges() == {}


def test_a_dependency_on_what_is_not_stored_is_left_out_of_the_graph(catalog):
    keep(catalog, [spec("b", "a")], {"b": [Edge("a", None)]})
    assert catalog.graph().upstream("b") == ()
    assert catalog.graph().order() == ["b"]
