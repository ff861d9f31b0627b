"""The hook: the command `tui`. textual is imported once there is a terminal to draw on."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import canary
from canary.declare import Command
from canary.errors import UsageError

if TYPE_CHECKING:
    from canary.config import Config


@canary.hookimpl
def canary_commands() -> list[Command]:
    """Add `tui`."""
    return [
        Command(
            name="tui",
            help="look at jobs, and run them, in a terminal",
            run=run,
            arguments=arguments,
            examples=("canary tui", "canary tui solvers", "canary tui --once --filter fail"),
        )
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary tui`."""
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="only jobs of test files at or below these"
    )
    parser.add_argument(
        "--refresh",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds between two looks at the workspace (default: %(default)s)",
    )
    parser.add_argument(
        "--filter", default="", metavar="WORDS", help="what the key f asks for: words in a row"
    )
    parser.add_argument(
        "--once", action="store_true", help="write the table once, as text, and end"
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if not args.refresh >= 0.1:
        raise UsageError(f"--refresh {args.refresh:g}: want at least 0.1")
    from canary_tui.model import Model

    model = Model.of(config, args.paths)
    if args.once:
        from canary_tui import once

        return once.write(model, args.filter, config)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("there is no terminal to draw on", hint="canary tui --once writes text")
    from canary_tui.app import Explorer

    return Explorer(model, config, refresh=args.refresh, words=args.filter).run() or 0
