"""The examples do what they say: all of `demo` is well, and `failures` fails as its page has it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        len(os.sched_getaffinity(0)) < 2, reason="the examples have a job that needs 2 CPUs"
    ),
]


def test_demo_is_well(canary, results):
    done = canary("run", EXAMPLES / "demo", expect=0, timeout=55)
    found = results()
    assert len(found) == 61, sorted(found)
    odd = {name: result for name, result in found.items() if result != "PASS SUCCESS"}
    assert odd == {
        "dependencies/explicit": "PASS XFAIL",
        "outcomes/known_defect": "PASS XFAIL",
        "outcomes/old_reference": "PASS XDIFF",
        "outcomes/instrument": "NOTRUN SKIPPED",
    }
    families = Counter(re.split(r"\.\w+=", name)[0] for name in found)
    assert families == {
        "hello/hello": 1,
        "hello/constants": 1,
        "parameters/quadrature": 4,
        "parameters/projectile": 6,
        "parameters/pendulum": 5,
        "parameters/ellipse": 4,
        "dependencies/mesh": 2,
        "dependencies/solve": 2,
        "dependencies/post": 1,
        "dependencies/explicit": 1,
        "dependencies/implicit": 1,
        "dependencies/summary": 1,
        "convergence/ode": 13,
        "resources/blocks": 2,
        "resources/stopwatch": 1,
        "selection/ising": 3,
        "files/response": 2,
        "outcomes/known_defect": 1,
        "outcomes/old_reference": 1,
        "outcomes/instrument": 1,
        "outcomes/prepared": 1,
        "measurements/orbit": 1,
        "tables/canaryconf.py::setup": 1,
        "tables/canaryconf.py::teardown": 1,
        "tables/interpolate": 2,
        "limits/iteration": 2,
    }
    assert "Traceback" not in done.stderr


def test_demo_leaves_what_it_says(canary, tmp_path):
    canary("run", EXAMPLES / "demo", expect=0, timeout=55)
    excluded = canary("status", "--show-excluded", expect=0).stdout
    assert "retired" in excluded
    assert "saxpy" in excluded
    assert "for Python 2 only" in excluded
    numbers = json.loads(canary("query", "job", "orbit", "measurements", expect=0).stdout)
    text = json.dumps(numbers)
    assert "energy_drift" in text
    assert "energy_swing" in text
    assert "rk4   order 3.9" in canary("log", "ode", expect=0).stdout
    view = tmp_path / "TestResults"
    assert (view / "outcomes" / "prepared" / "planets.json").is_file()
    assert not (view / "outcomes" / "prepared" / "scratch.txt").exists()
    assert (view / "files" / "response.damping=light" / "response.csv").is_file()


def test_selecting_in_the_demo(canary, results):
    canary("run", "-k", "statistical and not slow", EXAMPLES / "demo", expect=0)
    assert set(results()) == {f"selection/ising.spins={n}" for n in (4, 7, 10)}
    canary("run", "-o", "deep", "--owner", "physics-group", EXAMPLES / "demo", expect=0)
    assert "selection/ising.spins=14" in results()


def test_failures_fail_as_they_should(canary, results):
    canary("run", EXAMPLES / "failures", expect=14, timeout=55)
    assert results() == {
        "boiling_point": "FAIL DIFFED",
        "newton_cycle": "FAIL TIMEOUT",
        "euler_orbit": "FAIL FAILED",
        "lost_mesh": "FAIL BROKEN",
        "ephemeris": "NOTRUN BLOCKED",
        "post_mortem": "PASS SUCCESS",
    }
    page = (EXAMPLES / "failures" / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \((\w+)\) \|", page, re.MULTILINE)
    assert {name: f"{category} {outcome}" for name, category, outcome in rows} == results()


def test_what_is_wrong_can_be_read(canary):
    canary("run", EXAMPLES / "failures", expect=14, timeout=55)
    status = canary("status", env={"COLUMNS": "200"}, expect=0).stdout
    assert "wing.mesh" in status
    assert "energy is not conserved" in canary("log", "euler_orbit", expect=0).stdout
    assert "step 5: x = 1" in canary("log", "newton_cycle", expect=0).stdout
    assert "AssertionError" in canary("log", "post_mortem", expect=0).stdout
