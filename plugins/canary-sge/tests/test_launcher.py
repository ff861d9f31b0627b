"""What canary expects of any launcher, of this one on a real Grid Engine; and what is its own."""

from __future__ import annotations

import os

import pytest

from canary.errors import ResourceError
from canary.launch import ExitReason, Started
from canary.testing.launchers import Bench, LauncherContract, alive
from canary_sge.cluster import machine
from canary_sge.engine import Engine, Refused
from canary_sge.launcher import Ask, SgeLauncher, cancel_all
from canary_sge.record import Submission, Task

# the first of them waits for the cluster
pytestmark = [pytest.mark.sge, pytest.mark.timeout(120)]
SPAWN = "sleep 300 & echo pid $!; setsid sleep 300 & echo pid $!; echo here; wait"


def launcher_in(directory, **ask):
    place = directory / "sge.jobs"
    return SgeLauncher(Engine(), lambda: place, Ask(pe="smp", **ask), longest=1.0, settle=1.0)


class TestContract(LauncherContract):
    patience = 80.0

    @pytest.fixture
    def launcher(self, grid, tmp_path):
        return launcher_in(tmp_path)


@pytest.fixture
def bench(grid, tmp_path):
    made = Bench(launcher_in(tmp_path), tmp_path, 80.0)
    yield made
    made.close()


def task_of(bench, number=1):
    (directory,) = (bench.directory / "sge.jobs").iterdir()
    return Task(directory, number)


def ticket_of(bench, launch):
    """Its ticket, once it has begun and says so."""
    bench.until(bench.says(launch, "here"))
    bench.until(lambda: any(isinstance(m, Started) and m.id == launch.id for m in bench.messages))
    return bench.started(launch).ticket


def pids(text):
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("pid ")]


def test_one_submission_asks_for_what_each_needs(bench):
    """Those that need the same are one array."""
    two = {"cpus": [{"id": "0", "slots": 1, "node": "h"}, {"id": "1", "slots": 1, "node": "h"}]}
    narrow = [bench.shell("exit 3") for _ in range(3)]
    wide = bench.shell("exit 4", resources=two)
    over = bench.shell("exit 5", nodes=2)
    bench.begin(*narrow, wide, over)
    ends = bench.finish()
    assert [ends[x.id].code for x in (*narrow, wide)] == [3, 3, 3, 4]
    tickets = [bench.started(x).ticket.split(".") for x in (*narrow, wide)]
    assert [task for _, task in tickets] == ["1", "2", "3", "1"]
    assert len({job for job, _ in tickets}) == 2
    assert "it needs 2 nodes" in ends[over.id].detail
    assert ends[over.id].reason is ExitReason.NOT_STARTED


def test_nothing_is_left_of_a_job_that_is_cancelled(bench):
    launch = bench.shell(SPAWN)
    bench.begin(launch)
    bench.until(bench.says(launch, "here"))
    bench.launcher.cancel([launch.id], 1.0)
    assert bench.finish()[launch.id].reason is ExitReason.CANCELLED
    assert [pid for pid in pids(bench.output(launch)) if alive(pid)] == []


def test_what_others_kill_is_told_and_leaves_nothing(bench):
    """As a queue does that gives no warning: with both of its guards, or one."""
    spawn = SPAWN.replace("wait", "")
    above = "$(cut -d ' ' -f 4 /proc/$PPID/stat)"  # the outer guard

    def once_known(number):
        """Until its record says that it has begun."""
        record = f"{bench.directory}/sge.jobs/*/{number}.record.json"
        return f"until [ -e {record} ]; do sleep 0.1; done"

    launch = bench.shell(SPAWN)
    outer = bench.shell(f"{spawn} {once_known(2)}; kill -9 {above}; wait")
    inner = bench.shell(f"{spawn} {once_known(3)}; kill -9 $PPID; wait")
    # stopped, the inner one cannot hear of the outer one's end before its own
    both = bench.shell(f"{once_known(4)}; kill -STOP $PPID; kill -9 {above} $PPID; exit 0")
    bench.begin(launch, outer, inner, both)
    Engine().cancel([ticket_of(bench, launch)])
    ends = bench.finish()
    assert ends[launch.id].reason is ExitReason.CANCELLED
    assert "Grid Engine has ended it (signal 12" in ends[launch.id].detail
    assert (ends[outer.id].reason, ends[outer.id].detail) == (
        ExitReason.CANCELLED,
        "Grid Engine has killed it",
    )
    assert ends[inner.id].reason is ExitReason.LOST
    assert "was killed" in ends[inner.id].detail
    assert ends[both.id].reason is ExitReason.LOST
    assert "has ended and left no record" in ends[both.id].detail
    assert "exit status 137" in ends[both.id].detail
    left = [pid for x in (launch, outer, inner) for pid in pids(bench.output(x))]
    assert len(left) == 6
    assert [pid for pid in left if alive(pid)] == []


def test_the_environment_of_a_launch_is_for_nobody_else_and_is_not_kept(bench):
    launch = bench.shell("exit 0", env={"PATH": os.environ["PATH"], "SECRET": "x"})
    bench.begin(launch)
    bench.until(lambda: any(isinstance(m, Started) for m in bench.messages))
    directory = task_of(bench).directory
    assert directory.stat().st_mode & 0o077 == 0
    bench.finish()
    assert not [p for p in directory.iterdir() if "SECRET" in p.read_text()]


def test_a_job_whose_number_another_has_now_is_left_alone(bench, tmp_path):
    """Numbers begin anew when a master has lost its count."""
    launch = bench.shell(SPAWN)
    bench.begin(launch)
    job = ticket_of(bench, launch).partition(".")[0]
    (tmp_path / "old").mkdir()
    old = Submission.write(tmp_path / "old" / "canary-old", [launch], "").numbered(job)
    (task,) = old.open_tasks()
    cancel_all(Engine(), [(old, task)])
    assert old.open_tasks() == []
    assert "d" not in Engine().states()[f"{job}.1"].state  # it waits, is sent or runs
    bench.launcher.cancel([launch.id], 0.0)
    bench.finish()


def test_the_machine_is_what_takes_jobs(grid):
    (node,) = machine(20.0).nodes
    assert (node.id, len(node.resources["cpus"])) == ("localhost", 64)
    Engine().call("qmod", "-d", "all.q")
    try:
        with pytest.raises(ResourceError, match="no queue that takes jobs now"):
            machine(20.0)
    finally:
        Engine().call("qmod", "-e", "all.q")
    with pytest.raises(ResourceError, match=r"no\.q"):
        machine(20.0, "no.q")


def test_what_is_refused_and_submitted_all_the_same(bench):
    """So is it where no queue is open to the user."""
    engine = Engine()
    engine.call("qconf", "-rattr", "queue", "user_lists", "deadlineusers", "all.q")
    try:
        end = bench.run(bench.shell("exit 0"))
    finally:
        engine.call("qconf", "-rattr", "queue", "user_lists", "NONE", "all.q")
    assert end.reason is ExitReason.NOT_STARTED
    assert "not allowed to run in any queue" in end.detail
    name = task_of(bench).directory.name
    assert [seen for seen in engine.states().values() if seen.name == name] == []


def test_what_grid_engine_refuses(grid, tmp_path):
    bench = Bench(launcher_in(tmp_path, args=("-q", "nowhere.q")), tmp_path, 80.0)
    end = bench.run(bench.shell("exit 0"))
    bench.close()
    assert end.reason is ExitReason.NOT_STARTED
    assert 'unknown queue "nowhere.q"' in end.detail
    assert "\n" not in end.detail
    with pytest.raises(Refused, match="do not exist"):
        Engine().call("qstat", "-j", "nowhere")
