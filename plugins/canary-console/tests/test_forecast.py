"""The run that is to be expected: the real queue and pool, played through on a clock that jumps."""

from __future__ import annotations

import random
from collections import Counter

from canary.job import BaseJob, Dependency
from canary.resources import Machine
from canary_console.forecast import UNKNOWN, forecast


class Some(BaseJob):
    """A job of so many CPUs that takes so long; `guess` is what is known of that beforehand."""

    def __init__(self, name, cpus=1, seconds=1.0, depends=(), *, guess=None, alone=False):
        super().__init__()
        self.name, self.cpus, self.seconds = name, cpus, seconds
        self.guess = seconds if guess is None else guess
        self.alone = alone
        self.dependencies = [Dependency(job, None) for job in depends]

    @property
    def id(self):
        return self.name

    @property
    def exclusive(self):
        return self.alone

    @property
    def expected_runtime(self):
        return self.guess

    def cost(self):
        return (self.cpus**2 + min(self.guess, UNKNOWN) ** 2) ** 0.5

    def required_resources(self):
        return [{"type": "cpus", "slots": self.cpus}]

    def total_timeout(self):
        return -1.0

    def display_name(self, **kwargs):
        return self.name

    def nothing(self, *_):
        raise AssertionError("a forecast changes no job")

    assign_resources = free_resources = refresh_readiness = refresh = save = nothing
    is_runnable = is_ready = nothing


def spans(plan):
    return {p.job.id: (p.start, p.end) for p in getattr(plan, "planned", plan)}


def test_what_fits_runs_beside_the_others_and_chains_one_after_the_other():
    a = Some("a", 2, 3.0)
    b = Some("b", 1, 2.0)
    c = Some("c", 1, 1.0, [b])
    plan = forecast([a, b, c], Machine.single("n", cpus=3)).planned
    assert spans(plan) == {"a": (0.0, 3.0), "b": (0.0, 2.0), "c": (2.0, 3.0)}
    assert [p.job.id for p in plan] == ["b", "a", "c"]
    assert plan[2].assigned == {"cpus": [{"id": "0", "slots": 1, "node": "n"}]}


def test_workers_and_jobs_that_are_alone():
    jobs = [Some(str(i), 1, 1.0) for i in range(3)]
    made = forecast(jobs, Machine.single("n", cpus=9), workers=2)
    assert [p.start for p in made.planned] == [0, 0, 1]
    assert made.seconds == 2.0
    jobs.append(Some("alone", 1, 5.0, alone=True))
    assert spans(forecast(jobs, Machine.single("n", cpus=9)))["alone"] == (0.0, 5.0)


def test_what_never_fits_and_what_waits_for_it_are_left_out():
    wide = Some("wide", 9)
    jobs = [wide, Some("after", 1, 1.0, [wide]), Some("ok")]
    made = forecast(jobs, Machine.single("n", cpus=2))
    assert list(spans(made)) == ["ok"]
    assert [(job.id, why) for job, why in made.refused] == [
        ("wide", "needs 9 cpus, the machine has 2"),
        ("after", "waits for wide"),
    ]


def test_what_is_over_is_left_out():
    over = Some("over")
    over.on_finished()
    assert spans(forecast([over, Some("b", depends=[over])], Machine.single("n", cpus=1))) == {
        "b": (0.0, 1.0)
    }


def test_a_job_of_which_nothing_is_known():
    assert spans(forecast([Some("a", guess=float("inf"))], Machine.single("n", cpus=1))) == {
        "a": (0.0, UNKNOWN)
    }


def drawn(n, seed):
    """Jobs of any width and length, each waiting for up to two before it."""
    draw = random.Random(seed)
    made = []
    for i in range(n):
        before = draw.sample(made, min(i, draw.randint(0, 2)))
        made.append(Some(str(i), draw.choice((1, 2, 4, 8)), draw.uniform(0.1, 2.0), before))
    return made


def test_nothing_is_handed_out_twice_and_none_starts_too_early():
    jobs = drawn(300, 7)
    plan = forecast(jobs, Machine.single("n", cpus=16)).planned
    assert Counter(p.job.id for p in plan) == Counter(job.id for job in jobs)
    ends = {p.job.id: p.end for p in plan}
    assert all(ends[d.job.id] <= p.start for p in plan for d in p.job.dependencies)
    free = {str(i): 0.0 for i in range(16)}
    for p in plan:
        entries = p.assigned["cpus"]
        assert len(entries) == p.job.cpus
        for entry in entries:
            assert free[entry["id"]] <= p.start
            free[entry["id"]] = p.end


def test_twice_is_the_same():
    once, again = (forecast(drawn(300, 7), Machine.single("n", cpus=16)) for _ in range(2))
    assert [(p.job.id, p.start, p.assigned) for p in once.planned] == [
        (p.job.id, p.start, p.assigned) for p in again.planned
    ]
