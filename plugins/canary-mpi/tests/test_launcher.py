"""The launcher `mpi` with the MPIs of this machine: the ends of ranks, jobs and time limits."""

from __future__ import annotations

import sys

import pytest

from canary.launch import ExitReason
from canary.testing.launchers import Bench
from canary_mpi.launcher import MpiLauncher

FOUR = {"cpus": [{"id": str(n), "slots": 1, "node": "here"} for n in range(4)]}


@pytest.fixture
def bench(tmp_path, environment):
    made = Bench(MpiLauncher(), tmp_path)
    yield made
    made.close()


def test_as_many_ranks_as_cpus(bench, mpi, ranks):
    launch = bench.launch(mpi.program, resources=FOUR)
    end = bench.run(launch)
    assert (end.code, end.reason, end.leaked) == (0, ExitReason.EXITED, ())
    assert ranks.are_four(bench.output(launch))


def test_as_many_ranks_as_the_option_says(bench, mpi):
    launch = bench.launch(mpi.program, resources=FOUR, options={"ranks": 2})
    assert bench.run(launch).code == 0
    assert bench.output(launch).count("of 2") == 2


@pytest.mark.parametrize("number", [-1, True, "4"])
def test_a_wrong_number_of_ranks_is_refused(bench, mpi, number):
    end = bench.run(bench.launch(mpi.program, options={"ranks": number}))
    assert end.reason is ExitReason.NOT_STARTED
    assert "is no number of ranks" in end.detail


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        # MPICH tells either the rank's code or that it killed the others
        (["exit", "3"], {"openmpi": {3}, "mpich": {3, 9, 11}}),
        (["abort", "7"], {"openmpi": {7}, "mpich": {7}}),
        (["crash"], {"openmpi": {139}, "mpich": {11, 139}}),
    ],
)
def test_a_rank_that_fails_fails_the_job(bench, mpi, words, codes, ranks):
    launch = bench.launch(mpi.program, *words, resources=FOUR)
    end = bench.run(launch)
    assert end.reason is ExitReason.EXITED
    assert end.code in codes[mpi.kind]
    assert ranks.are_gone(bench.output(launch))


@pytest.mark.parametrize("code", [64, 80])
def test_codes_of_a_script_are_those_of_the_job(bench, mpi, code):
    """Whatever the MPI makes of exit codes otherwise: these mean something."""
    end = bench.run(bench.launch(*mpi.python(str(code)), resources=FOUR))
    assert end.code == code


def test_no_rank_outlives_the_time_limit(bench, mpi, ranks):
    """Not even one that will not hear; the limit is reached when all are known to be there."""
    launch = bench.launch(mpi.program, "hang", "deaf", resources=FOUR)
    bench.begin(launch)
    bench.until(bench.says(launch, "all hang"))
    (run,) = bench.launcher.running()
    bench.launcher.stop(run, ExitReason.TIMEOUT, "late", 0.1)
    end = bench.finish()[launch.id]
    assert end.reason is ExitReason.TIMEOUT
    assert ranks.are_four(bench.output(launch))
    assert ranks.are_gone(bench.output(launch), 0.0)


@pytest.mark.parametrize("grace", [0.0, 2.0])
def test_no_rank_outlives_a_cancelled_job(bench, mpi, grace, ranks):
    launch = bench.launch(mpi.program, "hang", resources=FOUR)
    bench.begin(launch)
    bench.until(bench.says(launch, "all hang"))
    bench.launcher.cancel([launch.id], grace)
    end = bench.finish()[launch.id]
    assert end.reason is ExitReason.CANCELLED
    assert ranks.are_gone(bench.output(launch), 0.0)
    if grace:
        assert end.leaked == ()


def test_what_cannot_be_started_says_why(bench, tmp_path):
    launch = bench.launch("prog", env={"PATH": "/nowhere"})
    end = bench.run(launch)
    assert end.reason is ExitReason.NOT_STARTED
    assert end.detail == "there is no mpiexec on PATH; set mpi.exec, or load a module"


def test_a_program_that_ends_with_that_code_has_run(bench, mpi):
    launch = bench.launch(sys.executable, "-c", "raise SystemExit(125)")
    end = bench.run(launch)
    assert (end.reason, end.code) == (ExitReason.EXITED, 125)
