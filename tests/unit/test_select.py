"""What runs, what stands in, and a reason for everything else."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import graph, select
from canary.errors import CanaryError, UsageError
from canary.select import Criteria, Earlier
from canary.settings import STRATEGIES
from canary.spec import Asset, DependencyPattern, JobSpec, Mask
from canary.status import Category, Outcome, Status


def spec(name, *depends, root="/r", **more):
    return JobSpec(
        **{
            "file_root": str(root),
            "file_path": f"{name}.x",
            "id": name,
            "family": name,
            "name": name,
            "command": ("true",),
            "dependencies": tuple(DependencyPattern(d, "always") for d in depends),
            **more,
        }
    )


def was(outcome, started=100.0, finished=-1.0):
    status = Status.make(outcome=outcome)
    times = json.dumps({"started": started, "finished": finished})
    return Earlier(status.category.value, outcome, None, status.code, times, "/d", "s")


def choose(specs, earlier=None, masks=None, **criteria):
    built, errors = graph.build(specs)
    assert errors == []
    known = {id: was(x) if isinstance(x, str) else x for id, x in (earlier or {}).items()}
    plan = select.choose(built, Criteria(**criteria), known, masks)
    # nothing vanishes
    assert set(plan.run).isdisjoint(plan.masks)
    assert set(plan.run) | set(plan.masks) == set(built.specs)
    assert set(plan.standing) <= set(plan.masks)
    return plan


def left_out(plan):
    return {id: mask.reason for id, mask in plan.masks.items()}


# filters


SPECS = [
    spec("a", keywords=("fast", "GPU"), owners=("me",), parameters={"np": 1}, timeout=10.0),
    spec("b", keywords=("slow",), owners=("you", "me"), parameters={"np": 4}, timeout=100.0),
    spec("c", owners=("they",), meta_parameters={"np": 8}, timeout=-1.0),
]


@pytest.mark.parametrize(
    ("criteria", "run"),
    [
        ({}, "abc"),
        ({"keywords": ("fast",)}, "a"),
        ({"keywords": ("gpu or SLOW",)}, "ab"),
        ({"keywords": ("not fast",)}, "bc"),
        ({"keywords": ("fast or slow", "not gpu")}, "b"),
        ({"keywords": (":all:",)}, "abc"),
        ({"keywords": ("c",)}, "c"),
        ({"keywords": ("/r/b.x",)}, "b"),
        ({"parameters": "np=4"}, "b"),
        ({"parameters": "np>1"}, "bc"),
        ({"parameters": "missing=1"}, ""),
        ({"parameters": "cpus=1 and gpus=0 and nodes=1"}, "abc"),
        ({"keywords": ("",)}, ""),
        ({"owners": ("me",)}, "ab"),
        ({"owners": ("they", "you")}, "bc"),
        ({"limit": 100.0}, "ac"),
        ({"keywords": ("fast or slow",), "owners": ("you",), "parameters": "np=*"}, "b"),
    ],
)
def test_filters(criteria, run):
    plan = choose(SPECS, **criteria)
    assert "".join(plan.run) == run
    for reason in left_out(plan).values():
        assert any(
            word in reason for word in ("keyword", "parameter", "owner", "timeout", "session")
        )


def test_the_first_filter_that_fails_is_the_reason():
    plan = choose(SPECS, keywords=("fast",), owners=("nobody",))
    assert "keyword expression 'fast'" in left_out(plan)["b"]
    assert "owner nobody" in left_out(plan)["a"]


def test_a_regular_expression_looks_into_the_files(tmp_path):
    for name, text in (("a", "needle"), ("b", "hay"), ("c", "hay"), ("asset", "a NEEDLE")):
        (tmp_path / f"{name}.x").write_text(text)
    specs = [
        spec("a", root=tmp_path),
        spec("b", root=tmp_path),
        spec("c", root=tmp_path, assets=(Asset("asset.x"), Asset("gone.x"))),
        spec("gone", root=tmp_path),
    ]
    assert choose(specs, regex="need.e").run == ("a",)
    assert choose(specs, regex="(?i)needle").run == ("a", "c")
    (tmp_path / "b.x").write_bytes(b"\xff needle")
    assert choose(specs, regex="needle").run == ("a", "b")


def test_a_regular_expression_that_is_none_is_refused_with_its_column():
    with pytest.raises(UsageError, match=r"--regex 'a\(': .* \(column 2\)"):
        choose(SPECS, regex="a(")


@pytest.mark.parametrize("criteria", [{"keywords": ("a and",)}, {"parameters": "np >"}])
def test_an_expression_that_is_none_is_refused(criteria):
    with pytest.raises(CanaryError):
        choose(SPECS, **criteria)


# masks


def test_masks_of_specs_and_plugins_are_kept_with_their_reasons():
    specs = [spec("a", mask=Mask(True, "enable")), spec("b"), spec("c")]
    plan = choose(specs, masks={"b": Mask(True, "no licence"), "unknown": Mask(True, "x")})
    assert plan.run == ("c",)
    assert left_out(plan) == {"a": "enable", "b": "no licence"}
    assert plan.reasons() == {"enable": 1, "no licence": 1}


def test_what_depends_on_a_masked_job_is_masked():
    specs = [
        spec("a", keywords=("x",)),
        spec("b", "a"),
        spec("c", "b", keywords=("x",)),
        spec("d", keywords=("x",)),
    ]
    plan = choose(specs, keywords=("not a",))
    assert plan.run == ("d",)
    assert left_out(plan)["b"] == left_out(plan)["c"] == select.MASKED_UPSTREAM
    assert choose(specs, keywords=("x",)).run == ("a", "d")
    assert choose(specs, keywords=("c",)).run == ()


def test_a_reason_that_is_not_given_is_counted_too():
    assert choose([spec("a", mask=Mask(True))]).reasons() == {"masked": 1}


def test_what_waits_for_a_job_only_if_it_is_run_runs_without_it():
    """Left out by a mask or by a name; and it still runs whenever one of them does."""
    wait = tuple(DependencyPattern(x, "if_run") for x in ("a", "b"))
    last = spec("last", dependencies=(*wait, DependencyPattern("up", "always")))
    specs = [spec("up", renew=True), spec("a", "up"), spec("b", "up"), last]
    plan = choose(specs, masks={"b": Mask(True, "off")})
    assert plan.run == ("up", "a", "last")
    assert choose(specs, named=frozenset({"a"})).run == ("up", "a", "last")
    passed = dict.fromkeys(("up", "a", "last"), "SUCCESS")
    assert choose(specs, {**passed, "b": "FAILED"}).run == ("up", "b", "last")
    assert choose(specs, masks={"up": Mask(True, "off")}).run == ()


def test_masks_spread_without_recursion():
    specs = [spec("j0", mask=Mask(True, "off"))]
    specs += [spec(f"j{i}", f"j{i - 1}") for i in range(1, 5000)]
    plan = choose(specs)
    assert plan.reasons() == {"off": 1, select.MASKED_UPSTREAM: 4999}


# strategies


KNOWN = {
    "passed": "SUCCESS",
    "xfailed": "XFAIL",
    "failed": "FAILED",
    "timeout": "TIMEOUT",
    "blocked": "BLOCKED",
    "skipped": "SKIPPED",
    "cancelled": "CANCELLED",
}
ALONE = [spec(name) for name in (*KNOWN, "new")]


@pytest.mark.parametrize(
    ("only", "run"),
    [
        ("not_pass", {"failed", "timeout", "blocked", "skipped", "cancelled", "new"}),
        ("failed", {"failed", "timeout", "blocked"}),
        ("not_run", {"new"}),
        ("all", {*KNOWN, "new"}),
    ],
)
def test_strategies(only, run):
    plan = choose(ALONE, KNOWN, only=only)
    assert set(plan.run) == run
    assert plan.standing == ()
    reasons = {
        "not_pass": "passed before",
        "failed": "did not fail before",
        "not_run": "ran before",
        "all": "",
    }
    assert set(left_out(plan).values()) <= {reasons[only]}


def test_changed_are_those_whose_file_is_newer_than_their_last_start(tmp_path):
    names = ("old", "edited", "gone", "new", "unknown", "blocked", "blocked, edited")
    specs = [spec(n, root=tmp_path) for n in names]
    for name in set(names) - {"gone"}:
        (tmp_path / f"{name}.x").touch()
        os.utime(tmp_path / f"{name}.x", (1000.0, 1000.0))
    earlier = {
        "old": was("FAILED", 2000.0),
        "edited": was("SUCCESS", 500.0),
        "gone": was("SUCCESS", 2000.0),
        "unknown": was("BLOCKED", -1.0),
        "blocked": was("BLOCKED", -1.0, 2000.0),
        "blocked, edited": was("BLOCKED", -1.0, 500.0),
    }
    plan = choose(specs, earlier, only="changed")
    assert set(plan.run) == {"edited", "gone", "new", "unknown", "blocked, edited"}
    assert left_out(plan) == dict.fromkeys(("old", "blocked"), "did not change")


def chain():
    """a <- b <- c <- d, and e <- c."""
    return [spec("a"), spec("b", "a"), spec("e"), spec("c", "b", "e"), spec("d", "c")]


def test_dependents_of_what_runs_run_and_upstreams_stand_in():
    plan = choose(chain(), dict.fromkeys("abcde", "SUCCESS") | {"b": "FAILED"})
    assert plan.run == ("b", "c", "d")
    assert set(plan.standing) == {"a", "e"}
    assert left_out(plan) == {"a": "passed before", "e": "passed before"}


def test_an_upstream_without_a_result_runs_with_what_needs_it():
    known = {"b": "SUCCESS", "c": "FAILED", "d": "SUCCESS"}
    plan = choose(chain(), known, only="failed")
    assert plan.run == ("e", "c", "d")
    assert plan.standing == ("b",)
    assert "a" in plan.masks  # b has its result already


def needs_success(name, upstream):
    return spec(name, dependencies=(DependencyPattern(upstream),))


def test_a_named_job_that_an_earlier_result_blocks_brings_what_blocks_it():
    specs = [spec("a"), needs_success("b", "a"), needs_success("c", "b"), needs_success("x", "a")]
    known = {"a": "FAILED", "b": "BLOCKED", "c": "BLOCKED", "x": "BLOCKED"}
    assert choose(specs, known, named=frozenset("c"), only="all").run == ("a", "b", "c")
    assert choose(specs, known, named=frozenset("c"), only="not_pass").run == ("c",)
    alone = choose(specs, known, named=frozenset("c"), only="all", dependencies=False)
    assert alone.run == ("c",)


def test_an_upstream_whose_directory_is_gone_runs_again(tmp_path):
    """It stands in only where others find what it left; one that never had a directory does."""
    specs = [spec("z"), spec("a", "z"), spec("b", "a"), spec("c")]
    staged = json.dumps({"staged": 1.0, "started": 2.0, "finished": 3.0})
    gone = was("SUCCESS")._replace(timekeeper=staged, directory=str(tmp_path / "gone"))
    here, unmade = gone._replace(directory=str(tmp_path)), was("SUCCESS")
    known = {"z": unmade, "a": gone, "b": "DIFFED", "c": gone}
    plan = choose(specs, known)
    assert (plan.run, plan.standing) == (("a", "b"), ("z",))
    assert left_out(plan)["c"] == "passed before"
    assert choose(specs, known | {"z": gone}).run == ("z", "a", "b")
    assert choose(specs, known | {"a": here}).run == ("b",)
    assert choose(specs, known, named=frozenset("b"), only="all").run == ("a", "b")
    with pytest.raises(UsageError, match="a is needed, and its directory is gone"):
        choose(specs, known, named=frozenset("b"), only="all", dependencies=False)


def test_an_upstream_that_is_to_be_renewed_runs_again():
    specs = [spec("a", renew=True), spec("b", "a"), spec("c")]
    plan = choose(specs, {"a": "SUCCESS", "b": "FAILED", "c": "SUCCESS"})
    assert plan.run == ("a", "b")
    assert plan.standing == ()


def test_a_named_job_brings_what_it_needs():
    specs = [spec("a"), spec("b", "a"), spec("c", "b"), spec("x")]
    plan = choose(specs, named=frozenset("c"), only="all")
    assert plan.run == ("a", "b", "c")
    assert plan.standing == ()
    assert left_out(plan)["x"] == "not named"


def test_without_what_it_needs_a_named_job_is_refused():
    specs = [spec("a"), spec("b", "a"), spec("c", "b")]
    with pytest.raises(UsageError, match="a is needed, and has not run"):
        choose(specs, named=frozenset("c"), only="all", dependencies=False)
    known = {"a": "SUCCESS", "b": "SUCCESS"}
    plan = choose(specs, known, named=frozenset("c"), only="all", dependencies=False)
    assert plan.run == ("c",)
    assert plan.standing == ("b",)


def test_a_named_job_that_passed_runs_with_its_dependents_and_its_upstream_stands_in():
    plan = choose(chain(), dict.fromkeys("abcde", "SUCCESS"), named=frozenset("b"), only="all")
    assert plan.run == ("b", "c", "d")
    assert set(plan.standing) == {"a", "e"}


def test_a_named_job_that_the_strategy_leaves_out_is_told_so():
    plan = choose(ALONE, KNOWN, named=frozenset({"passed", "failed"}), only="not_pass")
    assert plan.run == ("failed",)
    assert left_out(plan)["passed"] == "passed before"
    assert left_out(plan)["new"] == "not named"


def test_all_runs_all_that_is_left():
    plan = choose(chain(), dict.fromkeys("abcde", "SUCCESS"), only="all")
    assert len(plan.run) == 5
    assert plan.standing == ()


def test_what_is_masked_does_not_come_back_through_a_strategy():
    specs = [spec("a"), spec("b", "a", mask=Mask(True, "off")), spec("c", "b")]
    plan = choose(specs, {"a": "FAILED", "b": "FAILED", "c": "FAILED"})
    assert plan.run == ("a",)
    assert left_out(plan) == {"b": "off", "c": select.MASKED_UPSTREAM}


@given(st.data(), st.sampled_from(STRATEGIES), st.integers(1, 12))
def test_whatever_is_known_the_plan_can_be_run(data, only, n):
    """In order; what a job needs runs before it, or has a result that stands in."""
    rows = [data.draw(st.sets(st.integers(0, i - 1), max_size=2)) if i else set() for i in range(n)]
    specs = [
        spec(
            f"j{i}",
            *(f"j{p}" for p in rows[i]),
            mask=Mask(data.draw(st.integers(0, 5)) == 0, "off"),
        )
        for i in range(n)
    ]
    outcomes = st.sampled_from([None, "SUCCESS", "FAILED", "BLOCKED", "SKIPPED"])
    known = {f"j{i}": x for i in range(n) if (x := data.draw(outcomes))}
    named = data.draw(st.none() | st.frozensets(st.sampled_from([s.id for s in specs])))
    plan = choose(specs, known, only=only, named=named)
    place = {id: i for i, id in enumerate(plan.run)}
    for id in plan.run:
        assert not specs[int(id[1:])].mask
        for parent in rows[int(id[1:])]:
            upstream = f"j{parent}"
            assert place.get(upstream, n) < place[id] or upstream in plan.standing
    if only == "not_pass" and named is None:
        for each in specs:
            last = known.get(each.id)
            failed = last is None or Outcome[last].category is not Category.PASS
            if failed and each.id not in place:
                assert plan.masks[each.id].reason in ("off", select.MASKED_UPSTREAM)
