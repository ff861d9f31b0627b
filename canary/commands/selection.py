"""The options by which several commands select jobs; what they come to is in `options`."""

from __future__ import annotations

import argparse


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The filters of spec files and jobs."""
    group = parser.add_argument_group("selection")
    add = group.add_argument
    add(
        "-k",
        dest="keywords",
        action="append",
        default=[],
        metavar="EXPR",
        help="jobs whose keywords match, e.g. 'fast and not gpu'",
    )
    add("-p", dest="parameters", metavar="EXPR", help="jobs whose parameters match, e.g. 'np>1'")
    add(
        "--owner",
        dest="owners",
        action="append",
        default=[],
        metavar="NAME",
        help="jobs of this owner (repeatable)",
    )
    add("--regex", metavar="RX", help="jobs whose file or assets contain this")
    add_on_options(group)


def add_on_options(parser: argparse._ActionsContainer) -> None:
    """What test files ask for by name."""
    parser.add_argument(
        "-o",
        dest="on_options",
        action="append",
        default=[],
        metavar="OPT",
        help="turn on an option that tests ask for",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """Where to look for test files."""
    parser.add_argument("words", nargs="*", metavar="PATH", help="where to look")
    parser.add_argument(
        "-r",
        dest="roots",
        action="append",
        default=[],
        metavar="PATH",
        help="where to look (repeatable)",
    )
    add_path_file(parser)


def add_path_file(parser: argparse.ArgumentParser) -> None:
    """A file in which roots and paths are."""
    parser.add_argument(
        "-f", dest="path_file", metavar="FILE", help="read roots and paths from a file"
    )
