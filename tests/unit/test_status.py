"""Categories, outcomes, what disagrees, and the table from exit codes to outcomes."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import RecordError
from canary.status import Category, Outcome, Status, judge_exit_code, read_category, read_outcome

TABLE = {
    "NONE": (-1, "NONE"),
    "SUCCESS": (0, "PASS"),
    "XDIFF": (10, "PASS"),
    "XFAIL": (11, "PASS"),
    "DIFFED": (64, "FAIL"),
    "FAILED": (65, "FAIL"),
    "ERROR": (66, "FAIL"),
    "BROKEN": (67, "FAIL"),
    "TIMEOUT": (68, "FAIL"),
    "INVALID": (69, "FAIL"),
    "CANCELLED": (70, "ABORTED"),
    "INTERRUPTED": (71, "ABORTED"),
    "SKIPPED": (80, "NOTRUN"),
    "BLOCKED": (81, "NOTRUN"),
    "OVERSIZED": (82, "NOTRUN"),
}
outcomes = st.sampled_from(Outcome)


def test_values_and_categories_are_those_that_files_hold():
    assert {o.name: (int(o), o.category.value) for o in Outcome} == TABLE


def test_a_category_is_its_text():
    assert {c.value for c in Category} == {"NONE", "PASS", "FAIL", "ABORTED", "NOTRUN"}
    assert Category.PASS == "PASS"
    assert json.dumps(Category.PASS) == '"PASS"'


def test_colour_never_stands_alone():
    """Every category that people see has a colour, and a word: its text."""
    colours = {c: c.colour for c in Category}
    assert len(set(colours.values())) == len(colours)
    assert Status(Outcome.DIFFED).text == "FAIL (DIFFED)"


@pytest.mark.parametrize(
    ("outcome", "glyph"), [("SUCCESS", ""), ("XFAIL", "✓"), ("FAILED", "✗"), ("TIMEOUT", "⏱")]
)
def test_glyph(outcome, glyph):
    assert Outcome[outcome].glyph == glyph


@pytest.mark.parametrize(
    ("category", "outcome"),
    [
        ("NONE", "NONE"),
        ("PASS", "SUCCESS"),
        ("FAIL", "FAILED"),
        ("ABORTED", "CANCELLED"),
        ("NOTRUN", "SKIPPED"),
        ("SKIP", "SKIPPED"),
        ("cancel", "CANCELLED"),
        ("pass", "SUCCESS"),
    ],
)
def test_a_category_alone_has_a_usual_outcome(category, outcome):
    assert Status.make(category).outcome is Outcome[outcome]


@pytest.mark.parametrize("outcome", ["diffed", "DIFFED", 64, Outcome.DIFFED])
def test_an_outcome_alone_gives_category_and_code(outcome):
    status = Status.make(outcome=outcome)
    assert (status.category, status.outcome, status.code) == (Category.FAIL, Outcome.DIFFED, 64)


def test_nothing_given_is_no_status_yet():
    assert Status.make() == Status() == Status(Outcome.NONE, None, -1)
    assert Status().category is Category.NONE


@given(outcomes, st.sampled_from(Category))
def test_what_disagrees_is_refused(outcome, category):
    if outcome.category is category:
        assert Status.make(category, outcome).outcome is outcome
    else:
        with pytest.raises(ValueError, match=f"{outcome.name} is not of category {category.value}"):
            Status.make(category, outcome)


@pytest.mark.parametrize("wrong", ["nonsense", "", 12, True, "64"])
def test_no_outcome(wrong):
    with pytest.raises(ValueError, match=r"[oO]utcome"):
        read_outcome(wrong)


def test_no_category():
    with pytest.raises(ValueError, match="MAYBE"):
        read_category("maybe")


def test_a_status_is_replaced_never_changed():
    with pytest.raises(FrozenInstanceError):
        Status().code = 3  # type: ignore[misc] # that is the test


@given(outcomes, st.none() | st.text(), st.integers(-64, 255))
def test_what_is_written_is_read_again(outcome, reason, code):
    status = Status(outcome, reason, code)
    assert Status.fromdict(json.loads(json.dumps(status.asdict()))) == status


def test_what_older_releases_wrote_is_read():
    old = {"category": "SKIP", "outcome": "SKIPPED", "reason": None}
    assert Status.fromdict(old) == Status(Outcome.SKIPPED, None, 80)
    assert Status.fromdict({"category": "CANCEL", "code": 70}).outcome is Outcome.CANCELLED


@pytest.mark.parametrize(
    "data",
    [
        {"outcome": "what"},
        {"outcome": 3},
        {"category": "PASS", "outcome": 64},
        {"outcome": 0, "code": "x"},
        {"outcome": 0, "code": None},
        {"outcome": []},
        "text",
        None,
    ],
)
def test_what_is_no_status_is_a_record_error(data):
    with pytest.raises(RecordError, match="not a status"):
        Status.fromdict(data)


# xstatus, exit code, outcome
JUDGEMENTS = [
    (0, 0, "SUCCESS"),
    (0, 64, "DIFFED"),
    (0, 80, "SKIPPED"),
    (0, 1, "FAILED"),
    (0, 65, "FAILED"),
    (0, 66, "FAILED"),
    (0, 81, "FAILED"),
    (0, 255, "FAILED"),
    (0, -9, "FAILED"),
    (0, -1, "FAILED"),
    (64, 64, "XDIFF"),
    (64, 0, "FAILED"),
    (64, 1, "FAILED"),
    (64, 80, "FAILED"),
    (-1, 1, "XFAIL"),
    (-1, 64, "XFAIL"),
    (-1, 80, "XFAIL"),
    (-1, -11, "XFAIL"),
    (-1, 0, "FAILED"),
    (7, 7, "XFAIL"),
    (7, 0, "FAILED"),
    (7, 8, "FAILED"),
    (80, 80, "XFAIL"),
]


@pytest.mark.parametrize(("xstatus", "code", "outcome"), JUDGEMENTS)
def test_exit_codes(xstatus, code, outcome):
    status = judge_exit_code(code, xstatus=xstatus, name="n")
    assert status.outcome is Outcome[outcome]
    # what was expected is told by the outcome, as canary-wm does
    assert status.code == (int(status.outcome) if status.outcome.name.startswith("X") else code)
    assert (status.reason is None) == (outcome == "SUCCESS")


def test_the_reason_of_a_wrong_code_names_the_expected_and_the_actual_one():
    reason = judge_exit_code(8, xstatus=7, name="n").reason
    assert "7" in reason
    assert "8" in reason


def test_a_signal_is_named():
    assert "signal 9" in judge_exit_code(-9).reason


def test_skip_codes_are_the_caller_s():
    assert judge_exit_code(5, skip_codes=(4, 5)).outcome is Outcome.SKIPPED
    assert judge_exit_code(80, skip_codes=()).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("outcome", "bit"),
    [
        *(("SUCCESS", 0), ("XDIFF", 0), ("XFAIL", 0), ("SKIPPED", 0), ("BLOCKED", 0)),
        *(("DIFFED", 2), ("TIMEOUT", 4), ("FAILED", 8), ("ERROR", 8), ("BROKEN", 8)),
        *(("INVALID", 8), ("CANCELLED", 16), ("INTERRUPTED", 16), ("NONE", 32), ("OVERSIZED", 32)),
    ],
)
def test_what_a_status_adds_to_the_exit_code(outcome, bit):
    assert Status(Outcome[outcome]).exit_bit == bit
