"""Where a session came from, by git's own files; numbers by patterns; pairs of jobs."""

from __future__ import annotations

import subprocess

import pytest

from canary.status import Outcome
from canary.testing.reporters import sample_job
from canary_history import source
from canary_history.compare import compare
from canary_history.patterns import Patterns, to_number


def git(directory, *words):
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *words]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(directory)}
    done = subprocess.run(
        command, cwd=directory, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q", "-b", "trunk")
    assert source.head(tmp_path) == {"branch": "trunk"}
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    return tmp_path


def test_the_head_is_what_git_says(repository):
    (repository / "sub").mkdir()
    commit = git(repository, "rev-parse", "HEAD")
    wanted = {"branch": "trunk", "commit": commit}
    assert source.head(repository / "sub") == wanted
    git(repository, "pack-refs", "--all")
    assert source.head(repository) == wanted
    git(repository, "worktree", "add", "-q", "-b", "a/b", "w")
    assert source.head(repository / "w") == {"branch": "a/b", "commit": commit}
    git(repository, "checkout", "-q", "--detach")
    assert source.head(repository) == {"commit": commit}


def test_what_was_noted_is_read(repository, tmp_path):
    assert source.read(tmp_path / "none") == {}
    source.note(tmp_path, repository)
    assert source.read(tmp_path)["branch"] == "trunk"
    (tmp_path / source.FILE).write_text("[]")
    assert source.read(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((b"7", 7), (b" -1.5e-3 ", -0.0015), (b"1.5D+03", 1500.0), (b"x", None)),
        *((b"9" * 500, None), (b"9" * 309, None), (b"9" * 308, int("9" * 308))),
    ],
)
def test_numbers_as_programs_write_them(text, number):
    assert to_number(text) == number


def read(patterns, *paths):
    found, spent = {}, {}
    patterns.read([str(path) for path in paths], found, spent)
    return found


def test_the_last_number_counts(tmp_path):
    (tmp_path / "out").write_bytes(b"t= 1\xff\nt= x\nt= 2.5 s\nmemory 7\n")
    patterns = Patterns({"t": r"^t= (\S+)", "memory": r"\d+$", "none": "z(.)"})
    assert read(patterns, tmp_path / "out") == {"t": 2.5, "memory": 7}
    (tmp_path / "err").write_bytes(b"t= 3 s\n")
    assert read(patterns, tmp_path / "out", tmp_path / "err") == {"t": 3, "memory": 7}
    (tmp_path / "empty").touch()
    assert read(patterns, tmp_path / "empty") == {}
    assert read(patterns, tmp_path / "gone") == {}


def test_time_spent_on_a_disk_is_no_patterns_fault(capsys):
    patterns = Patterns({"x": "x", "y": "y"})
    assert not patterns._dropped({}, "job")
    assert not patterns._dropped({"x": 0.001, "y": 0.002}, "job")
    assert patterns._dropped({"x": 0.05, "y": 0.2}, "job")
    assert capsys.readouterr().err.count("patterns.y is left out") == 1


def test_jobs_are_paired_by_id_then_by_name(tmp_path):
    def jobs(*several):
        return {job["id"]: job for job in several}

    same = sample_job(1, Outcome.SUCCESS, tmp_path)
    moved = sample_job(2, Outcome.SUCCESS, tmp_path)
    other = {**moved, "id": "f" * 64, "timings": {"running": 3.0}}
    slow = {**sample_job(3, Outcome.SUCCESS, tmp_path), "timings": {"running": 0.05}}
    quick = {**slow, "timings": {"running": 0.01}}
    diffed = sample_job(4, Outcome.DIFFED, tmp_path)
    timeout = sample_job(4, Outcome.TIMEOUT, tmp_path)
    gone, new = (sample_job(n, Outcome.SUCCESS, tmp_path) for n in (5, 6))
    found = compare(jobs(same, moved, slow, diffed, gone), jobs(same, other, quick, timeout, new))
    assert [len(x) for x in (found.worse, found.better, found.other)] == [0, 0, 1]
    assert ([j["id"] for j in found.gone], [j["id"] for j in found.new]) == (
        [gone["id"]],
        [new["id"]],
    )
    # forty milliseconds are noise, whatever part of the whole they are
    assert [(m.name, m.id, m.part) for m in found.moved] == [("duration", "f" * 64, 2.0)]
    assert found.same == 3


def test_numbers_that_one_side_has_alone(tmp_path):
    def job(outcome, **numbers):
        return {"j": {**sample_job(1, outcome, tmp_path), "id": "j", "measurements": numbers}}

    old = job(Outcome.SUCCESS, kept=1, lost=2.5, became_nan=3, huge=10**400, own=None)
    new = job(Outcome.SUCCESS, kept=1, became_nan=None, new=0, huge=10**401)
    lone = [(m.name, m.before, m.now) for m in compare(old, new).alone]
    assert lone == [("became_nan", 3, None), ("lost", 2.5, None), ("new", None, 0)]
    # what a job that failed did not come to measure is no news
    assert compare(old, job(Outcome.FAILED)).alone == []
