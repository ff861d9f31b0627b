"""The installed command line on a real Grid Engine: results, and harm done to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from canary.testing.fixtures import start_canary, until
from canary.testing.launchers import alive
from canary_sge.engine import Engine
from canary_sge.plugin import Plugin, SgeSettings

pytestmark = [pytest.mark.sge, pytest.mark.timeout(200)]
LIMIT = 100.0  # seconds that anything on the cluster may take on a busy machine
TESTS = """
tests:
  code:
    command: exit ${n}
    parameters: {n: [0, 1, 64, 80]}
  late: {command: sleep 300, timeout: 1}
  wide: {command: "true", resources: {cpus: 99}}
  two: {command: "true", resources: {cpus: 2}}
  after: {command: "true", depends_on: code.n=0}
"""
SLEEPS = "sleep 300 & echo pid $!; setsid sleep 300 & echo pid $!; echo here; wait"


class Run:
    """A canary that runs on the grid, in a directory of its own."""

    def __init__(self, home, environment, words):
        self.home = home
        self.environment = environment
        self.output = home / "output.txt"
        self.process = start_canary(*words, cwd=home, env=environment, output=self.output)

    def wait(self):
        code = self.process.wait(LIMIT)
        self.text = self.output.read_text()
        return code

    def said(self):
        """What its tests have printed."""
        found = self.home.glob(".canary/sessions/*/**/canary-out.txt")
        return "".join(path.read_text() for path in found)

    def begun(self, n=1):
        """Wait until so many of its tests run."""
        until(lambda: self.said().count("here") >= n, f"the start of {n} jobs")
        return self

    def pids(self):
        return [int(line.split()[1]) for line in self.said().splitlines() if "pid" in line]

    def results(self):
        """`{name: outcome}` of all jobs, and of `reasons` what is said of each."""
        done = subprocess.run(
            [sys.executable, "-m", "canary", "query", "jobs"],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
        jobs = json.loads(done.stdout)
        self.reasons = {job["name"]: job["status"]["reason"] or "" for job in jobs}
        return {job["name"]: job["status"]["outcome"] for job in jobs}

    def queued(self):
        """What is in the queue of its submissions: `{ticket: state}`."""
        names = {d.name for d in self.home.glob(".canary/sessions/*/sge.jobs/*")}
        states = Engine().states()
        return {t: seen.state for t, seen in states.items() if seen.name in names}

    def left(self):
        """What runs of it, and what is looked for."""
        still = [pid for pid in self.pids() if alive(pid)]
        return still, list(self.home.glob(".canary/sessions/*/sge.jobs/*/*.open"))

    def is_clean(self):
        """Nothing of it is in the queue either."""
        return self.queued() == {} and self.left() == ([], [])


@pytest.fixture
def start(grid, tmp_path, canary_environment):
    """`start(*words)`: canary on the grid; what is still there at the end is killed."""
    runs = []

    def begin(*words, tests=None, home="run", env=None):
        place = tmp_path / home
        place.mkdir(exist_ok=True)
        if tests is not None:
            (place / "t.canary.yaml").write_text(json.dumps({"tests": tests}))
        quick = {"CANARY_SGE_SETTLE": "1", "CANARY_SGE_INTERVAL": "1"}
        runs.append(Run(place, {**canary_environment, **quick, **(env or {})}, words))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        Engine().cancel(run.queued())


HURRY = {"CANARY_SGE_GIVE_UP": "1"}
PASS = {"a": {"command": "true"}}
SGE = ("run", "--launcher", "sge", "--sge-pe", "smp")


def test_hook_canary_settings():
    assert Plugin().canary_settings() is SgeSettings


def test_results_are_those_of_this_machine(start, canary, tmp_path):
    """But that no host has as many slots as are wanted here."""
    (tmp_path / "t.canary.yaml").write_text(TESTS)
    run = start(*SGE, "--sge-queue", "all.q", "..")
    canary("-r", "cpus=4", "run", "--launcher=subprocess", ".", expect=46, timeout=LIMIT)
    here = {j["name"]: j["status"]["outcome"] for j in json.loads(canary("query", "jobs").stdout)}
    assert run.wait() == 46, run.text
    assert run.results() == here
    assert here["wide"] == "OVERSIZED"
    assert run.is_clean()


def test_what_ends_a_job_from_outside_is_never_a_pass(start):
    """Somebody deletes what runs, and what waits; another cannot begin where it is sent."""
    runs = start(*SGE, ".", tests={"a": {"command": SLEEPS}}, home="runs")
    held = {"CANARY_SGE_SUBMIT_ARGS": "-h"}
    waits = start(*SGE, ".", tests=PASS, home="waits", env=held)
    nowhere = {"CANARY_SGE_SUBMIT_ARGS": "-wd /no/where"}
    lost = start(*SGE, ".", tests=PASS, home="lost", env=nowhere)
    refused = {"CANARY_SGE_SUBMIT_ARGS": "-q no.q"}
    sent = start(*SGE, ".", tests=PASS, home="sent", env=refused)
    until(lambda: list(waits.queued().values()) == ["hqw"], "a job that is held")
    Engine().cancel(waits.queued())
    runs.begun()
    Engine().cancel(runs.queued())
    assert (runs.wait(), waits.wait(), lost.wait(), sent.wait()) == (16, 8, 8, 8)
    assert runs.results() == {"a": "INTERRUPTED"}
    assert "Grid Engine has ended it (signal 12" in runs.reasons["a"]
    assert waits.results() == lost.results() == sent.results() == {"a": "ERROR"}
    assert "is not there and left no record" in waits.reasons["a"]
    assert "Eqw: error: can't chdir to /no/where" in lost.reasons["a"]
    assert 'unknown queue "no.q"' in sent.reasons["a"]
    assert [run.is_clean() for run in (runs, waits, lost, sent)] == [True] * 4


def test_a_test_may_name_its_launcher(start):
    """And what it asks of it; others run here."""
    there = {"command": '[ "$(hostname)" = localhost ]'}
    named = {"name": "sge", "sge_pe": "smp", "sge_args": "-p -1"}
    tests = {
        "a": {**there, "launcher": "sge"},
        "b": {**there, "launcher": named, "resources": {"cpus": 2}},
        "c": {**there, "expect": "fail"},
        "d": {**there, "launcher": {"name": "sge", "sge_queue": "no.q"}},
        "e": {**there, "launcher": "nowhere"},
    }
    run = start("-r", "cpus=4", "run", ".", tests=tests)
    assert run.wait() == 8, run.text
    assert run.results() == {
        "a": "SUCCESS",
        "b": "SUCCESS",
        "c": "XFAIL",
        "d": "ERROR",
        "e": "BROKEN",
    }
    assert 'unknown queue "no.q"' in run.reasons["d"]
    assert "no launcher 'nowhere'" in run.reasons["e"]


def test_ctrl_c_leaves_nothing(start):
    """Neither what runs nor what waits."""
    runs = start(*SGE, ".", tests={"a": {"command": SLEEPS, "parameters": {"n": [1, 2]}}})
    held = {"CANARY_SGE_SUBMIT_ARGS": "-h"}
    waits = start(*SGE, ".", tests=PASS, home="waits", env=held)
    until(waits.queued, "a job that is held")
    runs.begun(2)
    for run in (runs, waits):
        run.process.send_signal(signal.SIGINT)
    assert (runs.wait(), waits.wait()) == (130, 130)
    assert set(runs.results().values()) == {"INTERRUPTED"}
    assert waits.results() == {"a": "INTERRUPTED"}
    assert runs.is_clean()
    assert waits.is_clean()


def kill_runner(run):
    """As kill -9 does it: to the runner alone."""
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()


def test_a_killed_runner_finds_its_jobs_again(start, tmp_path):
    """One ends while nobody looks, one goes on, one waits for them: each is run once. What nobody
    wants any more is cancelled."""
    mark = tmp_path / "ran"
    begin = f"echo ${{n}} >>{mark}; echo here; "
    wait = f"until [ -e {tmp_path}/go ]; do sleep 0.1; done; exit $((n == 1 ? 3 : 0))"
    tests = {
        "a": {"command": f"n=${{n}}; {begin}{wait}", "parameters": {"n": [0, 1]}},
        "z": {"command": "true", "depends_on": "a.n=0"},
        "b": {"command": SLEEPS},
    }
    run = start(*SGE, ".", tests=tests)
    run.begun(3)
    kill_runner(run)
    again = start("resume", "--launcher", "sge", "-k", "not b", tests={**tests, "b": tests["z"]})
    (tmp_path / "go").touch()
    assert again.wait() == 8, again.text
    assert "was cut off" in again.text
    results = again.results()
    assert {k: v for k, v in results.items() if k != "b"} == {
        "a.n=0": "SUCCESS",
        "a.n=1": "FAILED",
        "z": "SUCCESS",
    }
    assert sorted(mark.read_text().split()) == ["0", "1"]
    until(again.is_clean, "an empty queue")


def test_daemons_that_are_killed_end_nothing(start, grid, tmp_path):
    """What runs goes on, and is heard of."""
    go = tmp_path / "go"
    wait = f"echo here; until [ -e {go} ]; do sleep 0.1; done; exit 3"
    ends = start(*SGE, ".", tests={"a": {"command": wait}}, home="ends")
    given_up = start(*SGE, ".", tests={"a": {"command": SLEEPS}}, home="given_up", env=HURRY)
    ends.begun()
    given_up.begun()
    for daemon in ("qmaster", "execd"):
        grid.do("kill", daemon)
    try:
        with pytest.raises(ConnectionError):
            Engine().states()
        given_up.process.send_signal(signal.SIGINT)
        unsent = start(*SGE, ".", tests=PASS, home="unsent")
        assert unsent.wait() == 3, unsent.text
        assert "Grid Engine does not say what hosts it has" in unsent.text
        go.touch()
        assert ends.wait() == 8, ends.text
        assert ends.results() == {"a": "FAILED"}
        assert given_up.wait() == 130
        assert given_up.results() == {"a": "ERROR"}
        assert "it may still run" in given_up.reasons["a"]
    finally:
        for daemon in ("qmaster", "execd"):
            grid.do("start", daemon)
    # a later run remembers what nobody could be told
    assert [pid for pid in given_up.pids() if not alive(pid)] == []
    later = start("run", "t.canary.yaml", tests=PASS, home="given_up")
    assert later.wait() == 0, later.text
    # the queue is another matter: a master that was killed hears a minute later of what is over
    until(lambda: given_up.left() == ends.left() == ([], []), "the end of all")
