"""`canary report html`: its options, and where its files go."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.errors import UsageError
from canary.reporting import add_limit, is_special, target
from canary_html.document import write, write_full
from canary_html.model import read

MEGABYTE: Final = 1_000_000


class HtmlReporter(Reporter):
    """`canary report html`."""

    name = "html"
    help = "one HTML file: table, timeline, graph, and a page for each job that did not pass"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report html`."""
        parser.add_argument(
            "-o",
            "--output",
            metavar="PATH",
            default="canary.html",
            help="a file if it ends in .html or .htm, else a directory for index.html"
            " (default: %(default)s)",
        )
        parser.add_argument(
            "--full", metavar="DIR", help="also write every job as a file of its own into DIR"
        )
        add_limit(parser)
        parser.add_argument(
            "--size",
            metavar="MB",
            type=float,
            default=30.0,
            help="what the file must not exceed; outputs are cut as needed (default: %(default)g)",
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the file, and those of `--full`."""
        path = target(options)
        if path.suffix.lower() not in (".html", ".htm") and not is_special(path):
            path /= "index.html"
        full = target(options, "full") if options["full"] else None
        model = read(results)
        if not 0 < options["size"] < MEGABYTE:
            raise UsageError(f"--size {options['size']} is no size of a file in megabytes")
        size = max(1, int(options["size"] * MEGABYTE))
        write(model, path, size=size, limit=max(0, options["limit"]), full=full)
        if full is None:
            return [path]
        write_full(model, full, path)
        return [path, full]
