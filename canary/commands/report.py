"""`canary report TYPE`: write a session down, through an installed reporter."""

from __future__ import annotations

import argparse

from canary.catalog import Catalog
from canary.commands import shapes
from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode, UsageError
from canary.results import StoredResults


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary report`; those of TYPE are read by TYPE."""
    parser.add_argument("type", metavar="TYPE", nargs="?", help="the reporter; none: list them")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="options of the reporter")
    parser.add_argument("--session", metavar="S", help="a session (default: latest results)")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    offered = config.plugins.reporters()
    if args.type is None:
        for name, reporter in sorted(offered.items()):
            print(f"{name:12} {reporter.help}")
        return ExitCode.OK
    if args.type not in offered:
        known = ", ".join(sorted(offered)) or "none installed"
        raise UsageError(f"no reporter {args.type!r}", hint=f"there are: {known}")
    reporter = offered[args.type]
    parser = argparse.ArgumentParser(prog=f"canary report {args.type}", allow_abbrev=False)
    reporter.arguments(parser)
    rest = [word for word in args.rest if word != "create"]
    options = vars(parser.parse_args(rest))
    workspace, _ = shapes.open_store(config)
    book = Catalog(workspace.database)
    session = shapes.select_session(args.session, workspace, book) if args.session else None
    for path in reporter.report(StoredResults(workspace, book, session), options):
        print(path)
    return ExitCode.OK


COMMAND = Command(
    name="report",
    help="write a report of the results",
    run=run,
    arguments=arguments,
    examples=("canary report", "canary report junit", "canary report html -o out.html"),
)
