"""Batches without a cluster: the same manifests, run as processes of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

LOCAL = ("-b", "backend=local")


@pytest.fixture
def results(canary):
    def read():
        jobs = json.loads(canary("query", "jobs", expect=0).stdout)
        return {job["name"]: job for job in jobs}

    return read


def outcomes(jobs):
    return {name: job["status"]["outcome"] for name, job in jobs.items()}


def batches(tmp_path):
    return sorted(tmp_path.glob(".canary/sessions/*/hpc.batches/*"))


def test_hook_group_batches_give_the_results_of_their_jobs(canary, tools, tmp_path, results):
    tools.write_test(tmp_path / "t/a.pyt", "raise OSError", 'parameterize("n", [0, 1, 2])')
    tools.write_test(
        tmp_path / "t/b.pyt",
        "n = canary.get_instance().parameters.n\nreturn {0: 0, 1: 3, 2: 64, 3: 80}[n]",
        'parameterize("n", [0, 1, 2, 3])',
    )
    canary("run", *LOCAL, "-b", "spec=count:2", "t", expect=2 | 8)
    found = results()
    assert outcomes(found) == {
        **{f"a.n={n}": "FAILED" for n in range(3)},
        "b.n=0": "SUCCESS",
        "b.n=1": "FAILED",
        "b.n=2": "DIFFED",
        "b.n=3": "SKIPPED",
    }
    assert found["b.n=1"]["exit_code"] == 3
    assert len(batches(tmp_path)) == 2
    assert list(tmp_path.glob(".canary/sessions/*/hpc.batches/*/batch.lock")) == []
    assert Path(found["b.n=0"]["exec_dir"], "testcase.lock").exists()


def test_a_job_waits_for_its_dependencies_in_other_batches(canary, tools, tmp_path, results):
    tools.write_test(tmp_path / "t/good.pyt", "return 0")
    tools.write_test(tmp_path / "t/bad.pyt", "return 1")
    tools.write_test(
        tmp_path / "t/after.pyt",
        "assert os.path.isdir(canary.get_instance().dependencies[0].working_directory)\nreturn 0",
        'depends_on("good")',
    )
    tools.write_test(tmp_path / "t/never.pyt", "return 0", 'depends_on("bad")')
    tools.write_test(
        tmp_path / "t/always.pyt", "return 0", 'depends_on({"job": "bad", "when": "always"})'
    )
    canary("run", *LOCAL, "-b", "spec=count:max", "t")
    found = outcomes(results())
    assert found["good"] == "SUCCESS"
    assert found["bad"] == "FAILED"
    assert found["after"] == found["always"] == "SUCCESS"
    assert found["never"] == "BLOCKED"


def test_atomic_batches_run_their_dependencies_themselves(canary, tools, tmp_path, results):
    tools.write_test(tmp_path / "t/one.pyt", "return 0")
    tools.write_test(tmp_path / "t/two.pyt", "return 0", 'depends_on("one")')
    tools.write_test(tmp_path / "t/three.pyt", "return 1", 'depends_on("two")')
    tools.write_test(tmp_path / "t/four.pyt", "return 0", 'depends_on("three")')
    canary("run", *LOCAL, "-b", "spec=atomic", "t", expect=8)
    assert outcomes(results()) == {
        "one": "SUCCESS",
        "two": "SUCCESS",
        "three": "FAILED",
        "four": "BLOCKED",
    }
    assert len(batches(tmp_path)) == 1


def test_a_batch_that_dies_is_never_a_pass(canary, tools, tmp_path, results):
    """One test passes, the next kills the program that runs the batch: no record, no pass."""
    body = (
        "n = canary.get_instance().parameters.n\n"
        "if n == 1:\n"
        "    os.kill(int(open(os.environ['HOLDER']).read()), 9)\n"
        "    time.sleep(30)\n"
        "return 0"
    )
    tools.write_test(tmp_path / "t/a.pyt", body, 'parameterize("n", [0, 1, 2])')
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\necho $$ >"{tmp_path}/pid"\nexec {sys.executable} -m canary "$@"\n'
    )
    wrapper.chmod(0o755)
    words = ("-b", "spec=count:1", "-b", "workers=1", "-b", f"exec={wrapper}", "t")
    done = canary("run", *LOCAL, *words, env={"HOLDER": str(tmp_path / "pid")})
    assert done.returncode == 8
    (batch,) = batches(tmp_path)
    lines = [json.loads(line) for line in (batch / "events.jsonl").read_text().splitlines()]
    recorded = {line["name"] for line in lines if line["e"] == "job_finished"}
    found = results()
    assert outcomes(found) == {
        name: "SUCCESS" if name in recorded else "ERROR" for name in ("a.n=0", "a.n=1", "a.n=2")
    }
    assert "a.n=1" not in recorded
    assert found["a.n=1"]["status"]["reason"].startswith(f"batch {batch.name}: ")


def test_repeating_is_done_inside_the_batch(canary, tools, tmp_path, results):
    counter = tmp_path / "count"
    tools.write_test(
        tmp_path / "t/flaky.pyt",
        f"with open({str(counter)!r}, 'a') as f:\n    f.write('x')\n"
        f"return 0 if os.path.getsize({str(counter)!r}) >= 3 else 1",
    )
    canary("run", *LOCAL, "--repeat-until-pass", "4", "t", expect=0)
    assert outcomes(results()) == {"flaky": "SUCCESS"}
    assert results()["flaky"]["attempt"] == 3
    assert len(batches(tmp_path)) == 1


def test_fail_fast_starts_no_other_batch(canary, tools, tmp_path, results):
    tools.write_test(tmp_path / "t/a.pyt", "return 1")
    tools.write_test(tmp_path / "t/b.pyt", "return 0", 'depends_on({"job": "a", "when": "always"})')
    canary("run", *LOCAL, "--fail-fast", "t")
    found = outcomes(results())
    assert found["a"] == "FAILED"
    assert found["b"] in ("CANCELLED", "BLOCKED")


def test_a_manifest_that_is_started_again_goes_on(canary, tools, tmp_path, results):
    """As after a batch was queued again: what is over is not run twice."""
    tools.write_test(
        tmp_path / "t/a.pyt", "print('ran', flush=True)\nreturn 0", 'parameterize("n", [0, 1, 2])'
    )
    canary("run", *LOCAL, "t", expect=0)
    (batch,) = batches(tmp_path)
    log = batch / "events.jsonl"
    lines = log.read_text().splitlines(True)
    ends = [n for n, line in enumerate(lines) if '"job_finished"' in line]
    log.write_text("".join(lines[: ends[0] + 1]))
    done = canary("exec", "--manifest", batch / "manifest.json", expect=0)
    assert done.stdout.count("PASS") == 2
    again = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["e"] for line in again].count("job_finished") == 3


def test_the_words_of_batches_reach_the_tests(canary, tools, tmp_path):
    tools.write_test(tmp_path / "t/a.pyt", "print(sys.argv[1:], os.environ['MINE'])\nreturn 0")
    canary("-e", "MINE=yes", "run", *LOCAL, "t", "--", "--deep", expect=0)
    assert "['--deep'] yes" in canary("log", "a").stdout


def test_commands_look_at_batches_that_were_local(canary, tools, tmp_path):
    tools.write_test(tmp_path / "t/a.pyt", "return 0")
    canary("run", *LOCAL, "t", expect=0)
    (batch,) = batches(tmp_path)
    assert batch.name in canary("hpc", "status", expect=0).stdout
    assert "PASS (SUCCESS)" in canary("hpc", "log", batch.name, expect=0).stdout
    assert "no batch 'x'" in canary("hpc", "log", "x", expect=2).stderr
    assert "processes of this machine" in canary("hpc", "info", "local", expect=0).stdout
    assert "count:N|max" in canary("batch", "help", expect=0).stdout
    assert canary("hpc", "exec", batch, expect=0).stdout == ""


def test_a_wrong_option_is_a_line(canary, tools, tmp_path):
    tools.write_test(tmp_path / "t/a.pyt", "return 0")
    done = canary("run", *LOCAL, "-b", "spec=count:x", "t", expect=2)
    assert done.stderr.splitlines() == [
        "ERROR: -b count=x: must be a number from 1 [canary hpc help lists them]"
    ]
    assert "no Slurm" in canary("run", "-b", "backend=slurm", "t", env={"PATH": "/x"}).stderr


def test_what_was_said_of_the_machine_holds_in_a_batch(canary, tools, tmp_path, results):
    tools.write_test(
        tmp_path / "t/wide.pyt",
        "print(len(os.environ['CANARY_CPU_IDS'].split(',')))",
        'parameterize("cpus", [64])',
    )
    canary("-r", "cpus=64", "run", *LOCAL, "t", expect=0)
    assert outcomes(results()) == {"wide.cpus=64": "SUCCESS"}
    assert (tmp_path / "TestResults/wide.cpus=64/canary-out.txt").read_text() == "64\n"
    assert len(batches(tmp_path)) == 1


def test_tests_of_several_batches_share_a_licence(canary, tools, tmp_path):
    tools.write_test(
        tmp_path / "t/a.pyt",
        "with open('../../../../held', 'x'): pass\n"
        "print(os.environ['CANARY_LICENCE_IDS'])\n"
        "time.sleep(0.2)\n"
        "os.remove('../../../../held')",
        'parameterize("licences", [1])',
        'parameterize("n", [0, 1, 2])',
    )
    canary("-r", "licences=1", "run", *LOCAL, "-b", "spec=count:max", "t", expect=0)
    assert len(batches(tmp_path)) == 3
    said = {path.read_text() for path in tmp_path.glob("TestResults/*/canary-out.txt")}
    assert said == {"0\n"}


def test_a_plan_shows_the_batches(canary, tools, tmp_path):
    tools.write_test(tmp_path / "t/a.pyt", "return 0", 'parameterize("n", [0, 1, 2])')
    tools.write_test(tmp_path / "t/b.pyt", "return 0", 'parameterize("cpus", [1000])')
    shown = canary("run", "--dry-run", *LOCAL, "-b", "spec=count:1", "t", expect=0).stdout
    head, batch, *rest = shown.splitlines()
    assert head.split() == ["Batch", "Jobs", "Nodes", "Width", "Est.", "Wall"]
    assert batch.split()[1:3] == ["3", "1"]
    assert rest[0].startswith("b.cpus=1000: needs ")
    assert rest[1] == "3 jobs would run in 1 batch"
    assert batches(tmp_path) == []
