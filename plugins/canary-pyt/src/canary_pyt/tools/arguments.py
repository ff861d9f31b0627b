"""`canary.make_argument_parser`: the options that test scripts are called with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any


class TestParser(argparse.ArgumentParser):
    """Collects arguments that it does not know in `args.extra_args`."""

    __test__ = False

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]  # one signature for the base's three
        """See `argparse.ArgumentParser.parse_args`."""
        found, extra = self.parse_known_args(args, namespace)
        found.extra_args = extra
        return found


def make_argument_parser() -> TestParser:
    """`--stage`, `--baseline`, and one of `-a`, `--analyze`, `--execute-analysis-sections`."""
    parser = TestParser()
    parser.add_argument("--stage", default="run")
    parser.add_argument("--baseline", action="store_true")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-a", action="store_true")
    group.add_argument("--analyze", action="store_true")
    group.add_argument("--execute-analysis-sections", action="store_true")
    return parser
