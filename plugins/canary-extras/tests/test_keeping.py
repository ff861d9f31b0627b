"""`--archive` and `--exec-prefix`: what jobs leave, in one file, and on another disk."""

from __future__ import annotations

import json
import tarfile

import pytest

TEST = """
import os
import canary
canary.directives.{directives}
if __name__ == "__main__":
    open("big.dat", "w").write("x" * 1000)
    open("where.txt", "w").write(os.getcwd())
    print("ran")
    {end}
"""


@pytest.fixture
def tree(here):
    def write(name, directives="keywords('x')", end="pass"):
        path = here / "t" / f"{name}.pyt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEST.format(directives=directives, end=end))

    return write


def work(canary, name):
    [job] = json.loads(canary("query", "jobs", "--where", f"fullname=={name}").stdout)
    return job["exec_dir"]


def test_archive_has_the_artifacts_of_all_jobs(here, canary, tree):
    tree("sub/one", 'artifact("where.txt")')
    tree("two", end="raise SystemExit(3)")
    canary("run", "t", "--archive", "kept.tgz", expect=8)
    with tarfile.open(here / "kept.tgz") as tar:
        names = set(tar.getnames())
        assert all(member.isreg() for member in tar)
    assert {"sub/one/where.txt", "sub/one/testcase.lock", "two/canary-out.txt"} <= names
    assert not any(name.endswith("big.dat") for name in names)


def test_archive_that_cannot_be_written_changes_no_verdict(here, canary, tree):
    tree("one")
    done = canary("run", "t", "--archive", "no/such/dir/kept.tgz")
    assert "kept.tgz" in done.stderr
    assert "WARNING" in done.stderr


def test_jobs_run_below_the_prefix_and_their_results_come_back(here, canary, tree, tmp_path):
    tree("sub/one")
    tree("two", "depends_on('one')", end="raise SystemExit(3)")
    fast = tmp_path / "fast"
    canary("run", "t", "--exec-prefix", "$FAST", expect=8, env={"FAST": str(fast)})
    for name in ("sub/one", "two"):
        directory = here / work(canary, name)
        assert not directory.is_symlink()
        assert (directory / "where.txt").read_text().startswith(f"{fast}/canary-")
        assert (directory / "big.dat").stat().st_size == 1000
        assert json.loads((directory / "testcase.lock").read_text())["state"]["phase"] == "DONE"
        assert "ran" in canary("log", name).stdout
    assert (here / "TestResults" / "two" / "big.dat").is_file()
    assert list(fast.iterdir()) == []


def test_each_attempt_has_an_empty_directory(here, canary, tree, tmp_path):
    tree("one", end="assert os.path.exists('../../seen') or open('../../seen', 'x') and False")
    done = canary("run", "t", "--repeat-until-pass", "1", env={"CANARY_EXEC_PREFIX": "fast"})
    assert "PASS" in done.stdout
    assert not (here / work(canary, "one")).is_symlink()


@pytest.mark.parametrize("prefix", ["$NO_SUCH_VARIABLE/x", "t/one.pyt/x"])
def test_a_prefix_that_cannot_be_is_one_line(canary, tree, prefix):
    tree("one")
    done = canary("run", "t", "--exec-prefix", prefix, expect=None)
    assert done.returncode != 0
    assert done.stderr.count("ERROR") == 1
