"""The code quality report: failures as GitLab shows them beside the changes of a merge request."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.reporting import add_output, is_failure, visible, write
from canary_gitlab.text import relative

_SEVERITY: Final = MappingProxyType(
    {"DIFFED": "minor", "ERROR": "critical", "BROKEN": "critical", "INVALID": "critical"}
)


class QualityReporter(Reporter):
    """`canary report gitlab-codequality`."""

    name = "gitlab-codequality"
    help = "failures as a GitLab code quality report"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report gitlab-codequality`."""
        add_output(parser, "gl-code-quality-report.json")

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the file."""
        found = list(violations(results, os.environ.get("CI_PROJECT_DIR", "")))
        return write([json.dumps(found, indent=1), "\n"], options)


def violations(results: Results, checkout: str) -> Iterator[dict[str, Any]]:
    """One for each job that did not pass; a job keeps its fingerprint."""
    for job in filter(is_failure, results.jobs()):
        status = job["status"]
        said = f": {status['reason']}" if status["reason"] else ""
        yield {
            "description": visible(f"{job['fullname']}: {status['outcome']}{said}", "\n"),
            "check_name": f"canary/{status['outcome']}",
            "fingerprint": job["id"],
            "severity": _SEVERITY.get(status["outcome"], "major"),
            "location": {
                "path": visible(relative(job.get("file") or job["file_path"], checkout), "\n"),
                "lines": {"begin": 1},
            },
        }
