from __future__ import annotations

import io
import re

import pytest

from canary.events import JobFinished, Summary
from canary.progress import PlainDisplay
from canary.status import Outcome, Status
from canary_console import results
from canary_console.paint import Painter
from canary_console.tally import Tally


class Work:
    timeout = expected_runtime = 1.0

    def __init__(self, id):
        self.id = id


@pytest.fixture
def painter():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    return Painter(stream, codes=False, colour=False, signs=True)


def ends(*given):
    """(name, outcome, reason) each."""
    return [
        JobFinished(
            0.0,
            f"{n:064x}"[::-1],
            name,
            Status.make(outcome=outcome, reason=reason),
            {"started": 1.0, "stopped": 3.5},
            {},
        )
        for n, (name, outcome, reason) in enumerate(given)
    ]


def lines(painter, events, columns=100, names=None):
    tally = Tally(Work(event.id) for event in events)
    for event in events:
        tally.add(event)
    return results.table(painter, tally, columns, names or {})


def test_failures_then_others_then_what_passed(painter):
    rows = [
        ("good", "SUCCESS", None),
        ("slow", "TIMEOUT", "timed out after 5 s"),
        ("skipped", "SKIPPED", "exit code 80 reports a skip"),
        ("bad", "FAILED", "exit code 1"),
        ("cut", "INTERRUPTED", None),
        ("xd", "XDIFF", None),
    ]
    assert lines(painter, ends(*rows)) == [
        "Job      ID       Status                 Total  Details",
        "bad      3000000  FAIL (FAILED)          2.50s  exit code 1",
        "slow     1000000  FAIL (TIMEOUT)         2.50s  timed out after 5 s",
        "cut      4000000  ABORTED (INTERRUPTED)  2.50s",
        "skipped  2000000  NOTRUN (SKIPPED)       2.50s  exit code 80 reports a skip",
        "good     0000000  PASS (SUCCESS)         2.50s",
        "xd       5000000  PASS (XDIFF)           2.50s",
    ]


def test_ten_rows_a_group_and_the_number_of_the_others(painter):
    rows = [(f"f{n}", "FAILED", None) for n in range(25)]
    rows += [(f"s{n}", "SKIPPED", None) for n in range(10)]
    rows += [(f"p{n}", "SUCCESS", None) for n in range(11)]
    found = lines(painter, ends(*rows))
    assert [line for line in found if line.startswith("...")] == [
        "... 15 more jobs that failed: canary status -rA lists all",
        "... 1 more job that passed: canary status -rA lists all",
    ]
    assert sum(" FAIL " in line for line in found) == 10
    assert len(found) == 1 + 10 + 1 + 10 + 10 + 1


def test_nothing_for_nothing(painter):
    assert lines(painter, []) == []


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 140, 200])
def test_a_row_is_never_wider_than_the_terminal_but_for_names(painter, columns):
    rows = [("short", "FAILED", "reason " * 30), ("n" * 70, "FAILED", "reason " * 30)]
    for line in lines(painter, ends(*rows), columns):
        if line.strip("n"):
            assert len(line) <= max(columns, 20 + 38)


def test_a_name_is_never_cut(painter):
    name = "family.with=many.parameters=1." * 5
    for columns in (40, 80, 120):
        found = lines(painter, ends((name, "FAILED", None), ("short", "SUCCESS", None)), columns)
        assert name in found
        assert found[2].split() == ["0000000", "FAIL", "(FAILED)", "2.50s"]


def test_a_table_of_ordinary_names_has_a_line_a_job(painter):
    rows = [(f"solver_newton.np={n}.tol=1e-08", "FAILED", "exit code 1") for n in range(9)]
    assert len(lines(painter, ends(*rows), 80)) == 10


def test_wide_signs_keep_the_columns(painter):
    rows = [("日本語", "FAILED", None), ("plain.name", "FAILED", None)]
    found = lines(painter, ends(*rows))
    assert found[1] == "日本語      0000000  FAIL (FAILED)  2.50s"
    assert found[2] == "plain.name  1000000  FAIL (FAILED)  2.50s"


def test_text_of_users_is_harmless(painter):
    found = lines(painter, ends(("a\x1b[2Jb\n[red]", "FAILED", "one\ntwo\x07")))
    assert r"a\x1b[2Jb [red]" in found[1]
    assert r"one two\x07" in found[1]


def test_long_names_replace_those_of_the_jobs(painter):
    events = ends(("x", "FAILED", None))
    assert lines(painter, events, names={events[0].id: "dir/x"})[1].startswith("dir/x ")


@pytest.mark.parametrize(
    "summary",
    [
        Summary("s", {o.name: 3 for o in Outcome if o is not Outcome.NONE}, 3725.5, 14),
        Summary("2026-01-01", {"SUCCESS": 1}, 0.25, 0),
        Summary("s", {}, 1.0, 130, 2),
    ],
    ids=str,
)
def test_the_last_lines_are_the_words_of_the_core(painter, summary):
    out = io.StringIO()
    PlainDisplay(color="never", out=out, err=io.StringIO()).finish(None, summary)
    assert results.footer(painter, summary) == out.getvalue().splitlines()


def test_colour_changes_no_word_of_the_last_lines(painter):
    summary = Summary("s", {o.name: 3 for o in Outcome if o is not Outcome.NONE}, 3.5, 14)
    coloured = Painter(io.StringIO(), codes=True, colour=True, signs=True)
    found = results.footer(coloured, summary)
    assert "\x1b[1;31m3 failed\x1b[0m" in found[0]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in found] == results.footer(
        painter, summary
    )
