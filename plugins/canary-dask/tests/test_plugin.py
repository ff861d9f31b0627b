"""The installed command line with a Dask cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from canary.testing.launchers import alive
from canary_dask.plugin import DaskSettings, Plugin

pytestmark = pytest.mark.timeout(90)  # the first of them waits for the cluster
TESTS = """
tests:
  code:
    command: echo "$CANARY_CPU_IDS"; exit ${n}
    parameters: {n: [0, 1, 64, 80]}
  late: {command: sleep 300, timeout: 1}
  wide: {command: "true", resources: {cpus: 4}}
  after: {command: "true", depends_on: code.n=0}
"""


def outcomes(canary):
    rows = json.loads(canary("query", "jobs").stdout)
    return {row["name"]: row["status"]["outcome"] for row in rows}


def test_hook_canary_settings():
    assert Plugin().canary_settings() is DaskSettings


def test_results_are_those_of_this_machine(canary, cluster, tmp_path):
    """But that no worker has four threads."""
    (tmp_path / "a.canary.yaml").write_text(TESTS)
    words = ["run", "--launcher=dask", f"--dask-scheduler={cluster.address}", "."]
    canary(*words, expect=46)
    found = outcomes(canary)
    assert found.pop("wide") == "OVERSIZED"
    canary("-r", "cpus=3", "run", "-w", "--launcher=subprocess", ".", expect=46)
    here = outcomes(canary)
    assert here.pop("wide") == "OVERSIZED"
    assert found == here


def test_the_address_may_be_in_a_file_or_in_the_configuration_of_dask(canary, cluster, tmp_path):
    (tmp_path / "a.canary.yaml").write_text("tests: {a: {command: 'true'}}\n")
    canary("run", "--launcher=dask", ".", env={"DASK_SCHEDULER_ADDRESS": cluster.address}, expect=0)
    (tmp_path / "canary.toml").write_text(
        f'[run]\nlauncher = "dask"\n[dask]\nscheduler_file = "{cluster.file}"\n'
    )
    canary("run", "--only=all", ".", expect=0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no Dask scheduler is known"),
        (["--dask-scheduler=tcp://127.0.0.1:1"], "no Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_no_cluster_is_one_line(canary, tmp_path, words, says):
    (tmp_path / "a.canary.yaml").write_text("tests: {a: {command: 'true'}}\n")
    done = canary("run", "--launcher=dask", *words, ".", env={"CANARY_DASK_TIMEOUT": "1"})
    assert done.returncode not in (0, 1)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_what_runs_on_workers(canary_environment, cluster, tmp_path):
    text = "tests: {a: {command: 'sleep 300 & echo pid $!; wait', parameters: {n: [1, 2]}}}\n"
    (tmp_path / "a.canary.yaml").write_text(text)
    words = ["run", "--launcher=dask", f"--dask-scheduler={cluster.address}", "."]
    process = subprocess.Popen(
        [sys.executable, "-m", "canary", *words],
        cwd=tmp_path,
        env=canary_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    def pids():
        files = (tmp_path / ".canary").glob("sessions/*/a.n=*/canary-out.txt")
        return [int(pid) for file in files for pid in re.findall(r"pid (\d+)\n", file.read_text())]

    try:
        end = time.monotonic() + 25
        while len(pids()) < 2:
            assert time.monotonic() < end, "the jobs did not begin"
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
    assert not any(alive(pid) for pid in pids())


def test_loading_the_plugin_does_not_load_dask():
    check = "import sys, canary_dask.plugin; print({'dask', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
