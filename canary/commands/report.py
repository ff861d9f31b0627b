"""`canary report TYPE`: write a session down, through an installed reporter."""

from __future__ import annotations

import argparse

from canary import fsio
from canary.catalog import Catalog
from canary.commands import shapes
from canary.config import Config
from canary.errors import ExitCode
from canary.options import no_such
from canary.parser import Parser
from canary.results import StoredResults
from canary.table import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary report`; those of TYPE are read by TYPE."""
    parser.add_argument("type", metavar="TYPE", nargs="?", help="the reporter; none: list them")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="options of the reporter")
    parser.add_argument("--session", metavar="S", help="a session (default: latest results)")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    offered = config.plugins.reporters()
    if args.type is None:
        widest = max(map(len, offered), default=0)
        for name, reporter in sorted(offered.items()):
            print(f"{name:{widest}}  {reporter.help}")
        return ExitCode.OK
    if args.type not in offered:
        raise no_such("reporter", args.type, offered)
    reporter = offered[args.type]
    parser = Parser(prog=f"canary report {args.type}", description=reporter.help or None)
    reporter.arguments(parser)
    if "--session" not in parser._option_string_actions:
        parser.add_argument("--session", metavar="S", help="a session (default: latest results)")
    # the older tool wants a word for what to do with a report
    rest = args.rest[1:] if args.rest[:1] == ["create"] and not _knows_words(parser) else args.rest
    options = {"cwd": config.cwd, **vars(parser.parse(rest))}
    name = options.pop("session", None) or args.session
    try:
        paths = reporter.standalone(options)
        if paths is None:
            paths = reporter.report(_results(name, config), options)
    except OSError as e:
        raise fsio.explain(e, e.filename or "", f"write the report {args.type}") from None
    for path in paths:
        print(path)
    return ExitCode.OK


def _results(name: str | None, config: Config) -> StoredResults:
    workspace, _ = shapes.open_store(config)
    book = Catalog(workspace.database)
    session = shapes.select_session(name, workspace, book) if name else None
    results = StoredResults(workspace, book, session)
    for one in results.unended:
        say("warning", one.line())
    return results


def _knows_words(parser: Parser) -> bool:
    """Does the reporter take words of its own?"""
    return bool(parser._get_positional_actions())


EXAMPLES = (
    "canary report",
    "canary report junit",
    "canary report html -o out.html",
    "canary report junit --help",
)
