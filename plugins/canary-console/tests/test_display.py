from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from canary.events import JobFinished, JobStarted, Notice, SessionStarted, Summary
from canary.status import Status
from canary_console.display import LiveDisplay

NOW = 1_000_000_000.0
JOBS = 50_000


class Work:
    timeout = 300.0

    def __init__(self, n):
        self.id = f"{n:064x}"[::-1]
        self.expected_runtime = 300.0 if n % 2 else 1.0 + n / 1000
        self.spec = SimpleNamespace(fullname=f"some/directory/{n}")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def display(make_stream, clock):
    made = LiveDisplay(
        out=make_stream(), err=make_stream(), environ={"TERM": "xterm"}, monotonic=clock
    )
    yield made
    made.close()


def begin(display, number):
    works = [Work(n) for n in range(number)]
    display.start(SimpleNamespace(jobs=works))
    display.event(SessionStarted(NOW, "name", "/somewhere", (), number, {"not wanted": 2}))
    return works


def end(work, outcome="FAILED", at=NOW + 1, **more):
    status = Status.make(outcome=outcome, reason="exit code 1")
    times = {"started": NOW, "stopped": NOW + 1}
    return JobFinished(at, work.id, "name", status, times, {}, **more)


def seen(display):
    return display._painter.stream.terminal.text


def test_lines_for_what_people_must_know(display):
    works = begin(display, 3)
    display.event(Notice(NOW + 1, "warning", "look\nhere"))
    display.event(end(works[0], "SUCCESS", NOW + 2))
    display.event(end(works[1], retry=True, attempt=1, at=NOW + 3))
    display.event(end(works[1], at=NOW + 4))
    assert seen(display).splitlines()[:5] == [
        "INFO: excluded 2 jobs: not wanted",
        "INFO: session name: 3 jobs",
        "WARNING: look here",
        "FAIL (FAILED)     1.00s  1000000  name  attempt 1, again  exit code 1",
        "FAIL (FAILED)     1.00s  1000000  name  exit code 1",
    ]
    assert seen(display).endswith("1 failed, 1 pass, 1 waiting")


def test_a_reason_that_does_not_fit_has_a_line_of_its_own(display):
    works = begin(display, 1)
    reason = "a reason of many words that would be broken at the edge of the screen"
    status = Status.make(outcome="BROKEN", reason=reason)
    display.event(JobFinished(NOW + 2, works[0].id, "name", status, {}, {}))
    assert seen(display).splitlines()[2:4] == [
        "FAIL (BROKEN)            0000000  name",
        f"                {reason}",
    ]


def test_it_draws_no_more_often_than_it_may(display, clock):
    works = begin(display, 2000)
    stream = display._painter.stream
    writes = []
    keep = stream.write
    stream.write = lambda text: writes.append(text) or keep(text)
    for n, work in enumerate(works):
        clock.time = n / 1000
        display.event(end(work, at=NOW + n / 1000))
        display.flush()
    assert 14 <= len(writes) <= 17
    assert sum(text.count("FAIL (FAILED)") for text in writes) >= 1800


def test_a_flush_shows_what_came_too_soon_to_be_drawn(display, clock):
    works = begin(display, 2)
    display.event(end(works[0], at=NOW + 0.01))
    assert "FAIL" not in seen(display)
    clock.time = 0.2
    display.flush()
    assert "FAIL" in seen(display)


def test_what_is_over_takes_the_bar_away_and_gives_the_results(display):
    streams = sys.stdout, sys.stderr
    works = begin(display, 2)
    display.event(end(works[0]))
    display.event(end(works[1], "SUCCESS"))
    display.finish(None, Summary("name", {"FAILED": 1, "SUCCESS": 1}, 2.0, 8))
    assert "━" not in seen(display)
    assert (sys.stdout, sys.stderr) == streams
    assert display._out.terminal.lines == [
        "Job   ID       Status          Total  Details",
        "name  0000000  FAIL (FAILED)   1.00s  exit code 1",
        "name  1000000  PASS (SUCCESS)  1.00s  exit code 1",
        "2 total: 1 pass, 1 failed",
        "Finished session name in 2.00s with returncode 8",
        "",
    ]


def test_it_can_be_closed_at_any_time(make_stream):
    for steps in range(3):
        display = LiveDisplay(out=make_stream(), err=make_stream(), environ={"TERM": "xterm"})
        if steps:
            begin(display, 1)
        if steps > 1:
            display.pause()
        display.close()
        display.close()
        assert "━" not in seen(display)


def test_a_session_that_ends_before_it_began_has_its_last_lines(display):
    display.finish(None, Summary("name", {}, 0.0, 0))
    assert "Finished session name" in display._out.terminal.text


def test_nothing_is_drawn_while_it_is_paused(display):
    works = begin(display, 2)
    display.pause()
    assert "━" not in seen(display)
    assert "─" not in seen(display)
    display.event(end(works[0]))
    assert "FAIL" not in seen(display)
    display.resume()
    assert "FAIL" in seen(display)
    assert "1 failed" in seen(display)


def test_names_are_full_if_that_is_asked_for(display):
    display.long_names = True
    works = begin(display, 12)
    display.event(end(works[11]))
    assert "some/directory/11  exit code 1" in seen(display)


@pytest.mark.parametrize(
    ("color", "environ", "colour"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colour_as_the_core_decides_it(make_stream, color, environ, colour):
    environ = {"TERM": "xterm", **environ}
    display = LiveDisplay(out=make_stream(), err=make_stream(), color=color, environ=environ)
    works = begin(display, 1)
    display.event(end(works[0]))
    display.close()
    assert ("\x1b[1;31mFAIL" in display._painter.stream.getvalue()) is colour


def test_force_color_colours_results_that_go_to_a_file(make_stream):
    class File(make_stream):
        def isatty(self):
            return False

    for environ, colour in (({}, False), ({"FORCE_COLOR": "1"}, True)):
        environ = {"TERM": "xterm", **environ}
        display = LiveDisplay(out=File(), err=make_stream(), environ=environ)
        works = begin(display, 1)
        display.event(end(works[0]))
        display.finish(None, Summary("name", {"FAILED": 1}, 2.0, 8))
        assert ("\x1b[" in display._out.getvalue()) is colour


def test_fifty_thousand_jobs_cost_no_more_each_than_ten(make_stream, clock):
    """The least of several times, since other programs run here as well."""
    display = LiveDisplay(
        out=make_stream(), err=make_stream(), environ={"TERM": "xterm"}, monotonic=clock
    )
    works = begin(display, JOBS)
    display._due = float("inf")  # events alone
    an_event = []
    for first in range(0, JOBS, 10_000):
        part = works[first : first + 10_000]
        starts = [JobStarted(NOW, work.id, "a/directory/name") for work in part]
        ends = [end(work, "FAILED" if n % 2 else "SUCCESS") for n, work in enumerate(part)]
        began = time.perf_counter()
        for at, event in enumerate(starts):
            display.event(event)
            if at >= 64:
                display.event(ends[at - 64])
        an_event.append((time.perf_counter() - began) / 20_000)
    assert min(an_event) < 30e-6
    display._screen._lines.clear()
    redraws = []
    for n in range(50):
        began = time.perf_counter()
        display._draw(NOW + 10 + n)
        redraws.append(time.perf_counter() - began)
    display.close()
    assert min(redraws) < 3e-3
