"""`canary location`: where a job's files are."""

from __future__ import annotations

import argparse
from pathlib import Path

from canary.commands import command, shapes
from canary.commands.log import log_path
from canary.config import Config
from canary.errors import ExitCode
from canary.view import is_view


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary location`."""
    parser.add_argument("job", metavar="JOB", help="ID, name or path of a job")
    which = parser.add_mutually_exclusive_group().add_argument
    for flag, what, help in (
        ("-i", "input", "its test file"),
        ("-l", "log", "its output"),
        ("-x", "work", "its work directory"),
        ("-s", "source", "the directory of its test file"),
    ):
        which(flag, dest="which", action="store_const", const=what, help=help)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace, book = shapes.open_store(config)
    result = shapes.select_job(args.job, book)
    file = Path(result.file_root, result.file_path)
    if args.which == "input":
        print(file)
    elif args.which == "source":
        print(file.parent)
    elif args.which == "log":
        print(log_path(result))
    elif args.which == "work":
        print(result.workspace)
    else:
        shown = book.query("select view from specs_meta where spec_id=?", (result.id,))
        view = workspace.home / config.view.name
        path = view / shown[0][0] if shown else None
        print(path if path is not None and is_view(view) and path.exists() else result.workspace)
    return ExitCode.OK


COMMAND = command(
    __name__, run, arguments, "canary location solve.np=4", "cd $(canary location 7316cd5)"
)
