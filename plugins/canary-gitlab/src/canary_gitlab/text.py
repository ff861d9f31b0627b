"""What is said of jobs in notes and issues, as GitLab's Markdown.

GitLab obeys lines that begin with a slash, tells people whose names follow an `@`, and links what
looks like a reference: all that tests are called and print is shown as code, indented.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from canary.declare import Results
from canary.reporting import markdown_block, markdown_code, output

Job = Mapping[str, Any]
_REASON: Final = 2000


def run_jobs(results: Results) -> list[Job]:
    """The jobs that the session did not leave out."""
    return [job for job in results.jobs() if job["excluded"] is None]


def details(job: Job, limit: int) -> Iterator[str]:
    """What is known of a failure, with the ends of its output."""
    status = job["status"]
    yield f"{status['category']} ({status['outcome']})"
    if status["reason"]:
        yield f": {markdown_code(status['reason'][:_REASON])}"
    yield f"\n\nTest file: {markdown_code(job['file_path'])}\n"
    if text := output(job, limit):
        yield f"\n{markdown_block(text)}"


def relative(path: str, directory: str) -> str:
    """`path` as seen from `directory`, if it is below that."""
    start = directory.rstrip("/") + "/"
    return path[len(start) :] if directory and path.startswith(start) else path
