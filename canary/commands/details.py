"""What one asks for beside the result: the slowest jobs, the output of failures, what was left
out."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary.clock import format_duration, ran_for
from canary.commands import shapes
from canary.fsio import explain, read_text
from canary.store import Result
from canary.table import clean, counted, quote, say, table

if TYPE_CHECKING:
    from canary.declare import Reporter, Results
    from canary.job import Job

CAPTURE_BYTES = 16384


def running(result: Result) -> float:
    """Seconds its command ran; -1 if it did not."""
    return ran_for(result.times)


def expected(result: Result) -> str:
    """How long it was expected to take, for people; nothing if nobody knew."""
    seconds = result.measured.get("expected")
    return format_duration(seconds) if isinstance(seconds, (int, float)) else ""


def show_durations(results: Sequence[Result], n: int) -> None:
    """The `n` slowest jobs; all of them if it is not positive."""
    slow = sorted((r for r in results if running(r) >= 0), key=running, reverse=True)
    shown = slow[:n] if n > 0 else slow
    rows = [[format_duration(running(r)), r.id[:7], r.fullname] for r in shown]
    if rows:
        print("\n".join(["", "Slowest jobs", *table(("Duration", "ID", "Job"), rows)]))


def show_capture(results: Sequence[Result], streams: str) -> None:
    """The output of every job that failed, head and tail where it is long."""
    for result in results:
        if result.category != "FAIL":
            continue
        for name in _streams(result, streams):
            text = read_text(f"{result.workspace}/{name}", CAPTURE_BYTES)
            print(f"\n--- {clean(result.fullname)} ({result.outcome}): {name}")
            print("\n".join(quote(line) for line in text.splitlines()))


def _streams(result: Result, streams: str) -> list[str]:
    spec = shapes.lock_of(result.workspace).get("spec")
    if spec is None:
        return []
    out = [spec["stdout"]] if "o" in streams or not spec["stderr"] else []
    return out + ([spec["stderr"]] if "e" in streams and spec["stderr"] else [])


def write_reports(
    names: Sequence[str], offered: Mapping[str, Reporter], results: Results, cwd: Path
) -> None:
    """Write each report and say where; one that fails is a line, and changes no verdict."""
    for name in names:
        parser = argparse.ArgumentParser()
        try:
            offered[name].arguments(parser)
            options = {"cwd": cwd, **vars(parser.parse_args([]))}
            paths = list(offered[name].report(results, options))
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # noqa: BLE001 - whatever a reporter does is said, no more
            text = f"report {name}: {type(e).__name__}: {e}"
            if isinstance(e, OSError):
                text = str(explain(e, e.filename or "", f"write the report {name}"))
            say("warning", text)
            continue
        for path in paths:
            print(path)


def planned(job: Job) -> dict[str, Any]:
    """A job that would run, for programs; times in seconds, None if there is none or nobody
    knows."""
    data = {name: getattr(job.spec, name) for name in ("id", "name", "fullname", "file_path")}
    limit, expected = job.total_timeout(), job.expected_runtime
    data |= {"cpus": job.cpus, "gpus": job.gpus, "timeout": limit if limit > 0 else None}
    data["expected"] = expected if math.isfinite(expected) else None
    data["dependencies"] = [{"id": d.job.id, "when": d.when} for d in job.dependencies]
    return data


def plan_lines(jobs: Sequence[Job]) -> list[str]:
    """What would run, in the order in which jobs become ready, with what each needs."""
    rows = []
    for job in jobs:
        needs = [str(job.cpus), str(job.gpus or ""), format_duration(job.expected_runtime)]
        after = ", ".join(d.job.display_name() for d in job.dependencies)
        rows.append([job.name, job.id[:7], *needs, after])
    lines = table(("Job", "ID", "CPUs", "GPUs", "Expected", "After"), rows) if rows else []
    return [*lines, f"{counted(len(jobs), 'job')} would run"]


def show_excluded(rows: Sequence[tuple[str, str, str]]) -> None:
    """Every job that was left out, and why."""
    if rows:
        cells = [[name, id[:7], reason] for id, name, reason in rows]
        print("\n".join(["", *table(("Job", "ID", "Left out because"), cells)]))
