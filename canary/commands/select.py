"""`canary select`: name a set of jobs, to run it by that name."""

from __future__ import annotations

import argparse

from canary import collect, home, planning
from canary.catalog import Catalog
from canary.commands import options, selection
from canary.config import Config
from canary.declare import Command
from canary.errors import CanaryErrors, ExitCode, UsageError
from canary.graph import SpecGraph
from canary.select import choose
from canary.store import tag_rows


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary select`."""
    parser.add_argument("tag", metavar="TAG", help="the name")
    parser.add_argument(
        "-r", dest="roots", action="append", default=[], metavar="ROOT", help="collect this first"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-m", dest="rename", metavar="OLDTAG", help="rename OLDTAG to TAG")
    group.add_argument("-d", dest="delete", action="store_true", help="delete TAG")
    group.add_argument("-f", dest="source", metavar="TAG", help="choose among the jobs of this tag")
    selection.add_selection(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    collect.valid_tag(args.tag)
    workspace = home.require(config.cwd, config.workspace)
    book = Catalog(workspace.database, writable=True)
    try:
        if args.delete or args.rename:
            old = args.rename or args.tag
            ids = book.tag(old)
            if ids is None:
                raise UsageError(f"no tag {old!r}", hint="canary info lists them")
            if args.rename and book.tag(args.tag) is not None:
                raise UsageError(f"there is a tag {args.tag!r} already")
            book.write(tag_rows(old, None) + (tag_rows(args.tag, ids) if args.rename else []))
            print(f"{old}: deleted" if args.delete else f"{old}: renamed to {args.tag}")
            return ExitCode.OK
        ids = _chosen(args, config, book)
        book.write(tag_rows(args.tag, ids))
    finally:
        book.close()
    print(f"{args.tag}: {len(ids)} jobs")
    return ExitCode.OK


def _chosen(args: argparse.Namespace, config: Config, book: Catalog) -> list[str]:
    if args.roots:
        request = options.base_request(args, config)
        collected = planning.find_specs(request, config, book)
        if collected.errors and not request.permissive:
            raise CanaryErrors(collected.errors)
        planning.save_specs(book, collected)
        graph = collected.graph
    else:
        graph = book.graph()
    if args.source:
        known = book.tag(args.source)
        if known is None:
            raise UsageError(f"no tag {args.source!r}", hint="canary info lists them")
        kept = {id: s for id, s in graph.specs.items() if id in set(known)}
        edges = {
            id: tuple(e for e in x if e.id in kept) for id, x in graph.edges.items() if id in kept
        }
        graph = SpecGraph(kept, edges)
    return list(choose(graph, options.criteria_of(args, only="all"), {}).run)


COMMAND = Command(
    name="select",
    help="name a set of jobs",
    run=run,
    arguments=arguments,
    examples=(
        "canary select -k 'fast and unit' quick",
        "canary run quick",
        "canary select -d quick",
    ),
)
