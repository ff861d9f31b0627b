"""Every line of a log is sound or left out, and an event is read as it was written."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import fsio, journal
from canary.errors import WorkspaceError
from canary.events import (
    JobFinished,
    JobStarted,
    JobSubmitted,
    Notice,
    SessionFinished,
    SessionStarted,
)
from canary.journal import EventLog, encode_line, read_lines
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


def test_a_line_is_added_where_a_kill_left_half_of_one(tmp_path):
    log = tmp_path / "log"
    journal.append(log, [{"e": "x"}])  # nothing is begun
    assert not log.exists()
    log.write_bytes(encode_line({"e": "x"}) + b'{"e":"half')
    journal.append(log, [{"e": "y"}, {"e": "z"}])
    damaged = []
    assert [line["e"] for line in read_lines(log, damaged.append)] == ["x", "y", "z"]
    assert damaged == []
    log.unlink()
    log.mkdir()
    with pytest.raises(WorkspaceError, match="cannot write the session's log"):
        journal.append(log, [{"e": "x"}])


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
    line = json.loads(encode_line(journal.encode_event(event)))
    assert journal.decode_event(line) == event


def test_lines_that_are_no_events_are_none():
    for line in ({"e": "plan"}, {"e": "job"}, {"e": "excluded"}, {"e": "of a later release"}, {}):
        assert journal.decode_event(line) is None


def test_fields_of_a_later_release_are_passed_over():
    line = {**journal.encode_event(EVENTS[1]), "colour": "blue"}
    assert journal.decode_event(line) == EVENTS[1]


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


def test_lines_that_are_added_cost_none_of_a_runner_that_lives(tmp_path, monkeypatch):
    path = log_of(tmp_path / "log", {"n": 1})

    class Slow(io.BufferedRandom):
        """A log that its runner writes to once we have read it."""

        def read(self, size=-1):
            data = super().read(size)
            log_of(path, {"n": 2})
            return data

    monkeypatch.setattr(fsio, "open_left", lambda p: Slow(io.FileIO(p, "r+")))
    journal.append(path, [{"n": 3}])
    monkeypatch.undo()
    assert [line["n"] for line in read_lines(path)] == [1, 2, 3]
