"""What `canary run` does with its options: collect, choose, run, record, show."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from canary import fsio, gather, session, textdata
from canary.catalog import Catalog
from canary.commands import asked, options, shapes
from canary.config import Config
from canary.declare import Display
from canary.errors import CanaryError, ExitCode, NothingToRun, UsageError
from canary.events import Summary
from canary.home import Workspace
from canary.job import LaunchSettings
from canary.lockfile import public
from canary.options import no_such
from canary.plugins import LIST, shape
from canary.progress import PlainDisplay
from canary.request import RunRequest
from canary.resources import Machine
from canary.results import StoredResults
from canary.schedule import Policy
from canary.table import say

SLOTS = "slots_per_"
# words that are always understood: a shared configuration may name a vendor that is not here
BACKENDS = frozenset({"auto", "none", "nvidia", "amd", "intel"})


def request_of(args: argparse.Namespace, config: Config) -> RunRequest:
    """What the options ask for."""
    for flag in args.ignored or ():
        say("warning", f"{flag} has no effect" + (" after the command" if flag == "-e" else ""))
    _check(args, config)
    only = "all" if args.rerun_all else args.only
    analyze = ("--execute-analysis-sections",) if args.analyze else ()
    machine = _machine_asked(config)
    machine["oversubscribe"] += options.counts_of(args.oversubscribe, "--oversubscribe")
    return options.base_request(
        args,
        config,
        words=tuple(args.words),
        argv=tuple(public(sys.argv)),
        asked=tuple(asked.record(args, config)),
        wipe=args.wipe,
        criteria=options.criteria_of(args, only=only or "not_pass", dependencies=not args.no_deps),
        only_given=only is not None,
        empty_ok=args.empty_ok,
        **machine,
        launcher=config.run.launcher,
        script_args=(*args.script_args, *analyze),
        tag=args.tag,
        policy=_policy(args, config),
        launch=_launch_settings(args, config),
        view=options.view_settings(config, args.view),
        dry_run=args.dry_run,
        default_tag=config.run.default_tag,
        teardown=args.teardown,
    )


def _machine_asked(config: Config) -> dict[str, Any]:
    """What the configuration says of the machine, as parts of a request."""
    pool, asked = config.main.resource_pool_file, config.main.resource_pool.items()
    return {
        "machine": read_pool(Path(config.cwd, pool)) if pool else None,
        "counts": tuple((name, n) for name, n in asked if not name.startswith(SLOTS)),
        "oversubscribe": tuple((k[len(SLOTS) :], n) for k, n in asked if k.startswith(SLOTS)),
    }


def machine_of(config: Config) -> Machine:
    """The machine that a run would have."""
    return gather.find_machine(RunRequest(cwd=str(config.cwd), **_machine_asked(config)), config)


def _check(args: argparse.Namespace, config: Config) -> None:
    """UsageError for what is asked of plugins that are not there."""
    backends = {o.section for o in config.schema.options.values() if o.name == "detect"}
    for kind, wanted, known in (
        ("reporter", _reports(args), config.plugins.reporters() if args.report else ()),
        ("GPU backend", [config.main.gpu_backend], BACKENDS | backends),
    ):
        for name in wanted:
            if name not in known:
                raise no_such(kind, name, known)
    if args.json and not args.dry_run:
        raise UsageError("--json goes with --dry-run", hint="canary query jobs --session latest")


def _reports(args: argparse.Namespace) -> list[str]:
    return [t for text in args.report for t in text.split(",") if t not in ("", "none")]


def _policy(args: argparse.Namespace, config: Config) -> Policy:
    workers = config.run.workers
    _, timeouts = options.timeouts_of(args, config)
    limit = timeouts.get("session", -1.0)
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
        output_limit=output.limit,
        trim_output=output.policy == "trim",
        copy_all=args.copy_all_resources,
    )


def read_pool(file: Path) -> Machine:
    """A resource pool file: JSON, TOML or YAML."""
    data = textdata.read(file)
    if not isinstance(data, dict):
        raise UsageError("not a resource pool", file=str(file))
    return Machine.fromdict(data, file=str(file))


def run(args: argparse.Namespace, config: Config, *, resume: str = "") -> int:
    """Do it; or with what the session `resume`, the newest, left undone."""
    request = replace(request_of(args, config), resume=resume)
    if request.dry_run:
        from canary.commands import details  # not needed by most runs

        jobs, machine = session.dry_run(request, config)
        if args.json:
            print(shapes.as_json(list(map(details.planned, jobs))))
            return ExitCode.OK
        asked = {"jobs": jobs, "machine": machine, "config": config}
        lines = config.plugins.first("canary_plan", fit=shape(LIST, str), **asked)
        print("\n".join(details.plan_lines(jobs) if lines is None else lines))
        return ExitCode.OK
    try:
        shown = partial(show_details, args, config)
        summary = session.run(request, config, display_of(args, config), shown)
    except NothingToRun as e:
        if request.empty_ok:
            say("info", e.message)
            return ExitCode.OK
        raise
    if summary.interrupted and not _is_quiet(config):
        try:
            say("info", "what is left is run by: canary resume")
        except OSError:  # the terminal is gone
            fsio.drop_output()
    return summary.exit_code


def _is_quiet(config: Config) -> bool:
    return config.main.log_level in ("WARNING", "ERROR", "CRITICAL")


def display_of(args: argparse.Namespace, config: Config) -> Display:
    """The display of a plugin, or the core's own."""
    style = dict(part.partition("=")[::2] for part in args.style.split(",") if part)
    unknown = set(style) - {"live", "name"}
    if unknown:
        raise UsageError(f"--style {unknown.pop()!r}", hint="want live=yes|no, name=short|long")
    found: Display | None = None
    if not config.main.plain and style.get("live") != "no":
        found = config.plugins.first("canary_display", fit=shape((Display,)), config=config)
    display = found or PlainDisplay(color=config.main.color, quiet=_is_quiet(config))
    display.long_names = style.get("name") == "long"
    return display


def show_details(
    args: argparse.Namespace, config: Config, workspace: Workspace, summary: Summary
) -> None:
    """What `--durations`, `--show-capture`, `--show-excluded-tests` and `--report` ask for."""
    reports = _reports(args)
    captured = args.show_capture != "no"
    if not (args.durations or captured or args.show_excluded_tests or reports):
        return
    from canary.commands import details  # not needed by most runs

    with closing(Catalog(workspace.database)) as book:
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
        except BrokenPipeError:  # nobody reads on
            fsio.drop_output()
