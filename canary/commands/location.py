"""`canary location`: where a job's files are."""

from __future__ import annotations

import argparse
from pathlib import Path

from canary.commands import shapes
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
    which("--json", action="store_true", help="all of them as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace, book = shapes.open_store(config)
    result = shapes.select_job(args.job, book)
    file = Path(result.file_root, result.file_path)
    places = {"input": file, "source": file.parent, "work": Path(result.workspace)}
    shown = book.query("select view from specs_meta where spec_id=?", (result.id,))
    view = workspace.home / config.view.name
    path = view / shown[0][0] if shown and shown[0][0] else None
    places["view"] = path if path and is_view(view) and path.exists() else places["work"]
    if args.json or args.which == "log":
        places["log"] = log_path(result)
    wanted = {name: str(place) for name, place in places.items()}
    print(shapes.as_json(wanted) if args.json else wanted[args.which or "view"])
    return ExitCode.OK


EXAMPLES = ("canary location solve.np=4", "cd $(canary location 7316cd5)")
