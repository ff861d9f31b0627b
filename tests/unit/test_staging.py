"""What goes into a job's directory, what it asks for, and what is kept of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from canary import staging
from canary.resources import Capacity
from canary.spec import Artifact, Asset, Baseline, JobSpec
from canary.staging import InvalidTypeError, MissingSourceError
from canary.status import Category


@pytest.fixture
def tree(tmp_path):
    """A test file among others, and an empty directory for its job."""
    source = tmp_path / "src"
    (source / "data").mkdir(parents=True)
    (source / "work").mkdir()
    for name in ("t.x", "a.txt", "b.txt", "data/c.txt"):
        (source / name).write_text(name)
    (tmp_path / "job").mkdir()
    return source


@pytest.fixture
def job(tmp_path):
    return tmp_path / "job"


def spec(tree, *assets, **more):
    base = {"file_root": str(tree), "file_path": "t.x", "id": "0", "family": "t", "name": "t"}
    return JobSpec(**{**base, "command": ("true",), "assets": assets, **more})


def stage(tree, job, *assets, copy_all=False, **more):
    staging.stage(spec(tree, *assets, **more), str(job), copy_all=copy_all)
    return sorted(os.listdir(job))


# staging


def test_the_test_file_is_linked(tree, job):
    assert stage(tree, job) == ["t.x"]
    assert (job / "t.x").readlink() == tree / "t.x"


def test_the_test_file_is_left_out_where_it_is_not_wanted(tree, job):
    assert stage(tree, job, stage_file=False) == []


def test_assets_are_linked_copied_or_only_named(tree, job):
    assets = (Asset("a.txt"), Asset("b.txt", action="copy"), Asset("none.txt", action="none"))
    assert stage(tree, job, *assets) == ["a.txt", "b.txt", "t.x"]
    assert (job / "a.txt").readlink() == tree / "a.txt"
    assert not (job / "b.txt").is_symlink()
    assert (job / "b.txt").read_text() == "b.txt"


def test_everything_is_copied_when_that_is_asked_for(tree, job):
    stage(tree, job, Asset("a.txt"), Asset("data"), copy_all=True)
    assert not any(p.is_symlink() for p in job.rglob("*"))
    assert (job / "data" / "c.txt").read_text() == "data/c.txt"


@pytest.mark.parametrize(
    ("asset", "names"),
    [
        (Asset("a.txt", "x"), ["x"]),
        (Asset("a.txt", "sub/x"), ["x"]),
        (Asset("a.txt", "../x"), ["x"]),
        (Asset("a.txt", "/abs/x"), ["x"]),
        (Asset("a.txt", ".."), ["%2E%2E"]),
        (Asset("data/c.txt"), ["c.txt"]),
        (Asset("data/"), ["data"]),
        (Asset("*.txt"), ["a.txt", "b.txt"]),
        (Asset("*.txt", "ignored"), ["a.txt", "b.txt"]),
        (Asset("data/[c]*"), ["c.txt"]),
        (Asset("*.nothing"), []),
    ],
)
def test_an_asset_lands_in_the_directory_itself(tree, job, asset, names):
    assert stage(tree, job, asset, stage_file=False) == names
    assert sorted(os.listdir(job.parent)) == ["job", "src"]


def test_an_absolute_source(tree, job, tmp_path):
    (tmp_path / "far.txt").touch()
    assert stage(tree, job, Asset(str(tmp_path / "far.txt")), stage_file=False) == ["far.txt"]


def test_a_pattern_is_one_only_in_its_own_text(tmp_path, job):
    """The directory of the test has a name that would be a pattern."""
    (tmp_path / "job").mkdir()
    tree = tmp_path / "s[rc]"
    tree.mkdir()
    for name in ("t.x", "a.txt", "b[1].txt"):
        (tree / name).touch()
    assert stage(tree, job, Asset("*.txt"), stage_file=False) == ["a.txt", "b[1].txt"]
    assert stage(tree, job, Asset("b[1].txt", "x"), stage_file=False) == ["a.txt", "b[1].txt", "x"]


def test_a_link_to_a_link_goes_to_the_file(tree, job):
    (tree / "link.txt").symlink_to("a.txt")
    stage(tree, job, Asset("link.txt"))
    assert (job / "link.txt").resolve() == tree / "a.txt"
    assert (job / "link.txt").readlink() == tree / "a.txt"


def test_a_later_asset_of_a_name_replaces_the_earlier(tree, job):
    stage(tree, job, Asset("a.txt", "x"), Asset("b.txt", "x", "copy"))
    assert (job / "x").read_text() == "b.txt"
    assert (tree / "a.txt").read_text() == "a.txt"


def test_an_asset_never_writes_through_a_link(tree, job):
    """A copy over a linked test file replaces the link, not the user's file."""
    stage(tree, job, Asset("a.txt", "t.x", "copy"))
    assert (tree / "t.x").read_text() == "t.x"
    assert (job / "t.x").read_text() == "a.txt"


def test_what_is_not_there_is_named(tree, job):
    with pytest.raises(MissingSourceError, match=r"gone\.txt"):
        stage(tree, job, Asset("gone.txt"))
    (tree / "broken").symlink_to("nowhere")
    with pytest.raises(MissingSourceError, match=r"broken"):
        stage(tree, job, Asset("broken"), stage_file=False)


@pytest.mark.parametrize("copy_all", [False, True])
def test_a_test_file_that_is_gone_is_named(tree, job, copy_all):
    (tree / "t.x").unlink()
    with pytest.raises(MissingSourceError, match=r"t\.x"):
        stage(tree, job, copy_all=copy_all)


@pytest.mark.parametrize(
    ("more", "light"),
    [
        ({}, True),
        ({"assets": (Asset("a"),)}, True),
        ({"assets": (Asset("a", action="copy"),)}, False),
        ({"rcfiles": ("rc",)}, False),
        ({"modules": (("gcc", None),)}, False),
    ],
)
def test_what_takes_long_is_known(tree, more, light):
    assert staging.is_light(spec(tree, **more)) == light


# environment and resources


@pytest.mark.parametrize(
    ("own", "base", "wanted"),
    [
        ({}, {}, "/j"),
        ({}, {"PATH": "/a:/b"}, "/j:/a:/b"),
        ({"PATH": "/c"}, {"PATH": "/a"}, "/j:/c"),
        ({"PATH": None}, {"PATH": "/a"}, "/j"),
        ({"PATH": ""}, {"PATH": "/a"}, "/j"),
    ],
)
def test_the_job_s_directory_comes_first_on_search_paths(own, base, wanted):
    made = staging.search_paths("/j", own, base)
    assert made["PATH"] == wanted
    assert made["PYTHONPATH"] == "/j"


@pytest.mark.parametrize(("base", "wanted"), [({}, ":"), ({"PATH": "/a:/b"}, ":/a:/b")])
def test_a_directory_that_no_list_can_name_is_found_as_the_current_one(base, wanted):
    made = staging.search_paths("/s=a:b", {}, base)
    assert made == {"PATH": wanted, "PYTHONPATH": ":"}


CAPACITY = Capacity({"cpus": 4, "gpus": 2, "tapes": 1})


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"cpus": 1, "gpus": 0, "nodes": 1}),
        ({"cpus": 3}, {"cpus": 3, "gpus": 0, "nodes": 1}),
        ({"cpus": 5}, {"cpus": 5, "gpus": 0, "nodes": 2}),
        ({"gpus": 5, "cpus": 2}, {"cpus": 2, "gpus": 5, "nodes": 3}),
        ({"nodes": 2}, {"cpus": 8, "gpus": 4, "nodes": 2}),
        ({"nodes": 2, "cpus": 3}, {"cpus": 3, "gpus": 4, "nodes": 2}),
        ({"nodes": 2, "gpus": 0}, {"cpus": 8, "gpus": 0, "nodes": 2}),
        ({"tapes": 3}, {"cpus": 1, "gpus": 0, "tapes": 3, "nodes": 1}),
        ({"a": "x", "np": 7}, {"cpus": 1, "gpus": 0, "nodes": 1}),
    ],
)
def test_needs_and_their_defaults(tree, given, wanted):
    assert staging.resource_needs(spec(tree, parameters=given), CAPACITY) == wanted
    assert staging.resource_needs(spec(tree, meta_parameters=given), CAPACITY) == wanted


@pytest.mark.parametrize("name", ["cpus", "gpus", "nodes", "tapes"])
@pytest.mark.parametrize("value", ["4", 4.0, True, None, [4]])
def test_a_need_that_is_no_int_is_named_with_its_value_and_type(tree, name, value):
    with pytest.raises(InvalidTypeError) as caught:
        staging.resource_needs(spec(tree, parameters={name: value}), CAPACITY)
    assert (caught.value.name, caught.value.value) == (name, value)
    for part in (name, repr(value), type(value).__name__, "int"):
        assert part in str(caught.value)


def test_without_a_pool_cpus_and_gpus_are_still_types(tree):
    with pytest.raises(InvalidTypeError):
        staging.resource_needs(spec(tree, parameters={"gpus": "x"}), Capacity({}))


# artifacts


@pytest.fixture
def results(job):
    job.mkdir()
    for name in ("o.txt", "e.log", "sub/deep/o.txt"):
        (job / name).parent.mkdir(parents=True, exist_ok=True)
        (job / name).touch()
    return job


def artifacts(job, category, *wanted):
    found = staging.artifacts([Artifact(*w) for w in wanted], str(job), Category(category))
    return [str(p) for p in found]


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ("always", ["PASS", "FAIL", "NOTRUN", "ABORTED"]),
        ("success", ["PASS"]),
        ("on_success", ["PASS"]),
        ("failure", ["FAIL"]),
        ("on_failure", ["FAIL"]),
        ("never", []),
    ],
)
def test_artifacts_are_kept_under_their_condition(results, when, kept):
    for category in ("PASS", "FAIL", "NOTRUN", "ABORTED"):
        found = artifacts(results, category, ("e.log", when))
        assert found == (["e.log"] if category in kept else [])


def test_artifacts_are_found_at_any_depth_each_once(results):
    found = artifacts(results, "PASS", ("o.txt",), ("*.txt",), ("*.log",), ("nothing",))
    assert found == ["o.txt", "sub/deep/o.txt", "e.log"]
    assert artifacts(results, "PASS", ("deep/*.txt",)) == ["sub/deep/o.txt"]


def test_artifacts_stay_in_the_directory(results):
    (results.parent / "outside.txt").touch()
    assert artifacts(results, "PASS", ("../outside.txt",), (str(results.parent / "*.txt"),)) == []


def test_a_directory_that_has_links_to_itself_ends(results):
    for name in ("one", "two"):
        (results / name).symlink_to(".")
    assert artifacts(results, "PASS", ("e.log",)) == ["e.log"]


def test_a_directory_whose_name_is_a_pattern(tmp_path):
    job = tmp_path / "a[b]*"
    job.mkdir()
    (job / "x.txt").touch()
    assert artifacts(job, "PASS", ("*.txt",)) == ["x.txt"]


# baselines


def test_rebaseline_copies_over_the_references(tree, job):
    (job / "new.txt").write_text("new")
    made = spec(tree, baseline=(Baseline("new.txt", "data/c.txt"), Baseline(flag="--b")))
    assert staging.rebaseline(made, str(job)) == [tree / "data" / "c.txt"]
    assert (tree / "data" / "c.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("src", "dst"), [("../job2/x", "a.txt"), ("new.txt", "../x"), ("new.txt", "/abs"), ("no", "a")]
)
def test_rebaseline_writes_nowhere_else(tree, job, src, dst):
    (job / "new.txt").write_text("new")
    with pytest.raises(MissingSourceError):
        staging.rebaseline(spec(tree, baseline=(Baseline(src, dst),)), str(job))
    assert Path(tree / "a.txt").read_text() == "a.txt"
    assert sorted(os.listdir(tree.parent)) == ["job", "src"]
