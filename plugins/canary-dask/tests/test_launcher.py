"""What canary expects of any launcher, of this one on a real cluster; and the deaths of workers."""

from __future__ import annotations

import json
import time

import pytest

from canary.launch import Exit, ExitReason, Launch
from canary.testing.launchers import Bench, LauncherContract, alive
from canary_dask import record, worker
from canary_dask.launcher import DaskLauncher

pytestmark = pytest.mark.timeout(90)  # the first of them waits for the cluster
SPAWN = "sleep 300 & echo pid $!; setsid sleep 300 & echo pid $!; echo here; wait"


class TestContract(LauncherContract):
    @pytest.fixture
    def launcher(self, cluster):
        return DaskLauncher(cluster.client)


@pytest.fixture
def bench(cluster, tmp_path):
    made = Bench(DaskLauncher(cluster.client), tmp_path)
    yield made
    made.close()


def on(address):
    return {"cpus": [{"id": "0", "slots": 1, "node": address}]}


def pids(text):
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("pid ")]


def gone(numbers, seconds=15.0):
    """Wait until none of them lives; the worker that could say so is dead."""
    assert numbers
    end = time.monotonic() + seconds
    while any(alive(pid) for pid in numbers):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_job_runs_on_the_worker_whose_cpus_it_was_given(bench, cluster):
    launches = [bench.shell("true", resources=on(address)) for address in cluster.workers]
    bench.begin(*launches)
    bench.finish()
    for launch, address in zip(launches, cluster.workers, strict=True):
        assert bench.started(launch).ticket.split()[0] == address
        key = bench.started(launch).ticket.split()[1]
        assert record.read(record.path_of(launch), key)["worker"] == address


def test_nothing_is_left_of_a_job_that_is_cancelled(bench):
    launch = bench.shell(SPAWN)
    bench.begin(launch)
    bench.until(bench.says(launch, "here"))
    bench.launcher.cancel([launch.id], 1.0)
    assert bench.finish()[launch.id].reason is ExitReason.CANCELLED
    assert gone(pids(bench.output(launch)), 0.0)


def test_a_job_that_waits_for_a_thread_does_not_begin_once_cancelled(bench, cluster, tmp_path):
    """Others hold all threads; it is cancelled before one of them ends."""
    go = tmp_path / "go"
    wait = f"echo here; until [ -e {go} ]; do sleep 0.02; done"
    holders = [bench.shell(wait) for _ in range(3 * len(cluster.workers))]
    bench.begin(*holders)
    for launch in holders:
        bench.until(bench.says(launch, "here"))
    late = bench.shell("echo it ran")
    bench.begin(late)
    bench.launcher.cancel([late.id], 1.0)
    bench.until(lambda: any(isinstance(m, Exit) and m.id == late.id for m in bench.messages))
    go.touch()
    ends = bench.finish()
    assert ends.pop(late.id).reason is ExitReason.CANCELLED
    assert [end.code for end in ends.values()] == [0] * len(holders)
    assert not record.path_of(late).exists()


def test_a_worker_that_is_killed_loses_nothing(bench, cluster):
    """What ran there is told and ended; what waited there runs elsewhere."""
    address = cluster.add_worker()
    running = [bench.shell(SPAWN, resources=on(address)) for _ in range(3)]
    bench.begin(*running)
    for launch in running:
        bench.until(bench.says(launch, "here"))
    waiting = [bench.shell("echo done", resources=on(address)) for _ in range(3)]
    bench.begin(*waiting)
    cluster.kill(address)
    ends = bench.finish(25.0)
    for launch in running:
        end = ends[launch.id]
        assert (end.reason, end.code) == (ExitReason.LOST, None)
        assert end.detail == f"worker {address} died"
        assert gone(pids(bench.output(launch)))
    for launch in waiting:
        assert ends[launch.id].code == 0
        assert bench.started(launch).ticket.split()[0] in cluster.workers


@pytest.fixture
def ask(cluster):
    """`ask(launch)`: how it ends if a worker is told to run it now."""
    client = cluster.client()

    def do(launch):
        words = (json.dumps(launch.asdict(), default=dict), "topic", launch.id)
        return Exit.fromdict(client.submit(worker.execute, *words, pure=False).result(20))

    yield do
    client.close()


def launch_in(directory):
    return Launch(
        id="a",
        name="a",
        argv=("/bin/sh", "-c", "echo it ran"),
        cwd=str(directory),
        env={},
        stdout=str(directory / "out.txt"),
    )


def test_a_job_that_had_begun_is_not_run_again(ask, tmp_path):
    """So does Dask hand it to another worker when one dies."""
    launch = launch_in(tmp_path)
    record.write(record.path_of(launch), {"key": "a", "worker": "tcp://dead:1"})
    end = ask(launch)
    assert (end.reason, end.detail) == (ExitReason.LOST, "worker tcp://dead:1 died")
    assert not (tmp_path / "out.txt").exists()


def test_an_end_on_record_counts_whoever_died_after_it(ask, tmp_path):
    launch = launch_in(tmp_path)
    ended = Exit("a", 2.0, 3, leaked=("1 sleep",))
    known = {"key": "a", "worker": "tcp://dead:1", "end": ended.asdict()}
    record.write(record.path_of(launch), known)
    assert ask(launch) == ended


def test_a_directory_that_the_worker_does_not_see_is_told(ask, tmp_path):
    end = ask(launch_in(tmp_path / "elsewhere"))
    assert end.reason is ExitReason.NOT_STARTED
    assert "does not see" in end.detail
