"""`canary history`: one job over sessions, or all jobs, a line each."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from canary.clock import format_duration, ran_for
from canary.config import Config
from canary.home import Workspace
from canary.lookup import open_store, select_job
from canary.store import Store, job_record
from canary.table import clean, counted, paint, safe_write, table, use_colour, width
from canary_history import source
from canary_history.numbers import bars, is_number, measured, running, trend

# a letter a category, so that nothing depends on colour
_LETTERS: Final = (("PASS", "P"), ("FAIL", "F"), ("ABORTED", "A"), ("NOTRUN", "-"), ("NONE", "?"))
_COLOURS: Final = (("PASS", "green"), ("FAIL", "red"), ("ABORTED", "magenta"))


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace, store = open_store(Path(config.cwd), config.workspace)
    names = store.sessions()
    names = names[-args.sessions :] if args.sessions > 0 else names
    on = use_colour(config.main.color, sys.stdout)
    if args.job is None:
        lines = _all(names, store, args.json, on)
    else:
        lines = _one(args, workspace, store, frozenset(names), on)
    safe_write(sys.stdout, "\n".join(lines) + "\n")
    return 0


def _one(
    args: argparse.Namespace,
    workspace: Workspace,
    store: Store,
    names: frozenset[str],
    on: bool,
) -> list[str]:
    latest = select_job(args.job, store)
    runs = [job_record(r) for r in store.results(id=latest.id) if r.session in names]
    for job in runs:
        job["source"] = source.read(workspace.sessions / job["session"])
    if args.json:
        return [json.dumps(runs, indent=2)]
    if args.measurement:
        columns = list(dict.fromkeys(args.measurement))
    else:
        columns = list(dict.fromkeys(name for job in runs for name in measured(job)))
    head = ("Session", "Commit", "Status", "Duration", *columns, "Details")
    rows = [_row(job, columns) for job in runs]
    colours = [dict(_COLOURS).get(job["status"]["category"], "") for job in runs]
    lines = [f"{clean(latest.fullname)} ({latest.id[:7]})", ""]
    lines += table(head, rows, colours=colours, on=on, columns=width(sys.stdout))
    moved = [trend("duration", [t if (t := running(job)) >= 0 else None for job in runs])]
    for name in columns:
        values = [job["measurements"].get(name) for job in runs]
        moved.append(trend(name, [v if is_number(v) else None for v in values]))
    moved = [row for row in moved if row]
    if moved:
        titles = ("Trend", "Oldest to newest", "Median", "Last", "Last is")
        lines += ["", *table(titles, moved, columns=width(sys.stdout))]
    return lines


def _row(job: dict[str, Any], columns: Sequence[str]) -> list[str]:
    status, seconds = job["status"], running(job)
    again = f"attempt {job['attempt']}: " if job["attempt"] > 1 else ""
    values = [job["measurements"].get(name) for name in columns]
    return [
        job["session"],
        str(job["source"].get("commit", ""))[:10],
        f"{status['category']} ({status['outcome']})",
        format_duration(seconds) if seconds >= 0 else "",
        *("" if v is None else _short(v) for v in values),
        again + status["reason"],
    ]


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 20 else text[:19] + "…"


def _all(names: Sequence[str], store: Store, as_json: bool, on: bool) -> list[str]:
    """Those that failed last come first, then those that changed most often."""
    letters = dict(_LETTERS)
    ends: dict[str, dict[str, Any]] = {}
    for at, name in enumerate(names):
        for result in store.results(session=name):
            job = ends.setdefault(
                result.id,
                {
                    "id": result.id,
                    "letters": [" "] * len(names),
                    "times": [None] * len(names),
                },
            )
            job["fullname"] = result.fullname
            job["letters"][at] = letters[result.category]
            if result.category == "PASS":
                took = ran_for(result.times)  # from stamps alone: there may be many results
                job["times"][at] = took if took >= 0 else None
    for job in ends.values():
        known = [letter for letter in job["letters"] if letter in "PF"]
        job["changes"] = sum(a != b for a, b in pairwise(known))
        job["failed"] = known[-1:] == ["F"]
    jobs = sorted(ends.values(), key=lambda j: (not j["failed"], -j["changes"], j["fullname"]))
    if as_json:
        return [json.dumps({"sessions": list(names), "jobs": jobs}, indent=2)]
    rows = [
        [
            j["id"][:7],
            "".join(j["letters"]),
            str(j["changes"] or ""),
            bars(j["times"]),
            j["fullname"],
        ]
        for j in jobs
    ]
    head = ("ID", "Results", "Changes", "Duration", "Job")
    lines = table(head, rows, columns=width(sys.stdout))
    lines = [_painted(line, on) if at else line for at, line in enumerate(lines)]
    failing, changing = sum(j["failed"] for j in jobs), sum(j["changes"] > 1 for j in jobs)
    total = f"{counted(len(jobs), 'job')} in {counted(len(names), 'session')}: {failing} fail,"
    return [*lines, "", f"{total} {changing} changed more than once"]


def _painted(line: str, on: bool) -> str:
    """A row whose job failed last is red at its ID."""
    results = line[9:].partition("  ")[0].rstrip() if on else ""
    return paint(line[:7], "red", True) + line[7:] if results.endswith("F") else line
