"""Harm done to batches on a real Slurm: nothing is lost, nothing is left, nothing passes falsely.

What takes Slurm long (it looks at time limits twice a minute, and waits for a node that is silent)
is begun first, for all tests at once; the tests that follow wait for their part.
"""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]

SLURM = ("-b", "backend=slurm")
ONE = (*SLURM, "-b", "spec=count:1", "-b", "workers=1")


def write_long(tools, root):
    """Three tests one after the other: a short one, one that never ends by itself, another."""
    tools.write_test(root / "a.pyt", "return 0", "timeout(500)")
    tools.write_test(root / "b.pyt", "time.sleep(600)", "timeout(400)")
    tools.write_test(root / "c.pyt", "return 0", "timeout(300)")
    return root


def begun(run):
    """Wait until the one that never ends runs, and what went before it is over."""
    run.started(2)
    return run


@pytest.fixture(scope="module")
def long_runs(cluster, tmp_path_factory, tools):
    """Runs in which Slurm ends a batch, each in its own way, all at once."""
    root = tmp_path_factory.mktemp("long")
    tree = write_long(tools, root / "t")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CANARY_")}
    environment["HOME"] = str(root)

    def start(name, *words):
        return tools.Run(cluster, root / name, environment, ("run", *ONE, *words, tree))

    made = SimpleNamespace(
        limit=start("limit", "-b", "option=--time=1,--nodelist=n1"),
        node=start("node", "-b", "option=--no-requeue,--nodelist=n4"),
        requeued=start("requeued", "-b", "option=--nodelist=n2"),
        preempted=start("preempted", "-b", "option=--partition=low,--nodelist=n3,--no-requeue"),
    )
    yield made
    for run in vars(made).values():
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        if tickets := run.tickets():
            cluster.ask("scancel", *tickets)


def test_a_node_that_dies_is_reported_while_it_is_still_waited_for(long_runs, cluster, tools):
    begun(long_runs.node)
    # it is to die, and nobody else is to be sent there
    cluster.ask("scontrol", "update", "nodename=n4", "state=drain", "reason=test")
    cluster.do("node-stop", "n4")
    begun(long_runs.limit)
    begun(long_runs.requeued)
    assert long_runs.node.process.poll() is None
    (ticket,) = long_runs.requeued.tickets()
    cluster.ask("scontrol", "requeue", ticket)
    # else it waits for two minutes
    tools.until(lambda: f"{ticket}|" in pending(cluster), "the batch in the queue")
    cluster.ask("scontrol", "update", f"jobid={ticket}", "starttime=now")


def pending(cluster):
    return "".join(line for line in cluster.queued() if "|PENDING|" in line)


def cut_off(run, code, outcome, reason):
    """The first test keeps its pass; the one that ran has that end, and the last was never run."""
    assert run.wait(200.0) == code, run.text
    assert run.results() == {"a": "SUCCESS", "b": outcome, "c": "CANCELLED"}
    assert reason in run.reasons["b"]
    assert reason in run.reasons["c"]
    assert run.is_clean()


def test_a_batch_that_is_cancelled_from_outside(start, tmp_path, tools, cluster):
    write_long(tools, tmp_path / "t")
    run = begun(start("run", *ONE, "t", home="."))
    cluster.ask("scancel", *run.tickets())
    cut_off(run, 16, "INTERRUPTED", "CANCELLED")


def test_a_batch_that_is_held_after_it_had_begun_waits_for_its_time_in_the_queue(
    start, tmp_path, tools, cluster
):
    write_long(tools, tmp_path / "t")
    run = begun(start("run", *ONE, "-b", "queue_timeout=8s", "t", home="."))
    cluster.ask("scontrol", "requeuehold", *run.tickets())
    cut_off(run, 16, "INTERRUPTED", "it waited longer than 8 s: PENDING (job requeued in held")


def test_ctrl_c_cancels_all_batches(start, tmp_path, tools):
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(600)", 'parameterize("n", [0, 1, 2])')
    run = start("run", *SLURM, "-b", "spec=count:max", "t", home=".")
    run.started(3)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert set(run.results().values()) == {"INTERRUPTED"}
    tools.until(run.is_clean, "an empty queue")


def kill_runner(run):
    """As kill -9 does it: to the runner alone."""
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    assert run.tickets()


def test_a_killed_runner_finds_its_batches_again(start, tmp_path, tools):
    """One batch ends while nobody looks, one runs, one waits: each test is run once."""
    mark = tmp_path / "ran"
    body = (
        "n = canary.get_instance().parameters.n\n"
        f"with open({str(mark)!r}, 'a') as f:\n    f.write(f'{{n}}\\n')\n"
        "time.sleep([0, 4, 8][n])\nreturn 3 if n == 1 else 0"
    )
    tools.write_test(tmp_path / "t/a.pyt", body, 'parameterize("n", [0, 1, 2])')
    tools.write_test(tmp_path / "t/z.pyt", "return 0", 'depends_on("a.n=0")')
    run = start("run", *SLURM, "-b", "spec=count:max", "t", home=".")
    run.started(3)
    kill_runner(run)
    again = start("resume", *SLURM, home=".")
    assert again.wait() == 8, again.text
    assert "was cut off" in again.text
    assert again.results() == {
        "a.n=0": "SUCCESS",
        "a.n=1": "FAILED",
        "a.n=2": "SUCCESS",
        "z": "SUCCESS",
    }
    assert sorted(mark.read_text().split()) == ["0", "1", "2"]
    assert again.is_clean()


def test_batches_that_nobody_wants_any_more_are_cancelled(start, tmp_path, tools):
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(600)")
    tools.write_test(tmp_path / "u/b.pyt", "return 0")
    run = start("run", *SLURM, "t", home=".")
    run.started(1)
    kill_runner(run)
    other = start("run", "u", home=".")
    assert other.wait() == 0
    tools.until(other.is_clean, "an empty queue")


def test_a_wiped_workspace_leaves_no_batch(start, tmp_path, tools, cluster):
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(600)")
    tools.write_test(tmp_path / "u/b.pyt", "return 0")
    run = start("run", *SLURM, "t", home=".")
    run.started(1)
    (ticket,) = run.tickets()
    kill_runner(run)
    other = start("run", "-w", "u", home=".")
    assert other.wait() == 0
    tools.until(lambda: f"{ticket}|" not in "".join(cluster.queued()), "the end of the batch")


def test_the_controller_may_be_away(start, tmp_path, tools, cluster):
    """Slurm says nothing for a while: what the batches leave is heard all the same."""
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(4)", 'parameterize("n", list(range(6)))')
    run = start("run", *SLURM, "-b", "spec=count:3", "-b", "workers=1", "t", home=".")
    run.started(3)
    cluster.do("stop", "slurmctld")  # killed, it would forget jobs and use their numbers again
    try:
        tools.until(lambda: len(run.lines("job_finished")) == 6, "all six ends")
        assert run.process.poll() is None or run.process.returncode == 0
    finally:
        cluster.do("start", "slurmctld")
    assert run.wait() == 0, run.text
    assert set(run.results().values()) == {"SUCCESS"}
    tools.until(run.is_clean, "an empty queue")


@pytest.mark.parametrize("books", [True, False], ids=["accounting", "no accounting"])
def test_a_job_that_slurm_has_forgotten(start, tmp_path, tools, cluster, books):
    """While the runner is stopped its batch is cancelled, and Slurm forgets it."""
    write_long(tools, tmp_path / "t")
    run = begun(start("run", *ONE, "t", home="."))
    (ticket,) = run.tickets()
    os.kill(run.process.pid, signal.SIGSTOP)
    try:
        cluster.ask("scancel", ticket)
        tools.until(lambda: ticket not in cluster.ask("squeue", "-h", "-t", "all", "-o", "%i|"))
        if not books and cluster.books:
            cluster.do("kill", "slurmdbd")
        os.kill(run.process.pid, signal.SIGCONT)
        known = books and cluster.books
        outcome, code = ("INTERRUPTED", 16) if known else ("ERROR", 8)
        assert run.wait() == code, run.text
        assert run.results()["b"] == outcome
        assert run.results()["a"] == "SUCCESS"
        assert ("CANCELLED" if known else "knows nothing of job") in run.reasons["b"]
    finally:
        if not books and cluster.books:
            cluster.do("start", "slurmdbd")
    assert run.is_clean()


def test_slurm_stopped_a_batch_at_its_time_limit(long_runs):
    cut_off(long_runs.limit, 4 | 16, "TIMEOUT", "TIMEOUT (TimeLimit)")


def test_a_node_has_died(long_runs, cluster):
    try:
        cut_off(long_runs.node, 16, "INTERRUPTED", "NODE_FAIL")
    finally:
        cluster.ask("scontrol", "update", "nodename=n4", "state=resume")
        cluster.do("node-start", "n4")


def test_a_batch_that_was_preempted(long_runs, start, tmp_path, tools):
    """A job of a better partition takes its node; without a queue to go back to, it is over."""
    begun(long_runs.preempted)
    tools.write_test(tmp_path / "t/a.pyt", "return 0")
    greedy = start("run", *SLURM, "-b", "option=--exclusive,--nodelist=n3", "t", home=".")
    assert greedy.wait(200.0) == 0, greedy.text
    cut_off(long_runs.preempted, 16, "INTERRUPTED", "PREEMPTED")


def test_a_batch_that_was_queued_again_goes_on(long_runs):
    """Its first test is not run twice; the one that was cut off is at its second attempt."""
    run = long_runs.requeued
    run.started(3)
    lines = run.lines("job_started")
    attempts = [(line["name"], line["attempt"]) for line in lines]
    assert attempts[:2] == [("a", 1), ("b", 1)]
    assert attempts[2] == ("b", 2)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert run.results() == {"a": "SUCCESS", "b": "INTERRUPTED", "c": "CANCELLED"}
    assert run.is_clean()
