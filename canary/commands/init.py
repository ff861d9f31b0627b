"""`canary init`: make a workspace."""

from __future__ import annotations

import argparse
from pathlib import Path

from canary import home
from canary.config import Config
from canary.declare import Command
from canary.table import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary init`."""
    parser.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="where (default: here)"
    )
    parser.add_argument("-w", dest="wipe", action="store_true", help="wipe the one that is there")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    made = home.create(Path(config.cwd, args.path), wipe=args.wipe)
    say("info", f"made an empty workspace at {home.relative(made.root)}")
    return 0


COMMAND = Command(
    name="init",
    help="make a workspace",
    run=run,
    arguments=arguments,
    examples=("canary init", "canary init -w results"),
)
