"""`canary report tap`, as other programs read it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tap.parser import Parser

from canary.reporting import recover
from canary.status import Outcome
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_tap.reporter import TapReporter, encode

TEST = """\
import sys
import canary
canary.directives.parameterize("a", [0, 1, 80])
if __name__ == "__main__":
    print("this is output # <b>")
    sys.exit(canary.get_instance().parameters.a)
"""
LINE = re.compile(r"(not ok|ok) (\d+) - ((?:[^\\#]|\\\\|\\#)*?)(?: # (SKIP|TODO) (.*))?")


def with_colons(directory):
    """Jobs that end as Python does when something is raised, and one more after them."""
    texts = ["ValueError: bad", "a : b", "a: : b", ": x", "- y: 1\nkey:\n  - z: {}", "12:30:05 x"]
    jobs = []
    for number, text in enumerate(texts, 1):
        job = sample_job(number, Outcome.FAILED, directory)
        job["status"]["reason"] = text
        Path(job["stdout"]).parent.mkdir(parents=True)
        Path(job["stdout"]).write_text(text)
        jobs.append(job)
    return SampleResults(directory, [*jobs, sample_job(99, Outcome.SUCCESS, directory)])


class TestContract(ReporterContract):
    reporter = TapReporter


def write(results, version=14, limit=6 << 20):
    return "".join(encode(results, version=version, limit=limit))


def read(text):
    """By the grammar of version 14: (ok, name, directive, reason, YAML)."""
    lines = text.split("\n")
    assert lines.pop() == ""
    assert lines.pop(0) == "TAP version 14"
    plan = int(re.fullmatch(r"1\.\.(\d+)( # SKIP no jobs)?", lines.pop(0))[1])
    found = []
    while lines:
        match = LINE.fullmatch(lines.pop(0))
        assert match
        assert int(match[2]) == len(found) + 1
        data = None
        if lines and lines[0] == "  ---":
            end = lines.index("  ...")
            assert all(line.startswith("  ") for line in lines[:end])
            data = yaml.safe_load("\n".join(line[2:] for line in lines[1:end]))
            del lines[: end + 1]
        name = match[3].replace("\\\\", "\\").replace("\\#", "#")
        found.append((match[1] == "ok", recover(name), match[4], match[5], data))
    assert len(found) == plan
    return found


def test_what_jobs_say_comes_back(tmp_path):
    results = hostile_results(tmp_path / "s")
    found = read(write(results))
    assert len(found) == len(HOSTILE)
    for job, (ok, name, directive, _, data) in zip(results.jobs(), found, strict=True):
        text = HOSTILE[job["attributes"]["text"]]
        assert not ok
        assert directive is None
        assert name == job["fullname"].encode(errors="surrogateescape")
        assert recover(data["message"]) == text[:4000]
        assert recover("\n".join(data["output"])) == text


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
@pytest.mark.parametrize("version", [13, 14])
def test_tap_py_reads_the_same(tmp_path, make, version):
    results = make(tmp_path / "s")
    path = tmp_path / "x.tap"
    path.write_text(write(results, version, 4096), newline="")
    with path.open(newline="\n") as f:
        lines = list(Parser().parse(f))
    tests = [line for line in lines if line.category == "test"]
    # what it knows of YAML depends on what else is installed
    assert {line.category for line in lines} <= {"version", "plan", "test", "unknown"}
    jobs = [job for job in results.jobs() if job["excluded"] is None]
    assert [t.ok for t in tests] == [j["status"]["category"] in ("PASS", "NOTRUN") for j in jobs]
    assert [t.skip for t in tests] == [j["status"]["category"] == "NOTRUN" for j in jobs]
    assert not any(t.todo for t in tests)


def test_colons_come_back(tmp_path):
    results = with_colons(tmp_path / "s")
    for job, (*_, data) in zip(results.jobs(), read(write(results))[:-1], strict=False):
        assert "\n".join(data["output"]) == Path(job["stdout"]).read_text()


@pytest.mark.parametrize("make", [SampleResults, hostile_results, with_colons])
def test_perl_reads_the_same(tmp_path, make):
    if shutil.which("prove") is None:
        pytest.skip("no prove (of Perl) on this machine")
    results = make(tmp_path / "s")
    (tmp_path / "x.tap").write_text(write(results, 13, 4096), newline="")
    command = ["prove", "-e", "cat", str(tmp_path / "x.tap")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    jobs = [job for job in results.jobs() if job["excluded"] is None]
    bad = sum(j["status"]["category"] not in ("PASS", "NOTRUN") for j in jobs)
    assert f"Failed {bad}/{len(jobs)} subtests" in done.stdout + done.stderr
    assert "Parse errors" not in done.stdout


def test_a_real_session(tmp_path, canary):
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "x.pyt").write_text(TEST)
    canary("run", "--report", "tap", "t", expect=8)
    text = (tmp_path / "canary.tap").read_text()
    found = read(text)
    assert [(ok, name, word) for ok, name, word, _, _ in found] == [
        (True, b"sub/x.a=0", None),
        (False, b"sub/x.a=1", None),
        (True, b"sub/x.a=80", "SKIP"),
    ]
    data = found[1][4]
    assert (data["message"], data["exitcode"], data["outcome"]) == ("exit code 1", 1, "FAILED")
    assert data["file"] == "sub/x.pyt"
    assert "this is output # <b>" in data["output"]
    assert canary("report", "tap", "-o", "-", expect=0).stdout == text


def test_no_jobs_are_a_skip_of_all(tmp_path):
    assert write(SampleResults(tmp_path / "s", [])) == "TAP version 14\n1..0 # SKIP no jobs\n"
