"""`canary report html` as text: what parsers, limits and other readers make of the file."""

from __future__ import annotations

import base64
import json
import math
import os
import random
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import html5lib
import pytest

from canary.errors import UsageError
from canary.events import JobFinished, JobStarted, JobSubmitted, Notice, SessionStarted
from canary.reporting import recover
from canary.status import Outcome, Status
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_html.columns import LEVELS, columns, short_ids
from canary_html.document import script
from canary_html.model import critical_path, read, timeline, usage
from canary_html.page import job_page
from canary_html.reporter import HtmlReporter
from canary_html.tree import el, to_html

XHTML = "{http://www.w3.org/1999/xhtml}"


class TestContract(ReporterContract):
    reporter = HtmlReporter


class TestContractOfDirectories(ReporterContract):
    reporter = HtmlReporter
    words = ("-o", "HTML", "--full", "HTML/jobs")


def write(results, directory, *, limit=16384, size=30.0, full=None):
    options = {"cwd": directory, "output": "r.html", "full": full, "limit": limit, "size": size}
    return HtmlReporter().report(results, options)[0]


def parse(path):
    """As a browser reads it; any error in it is raised."""
    return html5lib.HTMLParser(strict=True).parse(path.read_bytes())


def blocks(tree):
    """The data in the file, unpacked."""
    found = [e for e in tree.iter(f"{XHTML}script") if e.get("type")]
    return [json.loads(zlib.decompress(base64.b64decode(e.text))) for e in found]


def texts(page, tag):
    """The text of each element of a kind, in a tree of ours."""
    if isinstance(page, str):
        return []
    inner = [text for child in page[2:] for text in texts(child, tag)]
    return [flat(page), *inner] if page[0] == tag else inner


def flat(page):
    return page if isinstance(page, str) else "".join(map(flat, page[2:]))


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_the_file_is_valid_and_nothing_in_it_is_from_outside(tmp_path, make):
    tree = parse(write(make(tmp_path / "s"), tmp_path))
    scripts = list(tree.iter(f"{XHTML}script"))
    assert [e.text.strip() for e in scripts if not e.get("type")] == [script().strip()]
    assert {e.get("type") for e in scripts} == {None, "application/octet-stream"}
    for element in tree.iter():
        assert not {k for k in element.attrib if k == "src" or k.startswith("on")}
        assert element.get("href", "#").startswith("#")
    (policy,) = [e.get("content") for e in tree.iter(f"{XHTML}meta") if e.get("http-equiv")]
    assert policy.startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 's"
    )
    assert "unsafe" not in policy


def test_what_jobs_say_comes_back(tmp_path):
    results = hostile_results(tmp_path / "s")
    table, numbers, *chunks = blocks(parse(write(results, tmp_path, limit=6 << 20)))
    pages = {
        n: page
        for jobs, chunk in zip(numbers, chunks, strict=True)
        for n, page in zip(jobs, chunk, strict=True)
    }
    jobs = sorted(results.jobs(), key=lambda job: (job["fullname"], job["id"]))
    assert len(pages) == len(jobs) == len(HOSTILE)
    for number, job in enumerate(jobs):
        data = HOSTILE[job["attributes"]["text"]]
        name = job["fullname"].encode(errors="surrogateescape")
        (output,) = texts(pages[number], "pre")
        assert recover(output) == data
        assert recover(texts(pages[number], "h2")[0]) == name == recover(table["name"][number])
        assert recover(flat(pages[number][3][3])) == data[:4000]


def test_files_of_jobs_are_valid_too_and_hold_more(tmp_path):
    results = hostile_results(tmp_path / "s")
    path = write(results, tmp_path, full="jobs")
    for job in results.jobs():
        data = HOSTILE[job["attributes"]["text"]]
        page = tmp_path / "jobs" / f"{job['id']}.html"
        tree = parse(page)
        (output,) = tree.iter(f"{XHTML}pre")
        text = recover(output.text)
        assert text == data if len(data) <= 2 << 20 else len(text) > 2 << 20
        assert not list(tree.iter(f"{XHTML}script"))
        links = [e.get("href") for e in tree.iter(f"{XHTML}a")]
        assert links == [f"../{path.name}#/job/{job['id']}"]
    assert (tmp_path / "jobs" / "report.css").is_file()


def test_what_canary_measures_has_units(tmp_path):
    known = {"duration": 0.25, "user": 75.2, "max_rss": 16_900_000, "speed": 1234567.125}
    jobs = [
        sample_job(1, Outcome.FAILED, tmp_path, measurements=known),
        sample_job(2, Outcome.FAILED, tmp_path, measurements={"max_rss": 0, "duration": "none"}),
    ]
    write(SampleResults(tmp_path / "s", jobs), tmp_path, full=str(tmp_path / "full"))
    one, two = (parse(tmp_path / "full" / f"{job['id']}.html") for job in jobs)
    cells = ["".join(cell.itertext()) for cell in one.iter(f"{XHTML}td")]
    assert [word for word in cells if word in ("250 ms", "1m 15s", "16.9 MB", "1234567.125")] == [
        "250 ms",
        "1m 15s",
        "16.9 MB",
        "1234567.125",
    ]
    cells = ["".join(cell.itertext()) for cell in two.iter(f"{XHTML}td")]
    assert "0 bytes" in cells
    assert "none" in cells


def test_numbers_that_no_float_can_be_are_shown_as_they_are(tmp_path):
    many = {"big": 10**400, "duration": 10**400, "max_rss": 10**400}
    job = sample_job(1, Outcome.FAILED, tmp_path, measurements=many)
    job["timings"] = {"running": 10**400, "total": float("nan")}
    write(SampleResults(tmp_path / "s", [job]), tmp_path, full="full")
    page = parse(tmp_path / "full" / f"{job['id']}.html")
    cells = ["".join(cell.itertext()) for cell in page.iter(f"{XHTML}td")]
    assert cells.count(str(10**400)) == 3


def test_escapes():
    tree = el("pre", "\n<a> & \x1b\u202e\udcff", title='"<\x00')
    assert (
        to_html(tree) == '<pre title="&quot;&lt;\\x00">\n\n&lt;a&gt; &amp; \\x1b\\u202e\\xff</pre>'
    )


def noisy(directory, jobs, failed, length):
    """A session whose jobs print what can hardly be compressed."""
    made = []
    noise = random.Random(1)
    for n in range(jobs):
        outcome = Outcome.FAILED if n < failed else Outcome.SUCCESS
        job = sample_job(n, outcome, directory)
        Path(job["stdout"]).parent.mkdir(parents=True, exist_ok=True)
        Path(job["stdout"]).write_bytes(base64.b85encode(noise.randbytes(length)))
        made.append(job)
    return SampleResults(directory, made)


@pytest.mark.parametrize("size", [1.0, 0.3, 0.15])
def test_the_file_is_no_larger_than_asked(tmp_path, size):
    path = write(noisy(tmp_path / "s", 150, 60, 30_000), tmp_path, size=size)
    assert path.stat().st_size <= size * 1_000_000
    table, numbers, *chunks = blocks(parse(path))
    assert len(table["name"]) == 150
    has_page = {n for jobs in numbers for n in jobs}
    kinds = [table["outcomes"][o]["kind"] for o in table["outcome"]]
    trouble = {n for n, kind in enumerate(kinds) if kind == "fail"}
    assert trouble <= has_page
    if size == 1.0:
        outputs = [text for chunk in chunks for page in chunk for text in texts(page, "pre")]
        assert len(outputs) >= 60
        assert any("bytes left out" in text for text in outputs)


def test_a_file_that_cannot_be_so_small_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be smaller than [\d,]+ bytes") as caught:
        write(SampleResults(tmp_path / "s"), tmp_path, size=0.01)
    assert not (tmp_path / "r.html").exists()
    least = int(str(caught.value).split(" bytes")[0].split()[-1].replace(",", ""))
    path = write(SampleResults(tmp_path / "s"), tmp_path, size=(least + 0.5) / 1_000_000)
    assert path.stat().st_size == least


def test_a_pipe_gets_the_file(tmp_path):
    read, end = os.pipe()
    with ThreadPoolExecutor(1) as pool, os.fdopen(read, "rb") as f:
        got = pool.submit(f.read)
        options = {"output": f"/dev/fd/{end}", "full": None, "limit": 100, "size": 1.0}
        try:
            HtmlReporter().report(SampleResults(tmp_path / "s"), options)
        finally:
            os.close(end)
        assert got.result().endswith(b"</html>\n")


def test_the_command_can_be_given_again(tmp_path):
    results = SampleResults(tmp_path / "s", [])
    results.info = {"argv": ["canary", "run", "-k", "fast and not wide"]}
    cells = parse(write(results, tmp_path)).iter(f"{XHTML}td")
    assert "canary run -k 'fast and not wide'" in [cell.text for cell in cells]


def test_far_too_many_jobs_are_the_first_of_them(tmp_path):
    jobs = [sample_job(n, Outcome.SUCCESS, tmp_path) for n in range(4000)]
    path = write(SampleResults(tmp_path / "s", jobs), tmp_path, size=0.09)
    assert path.stat().st_size <= 90_000
    table, *_ = blocks(parse(path))
    assert 0 < len(table["name"]) < table["all"] == 4000


class Walked(SampleResults):
    """Two jobs on a machine of two nodes; the second waits for the first, and is tried twice."""

    def events(self):
        first, second = self.jobs()
        yield SessionStarted(
            100.0,
            self.session,
            "",
            (),
            2,
            {},
            {"a": {"cpus": 2, "gpus": 1}, "b": {"cpus": 1, "gpus": 3}},
        )
        for at, job, attempt, cores, outcome in (
            (101.0, first, 1, [("a", "0"), ("a", "1")], Outcome.SUCCESS),
            (103.0, second, 1, [("b", "0")], Outcome.FAILED),
            (106.0, second, 2, [], Outcome.SUCCESS),
        ):
            gpus = [{"id": "0", "slots": 1, "node": "b"}, {"id": "1", "slots": 1, "node": "b"}]
            cpus = [{"id": core, "slots": 1, "node": node} for node, core in cores]
            yield JobSubmitted(at, job["id"], "", attempt, {"cpus": cpus, "gpus": gpus})
            yield JobStarted(at, job["id"], "", "", attempt)
            times = {"started": at, "stopped": at + 2}
            yield JobFinished(at + 2, job["id"], "", Status(outcome), times, {}, attempt)
        yield Notice(110.0, "warning", "careful")


@pytest.fixture
def walked(tmp_path):
    first = sample_job(1, Outcome.SUCCESS, tmp_path)
    needs = [{"id": first["id"], "when": None}]
    return Walked(
        tmp_path / "s", [first, sample_job(2, Outcome.SUCCESS, tmp_path, dependencies=needs)]
    )


def test_attempts_are_on_the_cores_that_they_had(walked):
    lanes, bars = timeline(read(walked))
    assert lanes == [("a", "0"), ("a", "1"), ("b", "0"), ("", "0")]
    assert [(b.job, b.attempt, b.start, b.stop, b.lanes) for b in bars] == [
        (0, 1, 1.0, 3.0, (0, 1)),
        (1, 1, 3.0, 5.0, (2,)),
        (1, 2, 6.0, 8.0, (3,)),
    ]
    data = columns(read(walked), LEVELS[0], 2, "")
    assert data["bars"]["lanes"] == [[0, 2], [2, 1], [3, 1]]
    assert data["slots"] == {"a": 2, "b": 1}
    # two of four, from 1 s to 5 s and from 6 s to 8 s
    assert usage(read(walked), 4) == {"gpus": (4, [1.0, 2.0, 1.0, 2.0])}
    assert data["usage"]["gpus"]["slots"] == 4
    assert data["notices"] == ["warning: careful"]


def damaged(event):
    """The event with each of its values, and of those in them, as something that is never written;
    a status is left as it is: none is read that is no status."""
    odd = (math.inf, -math.inf, math.nan, 10**400, 10**18, -1, None, True, "x", [], ["x"], [["x"]])
    odd = (*odd, {}, {"a": None}, {"a": []}, {"cpus": [{"id": []}], "gpus": [{"slots": math.inf}]})
    for name in (f.name for f in fields(event) if f.name not in ("session", "status")):
        value = getattr(event, name)
        for other in odd:
            yield replace(event, **{name: other})
            if isinstance(value, Mapping):
                for key, inner in value.items():
                    yield replace(event, **{name: {**value, key: other}})
                    if isinstance(inner, Mapping):
                        changed = ({**value, key: {**inner, k: other}} for k in inner)
                        yield from (replace(event, **{name: v}) for v in changed)


@pytest.mark.parametrize("number", range(5))
def test_values_that_nobody_wrote_are_taken_as_absent(walked, number):
    events = list(walked.events())
    for other in damaged(events[number]):
        walked.events = lambda other=other: [*events[:number], other, *events[number + 1 :]]
        model = read(walked)
        data = columns(model, LEVELS[0], 2, "")
        assert len(data["name"]) == 2
        json.dumps(data, allow_nan=False)  # a browser reads no other
        to_html(job_page(model, 1, limit=100, link=str))


def test_a_session_of_which_nothing_sound_is_known(walked, tmp_path):
    started, info = next(walked.events()), walked.info
    for machine in (math.inf, [], {"a": math.inf}, {"a": {"cpus": []}}, {"a": {"cpus": 10**18}}):
        walked.events = lambda machine=machine: [replace(started, at={}, machine=machine)]
        parse(write(walked, tmp_path))
    for name in ("runner", "argv", "environment"):
        for other in ([], ["x"], 1, math.inf, "x"):
            walked.info = {**info, name: other}
            parse(write(walked, tmp_path))


def test_the_critical_path_is_the_longest_chain(tmp_path):
    jobs = [sample_job(n, Outcome.SUCCESS, tmp_path) for n in range(1, 6)]
    for n, seconds, needs in ((0, 5, []), (1, 1, []), (2, 3, [1]), (3, 4, [2]), (4, 2, [0])):
        jobs[n]["timings"] = {"running": seconds}
        jobs[n]["dependencies"] = [{"id": jobs[i]["id"], "when": None} for i in needs]
    assert critical_path(read(SampleResults(tmp_path / "s", jobs))) == [1, 2, 3]
    assert critical_path(read(SampleResults(tmp_path / "s", []))) == []


def test_short_ids_tell_jobs_apart():
    ids = ["abcdefgh1x", "abcdefgh2x", "b" * 10]
    assert short_ids([{"id": id} for id in ids]) == ["abcdefgh1", "abcdefgh2", "b" * 9]


TEST = """\
import sys
import canary
canary.directives.parameterize("a", [0, 1])
if __name__ == "__main__":
    sys.exit(canary.get_instance().parameters.a)
"""


def test_a_job_that_was_left_out_is_shown_once_with_its_last_result(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    canary("run", "--only", "failed", "t", expect=8)
    first, second = sorted(p.name for p in (tmp_path / ".canary" / "sessions").iterdir())
    canary("report", "html", expect=0)
    table, *_ = blocks(parse(tmp_path / "canary.html"))
    assert table["name"] == ["x.a=0", "x.a=1"]
    assert [table["ran"]["values"][n] for n in table["ran"]["of"]] == [first, second]
    assert [s["name"] for s in table["sessions"]] == [first]
    assert [past >= 0 for past in table["past"][0]["outcome"]] == [False, True]
    canary("report", "html", "--session", "latest", expect=0)
    table, *_ = blocks(parse(tmp_path / "canary.html"))
    kinds = [table["outcomes"][n]["kind"] for n in table["outcome"]]
    assert kinds == ["out", "fail"]
