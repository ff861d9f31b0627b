"""`canary.mpi` as test files use it."""

from __future__ import annotations

import subprocess

import pytest

import canary


@pytest.fixture(autouse=True)
def _here(environment):
    """Each test has the environment of its MPI."""


def test_run_gives_what_was_printed(mpi, ranks):
    done = canary.mpi.run(mpi.program, ranks=4, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert ranks.are_four(done.stdout)


def test_a_failure_is_an_error_unless_it_is_wanted(mpi):
    with pytest.raises(canary.mpi.MPIError, match=r"ranks abort 7: exit code 7$"):
        canary.mpi.run(mpi.program, "abort", "7", ranks=2, stderr=subprocess.DEVNULL)
    done = canary.mpi.run(mpi.program, "abort", "7", ranks=2, check=False)
    assert done.returncode == 7


def test_after_a_timeout_no_rank_is_left(mpi, tmp_path, ranks):
    out = tmp_path / "out"
    with out.open("w") as f, pytest.raises(canary.mpi.MPIError, match="took more than 6 s"):
        canary.mpi.run(mpi.program, "hang", "deaf", ranks=3, timeout=6, stdout=f)
    assert len(ranks.pids(out.read_text())) == 3
    assert ranks.are_gone(out.read_text())


def test_the_words_alone(mpi):
    words = canary.mpi.command("prog", "a", ranks=2)
    assert words[0].endswith(f"mpiexec.{mpi.kind}")
    assert words[1:3] == ["-n", "2"]
    assert words[-2:] == ["prog", "a"]


def test_mistakes_are_errors_of_python(monkeypatch):
    monkeypatch.setenv("CANARY_MPI_EXEC", "is-not-there")
    with pytest.raises(canary.mpi.MPIError, match="there is no is-not-there on PATH"):
        canary.mpi.run("prog")
    with pytest.raises(TypeError):
        canary.mpi.run()
