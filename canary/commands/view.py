"""`canary view`: make the directory of links to the latest results anew."""

from __future__ import annotations

import argparse

from canary import home
from canary.commands import options
from canary.config import Config
from canary.errors import ExitCode
from canary.results import refresh_view
from canary.table import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary view`."""
    parser.add_argument("what", choices=("refresh", "create"), help="make the view again")
    parser.add_argument("--mode", metavar="MODE", help="what is in it: symlink, hardlink or copy")
    kinds = "which results: all, failed, not_pass or passed"
    parser.add_argument("--only", metavar="KIND", help=kinds)
    parser.add_argument("--name", metavar="N", help="its name beside .canary")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    given = [f"{k}={v}" for k in ("mode", "only", "name") if (v := getattr(args, k))]
    settings = options.view_settings(config, ",".join(given))
    workspace = home.require(config.cwd, config.workspace)
    print(f"{workspace.home / settings.name}: {counted(refresh_view(workspace, settings), 'job')}")
    return ExitCode.OK


EXAMPLES = ("canary view refresh", "canary view create --mode copy --only failed --name Failures")
