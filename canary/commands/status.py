"""`canary status`: the latest result of each job as a table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from canary import lookup
from canary.clock import format_duration
from canary.commands import details, selection, shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.store import Result, Store
from canary.table import counted, safe_write, table, use_colour, width

_Counts = Counter[tuple[str, str]]
SMALL = 30
_CHARACTERS = "ptdfrnsaA"
_COLUMNS: Final[Mapping[str, Callable[[Result], str]]] = {
    "ID": lambda r: r.id,
    "Name": lambda r: r.fullname,
    "FullName": lambda r: r.fullname,
    "FilePath": lambda r: r.file_path,
    "Session": lambda r: r.session,
    "Exit Code": lambda r: str(r.code),
    "Expected": details.expected,
    "Duration": lambda r: format_duration(s) if (s := details.running(r)) >= 0 else "",
    "Status": lambda r: f"{r.category} ({r.outcome})",
    "Details": lambda r: r.reason or "",
}
_USUAL = "ID,Name,Status,Duration,Details"
_HISTORY = "ID,Name,Session,ExitCode,Duration,Status,Details"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary status`."""
    add, switch, _ = selection.options_of(parser)
    add("jobs", nargs="*", metavar="JOB", help="the history of these jobs")
    switch("-i", "--interactive", help=argparse.SUPPRESS)
    add("-o", dest="columns", metavar="COLS", help=f"columns: {','.join(_COLUMNS)}")
    text = "p passed, t timeout, d diffed, f failed, n not run, s skipped, a not passed, A all"
    add("-r", dest="kinds", metavar="CHARS", help=text)
    switch("--all", "-a", dest="all", help="all jobs")
    switch("--failed", help="jobs that did not pass")
    add("--sort-by", choices=("duration", "name"), help="order of the rows")
    text = "show the N slowest jobs"
    add("--durations", nargs="?", type=int, const=10, metavar="N", help=text)
    switch("--full-ids", help="whole IDs")
    switch("--json", help="as JSON")
    switch("--show-excluded", help="jobs that the last run left out, and why")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.interactive:
        raise UsageError("-i is a command of its own", hint="canary tui")
    workspace, book = shapes.open_store(config)
    shapes.warn_of_unended(workspace)
    if args.show_excluded:
        excluded = lookup.left_out(workspace, book)
        if args.json:
            print(shapes.as_json(shapes.excluded_records(excluded)))
        else:
            details.show_excluded(excluded)
        return ExitCode.OK
    counts = book.tally()
    shown = _shown(args, book, counts)
    if args.jobs:
        counts = Counter((r.category, r.outcome) for r in shown)
    if not args.full_ids:
        shown = [r._replace(id=r.id[:7]) for r in shown]
    if args.json:
        print(shapes.as_json([_record(r) for r in shown]))
        return ExitCode.OK
    columns = _columns(args)
    rows = [[_COLUMNS[c](r) for c in columns] for r in shown]
    on = use_colour(config.main.color, sys.stdout)
    colours = [r.status.category.colour for r in shown]
    lines = table(columns, rows, colours=colours, on=on, columns=width(sys.stdout)) if rows else []
    safe_write(sys.stdout, "\n".join([*lines, _summary(counts)]) + "\n")
    if args.durations is not None:
        details.show_durations(book.results(), args.durations)
    sys.stdout.flush()
    return ExitCode.OK


def _shown(args: argparse.Namespace, book: Store, counts: _Counts) -> list[Result]:
    """The rows that are wanted, in order."""
    kinds = args.kinds or ""
    wrong = set(kinds) - set(_CHARACTERS)
    if wrong:
        raise UsageError(
            f"-r {kinds!r}: no kind {min(wrong)!r}", hint=f"any of {' '.join(_CHARACTERS)}"
        )
    small = not kinds and not args.failed and (args.json or counts.total() <= SMALL)
    kinds = kinds or "dftnrs"
    if args.jobs:
        chosen = [shapes.select_job(spec, book).id for spec in args.jobs]
        shown = [r for job in chosen for r in book.results(id=job)]
    elif args.all or "A" in kinds or small:
        shown = book.results()
    elif "p" in kinds or any(category != "PASS" for category, _ in counts):
        shown = [r for r in book.results(passed="p" in kinds) if _is_kind(r, kinds)]
    else:
        shown = []
    if args.sort_by == "name":
        shown.sort(key=lambda r: r.fullname)
    elif args.sort_by == "duration":
        shown.sort(key=details.running)
    elif not args.jobs:
        shown.sort(key=_place)
    return shown


def _place(result: Result) -> tuple[int, int, float]:
    status = result.status
    return status.category.rank, int(status.outcome), details.running(result)


def _is_kind(result: Result, kinds: str) -> bool:
    category, outcome = result.category, result.outcome
    if category == "PASS":
        return "p" in kinds
    if "a" in kinds:
        return True
    if category == "FAIL":
        return {"DIFFED": "d", "TIMEOUT": "t"}.get(outcome, "f") in kinds
    if outcome == "SKIPPED":
        return "s" in kinds
    return "n" in kinds or "r" in kinds


def _columns(args: argparse.Namespace) -> Sequence[str]:
    text = args.columns or (_HISTORY if args.jobs else _USUAL)
    known = {c.lower().replace(" ", ""): c for c in _COLUMNS}
    wanted = [c.lower().replace(" ", "").replace("_", "") for c in text.split(",")]
    for column in wanted:
        if column not in known:
            raise UsageError(f"no column {column!r}", hint=f"there are: {', '.join(_COLUMNS)}")
    return [known[c] for c in wanted]


def _record(result: Result) -> dict[str, object]:
    record = shapes.job_record(result)
    keys = ("id", "name", "fullname", "file_path", "session", "exit_code", "status", "timings")
    out: dict[str, object] = {k: record[k] for k in keys}
    out["phase"], out["running"] = result.phase, result.phase == "RUNNING"
    return out


def _summary(counts: _Counts) -> str:
    words = {"PASS": "passed", "NOTRUN": "skipped", "ABORTED": "aborted", "NONE": "not done"}
    told: Counter[str] = Counter()
    for (category, outcome), n in counts.items():
        failed = outcome.lower() if outcome in ("DIFFED", "TIMEOUT") else "failed"
        told[words.get(category, failed)] += n
    order = ("passed", "failed", "diffed", "timeout", "skipped", "aborted", "not done")
    parts = ", ".join(f"{told[w]} {w}" for w in order if told[w])
    return f"{counted(counts.total(), 'job')}: {parts}"


EXAMPLES = (
    "canary status",
    "canary status -rA",
    "canary status --durations 5",
    "canary status 7316cd5",
)
