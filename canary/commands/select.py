"""`canary select`: name a set of jobs, to run it by that name."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path

from canary import collect, home
from canary.catalog import Catalog
from canary.commands import options, selection, shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.select import choose
from canary.store import tag_rows
from canary.table import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary select`."""
    parser.add_argument("tag", metavar="TAG", help="the name")
    parser.add_argument(
        "-r", "--from-root", dest="root", metavar="ROOT", help="choose among the jobs below ROOT"
    )
    add = parser.add_mutually_exclusive_group().add_argument
    add("-m", "--move", metavar="OLDTAG", help="rename OLDTAG to TAG")
    add("-d", "--delete", action="store_true", help="delete TAG")
    add("-f", "--from", dest="source", metavar="TAG", help="choose among the jobs of this tag")
    selection.add_selection(parser)
    parser.add_argument("--json", action="store_true", help="the jobs as JSON: name by ID")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    collect.valid_tag(args.tag)
    workspace = home.require(config.cwd, config.workspace)
    with closing(Catalog(workspace.database, writable=True)) as book:
        if args.delete or args.move:
            old = args.move or args.tag
            ids = book.tag(old)
            if ids is None:
                raise UsageError(f"no tag {old!r}", hint="canary info lists them")
            if args.move and book.tag(args.tag) is not None:
                raise UsageError(f"there is a tag {args.tag!r} already")
            book.write(tag_rows(old, None) + (tag_rows(args.tag, ids) if args.move else []))
            text = f"{old}: deleted" if args.delete else f"{old}: renamed to {args.tag}"
        else:
            ids = _chosen(args, config, book)
            book.write(tag_rows(args.tag, ids))
            text = f"{args.tag}: {counted(len(ids), 'job')}"
        print(shapes.as_json(shapes.names_of(ids, book)) if args.json else text)
    return ExitCode.OK


def _chosen(args: argparse.Namespace, config: Config, book: Catalog) -> list[str]:
    graph = book.graph()
    if not graph.specs:
        raise UsageError("no tests are known to this workspace", hint="canary collect PATH")
    kept = set(graph.specs)
    if args.root:
        root = os.path.normpath(Path(config.cwd, args.root))
        kept = {id for id in kept if f"{graph.specs[id].file}/".startswith(f"{root}/")}
    if args.source:
        known = book.tag(args.source)
        if known is None:
            raise UsageError(f"no tag {args.source!r}", hint="canary info lists them")
        kept &= set(known)
    criteria = options.criteria_of(args, only="all")
    return [id for id in choose(graph, criteria, {}).run if id in kept]


EXAMPLES = ("canary select -k 'fast and unit' quick", "canary run quick", "canary select -d quick")
