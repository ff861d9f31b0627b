"""`canary report github`, as the runner of GitHub Actions reads it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from canary.reporting import recover
from canary.status import Outcome
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_github.reporter import MAX_SUMMARY, GithubReporter, command

TEST = """\
import sys
import canary
canary.directives.parameterize("a", [0, 1, 80])
if __name__ == "__main__":
    print("100% of it\\n::error::not a command")
    sys.exit(canary.get_instance().parameters.a)
"""
TAGS = re.compile("h2|h3|p|pre|code|table|thead|tbody|tr|th|td|report")


class TestContract(ReporterContract):
    reporter = GithubReporter
    words = ("-o", "commands.txt", "--summary", "summary.md")


def understand(line):
    """A line as the runner does: None, or (command, properties, text).

    By its published rules: after white space `::`, a name, after a blank properties between commas,
    each with the first `=` in it, up to the next `::`; then the text. Escapes are undone in the
    order %0D %0A (%3A %2C) %25.
    """
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, rest = line[2:end].partition(" ")
    pairs = [p.split("=", 1) for p in rest.strip().split(",") if p]
    properties = {p[0]: undo(p[1], more=True) for p in pairs if len(p) == 2 and p[1]}
    return name, properties, undo(line[end + 2 :])


def undo(text, more=False):
    text = text.replace("%0D", "\r").replace("%0A", "\n")
    if more:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%25", "%")


def report(results, tmp_path, limit=10):
    options = {"output": "c", "summary": "s.md", "limit": limit, "cwd": tmp_path}
    commands, page = GithubReporter().report(results, options)
    # the runner ends a line at any of these
    lines = re.split("\r\n|\r|\n", commands.read_bytes().decode())
    assert lines.pop() == ""
    return [understand(line) for line in lines], page.read_text()


def rendered(text):
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False, "xhtmlOut": True}).render(text)
    return ElementTree.fromstring(f"<report>{shown}</report>")


def test_what_jobs_say_comes_back(tmp_path):
    results = hostile_results(tmp_path / "s")
    found, page = report(results, tmp_path, 100)
    tree = rendered(page)
    names = [recover(e.find("code").text) for e in tree.iter("h3")]
    assert len(found) == len(names) == len(HOSTILE)
    for job, (kind, properties, text), shown in zip(results.jobs(), found, names, strict=True):
        data = HOSTILE[job["attributes"]["text"]]
        name = job["fullname"].encode(errors="surrogateescape")
        assert kind == "error"
        assert set(properties) == {"file", "title"}
        assert recover(properties["title"]) == name + b": FAILED"
        assert shown == name
        assert recover(text).startswith(data[:4000])
        if len(data) < 1000:
            assert recover(text) == data + b"\n\n" + data


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_nothing_but_the_summary_is_rendered(tmp_path, make):
    tree = rendered(report(make(tmp_path / "s"), tmp_path)[1])
    assert [e.tag for e in tree.iter() if not TAGS.fullmatch(e.tag)] == []


def test_those_too_many_are_counted(tmp_path):
    results = hostile_results(tmp_path / "s")
    found, _ = report(results, tmp_path, 3)
    assert [kind for kind, _, _ in found] == ["error"] * 3 + ["notice"]
    assert found[3][2].startswith(f"{len(HOSTILE) - 3} more jobs")


def test_a_real_session_in_a_step(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    (tmp_path / "summary").write_text("of another command\n")
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_WORKSPACE": str(tmp_path)}
    done = canary("run", "--report", "github", "t", env=env, expect=8)
    found = [c for c in map(understand, done.stdout.splitlines()) if c]
    assert len(found) == 1
    kind, properties, text = found[0]
    assert (kind, properties) == ("error", {"file": "t/x.pyt", "title": "x.a=1: FAILED"})
    assert text.startswith("exit code 1\n\n")
    assert "100% of it\n::error::not a command\n" in text
    page = (tmp_path / "summary").read_text()
    assert page.startswith("of another command\n\n## canary: 2 of 3 jobs without failure\n")
    assert "::error::not a command" in page


def test_a_job_that_was_not_finished_is_a_warning(tmp_path):
    jobs = [sample_job(1, Outcome.CANCELLED, tmp_path)]
    assert report(SampleResults(tmp_path / "s", jobs), tmp_path)[0][0][0] == "warning"


def test_the_summary_stays_below_the_limit(tmp_path):
    jobs = [sample_job(n, Outcome.FAILED, tmp_path) for n in range(3000)]
    for job in jobs:
        job["status"]["reason"] = "x" * 1000
    _, page = report(SampleResults(tmp_path / "s", jobs), tmp_path)
    assert MAX_SUMMARY - 3000 < len(page.encode()) <= MAX_SUMMARY
    assert page.endswith("\nMore would not fit into the summary of a step.\n")
    _, page = report(SampleResults(tmp_path / "s", jobs), tmp_path)
    assert len(page.encode()) <= MAX_SUMMARY


def test_each_escape():
    line = command("error", {"file": "a,b:c%", "title": "x\ny"}, "1%\r\n::2%0A")
    assert line == "::error file=a%2Cb%3Ac%25,title=x\\x0ay::1%25%0D%0A::2%250A\n"
