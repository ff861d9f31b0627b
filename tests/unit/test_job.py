"""The job contract, line by line."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import canary.job
from canary import lockfile
from canary.clock import Timekeeper
from canary.errors import CanaryError, RecordError
from canary.expression import compile_names
from canary.history import RunHistory
from canary.job import (
    AnyMatcher,
    BaseJob,
    Dependency,
    InvalidTypeError,
    Job,
    JobPhase,
    JobServices,
    JobState,
    LaunchSettings,
    Measurements,
    MissingSourceError,
    ceil_div,
    find_cache_dir,
    judge_reason,
    load_job_from_file,
    load_job_from_state,
    load_jobs,
)
from canary.launch import BlockingLauncher, Exit, ExitReason, Usage
from canary.process import SubprocessLauncher
from canary.resources import Capacity
from canary.spec import Artifact, Asset, Baseline, Mask
from canary.status import Category, Outcome, Status


def end(job, outcome, **more):
    """Let it be over."""
    job.set_status(outcome=outcome, **more)
    job.on_finished()
    return job


# small types


def test_phases_are_four_texts():
    assert [p.value for p in JobPhase] == ["PENDING", "SUBMITTED", "RUNNING", "DONE"]
    assert all(p.name == p.value == str.__str__(p) for p in JobPhase)


def test_any_matcher_ignores_case_and_serves_expressions():
    matcher = AnyMatcher({"Fast", "gpu"})
    assert matcher("FAST")
    assert matcher("gPU")
    assert not matcher("slow")
    assert not AnyMatcher(set())("x")
    assert AnyMatcher({"a"}) == AnyMatcher({"a"})
    expression = compile_names("fast and not slow", ignore_case=True)
    assert expression.evaluate(matcher)


class Upstream(BaseJob):
    """A job of somebody else's."""

    id = "up"

    def cost(self):
        return 1.0

    def required_resources(self):
        return []

    def assign_resources(self, arg):
        pass

    def free_resources(self):
        return {}

    def refresh_readiness(self):
        pass

    def is_runnable(self):
        return True

    def is_ready(self):
        return True

    def total_timeout(self):
        return 7.0

    def refresh(self):
        pass

    def save(self):
        pass

    def display_name(self, **kwargs):
        return "up"


@pytest.mark.parametrize(
    ("when", "satisfied"),
    [
        (None, set(Outcome)),
        ("*", set(Outcome)),
        ("always", set(Outcome)),
        ("on_success", {o for o in Outcome if o.category is Category.PASS}),
        ("on_failure", {o for o in Outcome if o.category is Category.FAIL}),
        ("success or diffed", {Outcome.SUCCESS, Outcome.DIFFED}),
        ("not failed", set(Outcome) - {Outcome.FAILED}),
        ("SKIPPED", {Outcome.SKIPPED}),
        ("fail", {o for o in Outcome if o.category is Category.FAIL}),
    ],
)
def test_a_dependency_is_satisfied_once_upstream_is_over_and_its_condition_holds(when, satisfied):
    for outcome in Outcome:
        up = Upstream()
        dependency = Dependency(up, when)
        up.set_status(outcome=outcome)
        assert not dependency.is_done()
        assert not dependency.is_satisfied()
        up.on_finished()
        assert dependency.is_done()
        assert dependency.is_satisfied() == (outcome in satisfied)


def test_a_dependency_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Dependency(Upstream(), None).when = "x"  # type: ignore[misc] # that is the test


@pytest.mark.parametrize("phase", list(JobPhase))
def test_a_phase_given_as_text_is_coerced(phase):
    state = JobState(phase.value)
    assert state.phase is phase
    asked = [state.is_pending(), state.is_submitted(), state.is_running(), state.is_done()]
    assert asked == [phase is p for p in JobPhase]
    state.reset()
    assert state == JobState()


def test_a_phase_that_is_none_is_refused():
    with pytest.raises(ValueError, match="STAGING"):
        JobState("STAGING")


def test_measurements():
    taken = Measurements()
    taken.add_measurement("a", 1)
    taken.update({"b": [2]})
    taken.update(Measurements({"a": 3}))
    assert list(taken.items()) == [("a", 3), ("b", [2])]
    assert iter(taken.items()) is not taken.data
    taken.reset()
    assert taken.data == {}
    assert Measurements().data is not Measurements().data


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (0, 3, 0),
        (1, 3, 1),
        (3, 3, 1),
        (4, 3, 2),
        (-4, 3, -1),
        (4, -3, -1),
        (10**30 + 1, 10, 10**29 + 1),
    ],
)
def test_ceil_div(a, b, result):
    assert ceil_div(a, b) == result


def test_ceil_div_by_nothing_is_an_error():
    with pytest.raises(ZeroDivisionError):
        ceil_div(1, 0)


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    (tmp_path / "WORKSPACE.TAG").touch()
    monkeypatch.setenv("CANARY_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert find_cache_dir(tmp_path) == tmp_path / "elsewhere"


def test_the_cache_is_beside_the_nearest_tag(tmp_path):
    inner = tmp_path / ".canary" / "sessions" / "s"
    inner.mkdir(parents=True)
    assert find_cache_dir(inner) is None
    (tmp_path / "WORKSPACE.TAG").touch()
    assert find_cache_dir(inner) == tmp_path / "cache"
    (tmp_path / ".canary" / "WORKSPACE.TAG").touch()
    assert find_cache_dir(inner) == tmp_path / ".canary" / "cache"
    assert find_cache_dir(tmp_path / ".canary") == tmp_path / ".canary" / "cache"
    assert find_cache_dir(Path("relative")) == tmp_path / "cache"


def test_an_invalid_type_names_parameter_value_and_type():
    error = InvalidTypeError("gpus", "two")
    assert isinstance(error, Exception)
    assert "gpus" in str(error)
    assert "'two'" in str(error)
    assert "str" in str(error)


# BaseJob


def test_its_abstract_members_are_those_of_the_contract():
    assert BaseJob.__abstractmethods__ == {
        "id",
        "cost",
        "required_resources",
        "assign_resources",
        "free_resources",
        "refresh_readiness",
        "is_runnable",
        "is_ready",
        "total_timeout",
        "refresh",
        "save",
        "display_name",
    }
    with pytest.raises(TypeError, match="abstract"):
        BaseJob()


def test_a_new_job_holds_nothing_yet():
    job = Upstream()
    assert job.status == Status()
    assert job.state == JobState()
    assert job.measurements == Measurements()
    assert job.timekeeper == Timekeeper()
    assert not job.exclusive
    assert list(job.dependencies) == []


def test_only_what_is_pending_can_be_enqueued():
    job = Upstream()
    job.validate_enqueuable()
    job.on_submitted()
    assert job.state.phase is JobPhase.SUBMITTED
    with pytest.raises(ValueError, match="up is SUBMITTED"):
        job.validate_enqueuable()
    job.on_started()
    assert job.state.phase is JobPhase.RUNNING
    job.on_finished()
    assert job.state.phase is JobPhase.DONE
    times = job.timekeeper
    assert 0 < times.submitted <= times.started <= times.finished


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, Status()),
        ({"category": "FAIL"}, Status(Outcome.FAILED, None, 65)),
        ({"category": Category.PASS}, Status(Outcome.SUCCESS, None, 0)),
        ({"outcome": "diffed"}, Status(Outcome.DIFFED, None, 64)),
        ({"outcome": 68, "reason": "slow"}, Status(Outcome.TIMEOUT, "slow", 68)),
        (
            {"category": "FAIL", "outcome": Outcome.FAILED, "code": 3},
            Status(Outcome.FAILED, None, 3),
        ),
    ],
)
def test_a_status_follows_from_any_part(given, status):
    job = Upstream()
    job.set_status(**given)
    assert job.status == status


def test_parts_of_a_status_that_disagree_are_refused():
    job = Upstream()
    with pytest.raises(ValueError, match="DIFFED"):
        job.set_status(category="PASS", outcome="DIFFED")
    assert job.status == Status()


def test_a_base_job_takes_measurements():
    job = Upstream()
    job.add_measurement("n", 3)
    assert job.measurements.data == {"n": 3}


def test_what_an_author_need_not_write():
    job = Upstream()
    services = JobServices()
    assert job.launcher_name is None
    assert job.expected_runtime == 7.0
    assert job.stages_quickly()
    assert job.prepare(services) is None
    job.conclude(None, services)
    assert job.status.outcome is Outcome.SUCCESS
    job.conclude(Exit("up", 1.0, 3), services)
    assert job.status == Status(Outcome.FAILED, None, 3)
    job.conclude(Exit("up", 1.0, 0), services)
    assert job.status.outcome is Outcome.SUCCESS
    job.conclude(Exit("up", 1.0, -15, ExitReason.TIMEOUT, "slow"), services)
    assert job.status == Status(Outcome.TIMEOUT, "slow", 68)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (ExitReason.TIMEOUT, Outcome.TIMEOUT),
        (ExitReason.NO_OUTPUT, Outcome.TIMEOUT),
        (ExitReason.OUTPUT_LIMIT, Outcome.FAILED),
        (ExitReason.MEMORY_LIMIT, Outcome.FAILED),
        (ExitReason.CANCELLED, Outcome.INTERRUPTED),
        (ExitReason.LOST, Outcome.ERROR),
        (ExitReason.NOT_STARTED, Outcome.ERROR),
    ],
)
def test_a_launch_that_was_ended_has_a_status_by_its_reason(reason, outcome):
    assert judge_reason(Exit("i", 1.0, -1, reason, "why")) == Status(
        outcome, "why", 68 if outcome is Outcome.TIMEOUT else -1
    )
    assert judge_reason(Exit("i", 1.0, None, reason)).code == int(outcome)
    assert judge_reason(Exit("i", 1.0, None, reason)).reason


def test_a_launch_that_ended_by_itself_is_judged_by_its_code():
    assert judge_reason(Exit("i", 1.0, 3)) is None
    assert {r for r in ExitReason if judge_reason(Exit("i", 1.0, 0, r)) is None} == {
        ExitReason.EXITED
    }


# Job: what the spec says


def test_properties_come_from_the_spec(new_job, tmp_path):
    job = new_job(
        "t.n=1",
        exclusive=True,
        stdout="o.txt",
        stderr="e.txt",
        attributes={"a": 1},
        options={"launcher": "mine"},
        view_path="v/../w",
    )
    assert job.id == job.spec.id
    assert job.name == "t.n=1"
    assert job.exclusive
    assert (job.stdout, job.stderr) == ("o.txt", "e.txt")
    assert job.file == tmp_path / "src" / "t.sh"
    assert job.timeout == 20.0
    assert job.attributes == {"a": 1}
    assert job.view_path == Path("v/%2E%2E/w")
    assert job.launcher_name == "mine"
    for name in ("id", "name", "exclusive", "stdout", "stderr", "file", "timeout", "view_path"):
        with pytest.raises(AttributeError):
            setattr(job, name, None)


def test_output_is_merged_and_has_a_usual_name(new_job):
    job = new_job()
    assert (job.stdout, job.stderr) == ("canary-out.txt", None)
    assert job.launcher_name is None


def test_a_mask_of_the_run_goes_before_the_spec_s(new_job):
    job = new_job(mask=Mask(True, "spec"))
    assert job.mask == Mask(True, "spec")
    job.mask = Mask(False)
    assert not job.mask
    job.mask = Mask(True, "run")
    assert job.mask.reason == "run"
    assert job.spec.mask.reason == "spec"


def test_upstreams_are_the_jobs_depended_on(new_job):
    a, b = new_job("a"), new_job("b")
    assert new_job("c", depends=[(a, None), (b, "*")]).upstreams == [a, b]


def test_its_own_launcher_unless_another_is_set(new_job):
    job = new_job()
    assert isinstance(job.launcher, SubprocessLauncher)
    assert job.launcher is job.launcher
    other = SubprocessLauncher()
    job.launcher = other
    assert job.launcher is other


def test_jobs_are_equal_when_their_ids_are(new_job):
    a, again, b = new_job("a"), new_job("a", "other script"), new_job("b")
    assert a == again
    assert hash(a) == hash(again)
    assert a != b
    assert a != a.id
    assert len({a, again, b}) == 2


def test_making_a_job_changes_nothing_in_the_world(new_job, tmp_path):
    job = new_job()
    assert Job(job.spec, job.workspace).dependencies == []
    assert not (tmp_path / "session").exists()


# Job: resources


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, (1, 0, 1)),
        ({"cpus": 3, "gpus": 1}, (3, 1, 1)),
        ({"cpus": 9}, (9, 0, 3)),
        ({"nodes": 2}, (8, 4, 2)),
        ({"nodes": 2, "cpus": 2}, (2, 4, 2)),
    ],
)
def test_cpus_gpus_and_nodes(new_job, given, wanted):
    for job in (new_job("p", parameters=given), new_job("m", meta_parameters=given)):
        assert (job.cpus, job.gpus, job.nodes) == wanted


def test_resource_parameters_are_those_of_the_pool(new_job):
    capacity = Capacity({"cpus": 4, "tapes": 2})
    job = new_job(parameters={"tapes": 1, "mesh": 3}, capacity=capacity)
    assert job.get_resource_parameters_from_spec() == {
        "cpus": 1,
        "gpus": 0,
        "tapes": 1,
        "nodes": 1,
    }
    job.get_resource_parameters_from_spec().clear()
    assert job.cpus == 1


@pytest.mark.parametrize("name", ["cpus", "gpus", "nodes", "tapes"])
def test_a_resource_parameter_must_be_an_int(new_job, name):
    job = new_job(parameters={name: 2.5}, capacity=Capacity({"cpus": 4, "tapes": 2}))
    for ask in (job.required_resources, lambda: job.cpus, job.cost, job.size):
        with pytest.raises(InvalidTypeError, match=rf"{name}=2\.5 is a float"):
            ask()


def test_one_entry_for_each_slot_wanted(new_job):
    job = new_job(parameters={"cpus": 2, "gpus": 1})
    assert job.required_resources() == [
        {"type": "cpus", "slots": 1},
        {"type": "cpus", "slots": 1},
        {"type": "gpus", "slots": 1},
    ]
    wide = new_job("w", parameters={"nodes": 2, "cpus": 2, "gpus": 0})
    assert {"type": "nodes", "slots": 2} in wide.required_resources()


ASSIGNED = {
    "cpus": [{"id": "3", "slots": 1}, {"id": "5", "slots": 1}],
    "gpus": [{"id": "0", "slots": 1}],
}


def test_what_is_assigned_is_in_variables_and_expanded(new_job):
    job = new_job(environment={"BIND": "c=%(cpu_ids)s g=%(gpu_ids)s %(other)s", "N": None})
    job.assign_resources(ASSIGNED)
    assert job.variables["CANARY_CPU_IDS"] == "3,5"
    assert job.variables["CANARY_GPU_IDS"] == "0"
    assert job.variables["BIND"] == "c=3,5 g=0 %(other)s"
    assert job.variables["N"] is None
    assert (job.cpu_ids, job.gpu_ids) == (["3", "5"], ["0"])
    assert job.resources == ASSIGNED
    assert job.spec.environment["BIND"].startswith("c=%(")


def test_variables_only_for_types_that_are_assigned(new_job):
    job = new_job()
    job.assign_resources({"cpus": [{"id": "3", "slots": 1}]})
    assert set(job.variables) == {"CANARY_CPU_IDS"}
    other = new_job("o")
    other.assign_resources({"licences": [{"id": "x", "slots": 1}]})
    assert other.variables == {"CANARY_LICENCE_IDS": "x"}


def test_what_is_freed_is_what_was_assigned_and_is_forgotten(new_job):
    job = new_job()
    job.assign_resources(ASSIGNED)
    assert job.free_resources() == ASSIGNED
    assert job.free_resources() == {}
    assert (job.resources, job.cpu_ids, job.gpu_ids) == ({}, [], [])


def test_another_attempt_expands_what_it_gets(new_job):
    job = new_job(environment={"BIND": "%(cpu_ids)s"})
    job.add_variables(MORE="<%(cpu_ids)s>")
    for ids in ("1", "2"):
        job.assign_resources({"cpus": [{"id": ids, "slots": 1}]})
        assert (job.variables["BIND"], job.variables["MORE"]) == (ids, f"<{ids}>")
        job.free_resources()
    job.add_variables(BIND="plain")
    job.assign_resources({"cpus": [{"id": "3", "slots": 1}]})
    assert job.variables["BIND"] == "plain"


def test_a_lock_is_wanted_and_leaves_no_variable(new_job):
    job = new_job(locks=("port",))
    (lock,) = (e for e in job.required_resources() if e["type"] != "cpus")
    assert lock["slots"] == 1
    job.assign_resources({lock["type"]: [{"id": "port", "slots": 1}]})
    assert job.variables == {}


# Job: weight


def test_runtime_is_the_mean_of_passing_runs_or_the_timeout(new_job):
    job = new_job(timeout=20.0)
    assert job.runtime == 20.0
    job.history = RunHistory()
    job.history.add("FAIL", 1.0, 1.0)
    assert job.runtime == 20.0
    job.history.add("PASS", 2.0, 1.0)
    job.history.add("PASS", 4.0, 1.0)
    assert job.runtime == job.expected_runtime == 3.0
    assert new_job("n", timeout=-1.0).runtime == 0.0


def test_cost_is_the_norm_of_cpus_and_runtime(new_job):
    assert new_job(parameters={"cpus": 3}, timeout=4.0).cost() == 5.0
    assert new_job("w", weight=7.5).cost() == 7.5


def test_over_several_nodes_ids_are_told_apart(new_job):
    job = new_job(parameters={"nodes": 2}, environment={"WHERE": "%(node_ids)s %(cpu_node_ids)s"})
    entries = [{"id": i, "slots": 1, "node": n} for n in ("a", "b") for i in ("0", "1")]
    job.assign_resources({"cpus": entries})
    assert job.variables["CANARY_CPU_IDS"] == "0,1,0,1"
    assert job.variables["CANARY_CPU_NODE_IDS"] == "a:0,a:1,b:0,b:1"
    assert job.variables["CANARY_NODE_IDS"] == "a,b"
    assert job.variables["WHERE"] == "a,b a:0,a:1,b:0,b:1"


def test_memory_is_asked_for_in_one_piece(new_job):
    job = new_job(parameters={"memory": 4096}, capacity=Capacity({"cpus": 4, "memory": 8192}))
    assert {"type": "memory", "slots": 4096} in job.required_resources()
    job.assign_resources({"memory": [{"id": "0", "slots": 4096, "node": "n"}]})
    assert job.variables["CANARY_MEMORY_IDS"] == "0"


def test_size_is_the_norm_of_the_timeout_and_all_resources_but_nodes(new_job):
    job = new_job(parameters={"nodes": 2, "cpus": 2, "gpus": 3}, timeout=6.0)
    assert job.size() == math.hypot(6.0, 2, 3) == 7.0


def test_the_total_timeout_has_the_multiplier(new_job):
    job = new_job(timeout=20.0)
    job.timeout_multiplier = 2.5
    assert job.total_timeout() == 50.0
    assert job.timeout == 20.0


# Job: readiness


def test_a_job_waits_until_what_it_needs_is_over(new_job):
    a, b = new_job("a"), new_job("b")
    job = new_job("c", depends=[(a, "on_success"), (b, "always")])
    assert job.is_runnable()
    assert not job.is_ready()
    end(a, "SUCCESS")
    job.refresh_readiness()
    assert not job.is_ready()
    end(b, "FAILED")
    job.refresh_readiness()
    assert job.is_ready()
    assert job.is_runnable()
    assert job.state.is_pending()


def test_a_condition_that_breaks_blocks_at_once_and_says_why(new_job):
    a, b = new_job("a"), new_job("b")
    job = new_job("c", depends=[(a, "on_success"), (b, "always")])
    end(a, "DIFFED")
    assert not job.is_runnable()
    assert job.state.is_pending()
    job.refresh_readiness()
    assert job.is_done()
    assert job.status.outcome is Outcome.BLOCKED
    for part in ("a", "DIFFED", "on_success"):
        assert part in job.status.reason
    assert job.dropped()
    assert not job.is_ready()
    assert not job.is_runnable()


def test_blocking_goes_on_downstream(new_job):
    a = end(new_job("a"), "FAILED")
    b = new_job("b", depends=[(a, "on_success")])
    c = new_job("c", depends=[(b, "on_success")])
    always = new_job("d", depends=[(b, "always")])
    for job in (b, c, always):
        job.refresh_readiness()
    assert c.status.outcome is Outcome.BLOCKED
    assert "BLOCKED" in c.status.reason
    assert always.is_ready()


def test_readiness_of_what_is_over_or_running_is_left_alone(new_job):
    a = end(new_job("a"), "FAILED")
    job = new_job("b", depends=[(a, "on_success")])
    job.on_submitted()
    job.refresh_readiness()
    assert job.state.is_submitted()
    assert not job.is_runnable()
    assert not job.is_ready()


def test_what_is_masked_never_becomes_ready(new_job):
    job = new_job(mask=Mask(True, "x"))
    assert not job.is_ready()
    assert not job.is_runnable()


def test_dropped_is_skipped_before_running(new_job):
    job = end(new_job(), "SKIPPED")
    assert job.dropped()
    ran = new_job("r")
    ran.on_started()
    assert not end(ran, "SKIPPED").dropped()
    assert not end(new_job("f"), "FAILED").dropped()


# Job: status and presentation


@pytest.mark.parametrize(
    ("xstatus", "code", "outcome"),
    [
        (0, 0, "SUCCESS"),
        (0, "0", "SUCCESS"),
        (0, 64, "DIFFED"),
        (0, "64", "DIFFED"),
        (0, 80, "SKIPPED"),
        (0, 7, "SKIPPED"),
        (0, 3, "FAILED"),
        (0, -1, "FAILED"),
        (0, "segfault", "FAILED"),
        (-1, 3, "XFAIL"),
        (-1, 0, "FAILED"),
        (5, 5, "XFAIL"),
        (5, 3, "FAILED"),
        (64, 64, "XDIFF"),
        (64, 0, "FAILED"),
    ],
)
def test_exit_codes(new_job, xstatus, code, outcome):
    job = new_job(xstatus=xstatus, skip_codes=(7, 80))
    job.update_status_from_exit_code(code=code)
    assert job.status.outcome is Outcome[outcome]
    assert (job.status.reason is None) == (outcome == "SUCCESS")
    if code != "segfault":
        expected = job.status.outcome in (Outcome.XDIFF, Outcome.XFAIL)
        assert job.status.code == int(job.status.outcome if expected else code)
    else:
        assert job.status.reason == "segfault"


def test_names_for_people(new_job):
    job = new_job("a[1]<&>", family="f", file_path="d/f.sh")
    assert job.display_name() == job.display_name(style="none") == "a[1]<&>"
    assert job.display_name(resolve=True) == "d/a[1]<&>"
    assert job.display_name(style="rich") == "a\\[1]<&>"
    assert job.display_name(style="html") == "a[1]&lt;&amp;&gt;"
    end(job, "FAILED")
    assert job.display_name(style="rich") == "[red]a\\[1]<&>[/red]"
    assert "color:red" in job.display_name(style="html")
    assert "<&>" not in job.display_name(style="html", resolve=True)


def test_a_line_of_status(new_job):
    job = end(new_job(), "TIMEOUT", reason="slow")
    line = job.statline("none")
    for part in ("t", job.id[:7], "FAIL (TIMEOUT)", "slow"):
        assert part in line
    assert "\n" not in line
    assert "[red]" in job.statline("rich")


def test_attributes(new_job):
    job = new_job(attributes={"a": 1})
    job.set_attribute(b=2)
    job.set_attributes(c=3, a=4)
    job.set_attribute("d", 5)
    assert job.attributes == {"a": 4, "b": 2, "c": 3, "d": 5}
    assert job.attributes_set == {"a": 4, "b": 2, "c": 3, "d": 5}
    assert job.get_attribute("b") == 2
    assert job.get_attribute("z") is None
    assert job.get_attribute("z", 9) == 9
    assert job.spec.attributes == {"a": 1}
    with pytest.raises(AttributeError):
        job.attributes = {}


@pytest.mark.parametrize("done", [False, True])
def test_what_is_set_late_is_written_too(new_job, done):
    job = new_job()
    job.create_workspace()
    job.save()
    if done:
        job.on_finished()
    job.set_attribute(late=True)
    job.save()
    job.add_variables(LATE="yes")
    job.save()
    loaded = load_job_from_file(job.workspace.dir)
    assert loaded.attributes == {"late": True}
    assert loaded.variables["LATE"] == "yes"


# Job: environment


def test_variables_are_set_and_unset(new_job):
    job = new_job(environment={"A": "1", "B": None})
    job.add_variables(C="3", D=None)
    env = {"B": "x", "C": "y", "D": "z", "E": "kept"}
    job.set_runtime_env(env)
    directory = str(job.workspace.dir)
    assert env == {"A": "1", "C": "3", "E": "kept", "PATH": directory, "PYTHONPATH": directory}


def test_the_job_s_directory_is_first_on_search_paths(new_job):
    job = new_job()
    directory = str(job.workspace.dir)
    env = {"PATH": "/bin:/usr/bin", "PYTHONPATH": "/lib"}
    job.set_runtime_env(env)
    assert env == {"PATH": f"{directory}:/bin:/usr/bin", "PYTHONPATH": f"{directory}:/lib"}


@pytest.mark.parametrize("through", ["spec", "variables"])
def test_the_job_s_directory_is_first_also_where_the_test_sets_the_path(new_job, through):
    given = {"PATH": "/mine", "PYTHONPATH": None}
    job = new_job(environment=given if through == "spec" else {})
    if through == "variables":
        job.add_variables(**given)
    directory = str(job.workspace.dir)
    env = {"PATH": "/bin", "PYTHONPATH": "/lib"}
    job.set_runtime_env(env)
    assert env == {"PATH": f"{directory}:/mine", "PYTHONPATH": directory}


def test_the_environment_of_the_spec(new_job, monkeypatch):
    monkeypatch.setenv("PATH", "/p")
    job = new_job(environment={"A": "1", "B": None})
    directory = str(job.workspace.dir)
    made = job.get_environ_from_spec()
    assert made == {"A": "1", "B": None, "PATH": f"{directory}:/p", "PYTHONPATH": directory}
    job.settings = LaunchSettings(environment={"PATH": "/q"})
    assert job.get_environ_from_spec()["PATH"] == f"{directory}:/q"


# Job: life


def test_create_and_restore_its_directory(new_job):
    job = new_job()
    job.create_workspace()
    job.workspace.joinpath("x").touch()
    job.create_workspace()
    assert job.workspace.joinpath("x").exists()
    job.restore_workspace()
    assert os.listdir(job.workspace.dir) == []


def test_setup_makes_a_clean_directory_with_all_that_is_needed(new_job, tmp_path):
    job = new_job(assets=(Asset("data.txt"), Asset("copy.txt", action="copy")))
    for name in ("data.txt", "copy.txt"):
        (tmp_path / "src" / name).write_text(name)
    job.create_workspace()
    job.workspace.joinpath("left over").touch()
    job.setup()
    assert sorted(os.listdir(job.workspace.dir)) == ["copy.txt", "data.txt", "t.sh"]
    assert job.workspace.joinpath("t.sh").is_symlink()
    assert not job.workspace.joinpath("copy.txt").is_symlink()
    assert job.timekeeper.staged > 0


@pytest.mark.parametrize("more", [{"assets": (Asset("gone.txt"),)}, {}])
def test_setup_names_what_is_missing(new_job, tmp_path, more):
    job = new_job(**more)
    if not more:
        (tmp_path / "src" / "t.sh").unlink()
    with pytest.raises(MissingSourceError, match=r"gone|t\.sh"):
        job.setup()


SCRIPT = """
echo "here $(pwd)"
echo "to stderr" >&2
echo "$GREETING [$GONE] $CANARY_CPU_IDS"
command -v helper
echo result > result.txt
exit 3
"""


def test_run_from_end_to_end(new_job, tmp_path, monkeypatch):
    """A real process: directory, environment, output, exit code, lock, times."""
    monkeypatch.setenv("GONE", "gone")
    job = new_job(
        script=SCRIPT,
        environment={"GREETING": "cpus %(cpu_ids)s", "GONE": None},
        assets=(Asset("helper"),),
        artifacts=(Artifact("*.txt"),),
    )
    helper = tmp_path / "src" / "helper"
    helper.write_text("#!/bin/sh\n")
    helper.chmod(0o755)
    job.assign_resources({"cpus": [{"id": "7", "slots": 1}]})
    job.setup()
    job.run()
    directory = job.workspace.dir
    assert job.is_done()
    assert job.status == Status(Outcome.FAILED, "exit code 3", 3)
    assert job.read_output().splitlines() == [
        f"here {directory}",
        "to stderr",
        "cpus 7 [] 7",
        f"{directory}/helper",
    ]
    times = job.timekeeper
    assert 0 < times.submitted <= times.started <= times.stopped <= times.finished
    assert job.measurements.data["duration"] == pytest.approx(times.running())
    assert job.measurements.data["user"] >= 0
    assert {str(p) for p in job.get_artifacts()} == {"canary-out.txt", "result.txt"}
    assert lockfile.read(directory)["status"]["code"] == 3


def test_run_keeps_stderr_apart_where_it_has_a_file(new_job):
    job = new_job(script="echo out; echo err >&2", stderr="err.txt")
    job.setup()
    job.run()
    assert job.read_output() == "out\n"
    assert job.workspace.joinpath("err.txt").read_text() == "err\n"


def test_run_is_over_at_the_timeout(new_job):
    job = new_job(script="sleep 60", timeout=0.1)
    job.timeout_multiplier = 2.0
    job.setup()
    job.run()
    assert job.status.outcome is Outcome.TIMEOUT
    assert "0.2" in job.status.reason
    assert job.timekeeper.running() < 10


def test_run_of_what_cannot_be_started_is_an_error(new_job):
    job = new_job(command=("/nonexistent/program",))
    job.setup()
    job.run()
    assert job.status.outcome is Outcome.ERROR
    assert "/nonexistent/program" in job.status.reason


def test_run_in_the_directory_that_the_spec_names(new_job, tmp_path):
    job = new_job(command=("pwd",), cwd=str(tmp_path))
    job.setup()
    job.run()
    assert job.read_output() == f"{tmp_path}\n"


def test_words_after_the_command(new_job):
    more = {"attributes": {"script_args": ["x", 3]}}
    for takes, wanted in ((True, "--b x 3\n"), (False, "\n")):
        job = new_job(f"t{takes}", 'echo "$*"', takes_args=takes, **more)
        job.script_args = ("--b",)
        job.setup()
        job.run()
        assert job.read_output() == wanted


def test_the_process_itself_is_left_as_it_was(new_job, tmp_path):
    before = Path.cwd(), dict(os.environ)
    job = new_job(script="cd /; export X=1", environment={"X": "2"})
    job.setup()
    job.run()
    assert (Path.cwd(), dict(os.environ)) == before


def test_rc_files_are_sourced_and_the_directory_is_still_first(new_job, tmp_path):
    job = new_job(script='echo "$PATH"; echo "$FROM_RC"', rcfiles=("rc.sh",))
    job.setup()
    job.workspace.joinpath("rc.sh").write_text("export PATH=/from/rc:$PATH FROM_RC=yes\n")
    job.run()
    path, from_rc = job.read_output().splitlines()
    assert path.startswith(f"{job.workspace.dir}:/from/rc:")
    assert from_rc == "yes"


def test_run_through_another_launcher(new_job):
    seen = []

    class Fake(BlockingLauncher):
        name = "fake"

        def run(self, launch, cancelled):
            seen.append(launch)
            return Exit(launch.id, 1e12, 0, usage=Usage(1.0, 0.5, 1 << 20))

    job = new_job(xstatus=64)
    job.launcher = Fake()
    job.setup()
    job.run()
    (launch,) = seen
    assert launch.argv == ("/bin/sh", "t.sh")
    assert launch.cwd == str(job.workspace.dir)
    assert launch.timeout == 20.0
    assert launch.name == "t"
    assert (launch.attempt, launch.nodes, launch.stderr) == (1, 1, None)
    assert job.status.outcome is Outcome.FAILED
    assert job.measurements.data["max_rss"] == 1 << 20


class Services(JobServices):
    """What plugins could do."""

    def __init__(self):
        self.calls = []

    def environment(self, job):
        self.calls.append("environment")
        return {"FROM_PLUGIN": "yes"}

    def setup(self, job):
        self.calls.append("setup")
        job.workspace.joinpath("from-plugin").touch()

    def judge(self, job, exit):
        self.calls.append("judge")
        return Status(Outcome.DIFFED, f"judged {exit.code}", 64) if exit.code == 5 else None

    def measure(self, job, exit):
        self.calls.append(f"measure {job.status.outcome.name}")
        return {"plugin": 1}


def test_services_take_part_in_a_run(new_job):
    services = Services()
    job = new_job(script='[ "$FROM_PLUGIN" = yes ] && [ -e from-plugin ] && exit 5')
    job.setup()
    job.run(services)
    assert job.status == Status(Outcome.DIFFED, "judged 5", 64)
    assert job.measurements.data["plugin"] == 1
    assert services.calls == ["setup", "environment", "judge", "measure DIFFED"]


def test_services_do_not_judge_what_was_ended(new_job):
    services = Services()
    job = new_job(script="sleep 60", timeout=0.1)
    job.setup()
    job.run(services)
    assert job.status.outcome is Outcome.TIMEOUT
    assert "judge" not in services.calls


def test_prepare_stages_and_describes(new_job):
    job = new_job(parameters={"cpus": 2}, options={"partition": "p"}, exclusive=True)
    job.settings = LaunchSettings(
        environment={"ONLY": "this"},
        grace=5.0,
        no_output_timeout=6.0,
        output_limit=7,
        trim_output=True,
        pin=True,
    )
    job.assign_resources({"cpus": [{"id": "0", "slots": 1}, {"id": "1", "slots": 1}]})
    launch = job.prepare(JobServices(), attempt=3)
    assert os.listdir(job.workspace.dir)
    assert lockfile.read(job.workspace.dir)["attempt"] == 3
    assert launch.env["ONLY"] == "this"
    assert launch.env["CANARY_CPU_IDS"] == "0,1"
    assert "HOME" not in launch.env
    assert (launch.grace, launch.no_output_timeout, launch.output_limit) == (5.0, 6.0, 7)
    assert (launch.trim_output, launch.exclusive, launch.attempt) == (True, True, 3)
    assert launch.affinity == (0, 1)
    assert launch.options == {"partition": "p"}


def test_no_timeout_is_none(new_job):
    assert new_job(timeout=-1.0).prepare(JobServices()).timeout is None


def test_teardown_leaves_the_directory(new_job):
    job = new_job()
    job.setup()
    job.teardown()
    assert job.workspace.joinpath("t.sh").exists()


def test_baseline(new_job, tmp_path):
    job = new_job(script="echo new > out.txt", baseline=(Baseline("out.txt", "ref.txt"),))
    (tmp_path / "src" / "ref.txt").write_text("old\n")
    job.setup()
    with pytest.raises(MissingSourceError, match=r"out\.txt"):
        job.do_baseline()
    job.run()
    assert job.do_baseline() == [tmp_path / "src" / "ref.txt"]
    assert (tmp_path / "src" / "ref.txt").read_text() == "new\n"


# Job: state


def test_state_goes_from_one_process_to_another(new_job):
    """What a process that runs the job gives, as JSON, the one that asked takes over."""
    ran = new_job(script="exit 64")
    ran.setup()
    ran.run()
    ran.add_measurement("deep", {"a": [1, None]})
    asked = new_job()
    asked.setstate(json.loads(json.dumps(ran.getstate())))
    assert asked.state == ran.state
    assert asked.status == ran.status == Status(Outcome.DIFFED, ran.status.reason, 64)
    assert asked.timekeeper == ran.timekeeper
    assert asked.measurements == ran.measurements
    asked.add_measurement("x", 1)
    assert "x" not in ran.measurements.data


@pytest.mark.parametrize(
    "damage",
    [
        {"state": {}},
        {"state": {"phase": "FLYING"}},
        {"status": {"outcome": "what"}},
        {"status": None},
        {"timekeeper": 3},
        {"measurements": {"data": 3}},
        {"measurements": None},
    ],
)
def test_what_is_no_state_is_a_record_error(new_job, damage):
    job = new_job()
    with pytest.raises(RecordError):
        job.setstate({**job.getstate(), **damage})


def test_save_and_refresh(new_job):
    one = new_job()
    one.create_workspace()
    one.save()
    assert one.lockfile == one.workspace.dir / "testcase.lock"
    other = new_job()
    end(one, "SKIPPED", reason="because")
    one.save()
    assert not other.is_done()
    other.refresh()
    assert other.is_done()
    assert other.status == one.status


def test_the_lock_holds_plain_data_and_names_dependencies(new_job):
    a = new_job("a")
    job = new_job("b", depends=[(a, "on_success")], parameters={"cpus": 2})
    job.assign_resources(ASSIGNED)
    job.create_workspace()
    job.save()
    data = json.loads(job.lockfile.read_text())
    assert data["schema"] == 1
    assert data["dependencies"] == [{"id": a.id, "name": "a", "when": "on_success", "path": "a"}]
    assert data["workspace"] == {
        "root": str(job.workspace.root),
        "path": "b",
        "session": "s1",
    }
    assert data["allocation"] == {"resources": ASSIGNED}
    assert data["rparameters"] == {"cpus": 2, "gpus": 0, "nodes": 1}
    assert data["variables"]["CANARY_CPU_IDS"] == "3,5"
    assert data["spec"]["name"] == "b"
    assert "canary.job" not in job.lockfile.read_text()


def test_a_job_comes_back_from_its_directory_with_its_dependencies(new_job, monkeypatch, tmp_path):
    a = new_job("a", "exit 0", parameters={"n": 1})
    job = new_job("b", "exit 64", depends=[(a, "on_success")], environment={"X": "1"})
    for each in (a, job):
        each.setup()
        each.run()
    for arg in (job.workspace.dir, str(job.workspace.dir), job.lockfile):
        again = load_job_from_file(arg)
        assert isinstance(again, Job)
        assert again == job
        assert again.spec.full() == job.spec.full()
        assert again.status == job.status
        assert again.timekeeper == job.timekeeper
        assert again.variables == job.variables
        assert again.workspace.dir == job.workspace.dir
        (dependency,) = again.dependencies
        assert dependency.when == "on_success"
        assert dependency.job.spec.full() == a.spec.full()
        assert dependency.is_satisfied()
    monkeypatch.chdir(job.workspace.dir)
    assert load_job_from_file(None) == job
    assert load_job_from_state(lockfile.read(job.lockfile)) == job


def test_jobs_that_are_described_together_know_each_other(new_job):
    """None has a lock: all is in what is handed over."""
    a = new_job()
    b = new_job(family="b", depends=[(a, "on_success")])
    first, second = load_jobs([json.loads(lockfile.dump(job.record())) for job in (b, a)])
    assert (first, second) == (b, a)
    assert first.dependencies[0].job is second
    assert first.dependencies[0].when == "on_success"


def test_a_job_comes_back_with_the_resources_of_the_session_s_machine(new_job):
    job = new_job(parameters={"nodes": 2}, capacity=Capacity({"cpus": 64, "gpus": 8}))
    job.assign_resources(ASSIGNED)
    job.create_workspace()
    job.save()
    again = load_job_from_file(job.workspace.dir)
    assert (again.nodes, again.cpus, again.gpus) == (2, 128, 16)
    assert again.resources == ASSIGNED


def test_a_dependency_without_a_directory_leaves_no_trace(new_job):
    job = new_job(depends=[(Upstream(), None)])
    job.create_workspace()
    job.save()
    assert lockfile.read(job.lockfile)["dependencies"][0]["path"] is None
    assert load_job_from_file(job.workspace.dir).dependencies == []


def test_where_there_is_no_lock_there_is_no_job(tmp_path, monkeypatch):
    for arg in (tmp_path, tmp_path / "no" / "testcase.lock", None):
        with pytest.raises(RecordError, match="cannot read the job's lock"):
            load_job_from_file(arg)


@pytest.mark.parametrize(
    "damage",
    [
        {"workspace": None},
        {"workspace": {"root": "/"}},
        {"spec": {}},
        {"spec": 3},
        {"variables": 3},
        {"allocation": {}},
        {"rparameters": [1]},
        {"rparameters": {"cpus": "many"}},
        {"attempt": "x"},
        {"dependencies": [{"id": "x"}]},
        {"dependencies": 3},
        {"status": {}, "state": {}},
    ],
)
def test_a_lock_that_lacks_something_is_a_record_error(new_job, damage):
    job = new_job()
    job.create_workspace()
    job.save()
    data = {**lockfile.read(job.lockfile), **damage}
    with pytest.raises(RecordError):
        load_job_from_state(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def places(data, path=()):
    """The paths of all values in nested data."""
    if path:
        yield path
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_lock_it_is_a_job_or_a_record_error(new_job, data):
    job = new_job(parameters={"n": 1}, keywords=("a",), environment={"A": "b"})
    job.create_workspace()
    job.save()
    lock = lockfile.read(job.lockfile)
    *path, last = data.draw(st.sampled_from(sorted(places(lock), key=repr)))
    at = lock
    for key in path:
        at = at[key]
    if data.draw(st.booleans()):
        at[last] = data.draw(JSON)
    else:
        del at[last]
    try:
        load_job_from_state(lock)
    except CanaryError:
        pass  # one line of it; anything else is a bug


# Job: results


def test_output_in_short(new_job):
    job = new_job(script="i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done")
    job.setup()
    job.run()
    whole, short = job.read_output(), job.read_output(compress=True)
    assert whole.count("\n") == 2000
    assert len(short) < 5000
    assert short.startswith("line 0\n")
    assert short.endswith("line 1999\n")


def test_output_that_is_not_there(new_job):
    assert "no output" in new_job().read_output()


def test_artifacts_hang_on_the_status(new_job):
    wanted = (Artifact("*.log", "failure"), Artifact("*.dat", "success"))
    job = new_job(artifacts=wanted)
    job.create_workspace()
    for name in ("a.log", "b.dat"):
        job.workspace.joinpath(name).touch()
    assert job.get_artifacts() == []
    end(job, "SUCCESS")
    assert job.get_artifacts() == [Path("b.dat")]
    end(job, "TIMEOUT")
    assert job.get_artifacts() == [Path("a.log")]


def finished(job, outcome, began, ended):
    job.timekeeper.started, job.timekeeper.stopped = began, ended
    return end(job, outcome)


def test_run_times_are_remembered_beside_the_workspace_tag(new_job, tmp_path):
    (tmp_path / "WORKSPACE.TAG").touch()
    assert new_job().load_cached_runs() == RunHistory()
    for seconds, outcome in ((2.0, "SUCCESS"), (4.0, "XFAIL"), (99.0, "FAILED"), (6.0, "SUCCESS")):
        finished(new_job(), outcome, 100.0, 100.0 + seconds).finish()
    known = new_job().load_cached_runs()
    assert (known.count, known.mean, known.min, known.max) == (3, 4.0, 2.0, 6.0)
    assert known.variance == pytest.approx(4.0)
    assert known.categories == {"PASS": 3, "FAIL": 1}
    assert known.last > 100
    assert new_job().runtime == 4.0
    assert (tmp_path / "cache").is_dir()


def test_run_times_without_a_workspace_are_kept_in_the_job_alone(new_job, tmp_path):
    job = finished(new_job(), "SUCCESS", 100.0, 102.0)
    job.cache_last_run()
    assert job.load_cached_runs().mean == 2.0
    assert new_job().load_cached_runs().count == 0


# the module


def test_every_name_of_the_contract_is_here():
    wanted = {
        *("JobPhase", "AnyMatcher", "Dependency", "JobState", "Measurements", "BaseJob", "Job"),
        *("ceil_div", "find_cache_dir", "load_job_from_file", "load_job_from_state"),
        *("MissingSourceError", "InvalidTypeError"),
    }
    assert wanted <= set(canary.job.__all__)
    assert all(hasattr(canary.job, name) for name in canary.job.__all__)
    assert {getattr(canary.job, name).__module__ for name in wanted} == {"canary.job"}


def test_a_job_runs_in_any_thread(new_job):
    job = new_job(script="exit 64")
    job.setup()
    thread = threading.Thread(target=job.run)
    thread.start()
    thread.join()
    assert job.status.outcome is Outcome.DIFFED


def test_a_job_that_was_saved_can_be_asked_in_a_process_of_its_own(new_job):
    """As a test script does: no session, no store, no plugins."""
    job = new_job(parameters={"n": 3})
    job.create_workspace()
    job.save()
    code = "from canary.job import load_job_from_file as f; print(f(None).spec.parameters['n'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=job.workspace.dir,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "3\n"
