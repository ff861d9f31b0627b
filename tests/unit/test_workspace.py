"""A job's directory: made clean, never outside the session's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from canary.errors import WorkspaceError
from canary.resources import Capacity
from canary.workspace import ExecutionSpace, this_machine


@pytest.fixture
def space(tmp_path):
    return ExecutionSpace(tmp_path, Path("a/b"), "s1", Capacity({"cpus": 2}))


@pytest.mark.parametrize("path", ["/abs", "..", "a/../../b", "a/..", "a\0b"])
def test_a_path_that_would_leave_is_refused(tmp_path, path):
    with pytest.raises(WorkspaceError, match="would leave"):
        ExecutionSpace(tmp_path, Path(path))


@pytest.mark.parametrize("path", ["a", "a/b", "..a", "a..", "a/...", "a b"])
def test_a_path_below_is_fine(tmp_path, path):
    space = ExecutionSpace(tmp_path, Path(path))
    assert space.dir == tmp_path / path
    assert space.text == str(tmp_path / path)
    assert space.joinpath("x", "y") == tmp_path / path / "x" / "y"


def test_create_makes_parents_and_keeps_what_is_there(space):
    space.create()
    space.joinpath("f").touch()
    space.create()
    assert os.listdir(space.dir) == ["f"]


@pytest.mark.parametrize("make", ["restore", "fresh"])
def test_restore_and_fresh_leave_an_empty_directory(space, make):
    for _ in range(2):
        getattr(space, make)()
        assert os.listdir(space.dir) == []
        space.joinpath("f").touch()
        space.joinpath("d").mkdir()
        space.joinpath("d", "g").touch()


def test_links_in_it_are_removed_not_followed(space, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "f").touch()
    space.create()
    space.joinpath("link").symlink_to(tmp_path / "mine")
    space.restore()
    assert os.listdir(space.dir) == []
    assert (tmp_path / "mine" / "f").exists()


def test_a_link_in_its_place_is_removed_not_followed(space, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "f").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path / "mine")
    space.fresh()
    assert not space.dir.is_symlink()
    assert os.listdir(space.dir) == []
    assert (tmp_path / "mine" / "f").exists()


def test_remove_of_what_is_not_there_is_nothing(space):
    space.remove()
    space.create()
    space.remove()
    space.remove()
    assert not space.dir.exists()


def test_by_default_it_offers_one_node_with_the_cpus_of_this_process(tmp_path):
    capacity = ExecutionSpace(tmp_path, Path("a")).capacity
    assert capacity == this_machine()
    assert capacity.per_node == {"cpus": len(os.sched_getaffinity(0)), "gpus": 0}
