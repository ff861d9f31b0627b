"""The options by which several commands select jobs; what they come to is in `options`."""

from __future__ import annotations

import argparse


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The filters of spec files and jobs."""
    group = parser.add_argument_group("selection")
    group.add_argument(
        "-k",
        dest="keywords",
        action="append",
        default=[],
        metavar="EXPR",
        help="jobs whose keywords match, e.g. 'fast and not gpu'",
    )
    group.add_argument(
        "-p", dest="parameters", metavar="EXPR", help="jobs whose parameters match, e.g. 'np>1'"
    )
    group.add_argument(
        "--owner",
        dest="owners",
        action="append",
        default=[],
        metavar="NAME",
        help="jobs of this owner (repeatable)",
    )
    group.add_argument("--regex", metavar="RX", help="jobs whose file or assets contain this")
    group.add_argument(
        "-o",
        dest="on_options",
        action="append",
        default=[],
        metavar="OPT",
        help="turn on an option that tests ask for",
    )
