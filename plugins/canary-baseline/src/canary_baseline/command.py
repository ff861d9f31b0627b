"""`canary rebaseline`: look at what would change, then take it as the new reference."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from canary import lookup
from canary.config import Config
from canary.declare import Command
from canary.errors import CanaryError, ExitCode, UsageError
from canary.expression import compile_names, located
from canary.job import Job, MissingSourceError, load_job_from_file
from canary.reporting import replacing
from canary.spec import Baseline
from canary.store import Result
from canary.table import clean, safe_write, say
from canary_baseline.changes import Change, Tolerance, changes_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary rebaseline`."""
    parser.add_argument(
        "where", nargs="?", default=".", metavar="DIR|JOB", help="results below DIR, or one job"
    )
    parser.add_argument(
        "-k", dest="keywords", metavar="EXPR", help="only jobs whose keywords match"
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="show the differences, write nothing"
    )
    parser.add_argument(
        "-i", "--interactive", action="store_true", help="ask for each file: yes, no, all, quit"
    )
    parser.add_argument(
        "--html", metavar="FILE", help="also write the differences as a page, side by side"
    )
    parser.add_argument(
        "--rtol",
        metavar="X",
        type=float,
        default=0.0,
        help="relative tolerance to judge numbers by",
    )
    parser.add_argument(
        "--atol",
        metavar="X",
        type=float,
        default=0.0,
        help="absolute tolerance to judge numbers by",
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.html is None:
        return _run(args, config, None)
    from canary_baseline import page

    with replacing(Path(config.cwd, args.html)) as f:
        f.write(page.head().encode())
        code = _run(args, config, lambda *what: f.write("".join(page.section(*what)).encode()))
        f.write(page.foot().encode())
    _print(f"The differences are in {clean(args.html)}")
    return code


def _run(
    args: argparse.Namespace,
    config: Config,
    write: Callable[[Job, list[Change], Tolerance], object] | None,
) -> int:
    """Show the differences, `write` them too, if that is given, and take what is wanted."""
    done = failed = 0
    tolerance = Tolerance(args.rtol, args.atol)
    ask = args.interactive
    for job in _jobs(args, config):
        if isinstance(job, CanaryError):
            say("error", str(job))
            failed += 1
            continue
        try:
            changes = changes_of(job)
        except MissingSourceError as e:
            say("error", f"{job.name}: {e}")
            failed += 1
            continue
        _show(job, changes, tolerance)
        if write is not None:
            write(job, changes, tolerance)
        if args.dry_run:
            continue
        answer = _choose(job) if ask else "a"
        ask = ask and answer != "a"
        if job.spec.baseline:
            try:
                config.plugins.call("canary_rebaseline", reraise=True, job=job, config=config)
                done += 1
            except CanaryError as e:
                say("error", str(e))
                failed += 1
        if answer == "q":
            break
    _print(f"Rebaselined {done} job(s)" + (f", {failed} could not be" if failed else ""))
    return ExitCode.GENERIC if failed else ExitCode.OK


def _choose(job: Job) -> str:
    """Ask for each of the job's actions and leave it those that are wanted; the last answer."""
    wanted = []
    answer = "n"
    for action in job.spec.baseline:
        if answer not in ("a", "q"):
            answer = _ask(job, action)
        if answer in ("y", "a"):
            wanted.append(action)
    job.spec = replace(job.spec, baseline=tuple(wanted))
    return answer


def _matcher(text: str) -> Callable[[Iterable[str]], bool]:
    return compile_names(text, ignore_case=True).matches


def _jobs(args: argparse.Namespace, config: Config) -> Iterator[Job | CanaryError]:
    """The jobs that have something to rebaseline, as their locks describe them; an error for one
    whose lock cannot be read."""
    wanted = located("-k", _matcher, args.keywords) if args.keywords else None
    found = 0
    for result in _results(args.where, config):
        try:
            job = load_job_from_file(Path(result.workspace))
        except CanaryError as e:
            if result.category != "PASS" or Path(result.workspace).is_dir():  # else torn down
                found += 1
                yield e
            continue
        if not job.spec.baseline:
            continue
        if wanted and not wanted((*job.spec.keywords, job.name, job.spec.family, job.spec.file)):
            continue
        found += 1
        yield job
    if not found:
        say("info", f"nothing to rebaseline in {args.where}")


def _results(where: str, config: Config) -> list[Result]:
    _, book = lookup.open_store(Path(config.cwd), config.workspace)
    path = os.path.normpath(Path(config.cwd, where))
    if not Path(path).is_dir():
        return [lookup.select_job(where, book)]
    real = os.path.realpath(path)
    results = book.results()
    below = [r for r in results if _is_below(r.workspace, real)]
    if below:
        return below
    views = dict(book.query("select spec_id, view from specs_meta"))
    view = config.view.name
    base = Path(book.path).parent.parent / view
    shown = [r for r in results if r.id in views and _is_below(str(base / views[r.id]), path)]
    if not shown and not _is_below(str(base), path):
        raise UsageError(f"{where}: no results of this workspace are there")
    return shown or results


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _show(job: Job, changes: list[Change], tolerance: Tolerance) -> None:
    _print(f"{clean(job.display_name(resolve=True))} ({job.id[:7]}, {job.status.text})")
    for change in changes:
        for line in change.preview(tolerance):
            _print("  " + line)
    for action in job.spec.baseline:
        if action.flag is not None:
            _print(f"  runs with {clean(action.flag)}")


def _print(line: str) -> None:
    safe_write(sys.stdout, line + "\n")


def _ask(job: Job, action: Baseline) -> str:
    """One letter of y, n, a, q; the end of the input is q."""
    what = f"take {action.dst} of" if action.flag is None else f"{action.flag} of"
    while True:
        sys.stdout.write(f"{clean(f'{what} {job.name}')}? [y]es, [n]o, [a]ll, [q]uit: ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        letter = line.strip().lower()[:1]
        if not line:
            return "q"
        if letter in ("y", "n", "a", "q"):
            return letter


COMMAND = Command(
    name="rebaseline",
    help="take new results as reference, with a preview",
    run=run,
    arguments=arguments,
    examples=(
        "canary rebaseline --dry-run",
        "canary rebaseline --dry-run --rtol 1e-6 --html differences.html",
        "canary rebaseline TestResults/solver",
        "canary rebaseline -i -k heat",
    ),
)
