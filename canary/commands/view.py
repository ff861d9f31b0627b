"""`canary view`: make the directory of links to the latest results anew."""

from __future__ import annotations

import argparse

from canary import view
from canary.catalog import Catalog
from canary.commands import options, shapes
from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode
from canary.results import view_entries


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary view`."""
    parser.add_argument("what", choices=("refresh", "create"), help="make the view again")
    parser.add_argument("--mode", choices=("symlink", "hardlink", "copy"), help="what is in it")
    parser.add_argument(
        "--only", choices=("all", "failed", "not_pass", "passed"), help="which results"
    )
    parser.add_argument("--name", metavar="N", help="its name beside .canary")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    given = {k: getattr(args, k) for k in ("mode", "only", "name") if getattr(args, k)}
    settings = options.view_settings(config, ",".join(f"{k}={v}" for k, v in given.items()))
    workspace, _ = shapes.open_store(config)
    book = Catalog(workspace.database)
    directory = workspace.home / settings.name
    n = view.update(directory, view_entries(book, settings.only), mode=settings.mode, fresh=True)
    print(f"{directory}: {n} jobs")
    return ExitCode.OK


COMMAND = Command(
    name="view",
    help="make the view of the latest results anew",
    run=run,
    arguments=arguments,
    examples=(
        "canary view refresh",
        "canary view create --mode copy --only failed --name Failures",
    ),
)
