"""Batches on a real Slurm of four nodes: the ways of packing, and the commands around them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import time

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]

SLURM = ("-b", "backend=slurm")


def test_a_batch_of_three_tests(start, tmp_path, tools):
    tools.write_test(tmp_path / "t/a.pyt", "return 0", 'parameterize("n", [0, 1])')
    tools.write_test(tmp_path / "t/b.pyt", "return 3")
    run = start("run", *SLURM, "-b", "spec=count:1", "t", home=".")
    assert run.wait() == 8
    assert run.results() == {"a.n=0": "SUCCESS", "a.n=1": "SUCCESS", "b": "FAILED"}
    assert run.is_clean()
    (batch,) = run.home.glob(".canary/sessions/*/hpc.batches/*")
    assert "FAIL (FAILED)" in run.canary("hpc", "log", batch.name).stdout


@pytest.fixture
def tree(tmp_path, tools):
    """A tree whose tests tell where they ran."""
    tools.write_test(
        tmp_path / "t/a.pyt",
        "print('node', os.environ['SLURMD_NODENAME'], os.environ['SLURM_JOB_ID'])\n"
        "return 5 if canary.get_instance().parameters.n == 5 else 0",
        'parameterize("n", list(range(8)))',
    )
    return tmp_path / "t"


def nodes(run):
    """`(node, Slurm job)` of each test, by name."""
    found = {}
    for output in run.home.glob("TestResults/*/canary-out.txt"):
        _, node, job = output.read_text().split()
        found[output.parent.name] = (node, job)
    return found


def check(run, code=8):
    assert run.wait() == code, run.text
    results = run.results()
    assert set(results.values()) == {"SUCCESS", "FAILED"}
    assert [name for name, outcome in results.items() if outcome == "FAILED"] == ["a.n=5"]
    assert run.is_clean()
    return nodes(run)


def test_all_the_ways_of_packing(start, tree):
    """At once, as they do not need each other: together they take as long as one."""
    ways = {
        "count": ("-b", "spec=count:2"),
        "max": ("-b", "spec=count:max"),
        "each": (),
        "array": ("-b", "spec=count:4", "-b", "array=true"),
        "atomic": ("-b", "spec=atomic,count:2"),
        "by": ("-b", "spec=by:n"),
    }
    runs = {
        name: start("run", *(SLURM if words else ("--launcher", "slurm")), *words, tree, home=name)
        for name, words in ways.items()
    }
    jobs = {name: {job for _, job in check(run).values()} for name, run in runs.items()}
    assert {name: len(found) for name, found in jobs.items()} == {
        "count": 2,
        "max": 8,
        "each": 8,
        "array": 4,
        "atomic": 2,
        "by": 8,
    }


def test_one_allocation_has_a_pool_of_its_nodes(start, tmp_path, tools):
    tools.write_test(
        tmp_path / "t/a.pyt",
        "print('node', os.environ['SLURMD_NODENAME'], os.environ['SLURM_JOB_ID'])\n"
        "assert len(os.environ['CANARY_CPU_IDS'].split(',')) == 8\n"
        "return 5 if canary.get_instance().parameters.n == 5 else 0",
        'parameterize("n", list(range(6)))',
        'parameterize("cpus", [8])',
    )
    run = start("run", *SLURM, "-b", "spec=layout:allocation,nodes:3", "t", home=".")
    assert run.wait() == 8, run.text
    assert list(run.results().values()).count("FAILED") == 1
    found = nodes(run)
    assert len({job for _, job in found.values()}) == 1
    assert len({node for node, _ in found.values()}) == 3
    assert run.is_clean()


def test_no_process_on_another_node_survives_its_timeout(start, tmp_path, tools):
    marker = f"98{os.getpid()}"
    tools.write_test(
        tmp_path / "t/a.pyt",
        f"import subprocess\nsubprocess.Popen(['sleep', '{marker}'])\ntime.sleep(60)",
        'parameterize("cpus", [8])',
        'parameterize("n", [0, 1])',
        "timeout(3.0)",
    )
    run = start("run", *SLURM, "-b", "spec=layout:allocation,nodes:2", "t", home=".")
    assert run.wait() == 4, run.text
    assert set(run.results().values()) == {"TIMEOUT"}

    def gone():
        return marker not in run.cluster.ask("ps", "ax", "-o", "args")

    tools.until(gone, "the end of all processes")


def test_three_hundred_mixed_tests_end_as_they_do_here(start, tmp_path, tools, canary):
    tools.write_mixture(tmp_path / "t", 300)
    run = start("run", *SLURM, "-b", "spec=count:6", "../t", home="there")
    here = tmp_path / "here"
    here.mkdir()
    canary("-r", "cpus=8", "run", "../t", cwd=here, timeout=200.0)
    code = run.wait(200.0)
    local = json.loads(canary("query", "jobs", cwd=here, expect=0).stdout)
    there = run.results()
    assert there == {job["name"]: job["status"]["outcome"] for job in local}
    assert len(there) == 300
    assert {"SUCCESS", "FAILED", "DIFFED", "SKIPPED", "BLOCKED"} <= set(there.values())
    assert code == json.loads(canary("query", "session", "latest", cwd=here).stdout)["returncode"]
    assert run.is_clean()


@pytest.fixture
def counted(tmp_path):
    """A directory of programs that write down when they are called, and call the real ones."""
    directory = tmp_path / "counted"
    directory.mkdir()
    log = tmp_path / "calls"
    for name in ("squeue", "sacct", "sbatch"):
        program = directory / name
        real = shutil.which(name)
        program.write_text(f'#!/bin/sh\necho "{name} $(date +%s.%N)" >>{log}\nexec {real} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def calls(name):
        lines = log.read_text().splitlines()
        return [float(line.split()[1]) for line in lines if line.split()[0] == name]

    return directory, calls


def test_one_call_asks_for_all_batches(start, tmp_path, tools, counted):
    directory, calls = counted
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(5)", 'parameterize("n", list(range(24)))')
    env = {"PATH": f"{directory}:{os.environ['PATH']}"}
    run = start("run", *SLURM, "-b", "spec=count:12", "t", home=".", env=env)
    began = time.time()
    assert run.wait() == 0, run.text
    seconds = time.time() - began
    assert len(calls("sbatch")) == 12
    # half a second is the shortest time between two of them, whatever there is to ask
    assert len(calls("squeue")) <= 2 * seconds
    gaps = sorted(b - a for a, b in itertools.pairwise(calls("squeue")))
    assert gaps[0] > 0.4


def test_fifty_short_tests_in_five_batches(start, tmp_path, tools):
    """The older tool takes 94 s for these, most of it waiting for what it might have known."""
    for n in range(50):
        tools.write_test(tmp_path / f"t/t{n}.pyt", f"time.sleep(0.2)\nreturn {int(n == 7)}")
    words = ("-b", "spec=count:5", "-b", "workers=4")
    began = time.monotonic()
    run = start("run", *SLURM, *words, "t", home=".")
    assert run.wait() == 8, run.text
    seconds = time.monotonic() - began
    assert sorted(run.results().values()) == ["FAILED"] + ["SUCCESS"] * 49
    assert seconds < 60.0  # on a busy machine; alone it is a tenth of that


def test_what_a_test_asks_of_slurm(start, tmp_path, tools):
    body = "print(os.environ['SLURM_JOB_PARTITION'], os.environ.get('CUDA_VISIBLE_DEVICES'))"
    tools.write_test(tmp_path / "t/a.pyt", body, 'set_attribute(slurm_partition="low")')
    tools.write_test(tmp_path / "t/b.pyt", body)
    tools.write_test(tmp_path / "t/c.pyt", body, 'parameterize("gpus", [2])')
    tools.write_test(tmp_path / "t/d.pyt", body, 'set_attribute(slurm_partition="none such")')
    tools.write_test(tmp_path / "t/e.pyt", body, 'parameterize("cpus", [999])')
    tools.write_test(tmp_path / "t/f.pyt", body, 'parameterize("nodes", [9])')
    run = start("run", *SLURM, "-b", "option=--comment=mine", "t", home=".")
    code = run.wait()
    assert run.results() == {
        "a": "SUCCESS",
        "b": "SUCCESS",
        "c.gpus=2": "SUCCESS",
        "d": "ERROR",
        "e.cpus=999": "OVERSIZED",
        "f.nodes=9": "OVERSIZED",
    }
    assert code == 8 | 32
    assert "invalid partition" in run.reasons["d"]
    said = {p.parent.name: p.read_text() for p in run.home.glob("TestResults/*/canary-out.txt")}
    assert said["a"].startswith("low")
    assert said["b"].startswith("debug")
    assert len(said["c.gpus=2"].split()[1].split(",")) == 2
    assert run.is_clean()


def test_a_test_may_name_its_launcher(start, tmp_path, tools):
    """Before what the command line says."""
    body = "assert ('SLURM_JOB_ID' in os.environ) == (canary.get_instance().name in 'bd')"
    tools.write_test(tmp_path / "t/a.pyt", body, 'launcher("local")')
    tools.write_test(tmp_path / "t/b.pyt", body)
    tools.write_test(tmp_path / "u/c.pyt", body)
    tools.write_test(tmp_path / "u/d.pyt", body, 'launcher("slurm", slurm_partition="low")')
    batched = start("run", *SLURM, "../t", home="batched")
    plain = start("run", "../u", home="plain")
    assert (batched.wait(), plain.wait()) == (0, 0)
    assert batched.results() == {"a": "SUCCESS", "b": "SUCCESS"}
    assert plain.results() == {"c": "SUCCESS", "d": "SUCCESS"}
    assert batched.is_clean()
    assert plain.is_clean()


def test_a_request_that_can_never_start_is_given_up(start, tmp_path, tools):
    tools.write_test(tmp_path / "t/a.pyt", "return 0")
    words = ("-b", "option=--partition=short,--time=30")
    never = start("run", *SLURM, *words, "../t", home="never")
    held = start(
        "run", *SLURM, "-b", "option=--hold", "-b", "queue_timeout=2s", "../t", home="held"
    )
    assert (never.wait(), held.wait()) == (8, 8)
    assert never.results() == held.results() == {"a": "ERROR"}
    assert "never start" in never.reasons["a"]
    assert "waited longer than 2 s" in held.reasons["a"]
    assert never.is_clean()
    assert held.is_clean()


def test_a_run_that_is_detached_is_followed_and_ended(start, tmp_path, tools):
    tools.write_test(tmp_path / "t/a.pyt", "time.sleep(2)\nreturn 3", 'parameterize("n", [0, 1])')
    tools.write_test(tmp_path / "long/a.pyt", "time.sleep(100)")
    run = start("run", "--detach", *SLURM, "t", home=".")
    assert run.wait() == 0
    assert "goes on by itself" in run.text
    followed = run.canary("hpc", "attach")
    assert followed.returncode == 8
    assert followed.stdout.count("FAIL (FAILED)") == 2
    tools.until(run.is_clean, "an empty queue")

    wrong = start("run", "--detach", *SLURM, "nowhere", home=".")
    assert wrong.wait() == 2

    again = start("run", "--detach", *SLURM, "long", home=".")
    assert again.wait() == 0
    again.started(3)
    assert "1/1" not in again.canary("hpc", "status").stdout
    assert again.canary("hpc", "cancel").returncode == 0
    assert again.canary("hpc", "attach").returncode == 130
    tools.until(again.is_clean, "an empty queue")


def test_the_nodes_of_the_cluster_are_shown(start):
    run = start("hpc", "info", home=".")
    assert run.wait() == 0
    rows = [line.split() for line in run.text.splitlines()]
    assert rows == [
        ["Node", "CPUs", "GPUs"],
        ["n1", "8", "4"],
        ["n2", "8", "4"],
        ["n3", "8", "0"],
        ["n4", "8", "0"],
    ]


def printed(run):
    """What each test printed, as words, by name."""
    found = run.home.glob("TestResults/*/canary-out.txt")
    return {output.parent.name: output.read_text().split() for output in found}


WHERE = (
    "print(os.environ['SLURMD_NODENAME'], os.environ['SLURM_JOB_PARTITION'],"
    " os.environ['SLURM_JOB_ID'], *(os.environ.get(n) or '-' for n in"
    " ('CUDA_VISIBLE_DEVICES', 'CANARY_LICENCE_IDS', 'SLURM_MEM_PER_NODE')))\ntime.sleep(0.3)"
)


def test_what_is_said_of_the_machine_keeps_no_test_from_the_cluster(start, tmp_path, tools):
    tools.write_test(
        tmp_path / "t/a.pyt",
        WHERE,
        'parameterize("licences", [1])',
        'parameterize("n", [0, 1, 2])',
    )
    run = start("-r", "licences=1", "run", *SLURM, "-b", "spec=count:max", "t", home=".")
    assert run.wait() == 0, run.text
    found = printed(run)
    assert len({words[2] for words in found.values()}) == 3
    assert {words[4] for words in found.values()} == {"0"}


def test_a_licence_is_held_by_one_batch_at_a_time(start, tmp_path, tools):
    pool = {"nodes": [{"id": f"n{i}", "resources": {"cpus": [{"id": "0"}]}} for i in (1, 2)]}
    pool["nodes"][0]["resources"]["licences"] = [{"id": "port-7"}]
    (tmp_path / "pool.json").write_text(json.dumps(pool))
    tools.write_test(
        tmp_path / "t/a.pyt",
        WHERE,
        'parameterize("licences", [1])',
        'parameterize("n", [0, 1, 2])',
    )
    words = ("--resource-pool-file", "pool.json", "run", *SLURM, "-b", "spec=count:max", "t")
    run = start(*words, home=".")
    assert run.wait() == 0, run.text
    assert {words[4] for words in printed(run).values()} == {"port-7"}
    jobs = json.loads(run.canary("query", "jobs").stdout)
    began = sorted((j["started_at"], j["timings"]["running"]) for j in jobs)
    spans = [(at, at + seconds) for at, seconds in began]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_tests_of_other_partitions_than_the_usual_one(start, tmp_path, tools):
    (tmp_path / "canary.toml").write_text('[hpc]\npartition = "debug"\n')
    tools.write_test(tmp_path / "t/cpu.pyt", WHERE)
    tools.write_test(
        tmp_path / "t/gpu.pyt",
        WHERE,
        'parameterize("gpus", [1, 5])',
        'set_attribute(slurm_partition="gpu")',
    )
    tools.write_test(tmp_path / "t/odd.pyt", WHERE, 'set_attribute(slurm_walltime="soon")')
    tools.write_test(
        tmp_path / "t/short.pyt", WHERE, 'set_attribute(slurm_partition="short")', "timeout(600.0)"
    )
    run = start("run", *SLURM, "t", home=".")
    code = run.wait()
    results = run.results()
    assert results == {
        "cpu": "SUCCESS",
        "gpu.gpus=1": "SUCCESS",
        "gpu.gpus=5": "SUCCESS",  # on two nodes
        "odd": "INVALID",
        "short": "SUCCESS",  # though its limit is longer than the partition's
    }, run.text
    assert code == 8
    found = printed(run)
    assert found["cpu"][1] == "debug"
    assert found["gpu.gpus=1"][1] == "gpu"
    assert found["gpu.gpus=1"][3] in "0123"
    assert "odd.pyt: slurm_walltime: odd: not a duration" in run.canary("describe", "odd").stdout


def test_each_node_of_a_batch_is_used_and_so_is_each_of_its_gpus(start, tmp_path, tools):
    tools.write_test(
        tmp_path / "t/a.pyt",
        f"{WHERE}\ntime.sleep(1.0)",
        'parameterize("gpus", [2])',
        'parameterize("n", [0, 1, 2, 3])',
    )
    words = ("-b", "option=--partition=gpu", "-b", "spec=layout:allocation,nodes:2")
    run = start("run", *SLURM, *words, "t", home=".")
    assert run.wait() == 0, run.text
    seen = sorted((words[0], words[3]) for words in printed(run).values())
    assert seen == [("n1", "0,1"), ("n1", "2,3"), ("n2", "0,1"), ("n2", "2,3")]


def test_an_atomic_batch_over_nodes_runs_tests_on_all_of_them(start, tmp_path, tools):
    tools.write_test(
        tmp_path / "t/a.pyt", WHERE, 'parameterize("n", [0, 1, 2])', 'parameterize("cpus", [8])'
    )
    tools.write_test(tmp_path / "t/b.pyt", WHERE, 'depends_on("a.*")', 'parameterize("nodes", [2])')
    run = start("run", *SLURM, "-b", "spec=atomic", "t", home=".")
    assert run.wait() == 0, run.text
    found = printed(run)
    assert len({words[2] for words in found.values()}) == 1
    assert len({words[0] for name, words in found.items() if name.startswith("a.")}) == 2


def test_memory_is_asked_of_slurm_where_it_is_said_to_count(start, tmp_path, tools):
    (tmp_path / "canary.toml").write_text("[hpc]\nmemory = true\n")
    tools.write_test(tmp_path / "t/a.pyt", WHERE, 'parameterize("memory", [100, 10**9])')
    run = start("run", *SLURM, "t", home=".")
    assert run.wait() == 32, run.text
    assert run.results() == {"a.memory=100": "SUCCESS", "a.memory=1000000000": "OVERSIZED"}
    assert printed(run)["a.memory=100"][5] == "100"
