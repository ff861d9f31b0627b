"""`canary.patterns`: the usual shapes of a test's main part."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def identity(*args: Any, **kwargs: Any) -> None:
    """Nothing to do."""


class ExecuteAndAnalyze:
    """Run, verify, and analyse all cases together, as the arguments of the script say.

    `--analyze` or `--base`: only `analyze_fn`; `--execute-analysis-sections`: only `verify_fn`;
    otherwise `test_fn`, then `verify_fn`. Call the object in the script's main part.
    """

    def __init__(
        self,
        *,
        test_fn: Callable[..., Any] = identity,
        verify_fn: Callable[..., Any] = identity,
        analyze_fn: Callable[..., Any] = identity,
    ) -> None:
        self.run_test = test_fn
        self.analyze_parameterized_test = verify_fn
        self.analyze_base_case = analyze_fn

    @staticmethod
    def make_parser() -> argparse.ArgumentParser:
        """The options that decide."""
        # no abbreviations: `--base` must not be taken for `--baseline`, nor the other way round
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument("--execute-analysis-sections", action="store_true")
        parser.add_argument("--analyze", "--base", dest="analyze", action="store_true")
        return parser

    def __call__(self, args: argparse.Namespace | None = None) -> None:
        """See the class."""
        self.execute(args)

    def execute(self, args: argparse.Namespace | None = None) -> None:
        """See the class."""
        if args is None:
            args, _ = self.make_parser().parse_known_args()
        if getattr(args, "analyze", False):
            self.analyze_base_case()
        elif getattr(args, "execute_analysis_sections", False):
            self.analyze_parameterized_test()
        else:
            self.run_test()
            self.analyze_parameterized_test()
