"""What Slurm's answers mean, read without one; a real one answers in test_cluster."""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import ResourceError
from canary.launch import ExitReason, Launch
from canary_slurm import machine, srun
from canary_slurm.launcher import SlurmLauncher
from canary_slurm.slurm import Pace, Refused, Seen, Slurm, expand, minutes, time_limit


def program(directory, name, text):
    """A program that answers so: what a Slurm says that we cannot bring to say it."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def slurm(tmp_path):
    return Slurm(limit=1.0, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("names", "hosts"),
    [
        ("", []),
        ("n1", ["n1"]),
        ("n[1-3,7],m", ["n1", "n2", "n3", "n7", "m"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("a-b[1]x,c", ["a-b1x", "c"]),
    ],
)
def test_a_list_of_hosts(names, hosts):
    assert expand(names) == hosts


@given(st.integers(1, 999), st.integers(0, 50))
def test_a_range_has_all_its_hosts(first, more):
    assert expand(f"n[{first}-{first + more}]") == [f"n{first + i}" for i in range(more + 1)]


@pytest.mark.parametrize(("seconds", "text"), [(0.1, "1"), (60, "1"), (60.5, "2"), (3600, "60")])
def test_a_limit_is_in_whole_minutes(seconds, text):
    assert minutes(seconds) == text


@pytest.mark.parametrize(
    ("gres", "n"),
    [("(null)", 0), ("gpu:4", 4), ("gpu:a100:4(S:0-1),nic:2", 4), ("gpu:a:2,gpu:b:1", 3)],
)
def test_gpus_of_a_node(gres, n):
    assert machine.gpus_of(gres) == n


def test_an_allocation_stands_in_the_environment():
    environ = {
        "SLURM_JOB_NODELIST": "n[1-2],m1",
        "SLURM_JOB_CPUS_PER_NODE": "8(x2),4",
        "CUDA_VISIBLE_DEVICES": "0,1",
    }
    found = machine.allocation(environ)
    assert [(n.id, len(n.resources["cpus"]), len(n.resources["gpus"])) for n in found.nodes] == [
        ("n1", 8, 2),
        ("n2", 8, 2),
        ("m1", 4, 2),
    ]
    assert machine.allocation({}) is None


def test_a_cluster_of_unequal_nodes(slurm, tmp_path):
    lines = [
        "n1|16|2|900|gpu:2|a*|infinite|x,y",
        "n2|8|1|900+|(null)|a*|infinite|x",
        "n1|16|2|900|gpu:2|b|1-00:00:00|x,y",
    ]
    program(tmp_path, "sinfo", "\n".join(f"echo '{line}'" for line in lines))
    nodes = machine.cluster(slurm).nodes
    assert [(n.id, len(n.resources["cpus"]), len(n.resources["gpus"])) for n in nodes] == [
        ("n1", 8, 2),
        ("n2", 8, 0),
    ]
    assert len(machine.cluster(slurm, threads=True).nodes[0].resources["cpus"]) == 16
    with_memory = machine.cluster(slurm, memory=True).machine()
    assert (with_memory.count("memory"), with_memory.here) == (1800, "")


def test_what_slurm_chooses_from(slurm, tmp_path):
    lines = [
        "n1|4|1|0|(null)|a*|infinite|x,y",
        "n2|4|1|0|(null)|a*|infinite|x",
        "n3|4|2|0|(null)|b|1-00:00:00|(null)",
    ]
    program(tmp_path, "sinfo", "\n".join(f"echo '{line}'" for line in lines))
    found = machine.cluster(slurm)

    def names(*words):
        return [place.node.id for place in found.offered(*words)]

    assert names(None) == ["n1", "n2"]
    assert names("b") == ["n3"]
    assert names("a,b") == ["n1", "n2", "n3"]
    assert names(None, "x&y") == ["n1"]
    assert names(None, "x|y") == ["n1", "n2"]
    assert names("nosuch") == []
    (last,) = found.offered("b")
    assert (last.limit, last.threads) == (86400.0, 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800.0),
        ("5:30", 330.0),
        ("1:00:00", 3600.0),
        ("2-12", 216_000.0),
        ("1-2:3", 93_780.0),
        ("infinite", None),
        ("1:2:3:4", None),
        ("", None),
    ],
)
def test_a_time_of_slurm(text, seconds):
    assert time_limit(text) == seconds


def test_in_a_batch_that_counts_cores_a_cpu_is_several_of_slurms():
    environ = {
        "SLURM_JOB_NODELIST": "n1",
        "SLURM_JOB_CPUS_PER_NODE": "8",
        "SLURM_MEM_PER_NODE": "512",
        "SLURMD_NODENAME": "n1",
        machine.THREADS: "2",
    }
    found = machine.allocation(environ)
    assert (found.count("cpus"), found.count("memory"), found.here) == (4, 512, "n1")
    assert machine.allocation({**environ, "SLURMD_NODENAME": "login"}).here == ""


@pytest.mark.parametrize(
    "text", ["exit 1", "true", "sleep 5", "echo 'n1|4|1'", "echo 'n|x|1|1||||'"]
)
def test_a_cluster_that_says_nothing_is_an_error(slurm, tmp_path, text):
    program(tmp_path, "sinfo", text)
    with pytest.raises(ResourceError):
        machine.cluster(slurm)


def test_without_slurm_it_says_so(tmp_path):
    slurm = Slurm(environment={"PATH": str(tmp_path)})
    with pytest.raises(ResourceError, match="no Slurm here"):
        machine.cluster(slurm)


def test_one_call_says_the_states_of_all(slurm, tmp_path):
    program(tmp_path, "squeue", 'echo "1|RUNNING|None"; echo "9|RUNNING|None"')
    assert slurm.states(["1", "2_3"]) == {"1": Seen("RUNNING", "None")}


def test_silence_is_an_error_and_never_an_end(slurm, tmp_path):
    for text in ("sleep 5", "echo 'Unable to contact slurm controller' >&2; exit 1", "exit 1"):
        program(tmp_path, "squeue", text)
        with pytest.raises(OSError, match="squeue"):
            slurm.states(["1"])
    program(
        tmp_path, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
    )
    assert slurm.states(["1"]) == {}


def test_accounts_are_read_and_their_absence_is_an_error(slurm, tmp_path):
    program(tmp_path, "sacct", "echo '1|CANCELLED by 0'; echo '2|'")
    assert slurm.accounted(["1", "2"]) == {"1": Seen("CANCELLED")}
    program(tmp_path, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    with pytest.raises(OSError, match="sacct"):
        slurm.accounted(["1"])


def test_a_refusal_is_told_apart_from_silence(slurm, tmp_path):
    program(tmp_path, "sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(Refused, match="sbatch: invalid partition specified: x"):
        slurm.submit([], "script", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    program(tmp_path, "sbatch", "echo 'sbatch: error: Socket timed out on send/recv' >&2; exit 1")
    with pytest.raises(OSError, match="Socket timed out"):
        slurm.submit([], "script", {"PATH": f"{tmp_path}:/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("COMPLETED", ExitReason.EXITED),
        ("TIMEOUT", ExitReason.TIMEOUT),
        ("OUT_OF_MEMORY", ExitReason.MEMORY_LIMIT),
        ("NODE_FAIL", ExitReason.CANCELLED),
        ("PREEMPTED", ExitReason.CANCELLED),
        ("REQUEUED", None),
        ("COMPLETING", None),
        ("a state of a later release", None),
    ],
)
def test_what_is_not_known_as_an_end_is_alive(state, end):
    assert Seen(state).end is end


def test_the_pace_slows_down_and_is_never_more_than_its_budget():
    pace = Pace(10.0, 12)
    now, calls = 0.0, []
    while now < 300.0:
        if pace.due(now):
            calls.append(now)
            pace.count(now)
            pace.asked(now)
        now += 0.05
    gaps = [b - a for a, b in itertools.pairwise(calls)]
    assert max(gaps) < 10.2
    assert gaps[-1] > 9.9
    for start in calls:
        assert sum(start <= c < start + 60.0 for c in calls) <= 12


def test_a_change_makes_it_quick_and_a_failure_slow():
    pace = Pace(10.0, 60)
    for failures in range(1, 9):
        pace.asked(0.0, failed=True)
        assert not pace.due(min(2.0**failures, 60.0) - 0.1)
        assert pace.due(60.1)
    pace.asked(100.0, changed=True)
    assert pace.due(101.1)
    pace.asked(101.1)
    pace.hurry(101.1)
    assert pace.due(101.7)


def launch(*nodes):
    entries = [{"id": "0", "slots": 1, "node": node} for node in nodes]
    return Launch(
        id="i",
        name="n",
        argv=("true",),
        cwd="/",
        env={"SLURM_NTASKS": "4", "A": "b"},
        stdout="/dev/null",
        resources={"cpus": entries},
    )


def test_a_job_of_this_node_is_started_here_and_one_of_another_there():
    environ = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}
    assert srun.on_node(launch("n1"), environ) == launch("n1")
    assert srun.on_node(launch("n2", "n1"), environ).argv == ("true",)
    there = srun.on_node(launch("n2", "n3"), environ)
    assert there.argv[0] == "srun"
    assert there.argv[-3:] == ("--nodelist=n2", "--", "true")
    assert there.env == {"A": "b"}
    assert srun.on_node(launch("n2"), {}) == launch("n2")


SHOW = ("sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES ${ROCR_VISIBLE_DEVICES-unset} $1"', "-", "a b")


@pytest.mark.parametrize(
    ("ids", "given", "seen"),
    [("1", "5,6", "6"), ("0,1", "GPU-a,GPU-b,GPU-c", "GPU-a,GPU-b"), ("7", "5", "5")],
)
def test_of_another_nodes_gpus_a_job_sees_those_that_slurm_calls_so_there(ids, given, seen):
    environ = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}
    gpus = [{"id": i, "slots": 1, "node": "n2"} for i in ids.split(",")]
    wanted = replace(launch("n2"), argv=SHOW)
    wanted = replace(wanted, resources={**wanted.resources, "gpus": gpus})
    there = srun.on_node(wanted, environ).argv
    command = there[there.index("--") + 1 :]
    environ = {"PATH": os.environ["PATH"], "CUDA_VISIBLE_DEVICES": given}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{seen} unset a b\n"


def test_of_this_nodes_gpus_a_job_sees_its_own():
    environ = {"SLURMD_NODENAME": "n1", "CUDA_VISIBLE_DEVICES": "2,5", "ZE_AFFINITY_MASK": "a,b"}

    def seen(*ids, node="n1"):
        return srun.own_gpus([{"id": i, "slots": 1, "node": node} for i in ids], environ)

    assert seen("1") == {"CUDA_VISIBLE_DEVICES": "5", "ZE_AFFINITY_MASK": "b"}
    assert seen("1", "0") == {"CUDA_VISIBLE_DEVICES": "5,2", "ZE_AFFINITY_MASK": "b,a"}
    assert seen("2") is None
    assert seen("GPU-x") is None
    assert seen("1", node="n2") is None


def submitted(tmp_path, sbatch, squeue):
    """What becomes of one submission, and how often each program was asked."""
    for name, text in (("sbatch", sbatch), ("squeue", squeue), ("sacct", "true")):
        program(tmp_path, name, f"echo {name} >>{tmp_path}/asked\n{text}")
    slurm = Slurm(limit=5.0, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    home = tmp_path / "batch"
    home.mkdir()
    one = replace(launch(), cwd=str(home), env=slurm.environment)
    (answer,) = SlurmLauncher(slurm).submit([one]).values()
    return answer, (tmp_path / "asked").read_text().split(), (home / "batch.lock").exists()


SILENT = "echo 'Unable to contact slurm controller' >&2; exit 1"


def test_a_submission_whose_answer_was_lost_is_found_by_its_name(tmp_path):
    answer, asked, locked = submitted(tmp_path, SILENT, "echo 77")
    assert answer == "77"
    assert asked == ["sbatch", "squeue"]
    assert locked


def test_a_submission_that_did_not_arrive_is_sent_again(tmp_path):
    once = f"test -e {tmp_path}/twice && echo 78 || {{ touch {tmp_path}/twice; {SILENT}; }}"
    answer, asked, _ = submitted(tmp_path, once, "true")
    assert answer == "78"
    assert asked.count("sbatch") == 2


def test_a_submission_of_which_nobody_knows_is_looked_for_later(tmp_path):
    answer, asked, locked = submitted(tmp_path, SILENT, SILENT)
    assert answer.reason is ExitReason.NOT_STARTED
    assert asked.count("sbatch") == 1
    assert locked


def test_a_submission_that_is_refused_leaves_nothing(tmp_path):
    answer, _, locked = submitted(tmp_path, "echo 'sbatch: error: no such account' >&2; exit 1", "")
    assert answer.reason is ExitReason.NOT_STARTED
    assert answer.detail == "sbatch: no such account"
    assert not locked


def test_a_runner_that_was_killed_while_it_submitted_an_array_finds_each_task(tmp_path):
    program(tmp_path, "squeue", "echo 80_0")
    slurm = Slurm(limit=5.0, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    lock = {"schema": 1, "id": "i", "backend": "slurm", "name": "n", "ticket": None, "task": 3}
    (tmp_path / "batch.lock").write_text(json.dumps(lock))
    one = replace(launch(), cwd=str(tmp_path))
    assert SlurmLauncher(slurm).submit([one]) == {"i": "80_3"}
    program(tmp_path, "squeue", "true")
    program(tmp_path, "sacct", "true")
    (tmp_path / "batch.lock").write_text(json.dumps(lock))
    (answer,) = SlurmLauncher(slurm).submit([one]).values()
    assert answer.reason is ExitReason.CANCELLED
