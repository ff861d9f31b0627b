"""The loop that runs jobs, driven through the contract of `BaseJob` alone.

Most tests run a simulated machine: jobs of somebody else's kind, a launcher that only sets timers,
and a loop whose clock jumps to the next timer. Nothing sleeps, and every run is the same.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import canary.schedule
from canary import lockfile
from canary.errors import PluginError, PluginStop
from canary.events import JobFinished, JobStarted, JobSubmitted, Notice
from canary.job import BaseJob, Dependency, Job, JobServices, MissingSourceError
from canary.launch import Exit, ExitReason, Launch, Launcher, News, Started
from canary.loop import Loop
from canary.process import SubprocessLauncher
from canary.resources import LOCK, Machine, ResourcePool
from canary.schedule import Policy, Scheduler
from canary.status import Outcome, Status


class Least(BaseJob):
    """A third party's job: the abstract members, and not one more."""

    def __init__(self, name, *, needs=None, cost=1.0, depends=()):
        super().__init__()
        self.name = name
        self.needs = {"cpus": 1} if needs is None else needs
        self._cost = cost
        self.dependencies = [Dependency(*d) for d in depends]
        self.assigned = None
        self.saved = []

    @property
    def id(self):
        return self.name

    def cost(self):
        return self._cost

    def required_resources(self):
        return [{"type": t, "slots": n} for t, n in self.needs.items()]

    def assign_resources(self, arg):
        assert self.assigned is None
        self.assigned = arg

    def free_resources(self):
        freed, self.assigned = self.assigned, None
        return freed

    def refresh_readiness(self):
        if self.state.is_pending():
            broken = [d for d in self.dependencies if d.is_done() and not d.is_satisfied()]
            if broken:
                self.set_status(outcome="BLOCKED", reason=broken[0].job.name)
                self.on_finished()

    def is_runnable(self):
        return self.state.is_pending()

    def is_ready(self):
        return self.state.is_pending() and all(d.is_satisfied() for d in self.dependencies)

    def total_timeout(self):
        return -1.0

    def refresh(self):
        pass

    def save(self):
        self.saved.append((self.state.phase.value, self.status.outcome.name))

    def display_name(self, **kwargs):
        return self.name


class Task(Least):
    """One that has something to launch: it takes `seconds`, and ends as `ends` say in turn."""

    def __init__(
        self, name, seconds=10.0, *, limit=300.0, ends=(0,), exclusive=False, launcher=None, **more
    ):
        super().__init__(name, **{"cost": limit, **more})
        self.seconds, self.limit, self.ends = seconds, limit, ends
        self.alone, self.wanted = exclusive, launcher
        self.seen = []

    @property
    def exclusive(self):
        return self.alone

    @property
    def launcher_name(self):
        return self.wanted

    def total_timeout(self):
        return self.limit

    def prepare(self, services, attempt=1):
        self.seen.append((attempt, self.status, self.timekeeper.started, threading.get_ident()))
        end = self.ends[min(attempt, len(self.ends)) - 1]
        return Launch(
            id=self.id,
            name=self.name,
            argv=(),
            cwd="/",
            env={},
            stdout="",
            attempt=attempt,
            options={"seconds": self.seconds, "end": end},
        )


class Clock:
    """Seconds since the begin of the simulation."""

    now = 0.0

    def __call__(self):
        return self.now


class Simulated(Loop):
    """When there is nothing else to do, it is the time of the next timer.

    `patient`: threads are at work, whose messages are waited for.
    """

    def __init__(self):
        self.clock = Clock()
        self.patient = False
        super().__init__(self.clock)

    def _timeout(self):
        wait = super()._timeout()
        assert wait is not None or self.patient, "it would wait for ever"
        if wait:
            self.clock.now += wait
        return None if wait is None else 0.0


class Timers(Launcher):
    """Runs nothing: each launch is a timer. `deaf`: whom it cancels has its grace."""

    name = "timers"

    def __init__(self):
        self.log = []
        self.timers = {}
        self.cancelled = []
        self.calls = Counter()

    def open(self, loop, post):
        super().open(loop, post)
        self.calls["open"] += 1

    def close(self):
        self.calls["close"] += 1

    def pause(self):
        self.calls["pause"] += 1

    def resume(self):
        self.calls["resume"] += 1

    def start(self, launches):
        self.calls["start"] += 1
        now = self.loop.monotonic()
        for launch in launches:
            self.log.append((now, "start", launch.id))
            self.loop.post(lambda x=launch: self.post(Started(x.id, 1000.0 + now, "ticket")))
            seconds, end = launch.options["seconds"], launch.options["end"]
            self.timers[launch.id] = self.loop.call_later(
                seconds, lambda x=launch, e=end: self.end(x.id, e)
            )

    def end(self, id, end):
        now = self.loop.monotonic()
        self.log.append((now, "end", id))
        self.timers.pop(id).cancel()
        if isinstance(end, ExitReason):
            self.post(Exit(id, 1000.0 + now, None, end))
        else:
            self.post(Exit(id, 1000.0 + now, end))

    def cancel(self, ids, grace):
        self.cancelled.append((sorted(ids), grace))
        for id in ids:
            if id in self.timers:
                self.timers[id].cancel()
                self.timers[id] = self.loop.call_later(
                    grace, lambda id=id: self.end(id, ExitReason.CANCELLED)
                )


class World:
    """A scheduler on a simulated machine, and all that happened."""

    def __init__(self, jobs, policy=None, *, services=None, machine=None, choose=None, **counts):
        self.loop = Simulated()
        self.launcher = Timers()
        self.events = []
        self.jobs = {job.id: job for job in jobs}
        self.pool = ResourcePool(machine or Machine.single("n", **(counts or {"cpus": 2})))
        self.scheduler = Scheduler(
            jobs,
            self.pool,
            loop=self.loop,
            choose=choose or (lambda job: self.launcher),
            emit=self.events.append,
            services=services or JobServices(),
            policy=Policy(**policy or {}),
            now=lambda: 1000.0 + self.loop.clock.now,
        )

    def run(self):
        try:
            self.scheduler.run()
        finally:
            self.loop.close()
        assert self.pool.idle
        assert all(job.state.is_done() for job in self.jobs.values())
        return self

    @property
    def log(self):
        return self.launcher.log

    def started(self):
        """`{id: second}`, of the last attempt."""
        return {id: at for at, what, id in self.log if what == "start"}

    def outcomes(self):
        return {id: job.status.outcome.name for id, job in self.jobs.items()}

    def spans(self):
        """(begin, end, id) of all that ran."""
        begun, out = {}, []
        for at, what, id in self.log:
            if what == "start":
                begun[id] = at
            else:
                out.append((begun.pop(id), at, id))
        return out

    def finished(self):
        return [e for e in self.events if isinstance(e, JobFinished)]


def world(*jobs, policy=None, **more):
    return World(jobs, policy, **more).run()


def overlaps(spans):
    """Pairs of IDs that ran at the same time."""
    return {
        frozenset((a, b))
        for i, (begin, end, a) in enumerate(spans)
        for begin2, end2, b in spans[i + 1 :]
        if begin < end2 and begin2 < end
    }


# any BaseJob


def test_a_job_that_has_the_abstract_members_alone():
    a = Least("a")
    b = Least("b", depends=[(a, "on_success")])
    made = world(b, a)
    assert made.outcomes() == {"a": "SUCCESS", "b": "SUCCESS"}
    assert made.log == []
    kinds = [(type(e), e.id) for e in made.events]
    assert kinds == [(k, id) for id in "ab" for k in (JobSubmitted, JobFinished)]
    assert a.assigned is None
    assert a.saved == [("DONE", "SUCCESS")]


def test_a_job_with_something_to_launch():
    good, bad = Task("good"), Task("bad", ends=(3,))
    made = world(good, bad)
    assert made.outcomes() == {"good": "SUCCESS", "bad": "FAILED"}
    assert bad.status.code == 3
    assert sorted(made.spans()) == [(0.0, 10.0, "bad"), (0.0, 10.0, "good")]
    kinds = Counter(type(e) for e in made.events)
    assert kinds == {JobSubmitted: 2, JobStarted: 2, JobFinished: 2}
    assert made.launcher.calls == {"open": 1, "start": 1, "close": 1}


def test_events_carry_what_people_ask_for():
    made = world(Task("a", 5.0))
    submitted, started, finished = made.events
    assert (submitted.at, submitted.id, submitted.name, submitted.attempt) == (1000.0, "a", "a", 1)
    assert (started.at, started.ticket, started.attempt) == (1000.0, "ticket", 1)
    assert (finished.at, finished.status.outcome) == (1005.0, Outcome.SUCCESS)
    assert (finished.attempt, finished.retry) == (1, False)
    assert finished.times["submitted"] == 1000.0
    assert finished.times["started"] == 1000.0
    assert finished.times["finished"] == 1005.0


def test_a_job_of_canary_s_own_in_the_same_loop(new_job):
    """Two kinds of job and two launchers in one run, one of them with real processes."""
    job = new_job(script="exit 64")
    other = Least("other", depends=[(job, "diffed")])
    processes = SubprocessLauncher()
    loop = Loop()
    events = []
    scheduler = Scheduler(
        [other, job],
        ResourcePool(Machine.single("n", cpus=1)),
        loop=loop,
        choose=lambda job: processes,
        emit=events.append,
    )
    scheduler.run()
    loop.close()
    assert job.status.outcome is Outcome.DIFFED
    assert other.status.outcome is Outcome.SUCCESS
    assert [e.id for e in events if isinstance(e, JobFinished)] == [job.id, "other"]
    lock = lockfile.read(job.lockfile)
    assert lock["status"]["outcome"] == 64
    assert lock["state"]["phase"] == "DONE"
    assert lock["allocation"]["resources"]["cpus"][0]["id"] == "0"
    assert lock["timekeeper"]["finished"] > 0


def test_no_jobs_are_no_trouble():
    assert world().events == []


def test_what_is_over_already_is_not_run():
    a = Task("a")
    a.set_status(outcome="FAILED")
    a.on_finished()
    b = Task("b", depends=[(a, "on_failure")])
    c = Task("c", depends=[(a, "on_success")])
    made = world(a, b, c)
    assert made.outcomes() == {"a": "FAILED", "b": "SUCCESS", "c": "BLOCKED"}
    assert {e.id for e in made.events} == {"b", "c"}


def test_a_dependency_outside_that_never_ends_blocks():
    outside = Task("outside")
    made = world(Task("a", depends=[(outside, "always")]), Task("b"))
    assert made.outcomes() == {"a": "BLOCKED", "b": "SUCCESS"}


def test_an_id_that_nobody_knows_is_ignored():
    made = World([Task("a")])
    made.loop.post(lambda: made.scheduler.receive(Exit("stranger", 1.0, 0)))
    made.loop.post(lambda: made.scheduler.receive(Started("stranger", 1.0)))
    made.run()
    assert made.outcomes() == {"a": "SUCCESS"}


# limits and order


@pytest.mark.parametrize(("workers", "seconds"), [(1, 80.0), (2, 40.0), (3, 30.0), (None, 20.0)])
def test_workers(workers, seconds):
    made = world(*(Task(f"j{i}") for i in range(8)), policy={"workers": workers}, cpus=4)
    most = Counter(begin for begin, _, _ in made.spans())
    assert max(most.values()) == min(workers or 8, 4)
    assert made.loop.clock.now == seconds


def test_resources_of_any_type():
    jobs = [Task(f"j{i}", needs={"cpus": 1, "tapes": 1}) for i in range(4)]
    made = world(*jobs, cpus=4, tapes=2)
    assert made.loop.clock.now == 20.0


def test_the_dearest_goes_first():
    jobs = [Task(f"j{i}", cost=c) for i, c in enumerate([1.0, 5.0, 3.0])]
    made = world(*jobs, cpus=1)
    assert [id for _, what, id in made.log if what == "start"] == ["j1", "j2", "j0"]


def test_of_equal_ones_the_first_goes_first():
    made = world(*(Task(f"j{i:02}") for i in range(30)), cpus=1)
    assert [id for _, what, id in made.log if what == "start"] == [f"j{i:02}" for i in range(30)]


def test_a_long_chain_goes_before_a_dear_single():
    chain = [Task("c0", cost=2.0)]
    for i in range(1, 4):
        chain.append(Task(f"c{i}", cost=2.0, depends=[(chain[-1], "on_success")]))
    made = world(Task("single", cost=5.0), *chain, cpus=1)
    assert made.started()["c0"] < made.started()["single"]


def test_conditions_of_dependencies():
    bad = Task("bad", ends=(1,))
    made = world(
        Task("needs it", depends=[(bad, "on_success")]),
        Task("else", depends=[(bad, "on_failure")]),
        Task("anyway", depends=[(bad, "always")]),
        bad,
    )
    assert made.outcomes() == {
        "bad": "FAILED",
        "needs it": "BLOCKED",
        "else": "SUCCESS",
        "anyway": "SUCCESS",
    }
    assert "needs it" not in made.started()


def test_a_chain_of_ten_thousand_blocked_jobs_needs_no_stack():
    jobs = [Task("j0", ends=(1,))]
    for i in range(1, 10_000):
        jobs.append(Task(f"j{i}", depends=[(jobs[-1], "on_success")]))
    made = world(*jobs)
    assert Counter(made.outcomes().values()) == {"FAILED": 1, "BLOCKED": 9_999}


def test_a_chain_of_ten_thousand_jobs_that_are_over_at_once_needs_no_stack():
    jobs = [Least("j0")]
    for i in range(1, 10_000):
        jobs.append(Least(f"j{i}", depends=[(jobs[-1], "on_success")]))
    assert Counter(world(*jobs).outcomes().values()) == {"SUCCESS": 10_000}


def test_what_can_never_fit_ends_with_the_reason():
    big = Task("big", needs={"cpus": 3})
    odd = Task("odd", needs={"tapes": 1})
    made = world(big, odd, Task("small"))
    assert made.outcomes() == {"big": "OVERSIZED", "odd": "OVERSIZED", "small": "SUCCESS"}
    assert "3 cpus" in big.status.reason
    assert "tapes" in odd.status.reason
    assert set(made.started()) == {"small"}


def test_jobs_that_can_never_fit_may_wait_for_each_other():
    first = Task("first", needs={"cpus": 3})
    needs = Task("needs", needs={"cpus": 3}, depends=[(first, "on_success")])
    anyway = Task("anyway", needs={"cpus": 3}, depends=[(first, "always")], exclusive=True)
    made = world(first, needs, anyway)
    assert set(made.outcomes().values()) == {"OVERSIZED"}
    assert len(made.finished()) == 3


def test_what_depends_on_what_can_never_fit_goes_by_its_condition():
    big = Task("big", needs={"cpus": 3})
    anyway = Task("anyway", depends=[(big, "always")])
    needs = Task("needs", depends=[(big, "on_success")])
    made = world(big, anyway, needs)
    assert made.outcomes() == {"big": "OVERSIZED", "anyway": "SUCCESS", "needs": "BLOCKED"}
    assert Counter(id for _, what, id in made.log if what == "start") == {"anyway": 1}


# alone


def test_an_exclusive_job_runs_alone_both_ways():
    jobs = [Task(f"j{i}", 3.0 + i, cost=i) for i in range(6)]
    alone = [Task("x", 7.0, exclusive=True, cost=3.5), Task("y", 7.0, exclusive=True, cost=99.0)]
    made = world(*jobs, *alone, cpus=4)
    together = overlaps(made.spans())
    assert together
    assert not any({"x", "y"} & pair for pair in together)
    assert set(made.outcomes().values()) == {"SUCCESS"}


def test_jobs_with_one_lock_take_turns_and_hold_up_nobody_else():
    locked = [Task(f"l{i}", needs={"cpus": 1, f"{LOCK}port": 1}, cost=9.0) for i in range(3)]
    free = [Task(f"f{i}", cost=1.0) for i in range(3)]
    made = world(*locked, *free, cpus=2)
    together = overlaps(made.spans())
    assert not any(len({j for j in pair if j.startswith("l")}) == 2 for pair in together)
    assert made.loop.clock.now == 30.0


LOCKS = [f"{LOCK}{name}" for name in "abc"]


@given(
    st.lists(st.tuples(st.sampled_from(LOCKS), st.floats(1, 10)), min_size=10, max_size=40),
    st.lists(st.sampled_from(LOCKS), min_size=1, max_size=3, unique=True),
    st.integers(2, 4),
)
def test_a_job_that_wants_several_locks_is_not_starved(stream, locks, cpus):
    """It becomes ready while others hold them in turn, and is the dearest from then on."""
    others = [
        Task(f"n{i:03}", seconds, limit=10.0, cost=1.0, needs={"cpus": 1, lock: 1})
        for i, (lock, seconds) in enumerate(stream)
    ]
    first = Task("first", 4.0, limit=10.0, cost=100.0)
    needs = {"cpus": 1, **dict.fromkeys(locks, 1)}
    wide = Task("wide", limit=10.0, needs=needs, cost=90.0, depends=[(first, None)])
    made = world(first, *others, wide, cpus=cpus)
    assert made.started()["wide"] <= 4.0 + 10.0
    for lock in LOCKS:
        holders = {id for id, job in made.jobs.items() if lock in job.needs}
        assert not any(pair <= holders for pair in overlaps(made.spans()))


def test_what_is_dearer_takes_a_lock_from_whoever_waits_for_another():
    """Only what is less dear waits for a job that has not all of its locks."""
    first = Task("first", 9.0, cost=100.0, needs={"cpus": 1, LOCKS[0]: 1})
    both = Task("both", cost=50.0, needs={"cpus": 1, LOCKS[0]: 1, LOCKS[1]: 1})
    dear = Task("dear", cost=70.0, needs={"cpus": 1, LOCKS[1]: 1})
    cheap = Task("cheap", cost=30.0, needs={"cpus": 1, LOCKS[1]: 1})
    other = Task("other", cost=20.0, needs={"cpus": 1, LOCKS[2]: 1})
    made = world(first, both, dear, cheap, other, cpus=4)
    assert made.started() == {"first": 0, "dear": 0, "other": 0, "both": 10, "cheap": 20}


# reservation


@pytest.mark.parametrize("limit", [10.0, 300.0, -1.0])
def test_an_exclusive_job_is_not_starved_by_others(limit):
    first = Task("first", 4.0, limit=10.0, cost=50.0)
    alone = Task("alone", limit=10.0, exclusive=True, cost=40.0, depends=[(first, None)])
    made = world(first, *narrow_stream(200, limit=limit), alone, cpus=4)
    assert made.started()["alone"] <= 4.0 + 10.0


def narrow_stream(n, seconds=10.0, limit=10.0, **more):
    return [Task(f"n{i:03}", seconds, limit=limit, cost=1.0, **more) for i in range(n)]


@pytest.mark.parametrize("limit", [10.0, 300.0, -1.0])
def test_a_wide_job_is_not_starved_by_narrow_ones(limit):
    """It becomes ready while narrow jobs fill the machine, and is the dearest from then on."""
    first = Task("first", 4.0, limit=10.0, cost=50.0)
    wide = Task("wide", limit=10.0, needs={"cpus": 4}, cost=40.0, depends=[(first, None)])
    made = world(first, *narrow_stream(200, limit=limit), wide, cpus=4)
    assert made.started()["wide"] <= 4.0 + 10.0
    assert set(made.outcomes().values()) == {"SUCCESS"}


def test_a_wide_job_over_nodes_is_not_starved_by_narrow_ones():
    host = Machine.single("n", cpus=2).with_count("nodes", 3)
    first = Task("first", 4.0, limit=10.0, cost=50.0)
    needs = {"cpus": 6, "nodes": 3}
    wide = Task("wide", limit=10.0, needs=needs, cost=40.0, depends=[(first, None)])
    made = world(first, *narrow_stream(100), wide, machine=host)
    assert made.started()["wide"] <= 4.0 + 10.0


def test_what_ends_in_time_is_put_in_before_the_wide_job():
    """Two of four are free until 100; a job of 50 fits in, one of 200 would delay."""
    long = Task("long", 100.0, limit=100.0, needs={"cpus": 2}, cost=99.0)
    wide = Task("wide", limit=10.0, needs={"cpus": 4}, cost=50.0)
    short = Task("short", 50.0, limit=50.0, needs={"cpus": 2}, cost=2.0)
    slow = Task("slow", 200.0, limit=200.0, cost=3.0)
    made = world(long, wide, slow, short, cpus=4)
    assert made.started() == {"long": 0.0, "short": 0.0, "wide": 100.0, "slow": 110.0}


def test_what_shares_nothing_with_the_wide_job_goes_on():
    long = Task("long", 100.0, limit=100.0, needs={"cpus": 1}, cost=99.0)
    wide = Task("wide", limit=10.0, needs={"cpus": 2}, cost=50.0)
    tape = Task("tape", 500.0, limit=500.0, needs={"tapes": 1}, cost=1.0)
    made = world(long, wide, tape, cpus=2, tapes=1)
    assert made.started() == {"long": 0.0, "tape": 0.0, "wide": 100.0}


sizes = st.tuples(
    st.integers(1, 4),  # cpus
    st.integers(1, 20),  # seconds
    st.sampled_from([5.0, 20.0, 40.0]),  # limit
    st.sampled_from([False] * 7 + [True]),  # exclusive
    st.lists(st.integers(0, 30), max_size=2),  # which of those before it depends on
    st.sampled_from(["on_success", "always", "on_failure"]),
    st.sampled_from([0, 0, 0, 1]),  # exit code
)


def drawn(rows):
    jobs = []
    for i, (cpus, seconds, limit, alone, before, when, code) in enumerate(rows):
        depends = [(jobs[b % i], when) for b in before] if i else []
        jobs.append(
            Task(
                f"j{i:02}",
                float(seconds),
                limit=limit,
                needs={"cpus": cpus},
                exclusive=alone,
                depends=depends,
                ends=(code,),
            )
        )
    return jobs


@settings(max_examples=150)
@given(st.lists(sizes, max_size=25), st.sampled_from([None, 1, 3]), st.integers(2, 4))
def test_whatever_the_jobs_are(rows, workers, cpus):
    """All end; none before what it waits for; never too many; alone is alone; twice is the same."""
    jobs = drawn(rows)
    made = world(*jobs, policy={"workers": workers}, cpus=cpus)
    spans = made.spans()
    ended = {id: end for _, end, id in spans}
    by_id = made.jobs
    for begin, _, id in spans:
        for dependency in by_id[id].dependencies:
            assert ended.get(dependency.job.id, 0.0) <= begin
        running = [i for b, e, i in spans if b <= begin < e]
        assert sum(by_id[i].needs["cpus"] for i in running) <= cpus
        assert workers is None or len(running) <= workers
        assert len(running) == 1 or not any(by_id[i].exclusive for i in running)
    for id, job in by_id.items():
        outcome = job.status.outcome
        if job.needs["cpus"] > cpus and not job.dependencies:
            assert outcome is Outcome.OVERSIZED
        assert (id in ended) == (outcome in (Outcome.SUCCESS, Outcome.FAILED))
        if outcome is Outcome.BLOCKED:
            assert any(not d.is_satisfied() for d in job.dependencies)
    assert Counter(e.id for e in made.finished()) == dict.fromkeys(by_id, 1)
    assert world(*drawn(rows), policy={"workers": workers}, cpus=cpus).log == made.log


@settings(max_examples=60)
@given(st.lists(st.integers(1, 10), min_size=20, max_size=60), st.integers(2, 4), st.integers(1, 9))
def test_a_dear_wide_job_starts_within_the_longest_running_time(seconds, cpus, ready):
    first = Task("first", float(ready), limit=10.0, cost=50.0)
    wide = Task("wide", limit=10.0, needs={"cpus": cpus}, cost=40.0, depends=[(first, None)])
    stream = [Task(f"n{i:02}", float(s), limit=10.0, cost=1.0) for i, s in enumerate(seconds)]
    made = world(first, *stream, wide, cpus=cpus)
    assert made.started()["wide"] <= ready + max(seconds)


# again


def attempts(made, id):
    return [(e.attempt, e.status.outcome.name, e.retry) for e in made.finished() if e.id == id]


TIMEOUT = ExitReason.TIMEOUT


@pytest.mark.parametrize(
    ("policy", "ends", "outcomes"),
    [
        ({}, (1, 0), ["FAILED"]),
        ({"until_pass": 2}, (1, 1, 0), ["FAILED", "FAILED", "SUCCESS"]),
        ({"until_pass": 2}, (1,), ["FAILED"] * 3),
        ({"until_pass": 1}, (0,), ["SUCCESS"]),
        ({"until_pass": 1}, (TIMEOUT, 0), ["TIMEOUT", "SUCCESS"]),
        ({"after_timeout": 2}, (TIMEOUT, TIMEOUT, 0), ["TIMEOUT", "TIMEOUT", "SUCCESS"]),
        ({"after_timeout": 1}, (TIMEOUT,), ["TIMEOUT"] * 2),
        ({"after_timeout": 5}, (TIMEOUT, 1, 0), ["TIMEOUT", "FAILED"]),
        ({"after_timeout": 5}, (1, 0), ["FAILED"]),
        ({"until_fail": 4}, (0,), ["SUCCESS"] * 4),
        ({"until_fail": 4}, (0, 0, 1, 0), ["SUCCESS", "SUCCESS", "FAILED"]),
        ({"until_fail": 1}, (0,), ["SUCCESS"]),
    ],
)
def test_retries(policy, ends, outcomes):
    made = world(Task("a", ends=ends), policy=policy)
    wanted = [(i, o, i < len(outcomes)) for i, o in enumerate(outcomes, 1)]
    assert attempts(made, "a") == wanted
    assert made.outcomes() == {"a": outcomes[-1]}
    assert made.loop.clock.now == 10.0 * len(outcomes)


def test_each_attempt_begins_anew():
    job = Task("a", ends=(1, 1, 0))
    job.add_measurement("from", "before")
    made = world(job, policy={"until_pass": 2})
    assert [(n, s, t) for n, s, t, _ in job.seen] == [(n, Status(), -1.0) for n in (1, 2, 3)]
    assert [e.times["started"] for e in made.finished()] == [1000.0, 1010.0, 1020.0]
    assert made.finished()[1].measurements == {}


def test_dependents_wait_for_the_last_attempt():
    a = Task("a", ends=(1, 0))
    made = world(a, Task("b", depends=[(a, "on_success")]), policy={"until_pass": 1})
    assert made.outcomes() == {"a": "SUCCESS", "b": "SUCCESS"}
    assert made.started()["b"] == 20.0


def test_an_interrupt_ends_retries():
    made = World([Task("a", ends=(1,))], {"until_pass": 100})
    made.loop.call_later(25.0, lambda: made.scheduler.interrupt(2))
    made.run()
    assert [o for _, o, _ in attempts(made, "a")] == ["FAILED", "FAILED", "INTERRUPTED"]


# early ends


def test_fail_fast_lets_what_runs_end_and_starts_nothing_more():
    jobs = [
        Task("bad", 5.0, ends=(1,), cost=9.0),
        Task("slow", 20.0, cost=9.0),
        Task("later", cost=1.0),
    ]
    after = Task("after", depends=[(jobs[1], "always")], cost=0.0)
    made = world(*jobs, after, policy={"fail_fast": True})
    assert made.outcomes() == {
        "bad": "FAILED",
        "slow": "SUCCESS",
        "later": "CANCELLED",
        "after": "CANCELLED",
    }
    assert "bad" in jobs[2].status.reason
    assert made.launcher.cancelled == []
    assert made.loop.clock.now == 20.0


def test_fail_fast_is_about_failures():
    made = world(
        Task("skip"), Task("big", needs={"cpus": 9}), Task("c"), policy={"fail_fast": True}, cpus=1
    )
    assert made.outcomes() == {"skip": "SUCCESS", "big": "OVERSIZED", "c": "SUCCESS"}


def test_the_time_of_the_session():
    made = world(
        Task("a", 8.0),
        Task("b", 50.0),
        Task("c", 50.0),
        policy={"session_timeout": 20.0, "grace": 3.0},
        cpus=1,
    )
    assert made.outcomes() == {"a": "SUCCESS", "b": "TIMEOUT", "c": "CANCELLED"}
    assert made.launcher.cancelled == [(["b"], 3.0)]
    assert made.loop.clock.now == 23.0
    for id in "bc":
        assert "20 s" in made.jobs[id].status.reason


def test_a_session_that_is_in_time_is_left_alone():
    made = world(Task("a", 8.0), policy={"session_timeout": 20.0})
    assert made.outcomes() == {"a": "SUCCESS"}
    assert made.loop.clock.now == 8.0


def interrupted(*at, grace=30.0):
    slow = Task("slow", 1000.0, cost=9.0)
    made = World(
        [slow, Task("waits"), Task("after", depends=[(slow, "always")])], {"grace": grace}, cpus=1
    )
    for second in at:
        made.loop.call_later(second, lambda: made.scheduler.interrupt(15))
    return made.run()


def test_one_interrupt_asks_and_waits():
    made = interrupted(5.0)
    assert made.outcomes() == {"slow": "INTERRUPTED", "waits": "CANCELLED", "after": "CANCELLED"}
    assert made.launcher.cancelled == [(["slow"], 30.0)]
    assert made.loop.clock.now == 35.0
    assert made.scheduler.interrupted == 15
    assert "signal 15" in made.jobs["slow"].status.reason


def test_what_a_launcher_says_of_a_cancelled_job_is_kept():
    class Unheard(Timers):
        def cancel(self, ids, grace):
            (id,) = ids
            self.timers.pop(id).cancel()
            end = Exit(id, 0.0, None, ExitReason.CANCELLED, "it may still run")
            self.loop.post(lambda: self.post(end))

    made = World([Task("a", 10.0)])
    made.launcher = Unheard()
    made.loop.call_later(5.0, lambda: made.scheduler.interrupt(2))
    made.run()
    assert made.outcomes() == {"a": "INTERRUPTED"}
    assert made.jobs["a"].status.reason.endswith("; it may still run")


def test_a_second_interrupt_kills_at_once():
    made = interrupted(5.0, 6.0)
    assert made.launcher.cancelled == [(["slow"], 30.0), (["slow"], 0.0)]
    assert made.loop.clock.now == 6.0
    assert made.outcomes()["slow"] == "INTERRUPTED"


def test_what_ends_by_itself_while_it_is_cancelled_keeps_its_result():
    class Late(Timers):
        def cancel(self, ids, grace):
            self.cancelled.append((sorted(ids), grace))

    made = World([Task("a", 10.0, ends=(3,))])
    made.launcher = Late()
    made.loop.call_later(5.0, lambda: made.scheduler.interrupt(2))
    made.run()
    assert made.outcomes() == {"a": "FAILED"}
    assert made.launcher.cancelled == [(["a"], 2.0)]


# staging


class Heavy(Task):
    """Staged in a thread."""

    def stages_quickly(self):
        return False


def test_heavy_staging_happens_in_threads():
    jobs = [Heavy("a"), Heavy("b"), Task("c")]
    made = World(jobs, cpus=3)
    made.loop.patient = True
    made.run()
    assert set(made.outcomes().values()) == {"SUCCESS"}
    me = threading.get_ident()
    assert [job.seen[0][3] == me for job in jobs] == [False, False, True]


def failing(kind, error):
    class Failing(kind):
        def prepare(self, services, attempt=1):
            raise error

    return Failing


@pytest.mark.parametrize("kind", [Task, Heavy])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MissingSourceError("no such asset"), "BROKEN"),
        (OSError(28, "No space left on device"), "BROKEN"),
        (PluginError("a plugin refuses"), "BROKEN"),
        (ZeroDivisionError("ours"), "ERROR"),
        (ValueError(), "ERROR"),
    ],
)
def test_staging_that_fails_breaks_its_job_alone(kind, error, outcome):
    bad = failing(kind, error)("bad")
    made = World([bad, Task("good"), Task("after", depends=[(bad, "on_failure")])], cpus=1)
    made.loop.patient = kind is Heavy
    made.run()
    assert made.outcomes() == {"bad": outcome, "good": "SUCCESS", "after": "SUCCESS"}
    assert bad.status.reason == (str(error) or repr(error))
    assert bad.saved == [("DONE", outcome)]
    notices = [e for e in made.events if isinstance(e, Notice)]
    assert len(notices) == (outcome == "ERROR")


def test_a_plugin_that_exits_in_a_staging_thread_breaks_its_job_alone():
    made = World([failing(Heavy, SystemExit(3))("bad"), Task("good")])
    made.loop.patient = True
    made.run()
    assert made.outcomes() == {"bad": "ERROR", "good": "SUCCESS"}


def test_what_is_cancelled_while_it_is_staged_never_starts():
    gate = threading.Event()

    class Slow(Heavy):
        def prepare(self, services, attempt=1):
            made.loop.post(interrupt)
            assert gate.wait(10)
            return super().prepare(services, attempt)

    def interrupt():
        made.scheduler.interrupt(2)
        gate.set()

    made = World([Slow("a")])
    made.loop.patient = True
    made.run()
    assert made.outcomes() == {"a": "INTERRUPTED"}
    assert made.log == []


def test_what_is_staged_when_the_first_fails_does_not_begin_after_it():
    begun, failed = threading.Event(), threading.Event()

    class Slow(Heavy):
        def prepare(self, services, attempt=1):
            begun.set()
            assert failed.wait(60)
            return super().prepare(services, attempt)

    class Fails(Task):
        def prepare(self, services, attempt=1):
            assert begun.wait(60)
            return super().prepare(services, attempt)

        def on_finished(self):
            super().on_finished()
            made.loop.patient = True
            failed.set()

    made = World([Slow("a"), Fails("b", ends=(1,))], {"fail_fast": True})
    made.run()
    assert made.outcomes() == {"a": "CANCELLED", "b": "FAILED"}
    assert made.jobs["a"].status.reason == "stopped after the failure of b"
    assert {id for _, _, id in made.log} == {"b"}


def test_where_no_thread_can_be_started_that_job_alone_is_in_error(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    made = world(Heavy("a"), Task("b"))
    assert made.outcomes() == {"a": "ERROR", "b": "SUCCESS"}
    assert "can't start new thread" in made.jobs["a"].status.reason


@pytest.mark.parametrize("how", ["interrupted", "twice", "out of time"])
def test_what_hangs_while_it_is_staged_does_not_hold_up_the_end(how):
    hangs, gate, begun, asked = threading.Event(), threading.Event(), [], []

    class Hanging(Heavy):
        def prepare(self, services, attempt=1):
            begun.append(self.id)
            made.loop.post(stop)
            hangs.set()
            assert gate.wait(60)
            return super().prepare(services, attempt)

        def cancel_prepare(self):
            asked.append((made.loop.clock.now, self.id))

    class Waits(Task):
        def prepare(self, services, attempt=1):
            assert hangs.wait(60)
            return super().prepare(services, attempt)

    def stop():
        for _ in range({"interrupted": 1, "twice": 2, "out of time": 0}[how]):
            made.scheduler.interrupt(2)

    policy = {"grace": 3.0, "staging_threads": 1}
    if how == "out of time":
        policy["session_timeout"] = 5.0
    made = World([Hanging("a"), Hanging("b"), Waits("c")], policy, cpus=3)
    made.launcher.deaf = True
    made.run()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "canary-staging":
            thread.join(60)
    assert begun == ["a"]
    outcome = "TIMEOUT" if how == "out of time" else "INTERRUPTED"
    assert set(made.outcomes().values()) == {outcome}
    at = {"interrupted": 3.0, "twice": 0.0, "out of time": 8.0}[how]
    assert asked[:2] == [(at, "a"), (at, "b")]
    assert {id for _, _, id in made.log} == {"c"}


# what others do wrong


def test_a_job_whose_result_cannot_be_judged_is_an_error():
    class Broken(Task):
        def conclude(self, exit, services):
            raise KeyError("x")

    made = world(Broken("bad"), Task("good"))
    assert made.outcomes() == {"bad": "ERROR", "good": "SUCCESS"}
    assert "KeyError" in made.jobs["bad"].status.reason


def stopped(*jobs, **counts):
    made = World(jobs, {"grace": 2.0}, **counts)
    made.launcher.deaf = True
    made.loop.patient = True
    with pytest.raises(PluginStop, match="plugin 'x' raised"):
        made.run()
    return made


@pytest.mark.parametrize("kind", [Task, Heavy])
def test_a_plugin_that_stops_the_command_while_a_job_is_staged(kind):
    """What is over stays, what runs is ended as by a signal, nothing more is started."""
    bad = failing(kind, PluginStop("plugin 'x' raised"))("bad", cost=3)
    over, runs = Task("over", 1, cost=9), Task("runs", 60, cost=8)
    bad.dependencies = [Dependency(over, "on_success")]
    made = stopped(over, runs, bad, Task("after", depends=[(bad, "always")]), Task("last", cost=0))
    ends = made.outcomes()
    assert ends.pop("over") == "SUCCESS"
    assert ends.pop("runs") == "INTERRUPTED"
    assert set(ends.values()) == {"CANCELLED"}
    assert {made.jobs[id].status.reason for id in ends} == {"plugin 'x' raised"}
    assert made.launcher.cancelled == [(["runs"], 2.0)]
    assert len(made.finished()) == 5


def test_a_plugin_that_stops_the_command_in_the_first_turn():
    """Launches of that turn are started, and then ended."""
    bad = failing(Task, PluginStop("plugin 'x' raised"))("bad", cost=1)
    made = stopped(Task("runs", 60, cost=8), bad)
    assert made.outcomes() == {"runs": "INTERRUPTED", "bad": "CANCELLED"}


def test_a_plugin_that_stops_the_command_as_a_job_is_judged():
    class Broken(Task):
        def conclude(self, exit, services):
            raise PluginStop("plugin 'x' raised")

    made = stopped(Broken("bad", 1, cost=9), Task("runs", 60), Task("last", cost=0))
    assert made.outcomes() == {"bad": "ERROR", "runs": "INTERRUPTED", "last": "CANCELLED"}
    assert "plugin 'x' raised" in made.jobs["bad"].status.reason


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("bug")])
def test_a_lock_that_cannot_be_written_is_a_warning(error):
    class Unsaved(Task):
        def save(self):
            raise error

    made = world(Unsaved("a"))
    assert made.outcomes() == {"a": "SUCCESS"}
    (notice,) = (e for e in made.events if isinstance(e, Notice))
    assert notice.level == "warning"
    assert notice.id == "a"


def test_a_launcher_that_is_not_there_breaks_its_job_alone():
    def choose(job):
        if job.launcher_name == "typo":
            raise PluginError("no launcher 'typo'")
        return made.launcher

    made = World([Task("bad", launcher="typo"), Task("good")], choose=choose)
    made.run()
    assert made.outcomes() == {"bad": "BROKEN", "good": "SUCCESS"}
    assert "typo" in made.jobs["bad"].status.reason


def test_a_launch_of_another_name_is_an_error():
    class Wrong(Task):
        def prepare(self, services, attempt=1):
            return Launch(id="else", name="", argv=(), cwd="", env={}, stdout="")

    made = world(Wrong("a"), Task("good"))
    assert made.outcomes() == {"a": "ERROR", "good": "SUCCESS"}


def test_what_a_job_does_with_its_resources_does_not_touch_the_pool():
    class Greedy(Task):
        def assign_resources(self, arg):
            arg["cpus"].clear()
            arg["more"] = []

        def free_resources(self):
            return {"cpus": [{"id": "0", "slots": 99}]}

    made = world(*(Greedy(f"j{i}") for i in range(4)))
    assert made.loop.clock.now == 20.0


def test_services_are_handed_to_every_job():
    services = JobServices()
    seen = []

    class Asks(Task):
        def prepare(self, given, attempt=1):
            seen.append(given)
            return super().prepare(given, attempt)

        def conclude(self, exit, given):
            seen.append(given)
            super().conclude(exit, given)

    world(Asks("a"), services=services)
    assert seen == [services, services]


def test_launchers_are_opened_as_they_are_needed_and_closed_at_the_end():
    other = Timers()
    made = World(
        [Task("a"), Task("b", launcher="other"), Task("c", launcher="other")],
        choose=lambda job: other if job.launcher_name else made.launcher,
    )
    unused = Timers()
    made.run()
    assert made.launcher.calls == {"open": 1, "start": 1, "close": 1}
    assert other.calls["open"] == other.calls["close"] == 1
    assert unused.calls == {}


def test_pause_resume_and_what_runs():
    made = World([Task("a", 10.0), Task("b", 10.0, cost=0.5)], cpus=1)
    seen = []

    def look():
        made.scheduler.resume()
        seen.extend((job.id, seconds) for job, seconds in made.scheduler.running())

    made.loop.call_later(4.0, made.scheduler.pause)
    made.loop.call_later(7.0, look)  # the pause does not count
    made.run()
    assert seen == [("a", 4.0)]
    assert (made.launcher.calls["pause"], made.launcher.calls["resume"]) == (1, 1)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_error_of_ours_leaves_no_process_behind(new_job, no_child_is_left):
    """Whoever watches may raise, a full disk or a closed terminal: what runs is killed first."""
    loop = Loop()
    pids = []

    def emit(event):
        if isinstance(event, JobStarted):
            pids.append(int(event.ticket.partition(":")[0]))
        if len(pids) == 2:
            raise BrokenPipeError("the terminal is gone")

    jobs = [new_job(f"j{i}", "trap '' TERM; sleep 60 & sleep 60") for i in range(2)]
    heavy = new_job("heavy", "exit 0", rcfiles=("/dev/null",))
    scheduler = Scheduler(
        [*jobs, heavy],
        ResourcePool(Machine.single("n", cpus=3)),
        loop=loop,
        choose=lambda job: processes,
        emit=emit,
    )
    processes = SubprocessLauncher()
    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        scheduler.run()
    loop.close()
    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert time.monotonic() - began < 10
    no_child_is_left()


def test_a_job_is_not_asked_what_kind_it_is():
    """The scheduler knows the contract, not canary's own kind of job."""
    names = vars(canary.schedule).values()
    assert BaseJob in names
    assert Job not in names


policies = st.fixed_dictionaries(
    {},
    optional={
        "workers": st.integers(1, 3),
        "fail_fast": st.booleans(),
        "until_pass": st.integers(0, 2),
        "after_timeout": st.integers(0, 2),
        "until_fail": st.integers(0, 2),
        "session_timeout": st.floats(1, 60),
        "grace": st.floats(0, 5),
    },
)


@settings(max_examples=150)
@given(st.lists(sizes, max_size=20), policies, st.lists(st.floats(0, 60), max_size=3))
def test_whatever_ends_it_every_job_ends_once(rows, policy, interrupts):
    made = World(drawn(rows), policy, cpus=3)
    for second in sorted(interrupts):
        made.loop.call_at(second, lambda: made.scheduler.interrupt(2))
    made.run()
    assert not made.launcher.timers
    last = Counter(e.id for e in made.finished() if not e.retry)
    assert last == dict.fromkeys(made.jobs, 1)
    assert all(e.status.outcome is not Outcome.NONE for e in made.finished())


# jobs that hold others


class Holder(Task):
    """One that runs others where nobody sees them: what it tells of them comes in parts."""

    composite = True

    def __init__(self, name, *parts, **more):
        super().__init__(name, **more)
        self.parts = list(parts)

    def news(self):
        told = [event for part in self.parts for event in part] if self.state.is_done() else []
        if not told and self.state.is_running() and self.parts:
            told = self.parts.pop(0)
        else:
            self.parts = [] if told else self.parts
        return told


def ended(id, outcome="SUCCESS"):
    return JobFinished(1.0, id, id, Status.make(outcome=outcome), {}, {})


def test_of_a_job_that_holds_others_only_their_events_are_told():
    held = world(Holder("batch", [ended("a")], [ended("b", "FAILED"), ended("c")]))
    assert [event.id for event in held.events] == ["a", "b", "c"]


def test_news_is_told_as_it_comes():
    run = World([Holder("batch", [], [ended("a")], [ended("b")])])
    run.loop.call_later(5.0, lambda: run.scheduler.receive(News("batch")))
    seen = {}
    run.scheduler.emit = lambda event: seen.update({event.id: run.loop.clock.now})
    run.run()
    assert seen == {"a": 5.0, "b": 10.0}


def test_a_job_that_holds_others_is_not_repeated_itself():
    run = world(Holder("batch", [ended("a", "FAILED")], ends=(1,)), policy={"until_pass": 5})
    assert len(run.jobs["batch"].seen) == 1


def test_the_failure_of_a_job_that_is_held_stops_the_rest_if_that_is_wanted():
    first = Holder("first", [ended("a", "FAILED")])
    second = Holder("second", [ended("b", "CANCELLED")], depends=[(first, "always")])
    run = world(first, second, policy={"fail_fast": True})
    assert run.outcomes() == {"first": "SUCCESS", "second": "CANCELLED"}
    assert list(run.started()) == ["first"]


def test_a_job_that_holds_others_knows_the_policy():
    known = []

    class Curious(Holder):
        def prepare(self, services, attempt=1):
            known.append(services.policy["until_pass"])
            return super().prepare(services, attempt)

    world(Curious("batch"), policy={"until_pass": 3})
    assert known == [3]
