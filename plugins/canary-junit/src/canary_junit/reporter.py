"""Reads a session and writes the XML file, suite by suite; output is read as it is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from canary.declare import Reporter, Results
from canary.events import JobFinished
from canary.reporting import add_limit, add_output, excerpt, write, xml_quote, xml_text
from canary_junit.xml import HEAD, Suite, totals


class JunitReporter(Reporter):
    """`canary report junit`."""

    name = "junit"
    help = "JUnit XML, for Jenkins, GitLab and others"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report junit`."""
        add_output(parser, "junit.xml")
        add_limit(parser)
        parser.add_argument(
            "--full",
            action="store_true",
            help="put file and properties into each test case, as GitLab and pytest's xunit1 read"
            " them; the Jenkins schema does not know these",
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the file."""
        return write(encode(results, full=options["full"], limit=options["limit"]), options)


def encode(results: Results, *, full: bool, limit: int) -> Iterator[str]:
    """The file in pieces."""
    suites = collect(results, full=full)
    total = totals(suites)
    yield f"{HEAD}<testsuites name={xml_quote(f'canary {results.session}')} "
    yield f"{total.attributes(skipped=False)}>\n"
    for suite in suites:
        yield suite.start(0.0)
        for case in suite.cases:
            yield case.before
            for name, path in zip(("system-out", "system-err"), case.files, strict=False):
                if text := excerpt(path, limit):
                    yield f"      <{name}>{xml_text(text)}</{name}>\n"
            yield "    </testcase>\n"
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def collect(results: Results, *, full: bool) -> list[Suite]:
    """A suite for each directory, in order; jobs that the session left out are in none."""
    retries: dict[str, list[Mapping[str, Any]]] | None = None
    suites: dict[str, Suite] = {}
    for job in results.jobs():
        if job["excluded"] is not None:
            continue
        if retries is None and job["attempt"] > 1:  # few sessions have any: the log is long
            retries = earlier(results)
        directory = job["fullname"].rpartition("/")[0]
        suite = suites.setdefault(directory, Suite(directory))
        mine = (retries or {}).get(job["id"], ()) if job["session"] == results.session else ()
        suite.add(job, mine, full)
    return [suites[name] for name in sorted(suites)]


def earlier(results: Results) -> dict[str, list[Mapping[str, Any]]]:
    """What the attempts that were followed by another came to, by job ID."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in results.events():
        if isinstance(event, JobFinished) and event.retry:
            status = {"outcome": event.status.outcome.name, "reason": event.status.reason}
            found.setdefault(event.id, []).append(status)
    return found
