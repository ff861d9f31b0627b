"""Where jobs have their directories: apart from each other, and known after a workspace was moved
or copied."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)

NOTED = """\
from pathlib import Path
if __name__ == "__main__":
    Path("made").write_text(NAME)
"""
FIRST = 'if __name__ == "__main__":\n    print("of a")\n'
SECOND = """\
import canary
canary.directives.depends_on("a")
if __name__ == "__main__":
    (job,) = canary.get_instance().dependencies
    print("beside", job.working_directory)
"""
BOTH = [("a", "one"), ("a", "two")]
FORGET = (
    "update specs set data=json_remove(data, '$.exec_path', '$.view_path')",
    "update specs_meta set view='a'",
)


@pytest.fixture
def roots(tree):
    """Two directories with a test of the same name each."""
    top = tree({f"{name}/a.pyt": NOTED.replace("NAME", repr(name)) for name in ("one", "two")})
    return top / "one", top / "two"


def made(found):
    """What the jobs have made, with the names of their directories, which may have an ID."""
    return sorted((d.name.partition("~")[0], (d / "made").read_text()) for d in found)


def directories(canary, **more):
    """Those of the latest results."""
    found = json.loads(canary("query", "jobs", expect=0, **more).stdout)
    return sorted(Path(job["exec_dir"]) for job in found)


def entries(tmp_path):
    """What is shown in the view."""
    return [p for p in (tmp_path / "TestResults").iterdir() if not p.name.startswith(".")]


@pytest.mark.parametrize("together", [True, False])
def test_roots_with_equal_paths_share_no_directory(canary, roots, tmp_path, together):
    """What runs in one session is apart there; the view has all once it is refreshed."""
    for words in [roots] if together else [[root] for root in roots]:
        canary("run", *words, expect=0)
    assert made(entries(tmp_path)) == BOTH[0 if together else 1 :]
    for again in (["view", "refresh"], ["run", "--only", "all"]):
        canary(*again, expect=0)
        assert made(entries(tmp_path)) == BOTH


def test_a_store_that_gave_one_place_to_two_jobs(canary, roots, tmp_path):
    """As older releases did, after two runs."""
    for root in roots:
        canary("run", root, expect=0)
    with contextlib.closing(sqlite3.connect(tmp_path / ".canary/workspace.sqlite3")) as db, db:
        for statement in FORGET:
            db.execute(statement)
    canary("view", "refresh", expect=0)
    assert made(entries(tmp_path)) == BOTH
    canary("run", "--only", "all", expect=0)
    assert len({d.parent for d in directories(canary)}) == 1
    assert made(entries(tmp_path)) == made(directories(canary)) == BOTH
    canary("doctor", expect=0)


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_workspace_that_was_moved_or_copied_speaks_of_itself(canary, tree, tmp_path, how):
    root = tree({"a.pyt": FIRST, "b.pyt": SECOND})
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    canary("run", root, cwd=old, expect=0)
    if how == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new, symlinks=True)
    untouched = {p: p.lstat().st_mtime_ns for p in old.rglob("*")}
    before = directories(canary, cwd=new)
    assert all(d.is_relative_to(new / ".canary" / "sessions") for d in before)
    assert "of a" in canary("log", "a", cwd=new, expect=0).stdout
    assert "of a" in canary("exec", "a", cwd=new, expect=0).stdout
    assert "run again" not in canary("run", "b", cwd=new, expect=0).stderr
    assert f"beside {new}/" in canary("log", "b", cwd=new, expect=0).stdout
    assert "removed 1 older result " in canary("gc", cwd=new, expect=0).stdout
    assert [d.is_dir() for d in before] == [True, False]  # `a` has been read
    assert {p: p.lstat().st_mtime_ns for p in old.rglob("*")} == untouched
