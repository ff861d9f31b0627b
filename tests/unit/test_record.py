"""The log is the truth: every line sound or left out, and a record that fails stops no test."""

from __future__ import annotations

import json
import math
import os
import sqlite3

import pytest

from canary import home, journal, record
from canary.catalog import Catalog
from canary.errors import RecordError, WorkspaceError
from canary.events import (
    JobFinished,
    Notice,
)
from canary.journal import read_lines
from canary.lockfile import dump
from canary.record import Record
from canary.status import Outcome, Status

# a session's record


class Book:
    """A workspace, a session in it, and its record; what is said of trouble."""

    def __init__(self, root):
        self.workspace = home.create(root)
        self.store = Catalog(self.workspace.database, writable=True)
        self.name, self.directory = self.workspace.new_session()
        self.record = Record(self.workspace, self.store, self.name, self.directory)
        self.said = []
        self.record.on_trouble = self.said.append

    def begin(self, *jobs):
        texts = {job.id: dump(job.spec.asdict()) for job in jobs}
        self.record.begin(jobs, texts, {"argv": ["canary"]})

    def end(self, job, outcome="SUCCESS", at=10.0, retry=False):
        """Let a job be over, as the scheduler does."""
        keeper = job.timekeeper
        keeper.submitted, keeper.started, keeper.stopped = at - 3, at - 2, at
        job.set_status(outcome=outcome, reason="because")
        job.on_finished()
        job.timekeeper.finished = at
        self.record.event(JobFinished.of(job, at, 1, retry))

    def lines(self):
        return list(read_lines(self.directory / journal.LOG))

    def rows(self):
        reader = Catalog(self.workspace.database)
        try:
            return {r.name: r for r in reader.results()}
        finally:
            reader.close()


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path)
    yield made
    made.store.close()


def test_the_plan_comes_first_with_every_job(book, new_job):
    a = new_job("a")
    b = new_job("b", depends=[(a, "always")], parameters={"n": 1})
    book.begin(a, b)
    head, *jobs = book.lines()
    assert (head["e"], head["schema"], head["name"]) == ("plan", 1, book.name)
    assert head["argv"] == ["canary"]
    assert [(j["id"], j["path"], j["edges"]) for j in jobs] == [
        (a.id, "a", []),
        (b.id, "b", [[a.id, "always"]]),
    ]
    assert jobs[1]["spec"] == json.loads(dump(b.spec.asdict()))
    lock = json.loads((book.directory / record.LOCK).read_text())
    assert lock["job_ids"] == [a.id, b.id]
    assert lock["returncode"] is None
    assert (book.directory / record.RUNNING).exists()
    assert book.workspace.latest == book.name


def test_rows_come_in_batches(book, new_job):
    jobs = [new_job(f"j{i}") for i in range(3)]
    book.begin(*jobs)
    for job in jobs:
        book.end(job, "FAILED")
    assert book.record.pending == 3
    assert book.rows() == {}
    book.record.commit()
    assert book.record.pending == 0
    rows = book.rows()
    assert set(rows) == {"j0", "j1", "j2"}
    row = rows["j0"]
    assert row.status == Status(Outcome.FAILED, "because", 65)
    assert (row.session, row.workspace) == (book.name, jobs[0].workspace.text)
    assert row.times["started"] == 8.0
    book.record.commit()


def test_an_attempt_that_is_followed_by_another_is_in_the_log_alone(book, new_job):
    job = new_job("a")
    book.begin(job)
    book.end(job, "FAILED", retry=True)
    assert book.record.pending == 0
    book.end(job, "SUCCESS")
    book.record.commit()
    assert book.rows()["a"].outcome == "SUCCESS"
    assert [line["retry"] for line in book.lines() if line["e"] == "job_finished"] == [True, False]


def test_an_event_of_a_job_that_is_not_in_the_plan_is_only_logged(book):
    book.begin()
    book.record.event(JobFinished(1.0, "batch", "n", Status(Outcome.DIFFED), {}, {}))
    assert book.record.pending == 0
    assert book.lines()[-1]["id"] == "batch"


def test_run_times_are_kept_in_the_store(book, new_job):
    from canary.history import RunHistory

    job = new_job("a")
    job.history = RunHistory()
    book.begin(job)
    book.end(job)
    book.record.commit()
    known = RunHistory.fromdict(json.loads(book.store.histories()[job.id]))
    assert (known.count, known.mean, known.last) == (1, 2.0, 10.0)


def test_variables_are_stored_without_secrets(book, new_job):
    job = new_job("a", environment={"MY_TOKEN": "hush", "B": "1", "GONE": None})
    book.begin(job)
    book.end(job)
    book.record.commit()
    assert json.loads(book.rows()["a"].variables) == {"B": "1", "GONE": ""}


def test_measurements_of_any_kind_are_stored(book, new_job):
    job = new_job("a")
    book.begin(job)
    job.add_measurement("odd", {"inf": math.inf, "path": book.directory})
    book.end(job)
    book.record.commit()
    assert "odd" in json.loads(book.rows()["a"].measurements)
    assert book.said == []


def test_what_is_left_out_is_written_with_its_reason(book):
    book.begin()
    book.record.exclude([("i", "d/n", "why")])
    book.record.exclude([])
    assert book.store.excluded(book.name) == [("i", "d/n", "why")]
    assert book.lines()[-1]["reason"] == "why"


def test_the_end_is_written_everywhere(book, new_job):
    job = new_job("a")
    book.begin(job)
    book.end(job)
    book.record.close(10, {"sum": 10, "duration": 1.5})
    lock = json.loads((book.directory / record.LOCK).read_text())
    assert lock["returncode"] == 10
    assert lock["finished_on"] >= lock["started_on"]
    assert lock["measurements"] == {"sum": 10, "duration": 1.5}
    data = book.store.session(book.name)
    assert data["returncode"] == 10
    assert "job_ids" not in data
    assert set(book.rows()) == {"a"}
    assert not (book.directory / record.RUNNING).exists()
    assert book.said == []


# a record that fails


def test_a_store_that_cannot_be_written_is_one_warning_and_the_log_goes_on(book, new_job):
    jobs = [new_job(f"j{i}") for i in range(3)]
    book.begin(*jobs)
    book.store.close()
    for job in jobs:
        book.end(job)
        book.record.commit()
    book.record.exclude([("i", "n", "why")])
    book.record.close(0, {})
    (said,) = book.said
    assert said.startswith("the record of this session is incomplete: ")
    assert len([line for line in book.lines() if line["e"] == "job_finished"]) == 3
    assert json.loads((book.directory / record.LOCK).read_text())["returncode"] == 0


def test_a_store_that_is_locked_for_long_loses_nothing(book, new_job):
    """Another program holds it while a batch is due; the next batch takes the rows along."""
    jobs = [new_job(f"j{i}") for i in range(2)]
    book.begin(*jobs)
    book.store._db.execute("pragma busy_timeout=10")
    other = sqlite3.connect(book.workspace.database, isolation_level=None)
    other.execute("begin immediate")
    book.end(jobs[0])
    book.record.commit()
    assert len(book.said) == 1
    other.execute("rollback")
    other.close()
    book.end(jobs[1])
    book.record.commit()
    assert set(book.rows()) == {"j0", "j1"}
    assert len(book.said) == 1


def test_a_session_directory_that_vanishes_is_one_warning(book, new_job):
    """The log is still open; the store still gets the rows."""
    job = new_job("a")
    book.begin(job)
    for name in os.listdir(book.directory):
        (book.directory / name).unlink()
    book.directory.rmdir()
    book.end(job)
    book.record.close(0, {})
    assert len(book.said) == 1
    assert "No such file" in book.said[0]
    assert set(book.rows()) == {"a"}


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path):
    workspace = home.create(tmp_path)
    store = Catalog(workspace.database, writable=True)
    with pytest.raises(WorkspaceError, match="cannot write the session's log: No such file"):
        Record(workspace, store, "s", tmp_path / "gone")
    store.close()


def test_trouble_in_telling_of_trouble_does_not_go_round(book, new_job):
    """The warning is an event, which is recorded too."""
    job = new_job("a")
    book.begin(job)
    book.record.on_trouble = lambda text: book.record.event(Notice(1.0, "warning", text))
    book.store.close()
    book.end(job)
    book.record.commit()
    assert [line["e"] for line in book.lines()].count("notice") == 1


def test_errors_of_ours_are_not_hidden(book, new_job):
    job = new_job("a")
    book.begin(job)
    job.spec = None
    with pytest.raises(AttributeError):
        book.end(job)


def test_a_record_error_is_of_the_generic_kind():
    assert RecordError("x").exit_code == 1
