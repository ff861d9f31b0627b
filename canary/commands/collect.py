"""`canary collect`: find jobs and keep their specs in the workspace, without running them."""

from __future__ import annotations

import argparse
from contextlib import closing

from canary import planning, targets
from canary.catalog import Catalog
from canary.commands import options, selection, shapes
from canary.config import Config
from canary.errors import CanaryErrors, ExitCode, UsageError
from canary.table import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary collect`."""
    selection.add_places(parser)
    selection.add_on_options(parser)
    parser.add_argument("--json", action="store_true", help="specs as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    request = options.base_request(args, config, words=tuple(args.words))
    if not (request.words or request.roots):
        raise UsageError("no path to look in", hint="canary collect PATH")
    workspace = targets.open_workspace(request)
    with closing(Catalog(workspace.database, writable=True)) as book:
        request = targets.resolve_names(request, book, tags=False)
        collected = planning.find_specs(request, config, book)
        if collected.errors and not request.permissive:
            raise CanaryErrors(collected.errors)
        planning.save_specs(book, collected)
    if args.json:
        print(shapes.as_json([spec.full() for spec in collected.graph.specs.values()]))
        return ExitCode.OK
    print(f"collected {counted(len(collected.graph.specs), 'job')} into {workspace.root}")
    return ExitCode.OK


EXAMPLES = ("canary collect tests", "canary collect -r tests -o big")
