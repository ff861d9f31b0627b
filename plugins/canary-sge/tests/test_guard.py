"""The guard by itself, as Grid Engine starts and signals it: no Grid Engine is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from canary.launch import Exit, ExitReason, Launch
from canary.procfs import Table
from canary.testing.fixtures import until
from canary.testing.launchers import alive
from canary_sge.launcher import script_of
from canary_sge.record import Submission

SPAWN = "sleep 300 & echo pid $!; setsid sleep 300 & echo pid $!; echo here"


class Guarded:
    """One job under a guard."""

    def __init__(self, directory, script):
        self.output = directory / "out.txt"
        launch = Launch(
            id="a",
            name="a",
            argv=("/bin/sh", "-c", script),
            cwd=str(directory),
            env={**os.environ, "HERE": str(directory)},
            stdout=str(self.output),
            grace=10.0,
        )
        place = directory / "sge.jobs" / "canary-a"
        made = Submission.write(place, [launch], script_of(place, sys.executable))
        (place / "json.py").write_text("raise SystemExit(9)\n")  # it must not be imported
        (self.task,) = made.open_tasks()
        self.process = self.start()

    def start(self):
        return subprocess.Popen(
            ["sh", "job.sh"],
            cwd=self.task.directory,
            env={**os.environ, "SGE_TASK_ID": str(self.task.number)},
            start_new_session=True,
        )

    def begun(self):
        until(lambda: self.output.exists() and "here" in self.output.read_text())
        until(self.task.read)
        return self

    def end(self):
        """How it ended; nothing of it is left."""
        self.process.wait(25)
        until(lambda: "end" in self.task.read())
        assert [pid for pid in self.pids() if alive(pid)] == []
        return Exit.fromdict(self.task.read()["end"])

    def pids(self):
        lines = self.output.read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("pid")]


@pytest.fixture
def guarded(tmp_path):
    made = []

    def start(script):
        made.append(Guarded(tmp_path, script))
        return made[-1]

    yield start
    for guard in made:
        guard.process.kill()
        guard.process.wait()


def test_a_job_that_ends_by_itself(guarded):
    guard = guarded(f"{SPAWN}; exit 3")
    end = guard.end()
    assert (end.code, end.reason, len(end.leaked)) == (3, ExitReason.EXITED, 2)
    assert guard.process.returncode == 1  # 99 and 100 would mean something to Grid Engine
    record = guard.task.read()
    assert record["began"] <= end.at


def test_we_end_it_with_the_grace_that_is_given(guarded):
    script = f"trap 'echo cleaned; exit 5' TERM; {SPAWN}; wait; wait"
    guard = guarded(script).begun()
    guard.task.order_end(20.0)
    guard.process.send_signal(signal.SIGUSR2)
    end = guard.end()
    assert (end.code, end.reason, end.detail) == (5, ExitReason.CANCELLED, "cancelled")
    assert "cleaned" in guard.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGXCPU, signal.SIGTERM])
def test_grid_engine_ends_it(guarded, number):
    guard = guarded(f"{SPAWN}; wait").begun()
    guard.process.send_signal(signal.SIGUSR1)  # a soft limit: it goes on
    guard.process.send_signal(number)
    end = guard.end()
    assert end.reason is ExitReason.CANCELLED
    assert f"Grid Engine has ended it (signal {number:d}" in end.detail


def test_it_is_killed_without_a_warning(guarded):
    guard = guarded(f"trap '' TERM; {SPAWN}; wait").begun()
    os.killpg(guard.process.pid, signal.SIGKILL)
    end = guard.end()
    assert (end.reason, end.detail) == (ExitReason.CANCELLED, "Grid Engine has killed it")


def inner_of(guard):
    (found,) = [p for p in Table().values() if p.parent == guard.process.pid and not p.dead]
    return found.pid


def test_only_the_inner_guard_is_killed(guarded):
    guard = guarded(f"{SPAWN}; wait").begun()
    os.kill(inner_of(guard), signal.SIGKILL)
    end = guard.end()
    assert (end.reason, end.code) == (ExitReason.LOST, None)
    assert "was killed" in end.detail
    assert len(end.leaked) == 3


def test_the_inner_guard_is_killed_before_it_has_written_anything(guarded):
    guard = guarded(f"{SPAWN}; kill -9 $PPID; wait")
    end = guard.end()
    assert (end.reason, end.code) == (ExitReason.LOST, None)


def test_a_job_is_not_run_a_second_time(guarded):
    """So does Grid Engine do if it is asked to, or the host was lost."""
    guard = guarded(f"{SPAWN}; echo ran; wait").begun()
    inner = inner_of(guard)
    os.kill(inner, signal.SIGSTOP)  # it is not to hear of the outer one's end
    guard.process.kill()
    os.kill(inner, signal.SIGKILL)
    guard.process.wait()
    guard.process = guard.start()
    end = guard.end()
    assert (end.reason, end.detail) == (
        ExitReason.LOST,
        "Grid Engine has started it a second time",
    )
    assert guard.output.read_text().count("ran") == 1


def test_a_workspace_that_is_gone(guarded):
    """Nobody can be told, and nothing is left."""
    guard = guarded(f"{SPAWN}; wait").begun()
    pids = guard.pids()
    guard.task.directory.rename(guard.task.directory.with_name("gone"))
    assert guard.process.wait(25) == 1
    assert [pid for pid in pids if alive(pid)] == []
