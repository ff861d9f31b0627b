"""Signals at any moment: whatever comes when, nothing is lost, doubled or left running."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest
from harness import until

RUNS = int(os.environ.get("FAULT_RUNS", "6"))
SIGNALS = 8  # in each run, if it lives that long
# how often each is sent; SIGTSTP is followed by SIGCONT
WEIGHTS = {
    signal.SIGINT: 2,
    signal.SIGTERM: 2,
    signal.SIGHUP: 2,
    signal.SIGTSTP: 8,
    signal.SIGUSR1: 6,
    signal.SIGQUIT: 6,
    signal.SIGKILL: 1,
}

# it has a child and a grandchild that got away, and ends when it may; every other one is stubborn
BODY = """
    n = begin("{name}")
    if "{name}" in "bdf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    daemon("d.{name}.%d" % n)
    child = subprocess.Popen(["sleep", "600"])
    tell_pid("c.{name}.%d" % n, child.pid)
    hear("go.{name}", 30)
    child.kill()
    tell("end.{name}.%d" % n)
"""
NAMES = "abcdef"


def six_jobs(world):
    for name in NAMES:
        lines = "canary.directives.depends_on('a')" if name in "ef" else ""
        world.job(name, BODY.replace("{name}", name), directives=lines)


def disturb(runner, world, chance):
    """Send signals at moments that nobody has chosen; what was sent."""
    sent = []
    if chance.random() < 0.8:  # else while everything begins
        until("jobs run", lambda: world.told("at.") or runner.is_over())
    numbers = chance.choices(list(WEIGHTS), WEIGHTS.values(), k=SIGNALS)
    for at, number in enumerate(numbers):
        # these spans are what is tried
        time.sleep(chance.uniform(0.0, 0.25))
        if 3 <= at < len(NAMES):
            world.flag(f"go.{NAMES[at]}").touch()
        if runner.is_over():
            break
        with contextlib.suppress(ProcessLookupError):
            runner.send(number)
            sent.append(number.name)
            if number == signal.SIGTSTP:
                time.sleep(chance.uniform(0.0, 0.05))
                runner.send(signal.SIGCONT)
    for name in NAMES:
        world.flag(f"go.{name}").touch()
    return sent


def judge_run(world, see, seed):
    """One run that is disturbed, and one after it that is not; how many signals were sent."""
    runner = world.start(*world.words("--grace=1"))
    sent = disturb(runner, world, random.Random(seed))
    # a stop that was asked for after the last SIGCONT: nobody else would end it
    while not runner.is_over():
        runner.send(signal.SIGCONT)
        with contextlib.suppress(AssertionError):
            runner.wait(1.0, kill=False)
    first = runner.wait()
    at = f"seed {seed}, {' '.join(sent)}: "
    codes = {0, *(128 + n for n in WEIGHTS), *(-n for n in WEIGHTS)}
    early = first.code == 1 and "KeyboardInterrupt" in first.err  # while Python itself starts
    see(first.code in codes or early, at + "the first run's exit code", first.trouble)
    if first.code != -signal.SIGKILL:
        left = world.await_silence()
        see(not left, at + "no process is left", left)
    known = {e["name"] for e in world.recorded() if e["status"]["category"] == "PASS"}
    status = world.canary("status")
    see(status.code == 0 or not known, at + "the store opens", status.trouble)
    second = world.run()
    see(second.code in (0, 7), at + "the next run succeeds", second.trouble)
    jobs = world.jobs()
    see(jobs == dict.fromkeys(NAMES, "SUCCESS"), at + "every job has its result", jobs)
    see(not world.told("double."), at + "no job ran twice at once", world.told("double."))
    again = [n for n in known if world.ends().get(n, 0) > 1]
    see(not again, at + "what had passed is not run again", again)
    left = world.await_silence()
    see(not left, at + "no process is left", left)
    doctor = world.canary("doctor")
    see(doctor.code == 0, at + "doctor finds nothing", doctor.trouble)
    return len(sent)


@pytest.mark.early
@pytest.mark.parametrize("seed", range(RUNS))
def test_random_signals(ours, see, seed, record_property):
    """One run each; 200 of them send a thousand signals."""
    six_jobs(ours)
    record_property("signals", judge_run(ours, see, seed))
