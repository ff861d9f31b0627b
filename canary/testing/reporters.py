"""What every reporter must do, as tests: subclass `ReporterContract` and name yours.

    class TestCsv(ReporterContract):
        reporter = CsvReporter

`SampleResults` is a session with a job of every kind, and with texts that break careless writers;
`hostile_results` has a failed job for each text of `HOSTILE`, as its output, in its name and in its
reason.
"""

from __future__ import annotations

import argparse
import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from canary.declare import Reporter, Results
from canary.events import Event, SessionFinished, SessionStarted, Summary
from canary.status import Outcome

NASTY = "quotes ' \" <tag> & \\ | % {x} \x1b[31m \x00 ünï \udcff\nsecond line ]]>"

HOSTILE: Final[Mapping[str, bytes]] = {
    "cdata": b"a ]]> b <![CDATA[ c ]]> &amp; &#0; <!-- -- >",
    "nul": b"zero \x00 and \x01\x08\x0b\x0c\x1f\x7f",
    "escape": b"\x1b[31mred\x1b[2J\x1b]0;title\x07 \xc2\x9b31m",
    "bytes": b"\xff\xfe\xc3( \xed\xa0\x80 \xef\xbf\xbf \xf0\x9f\x98",
    "script": b"<script>alert(1)</script></pre><img src=x onerror=alert(1)> [a](javascript:b)",
    "direction": "\u202eesrever\u202c \u2066x\u2069 שלום".encode(),
    "lines": b"5% of ::error::x: y\r\n::warning file=a,line=1::b\r%0A%25 \xc2\x85 \xe2\x80\xa8",
    "fences": b"````\n# title\n~~~~\n| a | b |\n</details>\n    ```\n* _x_ `y` \\`",
    "mentions": b"@all #1 !2\n/close\n/label ~bug\n--\n",
    "tap": b"not ok 1 # TODO \\# x\n...\n---\nBail out!\n1..0\npragma +strict",
    "escapes": rb"\\x1b \x41 \\u202e \ \n C:\new",
    "spaces": b"  two \t tabs \n\n\n  end  \n\n",
    "long": b"x" * (10 << 20),
}


def sample_job(number: int, outcome: Outcome, directory: Path, **more: Any) -> dict[str, Any]:
    """A job as `canary query jobs` gives it."""
    name = f"job{number}.p={number}"
    return {
        "id": f"{number:064x}",
        "name": name,
        "fullname": f"dir/{name}",
        "file_path": f"dir/job{number}.t",
        "file_root": str(directory),
        "file": str(directory / "dir" / f"job{number}.t"),
        "exec_dir": str(directory / name),
        "family": f"job{number}",
        "session": "2026-01-02T03-04-05.000006",
        "exit_code": 0 if outcome is Outcome.SUCCESS else 1,
        "status": {
            "category": outcome.category.name,
            "outcome": outcome.name,
            "reason": "" if outcome is Outcome.SUCCESS else NASTY,
        },
        "timings": {"running": 0.5 * number, "pending": 0.1, "total": 0.5 * number + 0.1},
        "started_at": 1767323045.0 + number,
        "stopped_at": 1767323045.5 + number,
        "attempt": 1,
        "measurements": {"speed": 1.5, NASTY: NASTY},
        "variables": {},
        "parameters": {"p": number},
        "meta_parameters": {},
        "keywords": ["fast", "näme"],
        "owners": ["someone"],
        "attributes": {NASTY: NASTY},
        "attributes_set": {NASTY: NASTY},
        "command": ["./run", NASTY.replace("\x00", "")],
        "timeout": 300.0,
        "stdout": str(directory / name / "canary-out.txt"),
        "stderr": None,
        "dependencies": [],
        "excluded": None,
        **more,
    }


class SampleResults(Results):
    """A session that never was: `jobs` as given, or one of each outcome and one left out."""

    def __init__(self, directory: Path, jobs: Sequence[Mapping[str, Any]] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.session = "2026-01-02T03-04-05.000006"
        self.directory = directory
        if jobs is None:
            over = [o for o in Outcome if o.category.name != "NONE"]
            jobs = [sample_job(i, outcome, directory) for i, outcome in enumerate(over, 1)]
            left_out = sample_job(len(over) + 1, Outcome.SKIPPED, directory, excluded=NASTY)
            jobs = [*jobs, left_out]
            for job in jobs[: len(jobs) // 2]:
                output = Path(job["stdout"])
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_bytes(NASTY.encode("utf-8", "surrogateescape") * 3)
        self._jobs = list(jobs)
        counts = Counter(job["status"]["outcome"] for job in self._jobs if not job["excluded"])
        self.summary = Summary(self.session, dict(counts), 12.5, 8 if self._jobs else 0)
        self.info: Mapping[str, Any] = {"argv": ["canary", "run", "."], "returncode": 0}

    def events(self) -> Iterable[Event]:
        """See `Results.events`."""
        argv, code = ("canary", "run", "."), self.summary.exit_code
        yield SessionStarted(1767323045.0, self.session, str(self.directory), argv, len(self._jobs))
        yield SessionFinished(1767323057.5, code, self.summary.counts)

    def jobs(self) -> Iterable[Mapping[str, Any]]:
        """See `Results.jobs`."""
        return iter(self._jobs)


def hostile_results(directory: Path) -> SampleResults:
    """A failed job for each hostile text: `attributes["text"]` says which one it holds."""
    jobs = []
    for number, (key, data) in enumerate(HOSTILE.items(), 1):
        text = data[:4000].decode(errors="surrogateescape")
        job = sample_job(number, Outcome.FAILED, directory, attributes={"text": key})
        job["name"] = text[:100].replace("/", "|")
        job["fullname"] = f"dir/{job['name']}"
        job["status"]["reason"] = text
        Path(job["stdout"]).parent.mkdir(parents=True, exist_ok=True)
        Path(job["stdout"]).write_bytes(data)
        jobs.append(job)
    return SampleResults(directory, jobs)


class ReporterContract:
    """What `canary.declare.Reporter` promises. `words` are options for `canary report NAME`."""

    reporter: ClassVar[type[Reporter]]
    words: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The options, parsed as the command line does it."""
        parser = argparse.ArgumentParser(allow_abbrev=False)
        self.reporter().arguments(parser)
        return vars(parser.parse_args(list(self.words)))

    @pytest.fixture
    def results(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleResults:
        """The session; the current directory is an empty one."""
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        return SampleResults(tmp_path / "session")

    def test_it_has_a_name_and_a_line_of_help(self) -> None:
        """People choose it by these."""
        assert self.reporter.name
        assert not set(self.reporter.name) & set(" /\n")
        assert self.reporter.help
        assert "\n" not in self.reporter.help

    def test_it_writes_what_it_says(
        self, results: SampleResults, options: Mapping[str, Any]
    ) -> None:
        """Each path it returns is a file or directory that is there, and there is one."""
        paths = self.reporter().report(results, options)
        assert paths
        for path in paths:
            assert Path(path).exists(), path

    def test_it_can_be_written_again(
        self, results: SampleResults, options: Mapping[str, Any]
    ) -> None:
        """Over the last one."""
        first = self.reporter().report(results, options)
        assert self.reporter().report(results, options) == first

    def test_it_only_reads(self, results: SampleResults, options: Mapping[str, Any]) -> None:
        """What it was handed is as before, and so is the session's directory."""
        before = copy.deepcopy(list(results.jobs()))
        files = sorted(results.directory.rglob("*"))
        paths = {Path(p).resolve() for p in self.reporter().report(results, options)}
        assert list(results.jobs()) == before
        left = [p for p in results.directory.rglob("*") if p.resolve() not in paths]
        assert sorted(left) == [p for p in files if p.resolve() not in paths]

    def test_a_session_without_jobs_is_a_report_too(
        self, tmp_path: Path, results: SampleResults, options: Mapping[str, Any]
    ) -> None:
        """An empty one."""
        assert results.summary.total
        empty = SampleResults(tmp_path / "empty", [])
        assert self.reporter().report(empty, options)
