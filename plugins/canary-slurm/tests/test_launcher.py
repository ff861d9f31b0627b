"""The launcher with programs that answer as a Slurm does, and a clock of its own: an hour is soon
over."""

from __future__ import annotations

import stat
import time
from types import SimpleNamespace

import pytest

from canary.launch import Exit, ExitReason, Launch, Started
from canary_slurm.launcher import SlurmLauncher
from canary_slurm.slurm import Slurm

TICKET = "77"
HELD = "PENDING|job requeued in held state"


class Bench:
    """One launch that is submitted; `squeue` and `sacct` print what is in the files so named."""

    def __init__(self, directory, monkeypatch, queue_timeout=None, **options):
        self.directory = directory
        self.now = 1000.0
        self.asked = directory / "asked"
        for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol"):
            program = directory / name
            program.write_text(
                f"#!/bin/sh\necho {name} >>{self.asked}\ncat {directory}/{name}.txt\n"
            )
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            self.answer(name, "")
        self.answer("sbatch", TICKET)
        clock = SimpleNamespace(
            monotonic=lambda: self.now, time=time.time, time_ns=time.time_ns, sleep=time.sleep
        )
        monkeypatch.setattr("canary_slurm.launcher.time", clock)
        slurm = Slurm(limit=20.0, environment={"PATH": f"{directory}:/usr/bin:/bin"})
        self.launcher = SlurmLauncher(slurm, **options)
        self.submit(slurm.environment, queue_timeout)

    def submit(self, environment, queue_timeout):
        home = self.directory / "batch"
        home.mkdir()
        launch = Launch(
            id="i",
            name="n",
            argv=("true",),
            cwd=str(home),
            env=environment,
            stdout="/dev/null",
            options={"queue_timeout": queue_timeout},
        )
        assert self.launcher.submit([launch]) == {"i": TICKET}

    def answer(self, name, text):
        (self.directory / f"{name}.txt").write_text(f"{text}\n" if text else "")

    def calls(self):
        return self.asked.read_text().split()

    def go_on(self, seconds):
        """Let time pass, a quarter of a second at a time; what is heard, up to an end."""
        heard = []
        end = self.now + seconds
        while self.now < end:
            self.now += 0.25
            heard += self.launcher.query({"i": TICKET})
            if any(isinstance(m, Exit) for m in heard):
                break
        return heard


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return lambda **options: Bench(tmp_path, monkeypatch, **options)


@pytest.mark.parametrize("budget", [1, 2, 3, 10])
def test_squeue_and_sacct_share_a_budget(bench, budget):
    """Of a job that squeue does not name each look costs two calls."""
    one = bench(per_minute=budget, longest=1.0, settle=1e9)
    times = []
    for _ in range(4 * 240):
        before = len(one.calls())
        one.go_on(0.25)
        times += [one.now] * (len(one.calls()) - before)
    assert len(times) >= 4 * budget
    assert max(sum(t <= other < t + 60.0 for other in times) for t in times) <= budget
    names = one.calls()[1:]
    assert abs(names.count("squeue") - names.count("sacct")) <= 1


@pytest.mark.parametrize("budget", [1, 2, 30])
def test_an_end_that_only_the_accounting_knows_is_seen_with_any_budget(bench, budget):
    one = bench(per_minute=budget)
    one.answer("sacct", f"{TICKET}|NODE_FAIL")
    (end,) = one.go_on(600.0)
    assert (end.reason, end.detail) == (ExitReason.CANCELLED, f"job {TICKET}: NODE_FAIL")


def test_a_job_of_which_nobody_knows_is_looked_for_three_times(bench):
    one = bench(per_minute=3)
    (end,) = one.go_on(600.0)
    assert (end.reason, end.detail) == (ExitReason.LOST, f"Slurm knows nothing of job {TICKET}")
    assert one.calls().count("squeue") == one.calls().count("sacct") == 3


def begun(one):
    one.answer("squeue", f"{TICKET}|RUNNING|None")
    (message,) = one.go_on(60.0)
    assert isinstance(message, Started)
    return one


@pytest.mark.parametrize("state", [HELD, "SPECIAL_EXIT|job requeued in held state"])
def test_one_that_is_held_after_it_had_begun_may_wait_as_long_as_one_in_the_queue(bench, state):
    one = begun(bench(queue_timeout=30.0))
    one.answer("squeue", f"{TICKET}|{state}")
    assert one.go_on(25.0) == []
    (end,) = one.go_on(60.0)
    assert end.reason is ExitReason.CANCELLED
    assert end.detail.startswith(f"job {TICKET}: it waited longer than 30 s: ")
    assert one.calls()[-1] == "scancel"


def test_another_reason_to_wait_does_not_begin_the_time_anew(bench):
    one = begun(bench(queue_timeout=30.0))
    for reason in ("Priority", "Resources", "Priority"):
        one.answer("squeue", f"{TICKET}|PENDING|{reason}")
        assert one.go_on(8.0) == []
    one.answer("squeue", f"{TICKET}|PENDING|Resources")
    (end,) = one.go_on(15.0)
    assert end.reason is ExitReason.CANCELLED


def test_one_that_starts_again_in_time_goes_on(bench):
    one = begun(bench(queue_timeout=30.0))
    for _ in range(3):
        one.answer("squeue", f"{TICKET}|PENDING|BeginTime")
        assert one.go_on(20.0) == []
        one.answer("squeue", f"{TICKET}|RUNNING|None")
        assert one.go_on(20.0) == []


def test_without_a_limit_a_held_one_is_waited_for(bench):
    one = begun(bench())
    one.answer("squeue", f"{TICKET}|{HELD}")
    assert one.go_on(1800.0) == []
