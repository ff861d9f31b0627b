"""What a log says: a line that lacks what such a line has, or has it wrong, is damaged."""

from __future__ import annotations

import pytest

from canary.recovery import Folded, fold

SPEC = {"id": "a", "name": "n", "file_root": "/r", "file_path": "f.x"}
STATUS = {"category": "PASS", "outcome": "SUCCESS", "code": 0}
LINES = {
    "job": {"id": "a", "path": "a", "edges": [["b", None]], "spec": SPEC},
    "job_submitted": {"at": 1.0, "id": "a", "name": "n", "attempt": 1, "resources": {}},
    "job_started": {"at": 1.0, "id": "a", "name": "n", "ticket": "1:2:x", "attempt": 1},
    "job_finished": {
        **{"at": 2.0, "id": "a", "name": "n", "status": STATUS, "times": {"started": 1.0}},
        **{"measurements": {}, "attempt": 1},
    },
    "removed": {"id": "a"},
    "excluded": {"id": "a", "fullname": "d/a", "reason": "why"},
    "session_finished": {"at": 3.0, "exit_code": 0, "counts": {}},
}
# what is in no line as a store could take it
FIELDS = [
    *(("job", "id"), ("job", "path"), ("job", "edges"), ("job", "spec"), ("job_submitted", "id")),
    *(("job_submitted", "attempt"), ("job_started", "ticket"), ("job_started", "at")),
    *(("job_finished", "id"), ("job_finished", "status"), ("job_finished", "times")),
    *(("job_finished", "attempt"), ("removed", "id"), ("excluded", "id"), ("excluded", "reason")),
    *(("excluded", "fullname"), ("session_finished", "exit_code")),
]


@pytest.mark.parametrize("kind", LINES)
def test_a_whole_line_is_taken(kind):
    assert Folded().take({"e": kind, **LINES[kind]})


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@pytest.mark.parametrize("value", [10**400, [1], None], ids=["number", "list", "nothing"])
def test_a_line_with_a_wrong_value_is_damaged(kind, field, value):
    folded = Folded()
    assert not folded.take({"e": kind, **LINES[kind], field: value})
    assert folded == Folded()


@pytest.mark.parametrize("name", SPEC)
def test_a_spec_with_a_wrong_text_is_damaged(name):
    assert not Folded().take({"e": "job", **LINES["job"], "spec": {**SPEC, name: 10**20}})


def test_a_status_with_a_code_that_no_process_has_is_damaged():
    status = {**STATUS, "code": 10**20}
    assert not Folded().take({"e": "job_finished", **LINES["job_finished"], "status": status})


def test_a_log_that_is_no_file_says_nothing(tmp_path):
    assert fold(tmp_path) == fold(tmp_path / "none") == Folded()
