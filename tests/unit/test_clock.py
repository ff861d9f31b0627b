"""Durations, the clock that does not jump, and a job's time stamps."""

from __future__ import annotations

import math
import re
import signal
import threading
from datetime import datetime

import hostile
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canary.clock import (
    Clock,
    Timekeeper,
    format_duration,
    parse_duration,
    ran_for,
    stamp,
    time_limit,
)
from canary.errors import CanaryError, ExpressionError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0),
        (90, 90),
        (1.5, 1.5),
        ("90", 90),
        ("  5 ", 5),
        ("+5", 5),
        ("1e3", 1000),
        (".5", 0.5),
        ("0", 0),
        ("1h20m", 4800),
        ("1.5h", 5400),
        ("1m 30s", 90),
        ("1h1h", 7200),
        (".5s", 0.5),
        ("5.s", 5),
        ("1ns", 1e-9),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("1ms500us", 0.0015),
        ("1d", 86400),
        ("1w", 604800),
        ("1mm", 30 * 86400),
        ("1m", 60),
        ("1y", 365 * 86400),
        ("01:02:03.5", 3723.5),
        ("1:2:3", 3723),
        ("00:90:00", 5400),
        ("100:00:00", 360000),
        ("05:30", 330),
        ("00:05.25", 5.25),
    ],
)
def test_parse_duration(value, seconds):
    assert parse_duration(value) == pytest.approx(seconds, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    "value",
    [
        *("1 h", "2 minutes", "", "  ", "1H", "1hr", "1min", "5m30", "1h 20", "20 1h", "1h-5m"),
        *("h", "s5", "1:", ":30", "1:2:3:4", "1:30s", "inf", "nan", "infinity", "1e999", "9" * 400),
        *("-", "--5", "1,5", "1_000", "٣", "1h,20m", "5\x00", math.inf, math.nan, 10**400),
        *(True, None, [1], b"5", "-5", "-1h", -1, -0.5, "-00:05"),
    ],
)
def test_parse_duration_refuses(value):
    with pytest.raises(ExpressionError) as caught:
        parse_duration(value)
    assert "HH:MM:SS" in caught.value.hint
    assert len(str(caught.value)) < 300


def test_a_negative_duration_needs_leave():
    assert parse_duration("-5", allow_negative=True) == -5
    assert parse_duration(-1, allow_negative=True) == -1
    assert parse_duration("-1h30m", allow_negative=True) == -5400
    assert parse_duration("-00:05", allow_negative=True) == -5
    with pytest.raises(ExpressionError):
        parse_duration(-math.inf, allow_negative=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 hours and 5 min", 7500),
        ("2 Hours, 5 minutes", 7500),
        ("1 h", 3600),
        ("1 hr 1 sec", 3601),
        ("1m 30s", 90),
        ("1 mo", 30 * 86400),
        ("1 day", 86400),
        ("2 y", 2 * 365 * 86400),
        ("05:30", 330),
        ("90", 90),
    ],
)
def test_words(text, seconds):
    assert parse_duration(text, words=True) == seconds


@pytest.mark.parametrize("text", ["two hours", "2 hours and", "2 hours 5", "and", "2 parsecs"])
def test_words_refused(text):
    with pytest.raises(ExpressionError):
        parse_duration(text, words=True)


SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "mm": 2592000,
}


@given(
    st.lists(
        st.tuples(st.integers(0, 999), st.sampled_from(sorted(SECONDS))), min_size=1, max_size=6
    ),
    st.sampled_from(["", " ", "  "]),
)
def test_a_concatenation_is_a_sum(parts, blank):
    text = blank.join(f"{number}{unit}" for number, unit in parts)
    assert parse_duration(text) == pytest.approx(sum(n * SECONDS[u] for n, u in parts))


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_clock_forms(hours, minutes, seconds):
    assert (
        parse_duration(f"{hours:02d}:{minutes:02d}:{seconds:02d}")
        == hours * 3600 + minutes * 60 + seconds
    )
    assert parse_duration(f"{minutes}:{seconds:02d}") == minutes * 60 + seconds


@given(st.one_of(st.text(max_size=20), hostile.VALUES), st.booleans(), st.booleans())
def test_any_value_is_a_finite_duration_or_an_error(value, allow_negative, words):
    try:
        seconds = parse_duration(value, allow_negative=allow_negative, words=words)
    except ExpressionError:
        return
    assert type(value) in (int, float, str)
    assert math.isfinite(seconds)
    assert seconds >= 0 or allow_negative


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00s"),
        (0.52, "0.52s"),
        (9.994, "9.99s"),
        (9.999, "10.0s"),
        (12.3, "12.3s"),
        (59.94, "59.9s"),
        (59.96, "1m 00s"),
        (65, "1m 05s"),
        (3599.4, "59m 59s"),
        (3599.6, "1h 00m"),
        (7380, "2h 03m"),
        (86399, "1d 00h"),
        (273600, "3d 04h"),
        (-1.0, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_format_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("at", [0.0, 1767323045.5, 1795993657.0068161, 1.9999999])
def test_a_stamp_is_the_time_as_a_text(at):
    text = stamp(at)
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(at, abs=1e-6)
    assert len(text) == 26
    assert stamp(None) is None


@given(st.floats(0, 1e7))
def test_a_formatted_duration_can_be_read_back(seconds):
    """What people are shown is the duration to a few per cent, never 60 seconds or minutes."""
    text = format_duration(seconds)
    assert not re.search(r"(?<![.\d])60(\.\d+)?[sm]", text)
    assert parse_duration(text) == pytest.approx(seconds, rel=0.05, abs=0.006)


class Hands:
    """A wall clock and a monotonic clock that are set by hand."""

    def __init__(self):
        self.wall, self.mono = 1000.0, 50.0

    def clock(self):
        return Clock(wall=lambda: self.wall, mono=lambda: self.mono)

    def pass_time(self, seconds):
        self.wall += seconds
        self.mono += seconds


def test_now_follows_the_wall_clock_of_its_making_and_ignores_jumps():
    hands = Hands()
    clock = hands.clock()
    assert clock.now() == 1000
    hands.pass_time(5)
    assert clock.now() == 1005
    hands.wall -= 3600
    assert clock.now() == 1005
    hands.pass_time(1)
    assert (clock.now(), clock.monotonic()) == (1006, 56)


def test_the_real_clock_is_used_by_default():
    clock = Clock()
    first, second = clock.now(), clock.now()
    assert 1.6e9 < first <= second


def test_a_timekeeper_knows_nothing_at_first():
    times = Timekeeper()
    assert set(times.asdict().values()) == {-1.0}
    assert list(times.asdict()) == ["submitted", "staged", "started", "stopped", "finished"]
    derived = (times.pending(), times.setup(), times.running(), times.teardown(), times.total())
    assert set(derived) == {-1.0}


def test_a_timekeepers_differences():
    times = Timekeeper(submitted=100, staged=101, started=103, stopped=107, finished=115)
    assert (times.pending(), times.setup(), times.running(), times.teardown()) == (1, 2, 4, 8)
    assert times.total() == 15
    times.stopped = -1.0
    assert (times.running(), times.teardown(), times.total()) == (-1, -1, 15)
    assert Timekeeper(started=5, stopped=4).running() == 0


@given(st.lists(st.floats(-1, 2e9), min_size=5, max_size=5))
def test_a_timekeeper_survives_storage(stamps):
    assume(all(s >= 0 or s == -1 for s in stamps))
    times = Timekeeper(*stamps)
    assert Timekeeper.fromdict(times.asdict()) == times
    older = {f"_{key}": value for key, value in times.asdict().items()}
    assert Timekeeper.fromdict({**older, "other": "ignored"}) == times


def test_a_timekeeper_from_incomplete_and_wrong_data():
    assert Timekeeper.fromdict({"started": 5, "stopped": None}) == Timekeeper(started=5.0)
    for wrong in ("5", True, [1]):
        with pytest.raises(CanaryError, match="started"):
            Timekeeper.fromdict({"started": wrong})


def test_a_pause_is_no_time_that_it_ran():
    times = Timekeeper(submitted=100, staged=101, started=103, stopped=110, paused=4)
    assert times.running() == ran_for(times.asdict()) == 3
    assert ran_for({"started": 103, "stopped": 110}) == 7
    assert ran_for({"started": 103, "stopped": -1}) == ran_for({}) == -1


def test_a_timekeeper_has_no_room_for_other_names():
    with pytest.raises(AttributeError):
        Timekeeper().began = 1.0


# a limit for what cannot be asked to stop


def endless():
    return re.match(r"(a+)+$", "a" * 64 + "b")


def test_a_regular_expression_without_end_is_ended():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match=r"0\.1 s"), time_limit(0.1):
        endless()
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_is_done_in_time_is_left_alone():
    with time_limit(60.0):
        assert re.match("a", "a")
    # the alarm of whoever runs the tests goes on, 60 s later at the latest
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60.0


def test_other_threads_have_no_limit():
    done = []

    def work():
        with time_limit(0.001):
            done.append(sum(range(1_000_000)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
