"""What GitHub Actions shows of a session: annotations, made by lines on standard output, and the
summary of the step, a Markdown file.

The runner reads every line of output for commands, so whatever tests are called and print must not
be able to start one, nor to end one early. Nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.reporting import (
    is_failure,
    markdown_block,
    markdown_code,
    markdown_counts,
    output,
    target,
    visible,
    write,
)

Job = Mapping[str, Any]
# GitHub refuses a longer summary as a whole, and shows no more annotations of a kind and step
MAX_SUMMARY: Final = 1 << 20
MAX_ANNOTATIONS: Final = 10
_ENDS: Final = 2000


class GithubReporter(Reporter):
    """`canary report github`."""

    name = "github"
    help = "annotations and step summary of GitHub Actions"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report github`."""
        parser.add_argument(
            "-o",
            "--output",
            metavar="FILE",
            default="-",
            help="file for the commands that make annotations (default: standard output, where the"
            " runner reads them)",
        )
        parser.add_argument(
            "--summary",
            metavar="FILE",
            default=os.environ.get("GITHUB_STEP_SUMMARY", ""),
            help="file that the summary is added to (default: $GITHUB_STEP_SUMMARY)",
        )
        parser.add_argument(
            "--limit",
            metavar="N",
            type=int,
            default=MAX_ANNOTATIONS,
            help="how many annotations to make (default: %(default)s, all that GitHub shows)",
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write commands and summary."""
        jobs = [job for job in results.jobs() if job["excluded"] is None]
        bad = [job for job in jobs if is_failure(job)]
        lines = commands(bad, max(0, options["limit"]), os.environ.get("GITHUB_WORKSPACE", ""))
        paths = write(lines, options)
        if options["summary"]:
            path = target(options, "summary")
            room = MAX_SUMMARY - (path.stat().st_size if path.exists() else 0)
            with path.open("ab") as f:
                f.writelines(_fitting(summary(results, jobs, bad), room))
            paths.append(path)
        return paths


def commands(bad: Sequence[Job], limit: int, checkout: str) -> Iterator[str]:
    """A line for each annotation, and one for those that were too many."""
    for job in bad[:limit]:
        status = job["status"]
        kind = "error" if status["category"] == "FAIL" else "warning"
        text = visible(status["reason"] or status["outcome"])
        if ends := output(job, _ENDS // 2):
            text += f"\n\n{ends}"
        title = f"{job['fullname']}: {status['outcome']}"
        file = job.get("file") or job["file_path"]
        if checkout and file.startswith(checkout.rstrip("/") + "/"):
            file = file[len(checkout.rstrip("/")) + 1 :]
        yield command(kind, {"file": file, "title": title}, text)
    if len(bad) > limit:
        text = f"{len(bad) - limit} more jobs did not pass: see the summary"
        yield command("notice", {"title": "canary"}, text)


def command(kind: str, properties: Mapping[str, str], text: str) -> str:
    """One command to the runner, as one line; `text` is `visible`."""
    pairs = ",".join(f"{k}={_property(v)}" for k, v in properties.items())
    return f"::{kind} {pairs}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text, "\n")).replace(":", "%3A").replace(",", "%2C")


def _fitting(parts: Iterable[str], room: int) -> Iterator[bytes]:
    """The parts, as far as there is room for them, and a line if that was not far enough."""
    note = b"\nMore would not fit into the summary of a step.\n"
    room -= len(note)
    for part in parts:
        data = part.encode("utf-8")
        if len(data) > room:
            if room >= 0:
                yield note
            return
        room -= len(data)
        yield data


def summary(results: Results, jobs: Sequence[Job], bad: Sequence[Job]) -> Iterator[str]:
    """The summary of the step; each piece is whole by itself."""
    yield (
        f"\n## canary: {len(jobs) - len(bad)} of {len(jobs)} jobs without failure\n\n"
        f"Session {markdown_code(results.session)}\n\n"
        f"{markdown_counts(jobs)}\n"
    )
    for job in bad:
        status = job["status"]
        facts = f"{status['category']} ({status['outcome']})"
        if status["reason"]:
            facts += f": {markdown_code(status['reason'][:_ENDS])}"
        part = f"### {markdown_code(job['fullname'])}\n\n{facts}\n\n"
        if text := output(job, _ENDS):
            part += f"{markdown_block(text)}\n"
        yield part
