"""MPI programs as tests of the installed command line."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from canary_mpi.plugin import MpiSettings, Plugin

TESTS = """
tests:
  good: {command: [%(program)s]}
  bad: {command: [%(program)s, abort, "7"]}
  endless: {command: [%(program)s, hang], timeout: 8}
defaults: {parameters: {cpus: 4}}
"""
PYT = """
import canary

canary.directives.parameterize("cpus,what", [(4, ""), (2, "raise")])

def test():
    here = canary.get_instance()
    words = [here.parameters.what] if here.parameters.what else []
    canary.mpi.run(%(program)s, *words)

if __name__ == "__main__":
    test()
"""


@pytest.fixture
def run(canary, mpi, environment, tmp_path):
    """`run(file, text)` runs tests on a machine of four CPUs; statuses and outputs by name."""

    def go(name, text, *words, expect, env=None):
        (tmp_path / name).write_text(text)
        env = {**mpi.environment, **(env or {})}
        canary("-r", "cpus=4", "run", *words, name, env=env, expect=expect)
        rows = json.loads(canary("query", "jobs").stdout)
        found = {}
        for row in rows:
            output = tmp_path / "TestResults" / row["name"] / "canary-out.txt"
            found[row["name"]] = (row["status"], output.read_text())
        return found

    return go


def test_hook_canary_settings():
    assert Plugin().canary_settings() is MpiSettings
    assert MpiSettings().exec == "auto"


def test_four_ranks_run_a_failed_one_fails_the_job_and_none_is_left(run, mpi, ranks):
    found = run("a.canary.yaml", TESTS % {"program": mpi.program}, "--launcher=mpi", expect=12)
    outcomes = {name: status["outcome"] for name, (status, _) in found.items()}
    assert outcomes == {
        "good.cpus=4": "SUCCESS",
        "bad.cpus=4": "FAILED",
        "endless.cpus=4": "TIMEOUT",
    }
    assert ranks.are_four(found["good.cpus=4"][1])
    assert ranks.are_four(found["endless.cpus=4"][1])
    for _, output in found.values():
        assert ranks.are_gone(output, 0.0)


def test_a_test_file_runs_ranks(run, mpi):
    program = ", ".join(map(repr, mpi.python()))
    found = run("a.pyt", PYT % {"program": program}, expect=8)
    for name, (status, output) in found.items():
        number = 4 if "cpus=4" in name else 2
        assert output.count(f"of {number}") == number or "raise" in name
        assert status["outcome"] == ("FAILED" if "raise" in name else "SUCCESS")
        assert ("MPIError" in output) == ("raise" in name)


def test_an_mpiexec_of_the_tests_own_behaves(run, mpi):
    """As root, on more ranks than there are CPUs, bound to nothing."""
    number = 2 * (os.cpu_count() or 1) + 1
    text = f"tests:\n  own: {{command: mpiexec.{mpi.kind} -n {number} {mpi.program}}}\n"
    ((_, output),) = run("a.canary.yaml", text, expect=0).values()
    assert output.count(f"of {number} ") == number


def job(*nodes, environment=None, base=None):
    entries = [{"id": str(n), "slots": 2, "node": node} for n, node in enumerate(nodes)]
    return SimpleNamespace(
        resources={"cpus": entries},
        spec=SimpleNamespace(environment=environment or {}),
        settings=SimpleNamespace(environment=base or {}),
    )


class Defaults:
    """A configuration that says nothing."""

    def settings(self, kind):
        return kind()


@pytest.fixture
def plugin():
    made = Plugin()
    made.canary_configure(Defaults())
    return made


def test_variables_say_what_the_job_has(plugin):
    here = os.uname().nodename
    env = plugin.canary_job_env(job(here, here))
    assert env["CANARY_MPI_RANKS"] == "4"
    assert "CANARY_MPI_HOSTS" not in env
    assert env["OMPI_MCA_rmaps_base_oversubscribe"] == "1"
    assert plugin.canary_job_env(job("a", "b", "b"))["CANARY_MPI_HOSTS"] == "a:2,b:4"
    assert "CANARY_MPI_HOSTS" not in plugin.canary_job_env(job(here, f"{here}-1"))


def test_what_is_set_is_left_as_it_is(plugin):
    own = {"CANARY_MPI_BIND": "core"}
    base = {"OMPI_MCA_hwloc_base_binding_policy": "core"}
    env = plugin.canary_job_env(job("a", environment=own, base=base))
    assert "OMPI_MCA_rmaps_base_oversubscribe" in env
    assert not env.keys() & {*own, *base}
