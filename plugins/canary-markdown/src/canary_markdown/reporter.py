"""A session as Markdown: one file, or a directory with a page for each job that failed.

Whatever tests are called and print is shown as code, never as Markdown or HTML. How that is done is
in `canary.reporting`; here is only what stands where.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from canary.clock import format_duration
from canary.declare import Reporter, Results
from canary.reporting import (
    add_limit,
    is_failure,
    is_special,
    markdown_block,
    markdown_code,
    output,
    target,
    write,
    write_file,
)

Job = Mapping[str, Any]
_VALUE: Final = 2000
_PAGE: Final = re.compile(r"[0-9a-f]{64}\.md")
# the last line of the page of a job
_BACK: Final = "[All jobs](index.md)\n"
_RANK: Final = ("FAIL", "ABORTED", "NONE", "NOTRUN", "PASS")


class MarkdownReporter(Reporter):
    """`canary report markdown`."""

    name = "markdown"
    help = "Markdown: a summary, the output of failures, a table of all jobs"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report markdown`."""
        parser.add_argument(
            "-o",
            "--output",
            "--output-dir",
            metavar="PATH",
            default="MARKDOWN",
            help="a file if it ends in .md, `-` for standard output, else a directory with a page"
            " for each failure (default: %(default)s)",
        )
        add_limit(parser, 4096)

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the page or pages."""
        limit, path = options["limit"], target(options)
        is_file = path.suffix in (".md", ".markdown") or is_special(path)
        if options["output"] == "-" or is_file:
            return write(page(results, limit), options)
        failures = {f"{job['id']}.md": job for job in results.jobs() if is_failure(job)}
        made = [p for p in (path, *path.parents) if not p.exists()]
        try:
            for name, job in failures.items():
                write_file(job_page(job, limit), path / name)
            written = write_file(page(results, None), path / "index.md")
        except OSError:
            if made:
                _take_back(failures, made)
            raise
        for old in _pages(path):
            if old.name not in failures:
                old.unlink()
        return written


def _take_back(names: Iterable[str], made: Sequence[Path]) -> None:
    """Remove directories that were made, the deepest first, and files of ours in that one."""
    with suppress(OSError):
        for name in names:
            (made[0] / name).unlink(missing_ok=True)
        for directory in made:
            directory.rmdir()


def _pages(directory: Path) -> Iterator[Path]:
    """The pages of jobs there, also those of earlier reports; nothing that others wrote."""
    for path in directory.glob("*.md"):
        if _PAGE.fullmatch(path.name) and path.read_bytes().endswith(_BACK.encode()):
            yield path


def page(results: Results, limit: int | None) -> Iterator[str]:
    """The whole session; with `limit` None failures are links to pages of their own."""
    jobs = sorted(
        (job for job in results.jobs()),
        key=lambda j: (_RANK.index(j["status"]["category"]), j["fullname"]),
    )
    run = [job for job in jobs if job["excluded"] is None]
    yield f"# Results of {markdown_code(results.session)}\n\n"
    yield from _summary(results, run)
    failures = [job for job in run if is_failure(job)]
    if failures and limit is not None:
        yield "## Failures\n\n"
        for job in failures:
            yield f"### {markdown_code(job['fullname'])}\n\n"
            yield from _details(job, limit)
    if run:
        yield "## Jobs\n\n| Job | Status | Seconds | Reason |\n| --- | --- | ---: | --- |\n"
        for job in run:
            yield _row(job, linked=limit is None and is_failure(job))
        yield "\n"
    left = [job for job in jobs if job["excluded"] is not None]
    if left:
        yield "## Left out\n\n| Job | Reason |\n| --- | --- |\n"
        for job in left:
            yield f"| {markdown_code(job['fullname'])} | {markdown_code(job['excluded'])} |\n"


def _summary(results: Results, run: Sequence[Job]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for job in run:
        status = f"{job['status']['category']} ({job['status']['outcome']})"
        counts[status] = counts.get(status, 0) + 1
    yield "| Status | Jobs |\n| --- | ---: |\n"
    for status, n in counts.items():
        yield f"| {status} | {n} |\n"
    yield f"| **Total** | **{len(run)}** |\n\n"
    if results.summary.duration > 0:
        yield f"The session took {format_duration(results.summary.duration)}.\n\n"


def _row(job: Job, *, linked: bool) -> str:
    status, seconds = job["status"], job["timings"].get("running", -1.0)
    name = markdown_code(job["fullname"])
    cells = (
        f"[{name}]({job['id']}.md)" if linked else name,
        f"{status['category']} ({status['outcome']})",
        f"{seconds:.2f}" if seconds >= 0 else "",
        markdown_code(status["reason"]) if status["reason"] else "",
    )
    return f"| {' | '.join(cells)} |\n"


def _details(job: Job, limit: int) -> Iterator[str]:
    status, seconds = job["status"], job["timings"].get("running", -1.0)
    facts = [
        ("Status", f"{status['category']} ({status['outcome']})"),
        ("Reason", markdown_code(status["reason"]) if status["reason"] else ""),
        ("Exit code", "" if job["exit_code"] is None else str(job["exit_code"])),
        ("Seconds", f"{seconds:.2f}" if seconds >= 0 else ""),
        ("Attempts", str(job["attempt"]) if job["attempt"] > 1 else ""),
        *_attributes(job),
        ("Test file", markdown_code(job["file_path"])),
        ("Directory", markdown_code(job["exec_dir"]) if job["exec_dir"] else ""),
        ("ID", job["id"]),
    ]
    yield "".join(f"- {name}: {value}\n" for name, value in facts if value)
    if text := output(job, limit):
        yield f"\n{markdown_block(text)}"
    yield "\n"


def _attributes(job: Job) -> Iterator[tuple[str, str]]:
    """Those that the test set while it ran, short of what belongs into a file."""
    for name, value in (job.get("attributes_set") or {}).items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if len(text) > _VALUE:
            text = f"{text[:_VALUE]} ... {len(text) - _VALUE} characters left out"
        yield f"Attribute {markdown_code(name)}", markdown_code(text)


def job_page(job: Job, limit: int) -> Iterator[str]:
    """The page of one job."""
    yield f"# {markdown_code(job['fullname'])}\n\n"
    yield from _details(job, limit)
    yield _BACK
