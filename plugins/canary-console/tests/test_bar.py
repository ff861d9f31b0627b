from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest

from canary.events import JobFinished, JobStarted
from canary.status import Outcome, Status
from canary_console.bar import Bar, elapsed, rounded
from canary_console.paint import Painter
from canary_console.tally import Tally


class Work:
    timeout = 300.0
    expected_runtime = 10.0

    def __init__(self, id):
        self.id = id


def make(total=40, running=6, codes=False, signs=True, rows=8, **ended):
    tally = Tally(Work(str(n)) for n in range(total))
    at = 0
    for name, number in ended.items():
        for _ in range(number):
            times = {"started": 1.0, "stopped": 2.0}
            status = Status.make(outcome=name)
            tally.add(JobFinished(1.0, str(at), str(at), status, times, {}))
            at += 1
    for n in range(running):
        tally.add(JobStarted(float(n), str(at + n), f"a/rather/long/directory/job.np={n}"))
    painter = Painter(io.StringIO(), codes=codes, colour=codes, signs=signs)
    return Bar(painter, tally, began=0.0, rows=rows)


def texts(bar, columns=100, height=40, now=10.0):
    return [text for text, _ in bar.lines(columns, height, now)]


def test_it_says_what_runs_how_far_it_is_and_what_came_of_it():
    lines = texts(make(SUCCESS=8, FAILED=2, TIMEOUT=1, SKIPPED=1, XFAIL=1))
    assert lines[:2] == [
        "running             10s  13  a/rather/long/directory/job.np=0",
        "running              9s  14  a/rather/long/directory/job.np=1",
    ]
    assert len(lines) == 8
    assert re.fullmatch(r"━{15}─{33}  13/40  32%  10s  about \S+ left", lines[-2])
    assert lines[-1] == ("2 failed, 1 timeout, 8 pass, 1 xfail, 1 skipped, 6 running, 21 waiting")


def test_it_fits_every_terminal():
    bar = make(SUCCESS=8, FAILED=2, TIMEOUT=1, SKIPPED=1, XFAIL=1)
    for columns in range(2, 130):
        for height in (1, 2, 3, 4, 6, 10, 50):
            lines = bar.lines(columns, height, 10.0)
            assert len(lines) <= max(1, height - 1)
            assert all(width == len(text) < columns for text, width in lines)


@pytest.mark.parametrize(("height", "shown"), [(50, 8), (12, 4), (6, 1), (4, 0)])
def test_as_many_jobs_as_there_is_room_for_and_the_number_of_the_others(height, shown):
    lines = texts(make(running=20), height=height)
    running = [line for line in lines if line.startswith("running")]
    more = [line for line in lines if line.startswith("and ")]
    assert len(running) + len(more) == shown
    if more:
        assert more == [f"and {20 - len(running)} more running"]


def test_rows_are_those_that_were_asked_for():
    assert len(texts(make(running=20, rows=3))) == 5
    assert len(texts(make(running=20, rows=0))) == 2


def test_it_shrinks_by_a_row_a_second_so_that_nothing_jumps():
    bar = make(running=6, total=6)
    assert len(texts(bar, now=10.0)) == 8
    for id in list(bar._tally.running):
        bar._tally.add(JobFinished(10.0, id, id, Status.make(outcome="SUCCESS"), {}, {}))
    heights = [len(texts(bar, now=10.0 + n / 4)) for n in range(40)]
    assert heights[0] == 8
    assert heights[-1] == 2
    assert max(a - b for a, b in pairwise(heights)) == 1


def test_only_ascii_where_there_is_nothing_else():
    bar = make(signs=False, SUCCESS=20, FAILED=1)
    for columns in (20, 60, 120):
        assert all(text.isascii() for text in texts(bar, columns))
    assert "#" * 10 in texts(bar)[-2]


def test_colour_never_stands_alone():
    """Without its colours the drawing says the same."""
    coloured = texts(make(codes=True, SUCCESS=8, FAILED=2, SKIPPED=3))
    assert any("\x1b[" in text for text in coloured)
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", text) for text in coloured]
    assert bare == texts(make(SUCCESS=8, FAILED=2, SKIPPED=3))


def test_a_single_failure_among_many_is_in_the_bar():
    bar = make(total=5000, running=0, codes=True, SUCCESS=4000, FAILED=1)
    assert "\x1b[1;31m━\x1b[0m" in texts(bar)[-2]


def test_a_session_that_is_being_ended_says_so():
    assert texts(make(SUCCESS=3, CANCELLED=20))[-2].endswith("  stopping")


def test_a_session_of_nothing_can_be_drawn():
    assert texts(make(total=0, running=0))[0].endswith("0/0  100%  10s")


def test_every_outcome_can_be_counted():
    for outcome in Outcome:
        if outcome is not Outcome.NONE:
            bar = make(running=0, total=1, **{outcome.name: 1})
            assert texts(bar)[-1].startswith("1 ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0.99, "0s"), (59.9, "59s"), (60, "1m 00s"), (3725, "1h 02m")],
)
def test_time_that_passes(seconds, text):
    assert elapsed(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1s"),
        (7.4, "7s"),
        (33, "35s"),
        (58, "1m 00s"),
        (128, "2m 10s"),
        (400, "7m 00s"),
        (1234, "21m"),
        (7300, "2h 02m"),
    ],
)
def test_time_that_is_guessed(seconds, text):
    assert rounded(seconds) == text
