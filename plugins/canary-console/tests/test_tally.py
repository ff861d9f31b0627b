from __future__ import annotations

from dataclasses import dataclass

import pytest

from canary.events import JobFinished, JobStarted, Notice
from canary.status import Category, Outcome, Status
from canary_console.tally import KEPT, Tally


@dataclass
class Work:
    id: str
    expected_runtime: float = 300.0
    timeout: float = 300.0


def started(id, at=0.0, attempt=1):
    return JobStarted(at, id, f"name of {id}", attempt=attempt)


def finished(id, outcome="SUCCESS", begin=0.0, end=1.0, retry=False):
    times = {"started": 1000 + begin, "stopped": 1000 + end} if begin >= 0 else {}
    return JobFinished(end, id, id, Status.make(outcome=outcome), times, {}, retry=retry)


def tally_of(*works, events=()):
    tally = Tally(works)
    for event in events:
        tally.add(event)
    return tally


def test_counts_follow_the_events():
    tally = tally_of(*map(Work, "abcd"))
    assert (tally.total, tally.done, tally.started, tally.waiting) == (4, 0, 0, 4)
    for event in (started("a"), started("b"), finished("a"), finished("c", "BLOCKED", begin=-1)):
        tally.add(event)
    assert (tally.total, tally.done, tally.started, tally.waiting) == (4, 2, 1, 1)
    assert tally.counts == {Outcome.SUCCESS: 1, Outcome.BLOCKED: 1}
    assert tally.of(Category.NOTRUN) == 1
    assert [run.name for run in tally.running.values()] == ["name of b"]


def test_an_attempt_that_is_followed_by_another_is_no_end():
    tally = tally_of(Work("a"), events=[started("a"), finished("a", "FAILED", retry=True)])
    assert (tally.done, tally.started, tally.waiting) == (0, 0, 1)
    tally.add(started("a", attempt=2))
    tally.add(finished("a"))
    assert tally.counts == {Outcome.SUCCESS: 1}


def test_what_is_no_job_of_the_session_is_shown_but_not_counted():
    """A batch that holds jobs starts and ends as they do."""
    tally = tally_of(Work("a"), Work("b"), events=[started("batch"), started("a")])
    assert (tally.started, tally.waiting, len(tally.running)) == (1, 1, 2)
    for event in (finished("a"), finished("b"), finished("batch")):
        tally.add(event)
    assert (tally.done, tally.total, tally.waiting, len(tally.running)) == (2, 2, 0, 0)


def test_an_end_that_is_told_twice_counts_once():
    tally = tally_of(Work("a"), events=[finished("a"), finished("a")])
    assert tally.done == 1


def test_only_so_many_ends_of_each_outcome_are_kept():
    works = [Work(str(n)) for n in range(40)]
    tally = tally_of(*works, events=[finished(w.id) for w in works[:30]])
    tally.add(finished("39", "FAILED"))
    assert [e.id for e in tally.kept[Outcome.SUCCESS]] == [str(n) for n in range(KEPT)]
    assert [e.id for e in tally.kept[Outcome.FAILED]] == ["39"]


def test_other_events_change_nothing():
    tally = tally_of(Work("a"), events=[Notice(0.0, "info", "text")])
    assert (tally.done, tally.waiting) == (0, 1)


def test_no_forecast_from_time_limits_alone():
    tally = tally_of(Work("a"), Work("b"), events=[started("a")])
    assert tally.seconds_left(5.0) is None


def test_time_limits_are_scaled_by_what_jobs_took():
    """Two at once, a second each where 300 were allowed: ten jobs left take five seconds."""
    tally = tally_of(*(Work(str(n)) for n in range(20)))
    for n in range(10):
        tally.add(started(str(n), at=float(n // 2)))
        tally.add(finished(str(n), begin=n // 2, end=n // 2 + 1.0))
    assert tally.seconds_left(5.0) == pytest.approx(5.0)


def test_earlier_run_times_are_believed_at_once():
    works = [Work("a", 100.0), Work("b", 100.0), Work("c", 40.0)]
    tally = tally_of(*works, events=[started("a"), started("b")])
    assert tally.seconds_left(10.0) == pytest.approx((180 + 40) / 2)


def test_the_longest_running_job_is_waited_for():
    works = [Work("long", 100.0), *(Work(str(n), 1.0) for n in range(8))]
    events = [started("long"), *(started(str(n), at=float(n)) for n in range(8))]
    events += [finished(str(n), begin=n, end=n + 1.0) for n in range(8)]
    tally = tally_of(*works, events=events)
    assert tally.seconds_left(10.0) == pytest.approx(90.0)


def test_jobs_without_limit_or_history_count_as_the_mean():
    works = [Work(str(n), 0.0, -1.0) for n in range(4)]
    tally = tally_of(*works, events=[started("0")])
    assert tally.seconds_left(1.0) is None
    tally.add(finished("0", begin=0, end=2.0))
    tally.add(started("1", at=2.0))
    assert tally.seconds_left(2.0) == pytest.approx(6.0)


def test_nothing_is_left_of_jobs_that_never_ran():
    works = [Work(str(n), 10.0) for n in range(3)]
    tally = tally_of(*works, events=[started("0")])
    before = tally.seconds_left(5.0)
    for n in (1, 2):
        tally.add(finished(str(n), "BLOCKED", begin=-1))
    assert before == pytest.approx(25.0)
    assert tally.seconds_left(5.0) == pytest.approx(5.0)


def test_a_cancelled_job_says_that_the_session_is_ending():
    tally = tally_of(Work("a"))
    assert not tally.stopping
    tally.add(finished("a", "CANCELLED", begin=-1))
    assert tally.stopping
