"""Events are values, and what they come to is one line."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from canary import events
from canary.events import Event, JobFinished, JobStarted, Notice, Summary
from canary.status import Outcome, Status

KINDS = [c for c in vars(events).values() if isinstance(c, type) and issubclass(c, Event)]


def test_every_kind_has_a_name_of_its_own_and_a_time():
    names = [c.kind for c in KINDS]
    assert len(set(names)) == len(names) >= 7
    assert all(fields(c)[0].name == "at" for c in KINDS)


def test_an_event_cannot_be_changed():
    event = Notice(1.0, "info", "text")
    with pytest.raises(FrozenInstanceError):
        event.text = "other"  # type: ignore[misc] # that is the test
    assert event == Notice(1.0, "info", "text", "")


def test_defaults():
    assert JobStarted(1.0, "i", "n") == JobStarted(1.0, "i", "n", "", 1)
    finished = JobFinished(1.0, "i", "n", Status(Outcome.SUCCESS), {}, {})
    assert (finished.attempt, finished.retry) == (1, False)


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({}, "0 total: "),
        ({"SUCCESS": 2}, "2 total: 2 pass"),
        (
            {"FAILED": 16, "SKIPPED": 1, "DIFFED": 1, "SUCCESS": 8},
            "26 total: 8 pass, 1 skipped, 1 diffed, 16 failed",
        ),
        (
            {"TIMEOUT": 1, "XFAIL": 2, "XDIFF": 1, "BLOCKED": 3, "CANCELLED": 1, "SUCCESS": 0},
            "8 total: 1 xdiff, 2 xfail, 1 cancelled, 3 blocked, 1 timeout",
        ),
        ({"NONE": 1, "OVERSIZED": 1}, "2 total: 1 none, 1 oversized"),
    ],
)
def test_a_summary_is_passes_then_others_then_failures(counts, line):
    summary = Summary("s", counts, 1.0, 0)
    assert summary.line() == line
    assert summary.total == sum(counts.values())
