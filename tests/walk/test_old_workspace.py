"""Workspaces of canary-wm: they are read as they are, and taken over when that is asked for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

# tables and columns as that tool has them
TABLES = """
create table specs (spec_id text primary key, data text not null);
create table specs_meta (spec_id text primary key, source text not null, view text not null);
create table spec_deps (spec_id text, dep_id text, primary key (spec_id, dep_id));
create table selections (tag text, spec_id text, primary key (tag, spec_id));
create table selection_meta (tag text primary key, data text);
create table results (spec_id text, spec_name text, spec_fullname text, file_root text,
  file_path text, session text, workspace text, job_state text, status_category text,
  status_outcome text, status_reason text, status_code integer, timekeeper text, measurements text,
  primary key (spec_id, session));
"""
SESSIONS = ("2026-01-02T03-04-05.000001", "2026-01-02T04-04-05.000002")
TEST = "if __name__ == '__main__':\n    print('hello')\n"


def identity(family, path):
    return hashlib.sha256(f"{family}{path}".encode()).hexdigest()


class Old:
    """A directory in which canary-wm ran the tests `one`, `two` and `three`, twice."""

    def __init__(self, place: Path) -> None:
        self.place, self.root, self.tests = place, place / ".canary", place / "t"
        self.tests.mkdir()
        for name in ("one", "two", "three"):
            (self.tests / f"{name}.pyt").write_text(TEST)
        self.ids = {
            n: identity(n, str(self.tests / f"{n}.pyt")[1:]) for n in ("one", "two", "three")
        }
        (self.root / "refs").mkdir(parents=True)
        (self.root / "logs").mkdir()
        (self.root / "WORKSPACE.TAG").write_text(
            "Signature: 8a477f597d28d172789f06886806bc55\n# This file marks a workspace\n"
        )
        (self.root / "VERSION").write_text("1.0.0")
        (self.root / "config.yaml").write_text("canary: {}\n")
        (self.root / "refs" / "latest").write_text(f"../sessions/{SESSIONS[1]}")
        line = {"time": "2026-01-02 03:04:05,311", "level": "INFO", "message": "Starting session"}
        (self.root / "logs" / "canary.0.log").write_text(json.dumps(line) + "\n")
        self.rows = sqlite3.connect(self.root / "workspace.sqlite3")
        with self.rows:
            self.rows.executescript(TABLES)
            for session in SESSIONS:
                self.session(session)
            self.rows.execute("insert into selection_meta values('mine', '{}')")
            self.rows.executemany(
                "insert into selections values('mine', ?)",
                [(self.ids["one"],), (self.ids["two"],)],
            )
        self.rows.close()

    def session(self, session):
        directory = self.root / "sessions" / session
        directory.mkdir(parents=True)
        for name, (category, outcome, code) in {
            "one": ("PASS", "SUCCESS", 0),
            "two": ("FAIL", "DIFFED", 64),
            "three": ("SKIP", "SKIPPED", 80),
        }.items():
            self.job(session, name, category, outcome, code)
        ids = list(self.ids.values())
        lock = {"name": session, "job_ids": ids, "returncode": 2, "argv": ["canary", "run", "t"]}
        lock |= {"started_on": "2026-01-02T03:04:05.5", "finished_on": "2026-01-02T03:04:09"}
        (directory / "session.lock").write_text(json.dumps(lock))

    def job(self, session, name, category, outcome, code):
        id, marker = self.ids[name], {"__type__": "_canary.core.x::Y"}
        spec = {
            **{"file_root": str(self.tests), "file_path": f"{name}.pyt", "id": id},
            **{"family": name, "stdout": "out.txt", "stderr": None, "keywords": ["fast"]},
            **{"command": ["python3", f"{name}.pyt"], "view_path": name, **marker},
        }
        directory = self.root / "sessions" / session / name
        directory.mkdir()
        (directory / "out.txt").write_text(f"{name} says hello\n")
        (directory / "env.json").write_text('{"COLOUR": "blue"}')
        status = {"category": category, "outcome": code, "reason": None, "code": code, **marker}
        lock = {"spec": spec, "status": status, "variables": {}, "dependencies": [], **marker}
        (directory / "testcase.lock").write_text(json.dumps(lock))
        times = {f"_{k}": 1767323045.0 + n for n, k in enumerate(self.STAMPS)}
        result = (
            *(id, name, name, str(self.tests), f"{name}.pyt", session, name, "DONE"),
            *(category, outcome, None, code, json.dumps({**times, **marker})),
            json.dumps({"data": {"duration": 1.5}, **marker}),
        )
        self.rows.execute(f"insert into results values({','.join('?' * 14)})", result)
        self.rows.execute("insert or replace into specs values(?,?)", (id, json.dumps(spec)))
        source = f"{self.tests}/{name}.pyt"
        meta = (id, source, f"{name}/{name}.pyt")
        self.rows.execute("insert or replace into specs_meta values(?,?,?)", meta)
        cache = self.root / "cache" / "jobs" / id[:2] / f"{id[2:]}.jsonl"
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a") as f:
            f.write('{"what":"meta","version":1}\n')
            record = {"what": "record", "status": outcome.lower(), "duration": 1.5}
            f.write(json.dumps(record | {"recorded_at": 1767323045.8}) + "\nno JSON\n")

    STAMPS = ("submitted", "staged", "started", "stopped", "finished")

    def content(self):
        """Every file of the workspace."""
        return {
            str(p.relative_to(self.root)): p.read_bytes()
            for p in self.root.rglob("*")
            if p.is_file()
        }


@pytest.fixture
def old(tmp_path):
    return Old(tmp_path)


def test_questions_are_answered_and_nothing_is_touched(canary, old, tmp_path):
    before = old.content()
    status = canary("status", expect=0).stdout
    assert "3 jobs: 1 passed, 1 diffed, 1 skipped" in status
    assert "FAIL (DIFFED)" in status
    assert canary("query", "jobs", "--digest", expect=0).stdout.split() == [
        *("one", "PASS", "three", "NOTRUN", "two", "FAIL"),
    ]
    assert canary("query", "job", "two", "status.outcome", expect=0).stdout == "64\n"
    assert canary("query", "job", "two", "env.COLOUR", expect=0).stdout == '"blue"\n'
    assert "__type__" not in canary("query", "job", "two", expect=0).stdout
    record = json.loads(canary("query", "jobs", "--where", "name==one", expect=0).stdout)[0]
    assert record["timings"]["running"] == 1.0
    assert record["measurements"] == {"duration": 1.5}
    last = json.loads(canary("query", "session", "latest", expect=0).stdout)
    assert (last["name"], last["returncode"]) == (SESSIONS[1], 2)
    assert last["started_on"] == "2026-01-02T03:04:05.500000"
    sessions = json.loads(canary("query", "sessions", expect=0).stdout)
    assert [s["job_count"] for s in sessions] == [3, 3]
    assert canary("log", "one", "--raw", expect=0).stdout == "one says hello\n"
    assert "INFO: Starting session" in canary("log", expect=0).stdout
    info = json.loads(canary("info", "--json", expect=0).stdout)
    assert (info["specs"], info["tag_sizes"]) == (3, {"mine": 2})
    assert old.content() == before


def test_nothing_writes_into_it(canary, old):
    before = old.content()
    for words in (
        *(("run", "t"), ("collect", "t"), ("select", "-k", "x", "tag"), ("gc",)),
        *(("doctor", "--rebuild"), ("resume",)),
    ):
        done = canary(*words, expect=2)
        assert "init --import" in done.stderr, words
    assert canary("exec", "one", expect=1).stderr.count("ERROR") == 1
    assert old.content() == before


def test_a_view_of_it_can_be_made_and_it_can_be_removed(canary, old, tmp_path):
    canary("view", "refresh", expect=0)
    assert (tmp_path / "TestResults" / "one" / "out.txt").read_text() == "one says hello\n"
    canary("rm", ".", expect=0)
    assert not old.root.exists()
    assert not (tmp_path / "TestResults").exists()


def test_what_was_taken_over_survives_a_rebuild(canary, old, results):
    """It is in no log of ours, and its locks are not ours to write."""
    canary("init", "--import", expect=0)
    aside = {p: p.read_bytes() for p in old.place.glob(".canary.old/**/*") if p.is_file()}
    taken = results()
    assert taken["one"] == "PASS SUCCESS"
    for words in (("doctor",), ("doctor", "--rebuild"), ("doctor",)):
        assert "BAD" not in canary(*words, expect=0).stdout
    assert results() == taken
    assert {p: p.read_bytes() for p in aside} == aside


def test_results_tags_and_run_times_are_taken_over(canary, old, tmp_path, results):
    before = old.content()
    canary("init", "--import", expect=0)
    aside = tmp_path / ".canary.old"
    assert {str(p.relative_to(aside)) for p in aside.rglob("*") if p.is_file()} == set(before)
    was = {"one": "PASS SUCCESS", "two": "FAIL DIFFED", "three": "NOTRUN SKIPPED"}
    assert results() == was
    assert canary("log", "one", "--raw", expect=0).stdout == "one says hello\n"
    assert (tmp_path / "TestResults" / "two").resolve().is_relative_to(aside)
    rows = sqlite3.connect(tmp_path / ".canary" / "workspace.sqlite3")
    history = dict(rows.execute("select spec_id, data from history"))
    rows.close()
    assert json.loads(history[old.ids["one"]])["count"] == 2
    assert json.loads(history[old.ids["two"]])["categories"] == {"FAIL": 2}
    # what passed there has passed here, and a tag names what it named
    canary("collect", "t", expect=0)
    plan = canary("run", "--dry-run", "mine", "--only", "not_pass", expect=0).stdout
    assert "two" in plan
    assert "one" not in plan
    canary("gc", expect=0)
    assert results() == was


def test_taking_over_is_all_or_nothing(canary, old, tmp_path):
    (old.root / "workspace.sqlite3").write_bytes(b"no database at all" * 100)
    before = old.content()
    done = canary("init", "--import", expect=1)
    assert done.stderr.count("ERROR") == 1
    assert old.content() == before
    assert not (tmp_path / ".canary.old").exists()
    assert canary("status", expect=1).stderr.count("ERROR") == 1


def test_there_is_only_one_place_aside(canary, old, tmp_path):
    (tmp_path / ".canary.old").mkdir()
    assert "is there already" in canary("init", "--import", expect=2).stderr
    assert old.root.is_dir()


def test_import_wants_an_older_workspace(canary):
    assert "no workspace of the older canary" in canary("init", "--import", expect=2).stderr
    canary("init", expect=0)
    assert "no workspace of the older canary" in canary("init", "--import", expect=2).stderr


def test_a_workspace_that_canary_wm_has_just_made(canary, tmp_path, results):
    peer = os.environ.get("PEER")
    if not peer or shutil.which(peer) is None:
        pytest.skip("PEER names no executable to make a workspace with")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "one.pyt").write_text(TEST)
    subprocess.run([peer, "run", "--tag", "mine", "t"], cwd=tmp_path, check=True, timeout=100)
    assert results() == {"one": "PASS SUCCESS"}
    canary("init", "--import", expect=0)
    assert results() == {"one": "PASS SUCCESS"}
    assert "passed before" in canary("run", "t", expect=7).stderr
