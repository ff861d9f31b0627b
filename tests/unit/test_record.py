"""The log is the truth: every line sound or left out, and a record that fails stops no test."""

from __future__ import annotations

import json
import math
import os
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import home, record
from canary.catalog import Catalog
from canary.errors import RecordError, WorkspaceError
from canary.events import (
    JobFinished,
    JobStarted,
    JobSubmitted,
    Notice,
    SessionFinished,
    SessionStarted,
)
from canary.lockfile import dump
from canary.record import EventLog, Record, encode_line, read_lines
from canary.status import Outcome, Status

STATUS = Status(Outcome.DIFFED, "why: é\udcff", 64)
EVENTS = [
    SessionStarted(1.0, "s", "/d", ("canary", "run"), 3, {"why": 2}, {"host": {"cpus": 2}}),
    JobSubmitted(2.0, "i", "n", 2, {"cpus": [{"id": "0", "slots": 1, "node": "host"}]}),
    JobStarted(3.0, "i", "n", "ticket", 2),
    JobFinished(4.5, "i", "n", STATUS, {"started": 3.0}, {"m": [1, None]}, 2, True),
    Notice(5.0, "warning", "text\nof two lines", "i"),
    SessionFinished(6.0, 2, {"DIFFED": 1}),
]


# lines


def test_a_line_is_json_with_a_checksum_of_all_before_it(tmp_path):
    line = encode_line({"e": "x", "n": 1})
    assert line.endswith(b'"}\n')
    data = json.loads(line)
    assert list(data) == ["e", "n", "c"]
    assert len(data["c"]) == 8


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.none() | st.floats())))
def test_whatever_is_written_is_one_line(data):
    assert encode_line(data).count(b"\n") == 1


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_an_event_is_read_as_it_was_written(event):
    line = json.loads(encode_line(record.encode_event(event)))
    assert record.decode_event(line) == event


def test_lines_that_are_no_events_are_none():
    for line in ({"e": "plan"}, {"e": "job"}, {"e": "excluded"}, {"e": "of a later release"}, {}):
        assert record.decode_event(line) is None


def test_fields_of_a_later_release_are_passed_over():
    line = {**record.encode_event(EVENTS[1]), "colour": "blue"}
    assert record.decode_event(line) == EVENTS[1]


def log_of(path, *lines):
    log = EventLog(path)
    for line in lines:
        log.append([line])
    log.sync()
    log.close()
    return path


def test_a_log_is_appended_to(tmp_path):
    path = tmp_path / "log"
    log_of(path, {"n": 1})
    log_of(path, {"n": 2})
    assert [line["n"] for line in read_lines(path)] == [1, 2]


def test_each_append_is_there_at_once(tmp_path):
    """Before anything acts on it: a runner that is killed then has lost nothing."""
    path = tmp_path / "log"
    log = EventLog(path)
    for n in range(3):
        log.append([{"n": n}])
        assert len(list(read_lines(path))) == n + 1
    log.close()


@given(st.data())
def test_a_torn_last_line_is_left_out(tmp_path_factory, data):
    path = log_of(tmp_path_factory.mktemp("log") / "log", *({"n": n} for n in range(5)))
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert [line["n"] for line in read_lines(path)] == list(range(whole))


@given(st.data())
def test_a_flipped_bit_costs_at_most_two_lines_and_invents_none(tmp_path_factory, data):
    path = log_of(tmp_path_factory.mktemp("log") / "log", *({"n": n} for n in range(5)))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = [line["n"] for line in read_lines(path)]
    assert len(found) >= 3
    assert found == sorted(set(found) & set(range(5)))


def test_what_follows_a_torn_line_is_read(tmp_path):
    """A later run, or a program that was killed in between, goes on in the same file."""
    path = tmp_path / "log"
    log_of(path, {"n": 1})
    with path.open("ab") as f:
        f.write(b'{"n":2,"c":"0000\n')
    log_of(path, {"n": 3})
    assert [line["n"] for line in read_lines(path)] == [1, 3]


def test_secrets_are_left_out_of_the_environment():
    given = {
        "PATH": "/bin",
        "GITHUB_TOKEN": "x",
        "aws_secret_access_key": "x",
        "PGPASSWORD": "x",
        "MY_PASSWD": "x",
        "X_CREDENTIALS": "x",
        "STRIPE_API_KEY": "x",
        "APIKEY": "x",
        "SSH_PRIVATE_KEY": "x",
        "KEYBOARD": "us",
    }
    assert record.public_environment(given) == {"PATH": "/bin", "KEYBOARD": "us"}


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
        times = keeper.asdict()
        self.record.event(JobFinished(at, job.id, job.name, job.status, times, {}, 1, retry))

    def lines(self):
        return list(read_lines(self.directory / record.LOG))

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
    book.record.event(JobFinished(1.0, "batch", "n", STATUS, {}, {}))
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
