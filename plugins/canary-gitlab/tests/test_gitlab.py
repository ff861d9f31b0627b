"""The reporters of canary-gitlab, against a server that checks what it is sent."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from canary.errors import CanaryError, UsageError
from canary.reporting import recover
from canary.status import Outcome
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_gitlab.api import Api
from canary_gitlab.issues import IssuesReporter, issue
from canary_gitlab.note import NoteReporter, note
from canary_gitlab.quality import QualityReporter, violations

TOKEN = "glpat-s3cr3t-0123456789"
TEST = """\
import os, sys
import canary
canary.directives.parameterize("a", [0, 1])
if __name__ == "__main__":
    print("/close\\n@all")
    sys.exit(canary.get_instance().parameters.a)
"""
# GitLab's description of the format, as far as it demands something
QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "pattern": "^[^\\n]*$"},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer"}}},
                },
            },
        },
    },
}


class TestContractOfNote(ReporterContract):
    reporter = NoteReporter
    words = ("-o", "note.md")


class TestContractOfIssues(ReporterContract):
    reporter = IssuesReporter
    words = ("-o", "issues.json")


class TestContractOfQuality(ReporterContract):
    reporter = QualityReporter


@pytest.fixture
def session(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    return tmp_path


def test_a_note_is_posted_then_changed(session, canary, gitlab, pipeline):
    gitlab.notes.extend({"id": n, "body": "of somebody else"} for n in range(90, 95))
    done = canary("report", "gitlab-mr", "--cdash-url", "https://c/x", env=pipeline, expect=0)
    assert (done.stdout, done.stderr) == ("", "")
    assert len(gitlab.notes) == 6
    body = gitlab.notes[5]["body"]
    assert "### canary: 1 of 2 jobs without failure" in body
    assert "<code>x.a=1</code>" in body
    assert "<https://c/x>" in body
    assert "<https://gitlab.example/group/project/-/jobs/1>" in body
    gitlab.notes[5]["body"] = body.replace("1 of 2", "nought")
    canary("report", "gitlab-mr", env=pipeline, expect=0)
    assert len(gitlab.notes) == 6
    assert "1 of 2" in gitlab.notes[5]["body"]
    canary("report", "gitlab-mr", env={**pipeline, "CI_JOB_NAME": "other"}, expect=0)
    assert len(gitlab.notes) == 7


def test_nothing_a_note_holds_is_obeyed(tmp_path):
    text = "".join(note(hostile_results(tmp_path / "s"), {"CI_JOB_NAME": "/close\n@all"}, "x y"))
    assert [line for line in text.splitlines() if line.startswith(("/", "@"))] == []
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    mark, _, shown = shown.partition("-->")
    assert mark.startswith("<!--")
    outside = re.sub(r"<code[^>]*>[^<]*</code>", "", shown)
    allowed = "h3|h4|p|pre|ul|li|table|thead|tbody|tr|th|td"
    assert re.findall(rf"<(?!/?(?:{allowed})\b)[^>]*>", outside) == []
    assert re.findall("[@#!~]", re.sub("<[^>]*>", "", outside)) == []


def test_a_failure_of_the_report_changes_no_verdict(tmp_path, canary, gitlab, pipeline):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    gitlab.answer = lambda headers: (500, {}, f"sorry, {headers['PRIVATE-TOKEN']} failed")
    done = canary("run", "--report", "gitlab-mr", "t", env=pipeline, expect=8)
    assert "report gitlab-mr" in done.stderr
    assert "500" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "***" in done.stderr


def test_the_token_goes_nowhere_else(session, canary, gitlab, pipeline):
    def elsewhere(_):
        return 302, {"Location": f"http://localhost:{gitlab.server_port}/stolen"}, ""

    gitlab.answer = elsewhere
    done = canary("--debug", "report", "gitlab-mr", env=pipeline)
    assert done.returncode != 0
    assert [path for _, path in gitlab.calls if "stolen" in path] == []
    assert TOKEN not in done.stdout + done.stderr
    assert "302" in done.stderr
    for path in (session / ".canary").rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"CANARY_GITLAB_TOKEN": ""}, "CANARY_GITLAB_TOKEN"),
        ({"CANARY_GITLAB_TOKEN": f"{TOKEN}\nX: y"}, "characters"),
        ({"CANARY_GITLAB_TOKEN": f"{TOKEN}é"}, "characters"),
        ({"CANARY_GITLAB_TOKEN": f"wrong{TOKEN}"}, "401"),
        ({"CI_MERGE_REQUEST_IID": ""}, "CI_MERGE_REQUEST_IID"),
        ({"CI_MERGE_REQUEST_IID": "../x"}, "CI_MERGE_REQUEST_IID"),
        ({"CI_API_V4_URL": "file:///etc"}, "CI_API_V4_URL"),
        ({"CI_API_V4_URL": "http://127.0.0.1:1/api"}, "refused"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_a_line(
    tmp_path, in_pipeline, monkeypatch, change, word
):
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    options = {"access_token": None, "cdash_url": None, "output": None}
    with pytest.raises(CanaryError) as caught:
        NoteReporter().report(SampleResults(tmp_path / "s"), options)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_token_may_be_given(tmp_path, in_pipeline, monkeypatch, gitlab):
    monkeypatch.delenv("CANARY_GITLAB_TOKEN")
    options = {"access_token": TOKEN, "cdash_url": None, "output": None}
    NoteReporter().report(SampleResults(tmp_path / "s"), options)
    assert len(gitlab.notes) == 1


def test_an_answer_that_is_no_json_is_an_error(gitlab):
    gitlab.answer = lambda _: (200, {}, "<html>")
    with pytest.raises(CanaryError, match=r"GET"):
        Api(gitlab.url, "group/project", TOKEN).call("GET", "issues")
    with pytest.raises(UsageError):
        Api("ftp://x", "p", TOKEN)


@pytest.mark.parametrize("answer", [{"message": f"x {TOKEN}"}, ["x"], None])
def test_an_answer_that_is_no_list_is_an_error(gitlab, answer):
    gitlab.answer = lambda _: (200, {}, answer)
    with pytest.raises(CanaryError, match=r"GET .*/issues: no list of objects") as caught:
        list(Api(gitlab.url, "group/project", TOKEN).pages("issues"))
    assert TOKEN not in str(caught.value)


def issues_of(tmp_path, jobs, **more):
    options = {"access_token": None, "label": "canary", "max": 20, "output": None, **more}
    return IssuesReporter().report(SampleResults(tmp_path / "s", jobs), options)


def test_an_issue_lives_as_long_as_its_failure(tmp_path, in_pipeline, gitlab):
    other = {"iid": 1, "state": "opened", "labels": "canary", "description": "no mark", "title": ""}
    gitlab.issues.append(dict(other))
    kinds = (Outcome.FAILED, Outcome.TIMEOUT, Outcome.SUCCESS, Outcome.DIFFED)
    jobs = [sample_job(n, outcome, tmp_path) for n, outcome in enumerate(kinds, 1)]
    issues_of(tmp_path, jobs)
    assert [i["title"] for i in gitlab.issues[1:]] == [
        "dir/job1.p=1: FAILED",
        "dir/job2.p=2: TIMEOUT",
        "dir/job4.p=4: DIFFED",
    ]
    before, gitlab.calls[:] = json.dumps(gitlab.issues), []
    issues_of(tmp_path, jobs)
    assert json.dumps(gitlab.issues) == before
    assert {method for method, _ in gitlab.calls} == {"GET"}
    # one passes, one fails otherwise, one is not run
    jobs = [sample_job(1, Outcome.SUCCESS, tmp_path), sample_job(2, Outcome.FAILED, tmp_path)]
    issues_of(tmp_path, jobs)
    assert [(i["title"][4:8], i["state"]) for i in gitlab.issues[1:]] == [
        ("job1", "closed"),
        ("job2", "opened"),
        ("job4", "opened"),
    ]
    assert gitlab.issues[2]["title"] == "dir/job2.p=2: FAILED"
    assert gitlab.issues[0] == other


def test_only_so_many_issues_are_opened(tmp_path, in_pipeline, gitlab, capsys):
    jobs = [sample_job(n, Outcome.FAILED, tmp_path) for n in range(1, 6)]
    issues_of(tmp_path, jobs, max=2)
    assert len(gitlab.issues) == 2
    assert "3 failures have no issue" in capsys.readouterr().err


def test_titles_of_issues_are_short_and_tell_nobody(tmp_path):
    for job in hostile_results(tmp_path / "s").jobs():
        data = issue(job, "canary")
        assert len(data["title"]) <= 255
        assert not set(data["title"]) & set("@#!~\n\r\x00\x1b")
        lines = data["description"].splitlines()
        assert [line for line in lines if line.startswith(("/", "@"))] == []
        name = recover(data["title"])
        assert name.startswith(job["fullname"].encode(errors="surrogateescape")[:60])


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_the_quality_report_is_what_gitlab_describes(tmp_path, make):
    results = make(tmp_path / "s")
    (path,) = QualityReporter().report(results, {"output": "q.json", "cwd": tmp_path})
    found = json.loads(path.read_text())
    Draft202012Validator(QUALITY).validate(found)
    assert len({f["fingerprint"] for f in found}) == len(found) > 0
    if make is hostile_results:
        for item, job in zip(found, results.jobs(), strict=True):
            start = f"{job['fullname']}: FAILED: ".encode(errors="surrogateescape")
            text = HOSTILE[job["attributes"]["text"]][:4000]
            assert recover(item["description"]) == start + text


def test_paths_of_the_quality_report_are_those_of_the_repository(tmp_path):
    jobs = [sample_job(1, Outcome.FAILED, tmp_path)]
    results = SampleResults(tmp_path / "s", jobs)
    assert next(violations(results, f"{tmp_path}/"))["location"]["path"] == "dir/job1.t"
    assert next(violations(results, "/else"))["location"]["path"] == f"{tmp_path}/dir/job1.t"
