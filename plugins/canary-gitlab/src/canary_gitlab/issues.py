"""Issues for failures: opened when a job fails, kept up to date, closed when it passes.

An issue is known by a line in its description that names the job's ID. Issues of jobs that the
session did not run are left alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.reporting import is_failure, visible, write
from canary.table import say
from canary_gitlab.api import Api, add_token
from canary_gitlab.text import Job, details, run_jobs

_MARK: Final = re.compile(r"<!-- canary job ([0-9a-f]{8,64}) -->")
_TITLE: Final = 255
_ENDS: Final = 4000
# in a title these would tell people, refer to something, or be a formula
_SPECIAL: Final = "\n\t@#!&~%$`"


class IssuesReporter(Reporter):
    """`canary report gitlab-issues`."""

    name = "gitlab-issues"
    help = "an issue in GitLab for each failure, closed when the job passes"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report gitlab-issues`."""
        add_token(parser)
        parser.add_argument(
            "--label",
            default="canary",
            help="label of these issues; no other issue is touched (default: %(default)s)",
        )
        parser.add_argument(
            "--max",
            metavar="N",
            type=int,
            default=20,
            help="open at most so many new issues (default: %(default)s)",
        )
        parser.add_argument(
            "-o", "--output", metavar="FILE", help="write the issues to FILE as JSON, open none"
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Open, change and close issues."""
        label = options["label"]
        jobs = {job["id"]: job for job in run_jobs(results)}
        bad = {id: issue(job, label) for id, job in jobs.items() if is_failure(job)}
        if options["output"]:
            return write([json.dumps(list(bad.values()), indent=1), "\n"], options)
        api = Api.of_job(options["access_token"], os.environ)
        known = _open_issues(api, label)
        for id, found in known.items():
            place = f"issues/{int(found['iid'])}"
            if id in bad:
                change = {k: bad[id][k] for k in ("title", "description")}
                if any(found.get(k) != v for k, v in change.items()):
                    api.call("PUT", place, change)
            elif id in jobs and jobs[id]["status"]["category"] == "PASS":
                api.call("PUT", place, {"state_event": "close"})
        new = [data for id, data in bad.items() if id not in known]
        for data in new[: max(0, options["max"])]:
            api.call("POST", "issues", data)
        if len(new) > options["max"]:
            say("warning", f"{len(new) - options['max']} failures have no issue (--max)")
        return []


def _open_issues(api: Api, label: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for data in api.pages("issues", state="opened", labels=label, scope="all"):
        match = _MARK.match(str(data.get("description") or ""))
        if match:
            found.setdefault(match[1], data)
    return found


def issue(job: Job, label: str) -> dict[str, str]:
    """What an issue says of a failure."""
    title = visible(f"{job['fullname']}: {job['status']['outcome']}", _SPECIAL)
    text = f"<!-- canary job {job['id']} -->\n{''.join(details(job, _ENDS))}"
    if len(title) > _TITLE:
        title = title[: _TITLE - 1] + "…"
    return {"title": title, "description": text, "labels": label}
