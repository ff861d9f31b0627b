"""`canary rm`: delete a workspace and its view."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from canary import home, recovery
from canary.config import Config
from canary.errors import ExitCode
from canary.table import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary rm`."""
    parser.add_argument("path", metavar="PATH", nargs="?", help="directory that holds .canary")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    place = Path(config.cwd, args.path) if args.path else config.workspace
    workspace = home.require(Path(config.cwd), place)
    recovery.wipe(workspace, partial(say, "info"))
    print(f"removed {workspace.root}")
    return ExitCode.OK


EXAMPLES = ("canary rm .",)
