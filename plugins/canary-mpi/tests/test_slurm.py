"""Ranks that a real Slurm starts, on two of its nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canary_mpi import start

pytestmark = pytest.mark.slurm
CLUSTER = Path(__file__).parents[3] / "contrib" / "slurm-cluster" / "slurm_cluster.py"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment of a cluster of two nodes."""
    missing = [n for n in ("slurmctld", "slurmd", "srun", "munged") if not shutil.which(n)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs a Slurm to start as root: {', '.join(missing) or 'not root'}")
    directory = tmp_path_factory.mktemp("slurm")
    port = 10000 + os.getpid() % 40 * 500  # beside clusters of other tests
    command = [sys.executable, CLUSTER, "--dir", directory]
    up = [*command, "up", "--nodes", "2", "--gpus", "0", "--no-accounting", "--port", str(port)]
    subprocess.run(up, check=True, capture_output=True)
    yield {**os.environ, "SLURM_CONF": str(directory / "etc" / "slurm.conf")}
    subprocess.run([*command, "down"], check=True, capture_output=True)


@pytest.fixture
def allocated(mpi, cluster, tmp_path):
    """`allocated(*words)` starts an MPI program on two nodes, whose `mpiexec` is the MPI's."""
    (tmp_path / "mpiexec").symlink_to(shutil.which(f"mpiexec.{mpi.kind}"))
    hosts = {"CANARY_MPI_HOSTS": "n1:2,n2:2", "CANARY_MPI_RANKS": "4"}
    env = {**cluster, **hosts, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    front = ["salloc", "-q", "-N2", "-n4", "-wn1,n2", sys.executable, "-I", "-S", start.__file__]

    def run(*words):
        return subprocess.run(
            [*front, *words], env=env, capture_output=True, text=True, timeout=25, check=False
        )

    return run


def test_four_ranks_on_two_nodes(allocated, mpi, ranks):
    nodes = allocated("/bin/sh", "-c", "echo $SLURMD_NODENAME")
    assert sorted(set(nodes.stdout.split())) == ["n1", "n2"], nodes.stderr
    done = allocated(mpi.program)
    assert done.returncode == 0, done.stderr
    assert ranks.are_four(done.stdout)


def test_a_rank_that_ends_ends_all(allocated, mpi):
    """Slurm by itself would leave the others waiting."""
    assert allocated(mpi.program, "exit", "3").returncode not in (0, 125)
