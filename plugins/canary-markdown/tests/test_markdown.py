"""`canary report markdown`, as a renderer shows it."""

from __future__ import annotations

import html
import os
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
from canary_markdown.reporter import MarkdownReporter, page

TEST = """\
import sys
import canary
canary.directives.parameterize("a", [0, 1, 80])
if __name__ == "__main__":
    print("# this is *output* <b>")
    sys.exit(canary.get_instance().parameters.a)
"""
# all that a rendered report may be made of
TAGS = re.compile("h1|h2|h3|p|ul|li|pre|code|table|thead|tbody|tr|th|td|strong|a|report")


class TestContract(ReporterContract):
    reporter = MarkdownReporter


class TestContractOfOneFile(ReporterContract):
    reporter = MarkdownReporter
    words = ("-o", "result.md")


def rendered(text):
    """The page as a tree; that it is well-formed XML shows that no HTML came through."""
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False, "xhtmlOut": True}).render(text)
    return ElementTree.fromstring(f"<report>{html_to_xml(shown)}</report>")


def html_to_xml(text):
    return re.sub(r"&(?!amp;|lt;|gt;|quot;|#\d+;)\w+;", lambda m: html.unescape(m[0]), text)


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_nothing_but_the_report_is_rendered(tmp_path, make):
    tree = rendered("".join(page(make(tmp_path / "s"), 4096)))
    assert [e.tag for e in tree.iter() if not TAGS.fullmatch(e.tag)] == []
    assert {k for e in tree.iter() for k in e.attrib} <= {"class", "style"}
    assert [e.text for e in tree.iter("h2")][:2] == ["Failures", "Jobs"]


def test_what_jobs_say_comes_back(tmp_path):
    results = hostile_results(tmp_path / "s")
    tree = rendered("".join(page(results, 6 << 20)))
    names = [recover(e.find("code").text) for e in tree.iter("h3")]
    blocks = [recover(e.find("code").text) for e in tree.iter("pre")]
    reasons = [recover(li[0].text) for li in tree.iter("li") if li.text == "Reason: "]
    jobs = sorted(results.jobs(), key=lambda job: job["fullname"])
    assert len(names) == len(blocks) == len(reasons) == len(HOSTILE)
    for job, name, block, reason in zip(jobs, names, blocks, reasons, strict=True):
        data = HOSTILE[job["attributes"]["text"]]
        assert name == job["fullname"].encode(errors="surrogateescape")
        assert block.rstrip(b"\n") == data.rstrip(b"\n")
        assert reason == data[:4000]


def test_a_real_session_in_one_file(tmp_path, canary):
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    canary("report", "markdown", "-o", "r.md", expect=0)
    text = (tmp_path / "r.md").read_text()
    tree = rendered(text)
    rows = [["".join(c.itertext()) for c in tr] for tr in tree.iter("tr")]
    assert ["FAIL (FAILED)", "1"] in rows
    assert ["Total", "3"] in rows
    jobs = [row for row in rows if len(row) == 4]
    assert [row[:2] for row in jobs[1:]] == [
        ["sub/x.a=1", "FAIL (FAILED)"],
        ["sub/x.a=80", "NOTRUN (SKIPPED)"],
        ["sub/x.a=0", "PASS (SUCCESS)"],
    ]
    (block,) = tree.iter("pre")
    assert "# this is *output* <b>\n" in block.find("code").text


def test_pages_in_a_directory_link_each_other(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "--report", "markdown", "t", expect=8)
    directory = tmp_path / "MARKDOWN"
    (link,) = rendered((directory / "index.md").read_text()).iter("a")
    other = (directory / link.attrib["href"]).read_text()
    assert {p.name for p in directory.iterdir()} == {"index.md", link.attrib["href"]}
    (back,) = rendered(other).iter("a")
    assert back.attrib["href"] == "index.md"
    assert "# this is *output* <b>" in other
    assert canary("report", "markdown", "-o", "-", expect=0).stdout.startswith("# Results of ")


def test_pages_of_jobs_that_pass_now_are_gone(tmp_path):
    jobs = [sample_job(n, Outcome.FAILED, tmp_path) for n in (1, 2)]
    options = {"cwd": tmp_path, "output": "M", "limit": 100}
    MarkdownReporter().report(SampleResults(tmp_path / "s", jobs), options)
    for name in ("notes.md", f"{3:064x}.md"):
        (tmp_path / "M" / name).write_text("of somebody else")
    jobs[0] = sample_job(1, Outcome.SUCCESS, tmp_path)
    MarkdownReporter().report(SampleResults(tmp_path / "s", jobs), options)
    names = {path.name for path in (tmp_path / "M").iterdir()}
    assert names == {"index.md", f"{2:064x}.md", "notes.md", f"{3:064x}.md"}


@pytest.mark.parametrize("nth", ["1", "2", "1+"])
def test_what_cannot_be_written_in_full_leaves_no_directory(tmp_path, canary, nth):
    """Of a directory that was there, the index at least stays as it was."""
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    fault = {"CANARY_FAULT": f"write:ENOSPC:{nth}"}
    done = canary("report", "markdown", "-o", "new/M", env=fault, expect=2)
    assert "cannot write the report markdown" in done.stderr
    assert not (tmp_path / "new").exists()
    canary("report", "markdown", expect=0)
    before = (tmp_path / "MARKDOWN" / "index.md").read_bytes()
    canary("report", "markdown", env=fault, expect=2)
    assert (tmp_path / "MARKDOWN" / "index.md").read_bytes() == before


def test_a_pipe_gets_one_page(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    results = SampleResults(tmp_path / "s", [])
    MarkdownReporter().report(results, {"cwd": tmp_path, "output": "pipe", "limit": 100})
    assert os.read(read, 100).startswith(b"# Results of ")
    os.close(read)
