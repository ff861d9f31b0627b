"""The options by which several commands select jobs; what they come to is in `options`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any


def options_of(parser: argparse._ActionsContainer) -> tuple[Callable[..., Any], ...]:
    """How to add an option with a value, a switch, and one that may be repeated."""
    add = parser.add_argument
    return add, partial(add, action="store_true"), partial(add, action="append", default=[])


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The filters of spec files and jobs."""
    group = parser.add_argument_group("selection")
    add, _, several = options_of(group)
    keywords = "jobs whose keywords match, e.g. 'fast and not gpu'"
    several("-k", dest="keywords", metavar="EXPR", help=keywords)
    add("-p", dest="parameters", metavar="EXPR", help="jobs whose parameters match, e.g. 'np>1'")
    several("--owner", dest="owners", metavar="NAME", help="jobs of this owner (repeatable)")
    add("--regex", metavar="RX", help="jobs whose file or assets contain this")
    add_on_options(group)


def add_on_options(parser: argparse._ActionsContainer) -> None:
    """What test files ask for by name."""
    _, _, several = options_of(parser)
    several("-o", dest="on_options", metavar="OPT", help="turn on an option that tests ask for")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where to look for test files."""
    add, _, several = options_of(parser)
    add("words", nargs="*", metavar="PATH", help="where to look")
    several("-r", dest="roots", metavar="PATH", help="where to look (repeatable)")
    add_path_file(parser)


def add_path_file(parser: argparse.ArgumentParser) -> None:
    """A file in which roots and paths are."""
    _, _, several = options_of(parser)
    help = "read roots and paths from a file (repeatable)"
    several("-f", dest="path_files", metavar="FILE", help=help)
