"""The note on a merge request: one for each CI job, brought up to date when that runs again."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.errors import UsageError
from canary.reporting import is_failure, markdown_code, markdown_counts, write
from canary_gitlab.api import Api, add_token, needed
from canary_gitlab.text import details, run_jobs

SHOWN: Final = 20
_ENDS: Final = 1000


class NoteReporter(Reporter):
    """`canary report gitlab-mr`."""

    name = "gitlab-mr"
    help = "a note on the merge request of this GitLab CI job"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report gitlab-mr`."""
        add_token(parser)
        parser.add_argument("--cdash-url", metavar="URL", help="link to this report on CDash")
        parser.add_argument(
            "-o", "--output", metavar="FILE", help="write the note to FILE and post nothing"
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Post the note, or change the one that this CI job has posted before."""
        environ = os.environ
        text = "".join(note(results, environ, options["cdash_url"]))
        if options["output"]:
            return write([text], options)
        api = Api.of_job(options["access_token"], environ)
        number = needed(environ, "CI_MERGE_REQUEST_IID")
        if not number.isdecimal():
            raise UsageError(f"CI_MERGE_REQUEST_IID: {number!r} is no number")
        notes = f"merge_requests/{number}/notes"
        mark = text.partition("\n")[0]
        mine = [n for n in api.pages(notes) if str(n.get("body", "")).startswith(mark)]
        if mine:
            api.call("PUT", f"{notes}/{int(mine[0]['id'])}", {"body": text})
        else:
            api.call("POST", notes, {"body": text})
        return []


def note(results: Results, environ: Mapping[str, str], cdash: str | None) -> Iterator[str]:
    """The note; its first line says whose it is, and is not shown."""
    name = environ.get("CI_JOB_NAME", "")
    yield f"<!-- canary note {hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]} -->\n"
    jobs = run_jobs(results)
    bad = [job for job in jobs if is_failure(job)]
    title = f"canary: {len(jobs) - len(bad)} of {len(jobs)} jobs without failure"
    yield f"### {title}\n\n{markdown_counts(jobs)}\n"
    links = (("CI job", environ.get("CI_JOB_URL")), ("CDash", cdash))
    for label, address in links:
        if address:
            yield f"- {label}: {_link(address)}\n"
    for label, value in (("Job", name), ("Commit", environ.get("CI_COMMIT_SHA"))):
        if value:
            yield f"- {label}: {markdown_code(value)}\n"
    yield f"- Session: {markdown_code(results.session)}\n"
    for job in bad[:SHOWN]:
        yield f"\n#### {markdown_code(job['fullname'])}\n\n"
        yield from details(job, _ENDS)
    if len(bad) > SHOWN:
        yield f"\n{len(bad) - SHOWN} more are not shown.\n"


def _link(address: str) -> str:
    plain = address.startswith(("http://", "https://")) and not set(address) & set(" <>\n\r\t\\")
    return f"<{address}>" if plain else markdown_code(address)
