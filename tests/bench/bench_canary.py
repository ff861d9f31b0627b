"""`./dev bench`: every workload of `bench.py`, printed beside a floor of the same minute.

A workload fails if a command in it does not do its work; never because it took long. `PEER` in the
environment names an executable to run beside ours.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("bench.py")
WORKLOADS = (
    "start",
    "import",
    "jobs",
    "ctests",
    "collect",
    "formats",
    "graphs",
    "questions",
    "makespan",
    "packing",
    "slurm",
)


@pytest.mark.bench
@pytest.mark.timeout(0)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_workload(workload):
    subprocess.run([sys.executable, SCRIPT, workload], check=True)
