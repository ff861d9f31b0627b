"""What is removed, lost or damaged in a workspace: what is kept, what is said, what mends it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3

import pytest

from canary.journal import seal

WRITER = """\
import canary
canary.directives.keywords("fast")
canary.directives.parameterize("np", [1, 2])
if __name__ == "__main__":
    with open("a.out", "w") as file:
        file.write("of a")
"""
READER = """\
import os
import canary
canary.directives.depends_on("a.np=2")
if __name__ == "__main__":
    (job,) = canary.get_instance().dependencies
    with open(os.path.join(job.working_directory, "a.out")) as file:
        print(file.read())
    if os.path.exists(os.path.join(os.path.dirname(os.path.realpath(__file__)), "fail")):
        raise canary.TestDiffed("asked to")
"""
DIFFERENT = """\
import canary
canary.directives.keywords("fast")
canary.directives.baseline("c.out", "c.ref")
if __name__ == "__main__":
    with open("c.out", "w") as file:
        file.write("of c")
    raise canary.TestDiffed("always")
"""
ALL = {
    "a.np=1": "PASS SUCCESS",
    "a.np=2": "PASS SUCCESS",
    "b": "PASS SUCCESS",
    "c": "FAIL DIFFED",
}


@pytest.fixture
def place(tree):
    """A writer, one that reads what it wrote, and one that differs."""
    return tree({"a.pyt": WRITER, "b.pyt": READER, "c.pyt": DIFFERENT})


@pytest.fixture
def bad(canary):
    """`bad()` is what doctor finds wrong."""

    def look():
        done = canary("doctor")
        found = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
        assert done.returncode == bool(found), done.stdout
        return found

    return look


def sessions(tmp_path):
    return sorted((tmp_path / ".canary" / "sessions").iterdir())


def store(tmp_path):
    return tmp_path / ".canary" / "workspace.sqlite3"


def lose_store(tmp_path):
    for path in store(tmp_path).parent.glob("workspace.sqlite3*"):
        path.unlink()


# what is removed on purpose


def test_gc_keeps_what_others_have_read(canary, place, bad, tmp_path):
    canary("run", place, expect=2)
    canary("run", place / "a.pyt", "-R", expect=0)
    assert "removed 1 older result and 0 sessions" in canary("gc", expect=0).stdout
    assert sorted(os.listdir(sessions(tmp_path)[0]))[:3] == ["a.np=2", "b", "c"]
    assert "of a" in canary("exec", "b", expect=0).stdout
    assert "c.ref" in canary("rebaseline", "-n", expect=0).stdout
    for _ in range(2):
        assert bad() == []
        assert "remove 0 older results" in canary("gc", "--dryrun", expect=0).stdout
        canary("doctor", "--rebuild", expect=0)
    # now nobody needs what was read
    canary("run", place, "-R", expect=2)
    canary("gc", expect=0)
    assert len(sessions(tmp_path)) == 1


def test_gc_removes_nothing_while_it_is_not_known_what_is_needed(canary, place, tmp_path):
    canary("run", place, expect=2)
    canary("run", place / "a.pyt", "-R", expect=0)
    lock = sessions(tmp_path)[0] / "b" / "testcase.lock"
    whole = lock.read_text()
    lock.write_text("{")
    before = sorted(tmp_path.rglob("*"))
    assert "cannot be read [canary doctor --rebuild]" in canary("gc", expect=1).stderr
    assert sorted(tmp_path.rglob("*")) == before
    lock.write_text(whole)
    said = json.loads(canary("gc", "--json", expect=0).stdout)
    assert (said["results"], said["sessions"], said["bytes"] > 0) == (1, 0, True)


def test_a_directory_that_is_gone_stops_no_other_job(canary, place, results, tmp_path):
    canary("run", place, expect=2)
    (session,) = sessions(tmp_path)
    shutil.rmtree(session / "a.np=2")
    done = canary("exec", "b")
    assert done.returncode != 0
    assert "a.np=2: cannot read the job's lock" in done.stderr
    assert "run the job again" in done.stderr
    assert "1 job without a directory" in canary("doctor", expect=0).stdout
    shutil.rmtree(session / "b")
    (session / "extra").mkdir()
    assert "c.ref" in canary("rebaseline", "-n", expect=0).stdout  # b has passed
    (session / "c" / "testcase.lock").write_text("{")
    done = canary("rebaseline", "-n", expect=1)
    assert "doctor --rebuild" in done.stderr
    assert results() == ALL


def test_what_was_torn_down_is_run_again_for_others(canary, place, results, tmp_path):
    (place / "fail").touch()
    canary("run", place, "--teardown", expect=2)
    assert results()["b"] == "FAIL DIFFED"
    (place / "fail").unlink()
    done = canary("run", "b", expect=0)
    said = [x for x in done.stderr.splitlines() if "again" in x]
    assert said == ["INFO: run again, as others need what is gone: a.np=2"]
    assert results() == ALL
    assert not (sessions(tmp_path)[0] / "a.np=1").exists()
    done = canary("run", place, expect=2)
    assert "run again" not in done.stderr


def test_a_tag_runs_what_did_not_pass(canary, place, results):
    canary("run", place, "--tag", "mine", "-k", "fast", expect=2)
    for _ in range(2):
        done = canary("run", "mine", expect=2)
        assert "1 total: 1 diffed" in done.stdout
        assert "2 jobs: passed before" in done.stderr
    done = canary("run", "mine", "--only", "all", expect=2)
    assert "4 total" in done.stdout
    assert "1 total: 1 pass" in canary("run", "a.np=1", expect=0).stdout  # named, so it runs


# what is lost or damaged


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        *(("job", "store"), ("job_finished", "locks"), ("plan", "locks")),
        *(("plan", "store"), ("excluded", "store"), ("session_finished", "store")),
    ],
)
def test_a_damaged_line_costs_nothing(canary, place, results, bad, tmp_path, kind, kept):
    canary("run", place, "-k", "fast", expect=2)
    log = sessions(tmp_path)[0] / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith(b'{"e":"%s"' % kind.encode()))
    lines[at] = lines[at].replace(b",", b";", 1)
    log.write_bytes(b"".join(lines))
    before = {name: ALL[name] for name in ("a.np=1", "a.np=2", "c")}
    if kept == "locks":
        lose_store(tmp_path)
    else:
        assert results() == before
        assert any("line" in text or "missing" in text for text in bad())
    canary("doctor", "--rebuild", expect=0)
    assert results() == before
    assert bad() == []
    assert canary("doctor", "--rebuild", expect=0).stderr == ""
    assert results() == before
    damaged = log.with_name("events.jsonl.damaged").read_bytes()
    assert damaged == b"".join(lines)


def test_a_log_that_is_gone_is_written_anew(canary, place, results, bad, tmp_path):
    canary("run", place, expect=2)
    canary("exec", "b", expect=0)
    (session,) = sessions(tmp_path)
    for lost in (("events.jsonl",), ("events.jsonl", "session.lock")):
        for name in lost:
            (session / name).unlink()
        if len(lost) == 2:
            lose_store(tmp_path)
        else:
            assert ["log is missing" in line for line in bad()] == [True]
        done = canary("doctor", "--rebuild", expect=0)
        assert "4 results that its log lacked: kept" in done.stderr
        assert results() == ALL
        assert bad() == []
        assert "of a" in canary("log", "b", expect=0).stdout
        assert "from 1 session" in canary("doctor", "--rebuild", expect=0).stdout


def test_a_lock_that_is_damaged_is_written_anew(canary, place, bad, tmp_path):
    canary("run", place, expect=2)
    session = sessions(tmp_path)[0]
    (session / "b" / "testcase.lock").write_text("{")
    (session / "c" / "testcase.lock").unlink()
    for words in (("exec", "b"), ("rebaseline", "-n")):
        assert "doctor --rebuild" in canary(*words).stderr
    assert ["2 job locks" in line for line in bad()] == [True]
    canary("doctor", "--rebuild", expect=0)
    assert bad() == []
    assert "of a" in canary("exec", "b", expect=0).stdout
    assert "c.ref" in canary("rebaseline", "-n", expect=0).stdout


def test_what_is_made_from_the_record_is_made_again(canary, place, bad, tmp_path):
    for words in (("run", place), ("run", place, "-R")):
        canary(*words, expect=2)
    older, newest = (session / "session.lock" for session in sessions(tmp_path))
    before = [json.loads(lock.read_text()) for lock in (older, newest)]
    older.unlink()
    os.truncate(newest, 40)
    shutil.rmtree(tmp_path / "TestResults")
    assert len(bad()) == 2
    assert "TestResults" in canary("doctor").stdout
    canary("doctor", "--rebuild", expect=0)
    assert bad() == []
    for lock, was in zip((older, newest), before, strict=True):
        assert json.loads(lock.read_text()) == {**was, "cut_off": False}
    assert sorted(os.listdir(tmp_path / "TestResults")) == [".canary-view.json", *sorted(ALL)]


def test_a_view_that_nobody_wants_is_not_made(canary, place, tmp_path):
    never = ("-c", "workspace:view:when:never")
    canary(*never, "run", place, expect=2)
    assert "TestResults" not in canary(*never, "doctor", expect=0).stdout
    canary(*never, "doctor", "--rebuild", expect=0)
    (tmp_path / "TestResults").touch()
    assert "cannot write the view" in canary("doctor", "--rebuild", expect=0).stderr


def test_a_store_and_logs_that_are_gone_are_missed(canary, place, results, bad, tmp_path):
    canary("run", place, expect=2)
    (sessions(tmp_path)[0] / "events.jsonl").unlink()
    lose_store(tmp_path)
    assert ["no store, 1 session" in line for line in bad()] == [True]
    canary("doctor", "--rebuild", expect=0)
    assert results() == ALL
    assert bad() == []


NO_EVENTS = (
    '{"e":"job","id":"x"',
    '{"e":"job","id":"x","path":"","spec":{"other":1},"edges":[1]',
    '{"e":"job_submitted","id":[]',
    '{"e":"job_started"',
    '{"e":"job_finished","id":"x"',
    '{"e":"job_finished","at":1,"id":"x","name":"n","status":{"outcome":"?"},"times":{},"measurements":{}',
    '{"e":"job_finished","at":1,"id":"x","name":"n","status":{"outcome":0},"times":[],"measurements":{}',
    '{"e":"plan","schema":"1"',
    '{"e":"plan","schema":1,"started_on":1e300',
    '{"e":"removed"',
    '{"e":"excluded"',
    '{"e":"session_finished","exit_code":1e400',
    "[1",
    '{"x":' + "[" * 100_000 + "]" * 100_000,
)


def test_a_line_that_says_nothing_is_damaged_whatever_its_checksum(
    canary, place, results, bad, tmp_path
):
    canary("run", place, expect=2)
    log = sessions(tmp_path)[0] / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:3], *map(seal, NO_EVENTS), *lines[3:]]))
    assert [f"{len(NO_EVENTS)} lines of its log damaged" in line for line in bad()] == [True]
    assert "session_finished" in canary("log", expect=0).stdout
    canary("doctor", "--rebuild", expect=0)
    assert log.read_bytes() == b"".join(lines)
    assert results() == ALL
    assert bad() == []


@pytest.mark.parametrize("text", ['{"schema":1}', '{"schema":1,"spec":{"id":"of another"}}'])
def test_a_job_lock_that_says_nothing_is_none(canary, place, bad, tmp_path, text):
    canary("run", place, expect=2)
    (sessions(tmp_path)[0] / "b" / "testcase.lock").write_text(text)
    assert ["1 job lock" in line for line in bad()] == [True]
    canary("doctor", "--rebuild", expect=0)
    assert bad() == []
    assert "of a" in canary("exec", "b", expect=0).stdout


def test_a_lock_made_anew_has_what_its_log_says(canary, place, tmp_path):
    """The store gone as well: what a job was given, when its session ended, and how long it took;
    not what plugins' variables were."""
    canary("-c", "resource_pool:cpus:2", "run", place, expect=2)
    (session,) = sessions(tmp_path)
    paths = [session / "session.lock", *session.glob("*/testcase.lock")]
    assert len(paths) == 5
    before = [json.loads(path.read_text()) for path in paths]
    for path in (*paths, store(tmp_path)):
        path.unlink()
    canary("doctor", "--rebuild", expect=0)
    (session_was, session_is), *jobs = zip(before, map(read_json, paths), strict=True)
    assert session_is["measurements"].pop("duration") > 0
    assert session_was["measurements"].pop("duration") > 0
    assert session_is["finished_on"] >= session_is["started_on"]
    for name in ("measurements", "returncode", "started_on", "job_ids"):
        assert session_is[name] == session_was[name]
    for was, now in jobs:
        assert now["allocation"] == was["allocation"]
        assert now["variables"]["CANARY_CPU_IDS"] == was["variables"]["CANARY_CPU_IDS"]
        assert now["state"] == was["state"]


def read_json(path):
    return json.loads(path.read_text())


def test_a_link_in_place_of_the_lock_is_not_followed(canary, place, tmp_path):
    canary("init", expect=0)
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / ".canary" / "run.lock").unlink()
    (tmp_path / ".canary" / "run.lock").symlink_to(mine)
    assert "cannot lock the workspace" in canary("run", place, expect=2).stderr
    assert mine.read_text() == "precious"


@pytest.mark.parametrize("left", [None, b""])
def test_a_store_that_is_gone_is_missed(canary, place, results, bad, tmp_path, left):
    canary("run", place, expect=2)
    lose_store(tmp_path)
    if left is not None:
        store(tmp_path).write_bytes(left)
    for words in (("status",), ("run", place), ("query", "jobs")):
        done = canary(*words)
        assert done.returncode != 0
        assert "doctor --rebuild" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert len(bad()) == 1
    canary("doctor", "--rebuild", expect=0)
    assert results() == ALL


def test_results_of_sessions_that_are_not_here_are_kept(canary, place, results, tmp_path):
    canary("run", place, expect=2)
    shutil.rmtree(sessions(tmp_path)[0])
    canary("run", place / "c.pyt", expect=2)
    canary("doctor", "--rebuild", expect=0)
    assert results() == ALL


def test_what_is_not_damaged_of_a_store_is_kept(canary, place, results, tmp_path):
    canary("run", place, "--tag", "quick", expect=2)
    book = sqlite3.connect(store(tmp_path))
    found = book.execute("select rootpage from sqlite_master where name='results'").fetchone()
    size = book.execute("pragma page_size").fetchone()
    book.execute("pragma wal_checkpoint(truncate)")
    book.close()
    with open(store(tmp_path), "r+b") as file:
        file.seek((found[0] - 1) * size[0])
        file.write(b"\xff" * size[0])
    canary("doctor", "--rebuild", expect=0)
    assert "quick" in canary("info", expect=0).stdout
    assert results() == ALL


def test_a_directory_among_sessions_is_none(canary, place, bad, tmp_path):
    canary("run", place, expect=2)
    notes = tmp_path / ".canary" / "sessions" / "notes"
    notes.mkdir()
    (notes / "x").write_text("mine")
    assert bad() == []
    assert "from 1 session" in canary("doctor", "--rebuild", expect=0).stdout
    assert os.listdir(notes) == ["x"]


def test_the_newest_session_is_found_without_its_name(canary, place, bad, tmp_path):
    canary("run", place, expect=2)
    (tmp_path / ".canary" / "refs" / "latest").write_text("../sessions/none\n")
    assert "session_finished" in canary("log", expect=0).stdout
    assert bad() == []


def test_a_view_that_cannot_be_written_is_all_that_is_wrong(canary, place, bad, tmp_path):
    (tmp_path / "TestResults").touch()
    for _ in range(2):
        done = canary("run", place, "-R", expect=2)
        assert done.stdout.count("WARNING") + done.stderr.count("WARNING") == 1
        assert "the view is not up to date" in done.stdout + done.stderr
        assert "recorded" not in done.stderr
        assert bad() == []


def test_what_is_to_be_resumed_is_not_wiped(canary, place, results):
    canary("run", place, expect=2)
    assert "takes no -w" in canary("resume", "-w", expect=2).stderr
    assert results() == ALL
