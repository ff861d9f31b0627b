"""What a log says: a line that lacks what such a line has, or has it wrong, is damaged."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack

import pytest

from canary import home, recovery
from canary.home import Raced
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


class Held:
    """A workspace that is held; whoever waits for it is seen by what it says."""

    def __init__(self, root):
        self.workspace = home.create(root)
        self.stack = ExitStack()
        self.stack.enter_context(recovery.run_lock(self.workspace, print))

    def ends_as_it_waits(self, then):
        """Words of who waits, at which this one does `then` and ends."""

        def hear(said):
            assert "waiting for its end" in said
            then()
            self.stack.close()

        return hear


def test_who_waits_for_a_workspace_goes_on_in_the_new_one(tmp_path):
    held = Held(tmp_path)

    def anew():
        held.workspace.root.rename(tmp_path / "old")
        home.create(tmp_path)

    with recovery.run_lock(held.workspace, held.ends_as_it_waits(anew)):
        assert (held.workspace.root / "run.lock").stat().st_size > 0


def test_who_waits_for_one_that_is_removed_looks_again(tmp_path):
    held = Held(tmp_path)
    tell = held.ends_as_it_waits(lambda: recovery.fsio.remove(held.workspace.root))
    asked = []

    def hold():
        asked.append(1)
        found = held.workspace if len(asked) == 1 else home.create(tmp_path)
        return recovery.run_lock(found, tell)

    with ExitStack() as stack:
        assert recovery.insist(hold, stack) == held.workspace
        assert len(asked) == 2
        assert (held.workspace.root / "run.lock").stat().st_size > 0


def test_a_workspace_that_is_renewed_is_held(tmp_path):
    old = home.create(tmp_path)
    (old.root / "mine").touch()
    with recovery.renewed(old, print) as new:
        assert new == old
        assert not (new.root / "mine").exists()
        other = os.open(new.root / "run.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    with recovery.run_lock(old, print):
        pass
    assert os.listdir(tmp_path) == [".canary"]


def test_one_that_others_make_in_its_place_is_not_renewed(tmp_path, monkeypatch):
    old = home.create(tmp_path)
    monkeypatch.setattr(recovery, "fault", lambda at: at == "renew" and home.create(tmp_path))
    with pytest.raises(Raced), recovery.renewed(old, print):
        pass
    assert os.listdir(tmp_path) == [".canary"]


def test_what_is_removed_by_others_meanwhile_is_removed(tmp_path):
    held = Held(tmp_path)
    remove = held.ends_as_it_waits(lambda: recovery.fsio.remove(held.workspace.root))
    recovery.wipe(held.workspace, remove)
    assert not os.listdir(tmp_path)


def test_a_log_that_is_no_file_says_nothing(tmp_path):
    assert fold(tmp_path) == fold(tmp_path / "none") == Folded()
