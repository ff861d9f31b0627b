"""The words for each MPI, and what a rank sees of GPUs."""

from __future__ import annotations

import subprocess

import pytest

from canary_mpi.flavour import INTEL, MPICH, OPENMPI, SRUN, UNKNOWN, Starter
from canary_mpi.words import Plan, command

OPEN = "--oversubscribe --bind-to"
TWO = (("a", 4), ("b", 4))
OPEN4, OPEN5 = Starter("mpiexec", OPENMPI, 4), Starter("mpiexec", OPENMPI, 5)
HYDRA, IMPI = Starter("mpiexec", MPICH, 4), Starter("mpiexec", INTEL, 2021)
STEP, OTHER = Starter("srun", SRUN, 22), Starter("mpiexec", UNKNOWN, 0)


@pytest.mark.parametrize(
    ("starter", "plan", "words"),
    [
        (OPEN4, Plan(4), "mpiexec -n 4 --oversubscribe --bind-to none"),
        (OPEN5, Plan(4, is_root=True), f"mpiexec -n 4 {OPEN} none --allow-run-as-root"),
        (OPEN4, Plan(8, TWO, bind="core"), f"mpiexec -n 8 {OPEN} core --host a:4,b:4"),
        (HYDRA, Plan(4, is_root=True), "mpiexec -n 4"),
        (HYDRA, Plan(8, TWO, bind="core"), "mpiexec -n 8 -bind-to core -hosts a:4,b:4"),
        (IMPI, Plan(4), "mpiexec -n 4 -genv I_MPI_PIN 0"),
        (IMPI, Plan(8, TWO, bind="core"), "mpiexec -n 8 -hosts a,b -ppn 4"),
        (
            STEP,
            Plan(8, TWO, way="pmi2"),
            "srun -n 8 --kill-on-bad-exit=1 --overlap --overcommit --mpi=pmi2 --cpu-bind=none"
            " --nodes 2 --nodelist a,b",
        ),
        (STEP, Plan(4, bind="core"), "srun -n 4 --kill-on-bad-exit=1 --overlap --overcommit"),
        (OTHER, Plan(4, TWO, is_root=True), "mpiexec -n 4"),
        (OTHER, Plan(4, flags=("-x", "a b")), "mpiexec -n 4 -x|a b"),
    ],
)  # fmt: skip
def test_the_words_that_start_a_program(starter, plan, words):
    first, _, last = words.partition("|")
    wanted = [*first.split(), *([last] if last else [])]
    assert command(starter, plan, ["prog", "an arg"]) == [*wanted, "prog", "an arg"]


@pytest.mark.parametrize(
    ("rank", "given", "seen"),
    [
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "1"}, {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}, "GPU-b=="),
        ({"MPI_LOCALRANKID": "2"}, {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}, "GPU-a=="),
        ({"SLURM_LOCALID": "0"}, {"ROCR_VISIBLE_DEVICES": "GPU-a,GPU-b"}, "=GPU-a=0"),
        ({"MPI_LOCALRANKID": "3"}, {"CUDA_VISIBLE_DEVICES": "x"}, "x=="),
        ({"MPI_LOCALRANKID": "3"}, {"CUDA_VISIBLE_DEVICES": ""}, "=="),
        ({"MPI_LOCALRANKID": "3"}, {}, "=="),
    ],
)
def test_a_rank_sees_one_of_the_gpus(rank, given, seen):
    show = 'echo "$CUDA_VISIBLE_DEVICES=$ROCR_VISIBLE_DEVICES=$HIP_VISIBLE_DEVICES" "$1"'
    words = command(OTHER, Plan(1, one_gpu=True), ["/bin/sh", "-c", show, "sh", "a  word"])[3:]
    env = {"PATH": "/usr/bin:/bin", **rank, **given}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{seen} a  word\n"
