"""`canary-mpiexec` with the MPIs of this machine, and where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from canary_mpi import start

STEP = "srun -n 2 --kill-on-bad-exit=1 --overlap --overcommit"
START = [sys.executable, "-I", "-S", start.__file__]


def run(*words, env):
    return subprocess.run(
        [*START, *map(str, words)], env=env, capture_output=True, text=True, timeout=25, check=False
    )


def test_four_ranks_of_a_compiled_program(mpi, environment, ranks):
    done = run("-n", 4, mpi.program, env=environment)
    assert done.returncode == 0, done.stderr
    assert ranks.are_four(done.stdout)


def test_four_ranks_of_a_script(mpi, environment, ranks):
    done = run("-n", 4, *mpi.python(), env=environment)
    assert done.returncode == 0, done.stderr
    assert ranks.are_four(done.stdout)


@pytest.mark.parametrize("word", ["raise", "64"])
def test_a_rank_of_a_script_that_ends_ends_all(mpi, environment, word):
    """The others wait in a barrier; without help, they would for ever."""
    done = run("-n", 3, *mpi.python(word), env=environment)
    assert done.returncode == (1 if word == "raise" else 64)
    if word == "raise":
        assert "rank 1 has had enough" in done.stderr
        assert "rank.py" not in done.stderr


def test_ranks_are_as_many_as_the_job_has_cpus(mpi, environment, ranks):
    done = run(mpi.program, env={**environment, "CANARY_MPI_RANKS": "4"})
    assert ranks.are_four(done.stdout)


def test_ranks_on_hosts(mpi, environment, ranks):
    """Names by which this machine needs no login to reach itself."""
    hosts = {"CANARY_MPI_HOSTS": "localhost:4", "CANARY_MPI_RANKS": "4"}
    done = run(mpi.program, env={**environment, **hosts})
    assert done.returncode == 0, done.stderr
    assert ranks.are_four(done.stdout)


@pytest.fixture
def other(mpi):
    """The other MPI of this machine."""
    (name,) = {"openmpi", "mpich"} - {mpi.kind}
    if shutil.which(f"mpiexec.{name}") is None:
        pytest.skip(f"needs mpiexec.{name} too")
    return f"mpiexec.{name}"


def test_a_program_that_does_not_fit_is_refused(mpi, environment, other):
    """It would run as N programs of size 1, and end with code 0."""
    done = run("-n", 3, mpi.program, env={**environment, "CANARY_MPI_EXEC": other})
    assert done.returncode == 125
    assert done.stdout == ""
    assert f"{mpi.program} is linked with" in done.stderr
    assert "3 programs of one rank each" in done.stderr


def test_a_script_whose_size_is_wrong_fails(mpi, environment, other, ranks):
    done = run("-n", 2, *mpi.python(), env={**environment, "CANARY_MPI_EXEC": other})
    assert done.returncode == 1
    assert ranks.of(done.stdout) == [(0, 1), (0, 1)]
    assert "2 ranks were started and MPI says 1" in done.stderr


def test_what_would_be_used_is_shown(mpi, environment):
    done = run(env=environment)
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert ("Open MPI" if mpi.kind == "openmpi" else "MPICH") in first
    assert second.endswith(" PROGRAM")


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (["prog"], {"PATH": "/nowhere"}, "there is no mpiexec on PATH"),
        (
            ["prog"],
            {"PATH": "/nowhere", "CANARY_MPI_EXEC": "mine"},
            "no mine on PATH, which mpi.exec",
        ),
        (["-n", "x", "prog"], {}, "-n wants a number"),
        (["-n", "0", "prog"], {}, "0 ranks: there must be at least one"),
        (["--np", "4"], {}, "unknown option --np"),
        (["prog"], {"CANARY_MPI_FLAGS": "'a"}, "mpi.flags: No closing quotation"),
    ],
)
def test_mistakes_are_one_line(words, env, says):
    done = run(*words, env=env)
    assert done.returncode == 125
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("canary-mpiexec: ")
    assert says in line


class Cluster:
    """Programs that say what Slurm and MPIs say, and show how they were called."""

    def __init__(self, directory):
        self.directory = directory

    def add(self, name, version, ways=""):
        program = self.directory / name
        program.write_text(
            "#!/bin/sh\n"
            f"[ \"$1\" != --version ] || {{ printf '{version}'; exit; }}\n"
            f"[ \"$1\" != --mpi=list ] || {{ echo '{ways}' >&2; exit; }}\n"
            f'echo {name} "$@"\n'
        )
        program.chmod(0o755)

    def run(self, **env):
        env = {"PATH": str(self.directory), "SLURM_JOB_ID": "1", **env}
        return run("-n", 2, "/bin/true", env=env).stdout


@pytest.mark.parametrize(
    ("version", "ways", "begins"),
    [
        ("mpiexec (OpenRTE) 4.1.4", "none pmi2 pmix", f"{STEP} --mpi=pmix "),
        ("HYDRA build details:\\n Version: 4.0.2", "none pmi2", f"{STEP} --mpi=pmi2 "),
        ("mpiexec (OpenRTE) 4.1.4", "none pmi2", "mpiexec -n 2 "),
        ("mpiexec (Open MPI) 5.0.11", "none pmi2 pmix", "mpiexec -n 2 "),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.18.1", "pmi2", "mpiexec -n 2 "),
        (None, "none pmi2", f"{STEP} --cpu-bind=none "),
    ],
)  # fmt: skip
def test_in_an_allocation_slurm_starts_what_it_can(tmp_path, version, ways, begins):
    cluster = Cluster(tmp_path)
    cluster.add("srun", "slurm-wlm 22.05.8", ways)
    if version:
        cluster.add("mpiexec", version)
    assert cluster.run().startswith(begins)


def test_slurm_is_left_alone_outside_of_an_allocation_and_where_it_is_not_wanted(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.add("srun", "slurm-wlm 22.05.8", "none pmi2")
    cluster.add("mpiexec", "HYDRA build details:\\n Version: 4.0.2")
    assert cluster.run(SLURM_JOB_ID="").startswith("mpiexec ")
    assert cluster.run(CANARY_MPI_EXEC="mpiexec").startswith("mpiexec ")
    assert cluster.run(SLURM_JOB_ID="", CANARY_MPI_EXEC="srun").startswith("srun ")
