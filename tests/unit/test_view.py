"""The view: links to results, and nothing that is not ours is ever touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import view
from canary.errors import WorkspaceError
from canary.view import Entry


@pytest.fixture
def place(tmp_path):
    """A view that is not there yet, beside a session."""
    return tmp_path / "TestResults"


@pytest.fixture
def entry(tmp_path):
    """`entry("a", "d/a")` makes a job's directory, and says where it is to be shown."""

    def make(id, path=None, session="s1", outcome="SUCCESS"):
        source = tmp_path / ".canary" / "sessions" / session / (path or id)
        source.mkdir(parents=True, exist_ok=True)
        (source / "out").write_text(f"{id} of {session}")
        return Entry(id, path or id, str(source), session, outcome, 5.0)

    return make


def shown(place):
    """`{path: content of out}` of all links and copied directories."""
    return {
        str(p.parent.relative_to(place)): p.read_text()
        for top, _, _ in os.walk(place, followlinks=True)
        if (p := Path(top, "out")).exists()
    }


def test_each_job_is_shown_at_its_path(place, entry):
    assert view.update(place, [entry("1", "a"), entry("2", "d/e/b")]) == 2
    assert shown(place) == {"a": "1 of s1", "d/e/b": "2 of s1"}
    assert (place / "a").is_symlink()
    assert not (place / "a").readlink().is_absolute()
    assert view.is_view(place)


def test_links_survive_a_move_of_all_together(place, entry, tmp_path):
    view.update(place, [entry("2", "d/b")])
    shutil.move(tmp_path, f"{tmp_path}.moved")
    try:
        assert shown(Path(f"{tmp_path}.moved/TestResults")) == {"d/b": "2 of s1"}
    finally:
        shutil.move(f"{tmp_path}.moved", tmp_path)


def test_the_manifest_says_what_each_entry_is(place, entry):
    one = entry("1", "d/a", outcome="FAILED")
    view.update(place, [one])
    data = json.loads((place / ".canary-view.json").read_text())
    assert data["version"] == 1
    assert data["settings"] == {"mode": "symlink", "name": "TestResults"}
    assert data["entries"]["1"] == {
        "job_id": "1",
        "view_path": "d/a",
        "source": one.source,
        "session": "s1",
        "outcome": "FAILED",
        "updated": 5.0,
    }


def test_later_results_replace_earlier_ones_and_the_others_stay(place, entry):
    view.update(place, [entry("1", "a"), entry("2", "b")])
    assert view.update(place, [entry("1", "a", session="s2")]) == 2
    assert shown(place) == {"a": "1 of s2", "b": "2 of s1"}


def test_a_fresh_view_has_these_alone(place, entry):
    view.update(place, [entry("1", "d/a"), entry("2", "b")])
    assert view.update(place, [entry("3", "c")], fresh=True) == 1
    assert sorted(os.listdir(place)) == [".canary-view.json", "c"]


def test_nothing_to_show_is_an_empty_view(place):
    assert view.update(place, []) == 0
    assert os.listdir(place) == [".canary-view.json"]


@pytest.mark.parametrize("mode", ["copy", "hardlink"])
def test_other_modes(place, entry, mode):
    one = entry("1", "d/a")
    Path(one.source, "sub").mkdir()
    Path(one.source, "sub", "link").symlink_to("../out")
    view.update(place, [one], mode=mode)
    copied = place / "d" / "a" / "out"
    assert copied.read_text() == "1 of s1"
    assert not (place / "d" / "a").is_symlink()
    assert (place / "d/a/sub/link").is_symlink()
    assert copied.samefile(Path(one.source, "out")) == (mode == "hardlink")
    view.update(place, [entry("1", "d/a", session="s2")], mode=mode)
    assert shown(place) == {"d/a": "1 of s2"}
    assert shown(Path(one.source).parent) == {"a": "1 of s1"}


def test_the_mode_may_change(place, entry):
    for mode in ("symlink", "copy", "symlink"):
        view.update(place, [entry("1", "d/a")], mode=mode)
        assert shown(place) == {"d/a": "1 of s1"}
        assert (place / "d" / "a").is_symlink() == (mode == "symlink")


# what changes between sessions


def test_a_job_that_moves_leaves_nothing_behind(place, entry):
    view.update(place, [entry("1", "old/deep/a"), entry("2", "old/b")])
    view.update(place, [entry("1", "new/a")])
    assert shown(place) == {"new/a": "1 of s1", "old/b": "2 of s1"}
    assert not (place / "old" / "deep").exists()


def test_what_was_a_job_becomes_a_directory(place, entry):
    """A link must not be taken for the directory: what is behind it is a job's."""
    first = entry("1", "a")
    view.update(place, [first])
    Path(first.source, "b").write_text("a file of the first job's")
    view.update(place, [entry("2", "a/b", session="s2")])
    assert shown(place) == {"a/b": "2 of s2"}
    assert Path(first.source, "b").read_text() == "a file of the first job's"
    assert not Path(first.source, "b").is_symlink()


def test_what_was_a_directory_becomes_a_job(place, entry):
    view.update(place, [entry("1", "a/b"), entry("2", "a/c/d"), entry("3", "e")])
    assert view.update(place, [entry("4", "a", session="s2")]) == 2
    assert shown(place) == {"a": "4 of s2", "e": "3 of s1"}


def test_another_job_takes_a_path_over(place, entry):
    view.update(place, [entry("1", "a")])
    assert view.update(place, [entry("2", "a", session="s2")]) == 1
    assert view.entry_at(place, place / "a") == ["2"]


def clash(path, others):
    """Is one the other, or inside the other?"""
    return any(f"{p}/".startswith(f"{path}/") or f"{path}/".startswith(f"{p}/") for p in others)


paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.dictionaries(st.sampled_from("12345"), paths, max_size=4), max_size=5))
def test_whatever_comes_after_whatever(tmp_path_factory, sessions):
    """The view shows the last session in full, of earlier ones what is not in its way."""
    top = tmp_path_factory.mktemp("view")
    place, known = top / "V", {}
    for n, wanted in enumerate(sessions):
        apart = {}
        for id, path in wanted.items():
            if not any(
                f"{p}/".startswith(f"{path}/") or f"{path}/".startswith(f"{p}/")
                for p in apart.values()
            ):
                apart[id] = path
        entries = []
        for id, path in apart.items():
            source = top / f"s{n}" / path
            source.mkdir(parents=True)
            (source / "out").write_text(f"{id} of {n}")
            entries.append(Entry(id, path, str(source), f"s{n}", "SUCCESS", 1.0))
        known = {
            id: (path, m)
            for id, (path, m) in known.items()
            if id not in apart
            and not any(
                f"{p}/".startswith(f"{path}/") or f"{path}/".startswith(f"{p}/")
                for p in apart.values()
            )
        } | {id: (path, n) for id, path in apart.items()}
        assert view.update(place, entries) == len(known)
        assert shown(place) == {path: f"{id} of {m}" for id, (path, m) in known.items()}
    for n in range(len(sessions)):
        assert not any(p.is_symlink() for p in (top / f"s{n}").rglob("*"))


# what is not ours


def test_a_directory_that_is_not_ours_is_left_alone(place, entry):
    place.mkdir()
    (place / "thesis.tex").touch()
    for fresh in (False, True):
        with pytest.raises(WorkspaceError, match="no view of canary's"):
            view.update(place, [entry("1", "a")], fresh=fresh)
    assert os.listdir(place) == ["thesis.tex"]
    assert not view.is_view(place)


def test_an_empty_directory_becomes_a_view(place, entry):
    place.mkdir()
    assert view.update(place, [entry("1", "a")]) == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_files_that_people_put_there_stay(place, entry, fresh):
    view.update(place, [entry("1", "d/a"), entry("2", "d/b")])
    (place / "notes.txt").write_text("mine")
    (place / "d" / "notes.txt").write_text("mine")
    view.update(place, [entry("1", "d/a", session="s2")], fresh=fresh)
    assert (place / "notes.txt").read_text() == "mine"
    assert (place / "d" / "notes.txt").read_text() == "mine"
    assert (place / "d" / "b").exists() != fresh


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_in_the_way_is_named_and_the_others_are_shown(place, entry, kind):
    view.update(place, [entry("1", "a")])
    if kind == "file":
        (place / "b").write_text("mine")
    else:
        (place / "b").mkdir()
        (place / "b" / "out").write_text("mine")
    jobs = [entry("1", "a", session="s2"), entry("2", "b", session="s2")]
    for _ in range(2):
        with pytest.raises(WorkspaceError, match="1 job not shown: b is not of canary's"):
            view.update(place, jobs)
        assert shown(place)["a"] == "1 of s2"
        assert (place / "b").is_dir() == (kind == "directory")
    assert view.entry_at(place, place) == ["1"]


def test_a_file_where_a_directory_should_be(place, entry):
    view.update(place, [])
    (place / "d").write_text("mine")
    with pytest.raises(WorkspaceError, match="d/a is not of canary's making"):
        view.update(place, [entry("1", "d/a")])
    assert (place / "d").read_text() == "mine"


def test_links_of_a_run_that_was_cut_off_are_ours(place, entry, tmp_path):
    view.update(place, [])
    (place / "a").symlink_to(tmp_path)
    (place / "d").symlink_to(tmp_path)
    view.update(place, [entry("1", "a"), entry("2", "d/b")])
    assert shown(place) == {"a": "1 of s1", "d/b": "2 of s1"}
    assert not (tmp_path / "b").exists()


def test_nothing_is_removed_through_a_link(place, entry, tmp_path):
    """Somebody has put a link where a directory of the view was."""
    view.update(place, [entry("1", "d/a")])
    shutil.rmtree(place / "d")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("mine")
    (place / "d").symlink_to(tmp_path / "mine")
    view.update(place, [entry("1", "e")])
    assert (tmp_path / "mine" / "a").read_text() == "mine"


@pytest.mark.parametrize("path", ["../victim", "{here}/victim", "a/../../victim"])
def test_a_manifest_that_points_out_of_the_view_is_not_believed(place, entry, tmp_path, path):
    view.update(place, [entry("1", "a")])
    (tmp_path / "victim").write_text("mine")
    manifest = place / ".canary-view.json"
    data = json.loads(manifest.read_text())
    data["entries"]["1"]["view_path"] = path.format(here=tmp_path)
    manifest.write_text(json.dumps(data))
    view.update(place, [entry("1", "a")], fresh=True)
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"entries":3}', '{"entries":{"1":3}}'])
def test_a_damaged_manifest_is_made_anew(place, entry, content):
    view.update(place, [entry("1", "a"), entry("2", "d/b")])
    (place / ".canary-view.json").write_text(content)
    assert view.entry_at(place, place) == []
    assert view.update(place, [entry("1", "a", session="s2"), entry("2", "d/b")]) == 2
    assert shown(place) == {"a": "1 of s2", "d/b": "2 of s1"}


def test_a_view_behind_a_link(place, entry, tmp_path):
    far = tmp_path / "far" / "away"
    far.mkdir(parents=True)
    place.symlink_to(far)
    view.update(place, [entry("1", "d/a")])
    assert shown(place) == {"d/a": "1 of s1"}
    view.update(place, [], fresh=True)
    assert os.listdir(far) == [".canary-view.json"]
    assert place.is_symlink()


def test_a_view_that_cannot_be_written_is_one_line(place, entry):
    place.write_text("a file")
    with pytest.raises(WorkspaceError, match="cannot write the view"):
        view.update(place, [entry("1", "a")])


# questions


def test_who_is_shown_where(place, entry, tmp_path):
    view.update(place, [entry("1", "a"), entry("2", "d/b"), entry("3", "d/c"), entry("4", "dd")])
    asked = {
        ".": {"1", "2", "3", "4"},
        "a": {"1"},
        "d": {"2", "3"},
        "d/b": {"2"},
        "nothing": set(),
    }
    assert {p: set(view.entry_at(place, place / p)) for p in asked} == asked


@pytest.mark.parametrize(
    ("only", "categories"),
    [
        ("all", {"PASS", "FAIL", "NOTRUN"}),
        ("failed", {"FAIL"}),
        ("not_pass", {"FAIL", "NOTRUN"}),
        ("passed", {"PASS"}),
    ],
)
def test_which_results_belong_into_it(only, categories):
    assert {c for c in ("PASS", "FAIL", "NOTRUN") if view.wanted(only, c)} == categories


def test_removing_all_leaves_what_others_have_put_there(place, entry, tmp_path):
    other = tmp_path / "other"
    view.update(other, [entry("2", "b")])
    view.update(place, [entry("1", "d/a")])
    (place / "thesis.txt").touch()
    (place / "d" / "mine").mkdir()
    (tmp_path / "link").symlink_to(place)
    view.remove_all(tmp_path)
    assert not other.exists()
    assert sorted(os.listdir(place)) == [".canary-view.json", "d", "thesis.txt"]
    assert os.listdir(place / "d") == ["mine"]
    assert view.update(place, [entry("3", "c")]) == 1


@pytest.mark.parametrize("has_manifest", [True, False])
def test_what_a_killed_writer_left_is_removed(place, entry, tmp_path, has_manifest):
    gone = subprocess.Popen(["true"])
    gone.wait()
    names = [f".canary-view.json.{n}~" for n in (gone.pid, os.getppid(), "x", 10**30)]

    def leave():
        for name in names:
            (place / name).touch()

    if has_manifest:
        view.update(place, [entry("1", "a")])
    else:
        place.mkdir()
    leave()
    view.update(place, [entry("1", "a")])
    assert sorted(os.listdir(place)) == sorted([".canary-view.json", "a", *names[1:]])
    leave()
    if not has_manifest:
        view.update(place, (), fresh=True)
        (place / ".canary-view.json").unlink()
    view.remove_all(tmp_path)
    left = sorted(os.listdir(place))
    assert left == sorted([*[".canary-view.json"][:has_manifest], *names[1:]])
    for name in names[1:]:
        (place / name).unlink()
    (place / names[0]).touch()
    view.remove_all(tmp_path)
    assert not place.exists()
