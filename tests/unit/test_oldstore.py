"""What is read of an older tool's workspace when parts of it are damaged.

Whole workspaces are in tests/walk/test_old_workspace.py.
"""

from __future__ import annotations

import json

import pytest

from canary import oldstore


def test_names_of_classes_are_left_out(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"__type__": "x::Y", "a": {"__type__": "x::Z", "b": [1, {"__type__": "z"}]}}')
    assert oldstore.read_json(file) == {"a": {"b": [1, {}]}}


@pytest.mark.parametrize("text", ["", "[1]", "null", '{"a": ', "[" * 100_000])
def test_what_is_no_object_is_empty(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text(text)
    assert oldstore.read_json(file) == {}
    assert oldstore.read_json(tmp_path / "none.json") == {}


def test_run_times_of_damaged_lines_are_left_out(tmp_path):
    file = tmp_path / "cache" / "jobs" / "ab" / "cdef.jsonl"
    file.parent.mkdir(parents=True)
    lines = [
        {"what": "meta", "version": 1},
        {"what": "record", "status": "success", "duration": 2, "recorded_at": 5.0},
        {"what": "record", "status": "success", "duration": "long", "recorded_at": 5.0},
        {"what": "record", "status": "timeout", "duration": 4.0, "recorded_at": 6.0},
        {"what": "record"},
        [],
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{\n")
    [(id, text)] = oldstore.histories(tmp_path / "workspace.sqlite3")
    assert id == "abcdef"
    history = json.loads(text)
    assert (history["count"], history["mean"], history["last"]) == (1, 2.0, 6.0)
    assert history["categories"] == {"PASS": 1, "FAIL": 1}


def test_lines_of_the_log(tmp_path):
    assert list(oldstore.log_lines(tmp_path)) == []
    (tmp_path / "logs").mkdir()
    told = {"time": "2026-01-02 03:04:05,311", "level": "INFO", "message": "Starting"}
    (tmp_path / "logs" / "canary.0.log").write_text(f"{json.dumps(told)}\n[1]\nhalf a l")
    assert list(oldstore.log_lines(tmp_path)) == [
        *("[2026-01-02 03:04:05,311] INFO: Starting", "[1]", "half a l"),
    ]
