"""`canary run`: collect, choose, run, record, show."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from canary import session, targets, textdata
from canary.catalog import Catalog
from canary.commands import options
from canary.config import Config
from canary.declare import Command, Display
from canary.errors import CanaryError, ExitCode, NothingToRun, UsageError
from canary.events import Summary
from canary.job import LaunchSettings
from canary.progress import PlainDisplay
from canary.request import RunRequest
from canary.resources import Machine
from canary.results import StoredResults
from canary.schedule import Policy
from canary.select import STRATEGIES
from canary.table import say

SLOTS = "slots_per_"
DEFAULT_LIMIT = 1 << 30
_WITHOUT_EFFECT = ("--no-incremental", "--no-banner", "--banner")
_VALUE_WITHOUT_EFFECT = ("--mail-to", "--mail-from", "--history-mode", "--capture", "--format")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary run`."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PATH|JOB|TAG",
        help="what to run; nothing: the default tag again",
    )
    parser.add_argument(
        "-f", dest="path_file", metavar="FILE", help="read roots and paths from a file"
    )
    parser.add_argument("-w", dest="wipe", action="store_true", help="remove the workspace first")
    parser.set_defaults(script_args=())
    options.add_selection(parser)
    _add_choice(parser)
    _add_old(parser)
    _add_running(parser)
    _add_showing(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reruns")
    group.add_argument(
        "--only", choices=STRATEGIES, help="which of the jobs that ran before (default: not_pass)"
    )
    group.add_argument("-R", dest="rerun_all", action="store_true", help="the same as --only all")
    group.add_argument(
        "--tag", metavar="NAME", help="name the selection, to run it again by that name"
    )
    group.add_argument(
        "--no-deps", action="store_true", help="do not pull in what a named job depends on"
    )
    group.add_argument("--empty-ok", action="store_true", help="exit 0 if there is nothing to run")
    group.add_argument(
        "--repeat-until-pass",
        type=_count,
        default=0,
        metavar="N",
        help="again up to N times if it fails",
    )
    group.add_argument(
        "--repeat-after-timeout",
        type=_count,
        default=0,
        metavar="N",
        help="again up to N times on timeout",
    )
    group.add_argument(
        "--repeat-until-fail",
        type=_count,
        default=0,
        metavar="N",
        help="up to N times, until it fails",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="show what would run, and run nothing"
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--fail-fast", action="store_true", help="start nothing more after the first failure"
    )
    group.add_argument(
        "--copy-all-resources",
        action="store_true",
        help="copy files into work directories, link none",
    )
    group.add_argument(
        "--teardown",
        "--post-clean",
        dest="teardown",
        action="store_true",
        help="remove the work directories of jobs that passed",
    )
    group.add_argument(
        "-a", "--analyze", action="store_true", help="run only the analysis sections of scripts"
    )
    group.add_argument(
        "--oversubscribe",
        action="append",
        default=[],
        metavar="TYPE=N",
        help="N jobs a slot of TYPE",
    )


def _add_showing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("showing")
    group.add_argument(
        "-s", "--style", default="", metavar="live=,name=", help="live=yes|no, name=short|long"
    )
    group.add_argument("--view", metavar="K=V,...", help="mode=, only=, when=, name= of the view")
    group.add_argument(
        "--show-excluded-tests", action="store_true", help="list what is left out, and why"
    )
    group.add_argument(
        "--durations", nargs="?", type=int, const=10, metavar="N", help="show the N slowest jobs"
    )
    group.add_argument(
        "--show-capture",
        nargs="?",
        const="oe",
        choices=("o", "e", "oe", "no"),
        default="no",
        metavar="o|e|oe|no",
        help="show the output of jobs that fail",
    )
    group.add_argument(
        "--report", action="append", default=[], metavar="TYPE", help="write this report at the end"
    )
    group.add_argument(
        "--output-on-failure",
        action="store_const",
        const="oe",
        dest="show_capture",
        help="the same as --show-capture oe",
    )


def _add_old(parser: argparse.ArgumentParser) -> None:
    """Options of the older tool: those that still do something, and those that do nothing."""
    hidden = argparse.SUPPRESS
    parser.add_argument("--session-timeout", metavar="T", help=hidden)
    parser.add_argument("--test-timeout", metavar="T", help=hidden)
    parser.add_argument("--timeout-multiplier", metavar="X", help=hidden)
    parser.add_argument("-d", "--work-tree", dest="work_tree", metavar="PATH", help=hidden)
    for flag in _WITHOUT_EFFECT:
        parser.add_argument(flag, action="append_const", const=flag, dest="ignored", help=hidden)
    for flag in _VALUE_WITHOUT_EFFECT:
        parser.add_argument(flag, action=_Ignored, metavar="X", help=hidden)


class _Ignored(argparse.Action):
    """Take a value and note that it does nothing."""

    def __call__(self, parser: object, namespace: argparse.Namespace, *rest: object) -> None:  # noqa: ARG002 - argparse's
        namespace.ignored = [*(namespace.ignored or ()), self.option_strings[0]]


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def request_of(args: argparse.Namespace, config: Config) -> RunRequest:
    """What the options ask for."""
    given, other = _timeouts(args, config)
    for flag in args.ignored or ():
        say("warning", f"{flag} has no effect")
    only = "all" if args.rerun_all else args.only
    analyze = ("--execute-analysis-sections",) if args.analyze else ()
    pool = config.main.resource_pool_file
    asked = config.main.resource_pool.items()
    counts = tuple((name, n) for name, n in asked if not name.startswith(SLOTS))
    slots = tuple((name.removeprefix(SLOTS), n) for name, n in asked if name.startswith(SLOTS))
    request = options.base_request(
        args,
        config,
        words=tuple(args.words),
        argv=tuple(sys.argv),
        wipe=args.wipe,
        criteria=options.criteria_of(args, only=only or "not_pass", dependencies=not args.no_deps),
        only_given=only is not None,
        multiplier=given.get("multiplier", other.get("multiplier", 1.0)),
        empty_ok=args.empty_ok,
        machine=read_pool(Path(config.cwd, pool)) if pool else None,
        counts=counts,
        oversubscribe=(*slots, *options.counts_of(args.oversubscribe, "--oversubscribe")),
        launcher=config.run.launcher,
        script_args=(*args.script_args, *analyze),
        tag=args.tag,
        policy=_policy(args, config, given.get("session", other.get("session", -1.0))),
        launch=_launch_settings(args, config),
        view=options.view_settings(config, args.view),
        dry_run=args.dry_run,
        default_tag=config.run.default_tag,
        teardown=args.teardown,
    )
    limits = {k: v for k, v in given.items() if k not in ("session", "multiplier")}
    return replace(request, timeouts=limits)


def _timeouts(
    args: argparse.Namespace, config: Config
) -> tuple[dict[str, float], dict[str, float]]:
    """Those of the command line, the older options among them, and all others."""
    given, other = options.timeouts_of(config)
    for flag, key in (("session_timeout", "session"), ("test_timeout", "all")):
        if getattr(args, flag):
            given[key] = options.seconds(getattr(args, flag))
    if args.timeout_multiplier:
        given["multiplier"] = options.factor(args.timeout_multiplier)
    return given, other


def _policy(args: argparse.Namespace, config: Config, limit: float) -> Policy:
    workers = config.run.workers
    if workers is not None and workers < 1:
        raise UsageError("--workers must be at least 1")
    return Policy(
        workers=workers,
        fail_fast=args.fail_fast,
        until_pass=args.repeat_until_pass,
        after_timeout=args.repeat_after_timeout,
        until_fail=args.repeat_until_fail,
        session_timeout=limit if limit > 0 else None,
        grace=config.run.grace,
    )


def _launch_settings(args: argparse.Namespace, config: Config) -> LaunchSettings:
    output = config.output
    return LaunchSettings(
        environment=config.environment.apply(os.environ),
        grace=config.run.grace,
        no_output_timeout=config.run.no_output_timeout,
        output_limit=output.limit if output.limit is not None else DEFAULT_LIMIT,
        trim_output=output.policy == "trim",
        copy_all=args.copy_all_resources,
    )


def read_pool(file: Path) -> Machine:
    """A resource pool file: JSON, TOML or YAML."""
    data = textdata.read(file)
    if not isinstance(data, dict):
        raise UsageError("not a resource pool", file=str(file))
    return Machine.fromdict(data, file=str(file))


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    request = request_of(args, config)
    if request.dry_run:
        from canary.commands import details  # not needed by most runs

        details.show_plan(session.dry_run(request, config))
        return ExitCode.OK
    try:
        summary = session.run(request, config, display_of(args, config))
    except NothingToRun as e:
        if request.empty_ok:
            say("info", e.message)
            return ExitCode.OK
        raise
    show_details(args, config, request, summary)
    return summary.exit_code


def display_of(args: argparse.Namespace, config: Config) -> Display:
    """The display of a plugin, or the core's own."""
    style = dict(part.partition("=")[::2] for part in args.style.split(",") if part)
    unknown = set(style) - {"live", "name"}
    if unknown:
        raise UsageError(f"--style {unknown.pop()!r}", hint="want live=yes|no, name=short|long")
    found: Display | None = None
    if not config.main.plain and style.get("live") != "no":
        found = config.plugins.first("canary_display", config=config)
    display = found or PlainDisplay(color=config.main.color)
    display.long_names = style.get("name") == "long"
    return display


def show_details(
    args: argparse.Namespace, config: Config, request: RunRequest, summary: Summary
) -> None:
    """What `--durations`, `--show-capture`, `--show-excluded-tests` and `--report` ask for."""
    reports = [t for text in args.report for t in text.split(",") if t not in ("", "none")]
    captured = args.show_capture != "no"
    if not (args.durations or captured or args.show_excluded_tests or reports):
        return
    from canary.commands import details  # not needed by most runs

    workspace = targets.open_workspace(replace(request, wipe=False))
    book = Catalog(workspace.database)
    try:
        if reports:
            results = StoredResults(workspace, book, summary.session)
            details.write_reports(reports, config.plugins.reporters(), results, config.cwd)
        if args.durations:
            details.show_durations(book.results(session=summary.session), args.durations)
        if captured:
            details.show_capture(book.results(session=summary.session), args.show_capture)
        if args.show_excluded_tests:
            details.show_excluded(book.excluded(summary.session))
    except CanaryError as e:
        say("warning", str(e))
    finally:
        book.close()


COMMAND = Command(
    name="run",
    help="run tests",
    run=run,
    arguments=arguments,
    examples=(
        "canary run path/to/tests",
        "canary run -k 'fast and not gpu' tests",
        "canary run --only failed",
        "canary run tests -- --verbose",
    ),
)
