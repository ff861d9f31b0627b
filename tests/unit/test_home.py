"""The workspace: made, found, recognised, and removed only if it is one."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from canary import home
from canary.errors import UsageError, WorkspaceError
from canary.home import Raced, Workspace


def test_a_workspace_is_made_and_found_from_anywhere_below(tmp_path):
    made = home.create(tmp_path)
    assert made.root == tmp_path / ".canary"
    assert made.home == tmp_path
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert home.find(deep) == home.find(tmp_path) == home.find(made.sessions) == made
    assert home.require(deep) == made
    assert (made.root / "VERSION").read_text() == f"{home.VERSION}\n"
    tag = (made.root / home.TAG).read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert made.sessions.is_dir()
    for path in (made.database, made.config_file):
        assert path.parent == made.root


def test_a_relative_path_is_as_good(tmp_path):
    assert home.create(Path("sub")).root == tmp_path / "sub" / ".canary"
    assert home.find(Path("sub")).root == tmp_path / "sub" / ".canary"


def test_the_nearest_workspace_counts(tmp_path):
    home.create(tmp_path)
    (tmp_path / "sub").mkdir()
    inner = home.create(tmp_path / "sub")
    assert home.find(tmp_path / "sub") == inner


def test_where_there_is_none_one_line_says_how_to_make_one(tmp_path):
    assert home.find(tmp_path) is None
    with pytest.raises(WorkspaceError, match=f"no workspace at or above {tmp_path} .*canary init"):
        home.require(tmp_path)


def test_a_directory_of_that_name_is_not_enough(tmp_path):
    (tmp_path / ".canary").mkdir()
    assert home.find(tmp_path) is None


def test_one_may_be_named(tmp_path):
    made = home.create(tmp_path / "far")
    assert home.find(tmp_path, tmp_path / "far") == made
    assert home.find(tmp_path, tmp_path / "far" / ".canary") == made
    assert home.find(tmp_path / "far", tmp_path / "near") is None
    with pytest.raises(WorkspaceError, match="near"):
        home.require(tmp_path / "far", tmp_path / "near")


@pytest.mark.parametrize(("version", "fine"), [("2.9.1", True), ("1.4.0", True), ("3.0.0", False)])
def test_versions(tmp_path, version, fine):
    made = home.create(tmp_path)
    (made.root / "VERSION").write_text(version)
    if fine:
        assert home.find(tmp_path) == made
    else:
        with pytest.raises(WorkspaceError, match=r"version 3\.0\.0, this release reads 2"):
            home.find(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"what", b"\xff\xff"])
def test_what_does_not_say_its_version_is_left_alone(tmp_path, content):
    """It may be of either tool, or of a later release."""
    made = home.create(tmp_path)
    (made.root / "VERSION").unlink()
    if content is not None:
        (made.root / "VERSION").write_bytes(content)
    with pytest.raises(WorkspaceError, match=rf"VERSION: .*write {home.VERSION} into"):
        home.find(tmp_path)
    assert not home.is_foreign(made)


def test_one_of_the_older_tool_is_recognised(tmp_path):
    made = home.create(tmp_path)
    assert not home.is_foreign(made)
    (made.root / "VERSION").write_text("1.2.3\n")
    assert home.is_foreign(made)


# making and removing


def test_there_is_one_already(tmp_path):
    made = home.create(tmp_path)
    (made.sessions / "s").mkdir()
    with pytest.raises(UsageError, match=r"a workspace exists at .*-w"):
        home.create(tmp_path)
    assert (made.sessions / "s").exists()


@pytest.mark.parametrize("kind", ["foreign", "link", "file"])
def test_what_is_no_workspace_is_never_removed(tmp_path, kind):
    root = tmp_path / ".canary"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").touch()
    (mine / home.TAG).touch()
    if kind == "foreign":
        root.mkdir()
        (root / "thesis.tex").touch()
    elif kind == "link":
        root.symlink_to(mine)
    else:
        root.write_text("mine")
    with pytest.raises(WorkspaceError, match="no workspace, so it is not removed"):
        home.refuse_removal(home.Workspace(root))
    with pytest.raises(UsageError):
        home.create(tmp_path)
    assert root.exists()
    assert (mine / "thesis.tex").exists()


def test_one_whose_making_was_cut_off_can_be_wiped(tmp_path):
    (tmp_path / ".canary").mkdir()
    home.refuse_removal(home.Workspace(tmp_path / ".canary"))


def test_one_that_others_make_meanwhile_is_left_to_them(tmp_path):
    with home.prepared(tmp_path / ".canary") as mine:
        assert home.find(tmp_path) is None
        assert mine.root.name.startswith(".canary.")  # so that it is not scanned
        theirs = home.create(tmp_path)
        (theirs.root / "theirs").touch()
        with pytest.raises(Raced, match="another process has made a workspace here"):
            home.publish(mine, theirs.root)
    assert (theirs.root / "theirs").exists()
    assert os.listdir(tmp_path) == [".canary"]


def test_one_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        home.create(tmp_path)
    assert not os.listdir(tmp_path)


def test_what_is_gone_is_no_foreign_thing(tmp_path):
    with pytest.raises(Raced):
        home.refuse_removal(home.Workspace(tmp_path / ".canary"))


def test_where_none_can_be_made_it_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot make a workspace: Not a directory"):
        home.create(tmp_path / "file")


# sessions


def test_sessions_are_named_by_their_time(tmp_path):
    made = home.create(tmp_path)
    before = time.strftime("%Y-%m-%dT%H-%M")
    name, directory = made.new_session()
    assert directory == made.sessions / name
    assert directory.is_dir()
    assert name[:16] in (before, time.strftime("%Y-%m-%dT%H-%M"))
    assert len(name) == len("2026-01-02T03-04-05.123456")


def test_a_later_session_has_the_greater_name(tmp_path):
    made = home.create(tmp_path)
    names = [made.new_session()[0] for _ in range(50)]
    assert names == sorted(set(names))


def test_a_later_session_has_the_greater_name_also_when_the_clock_goes_back(tmp_path):
    """An hour is repeated in autumn, and people travel."""
    made = home.create(tmp_path)
    (made.sessions / "zzz").mkdir()
    (made.sessions / "9999-10-26T02-59-59.000000").mkdir()
    names = [made.new_session()[0] for _ in range(3)]
    assert names == sorted(set(names))
    assert names[0] > "9999-10-26T02-59-59.000000"
    assert names[-1] < "zzz"


def test_names_of_sessions_stay_short_however_long_the_clock_is_behind(tmp_path):
    """Those that end in pluses are of older releases."""
    made = home.create(tmp_path)
    for last in ("9999-01-01T00-00-00.000000", "9999-01-01T00-00-00.000000+++"):
        (made.sessions / last).mkdir()
        names = [made.new_session()[0] for _ in range(300)]
        assert [last, *names] == sorted({last, *names})
        assert max(map(len, names)) == len("9999-01-01T00-00-00.000000+000001")
    last = "9999-01-01T00-00-00.000001+999999"
    (made.sessions / last).mkdir()
    names = [made.new_session()[0] for _ in range(3)]
    assert [last, *names] == sorted({last, *names})
    assert names[0] == f"{last}+000001"


def test_the_newest_is_pointed_to(tmp_path):
    made = home.create(tmp_path)
    assert made.latest is None
    for name in ("1", "2"):
        (made.sessions / name).mkdir()
        made.point_to(name)
    assert made.latest == "2"
    assert (made.root / "refs" / "latest").read_text() == "../sessions/2\n"
    made.point_to("3")  # which is not there
    assert made.latest == "2"
    (made.root / "refs" / "latest").write_text("")
    assert made.latest is None


# whose it is


def test_what_is_another_users_is_refused(tmp_path, monkeypatch):
    """To root too, where anybody may put something."""
    monkeypatch.delenv("CI", raising=False)
    path = tmp_path / "canary.toml"
    path.touch()
    home.refuse_shared(path, tmp_path / "none")
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 4242, -1)
    home.refuse_shared(path)
    tmp_path.chmod(0o1777)
    with pytest.raises(WorkspaceError, match="belongs to another user"):
        home.refuse_shared(path)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    home.refuse_shared(path)
    monkeypatch.setattr(os, "geteuid", lambda: 4243)
    with pytest.raises(WorkspaceError, match="belongs to another user"):
        home.refuse_shared(path)
    os.chown(path, 0, -1)
    home.refuse_shared(path)
    link = tmp_path / "link.toml"  # to a file of ours, so that others choose what stands beside it
    link.symlink_to(path)
    os.chown(link, 4242, -1, follow_symlinks=False)
    with pytest.raises(WorkspaceError, match="belongs to another user"):
        home.refuse_shared(link)


def test_paths_for_people(tmp_path):
    assert home.relative(tmp_path / "a" / "b") == "a/b"
    assert home.relative(tmp_path) == "."
    assert home.relative("/nonexistent/x") == "/nonexistent/x"
    assert Workspace(tmp_path).home == tmp_path.parent
