"""All that is known of each job, as a JSON object keyed by job ID.

The file is written job by job, so that its size is no matter. What it looks like is promised by
`schema.json` beside this module; the schema's number changes when a reader would have to.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from canary.declare import Reporter, Results
from canary.errors import UsageError
from canary.reporting import add_output, target, write
from canary_json.lines import fold


class JsonReporter(Reporter):
    """`canary report json`."""

    name = "json"
    help = "every job with all that is known of it, as one JSON object"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report json`."""
        add_output(parser, "canary.json")
        parser.add_argument(
            "--from-events",
            metavar="FILE",
            help="read a stream of `canary run --events` (`-`: standard input), no workspace",
        )
        parser.add_argument(
            "--schema",
            nargs="?",
            const="report",
            choices=("report", "events"),
            help="write the JSON Schema of the report, or of the stream of events, instead",
        )

    def standalone(self, options: Mapping[str, Any]) -> Sequence[Path] | None:
        """A schema, or the report that a stream of events comes to."""
        if options["schema"]:
            return write([schema_text(options["schema"])], options)
        source = options["from_events"]
        if not source:
            return None
        if source == "-":
            return write(encode(fold(sys.stdin.buffer, "standard input")), options)
        try:
            f = target(options, "from_events").open("rb")
        except OSError as e:
            raise UsageError(f"cannot be read: {e.strerror}", file=source) from None
        with f:
            return write(encode(fold(f, source)), options)

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write one object: job ID to job."""
        return write(encode(results.jobs()), options)


def schema_text(of: str = "report") -> str:
    """The JSON Schema of the report, or of the stream of `events`."""
    report = resources.files("canary_json").joinpath("schema.json").read_text("ascii")
    if of == "report":
        return report
    events = json.loads(resources.files("canary_json").joinpath("events.schema.json").read_bytes())
    # its lines have jobs of the report: what it refers to comes with it
    events["$defs"]["report"] = json.loads(report)
    return json.dumps(events, indent=2) + "\n"


def encode(jobs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The report in pieces, ASCII alone."""
    before = "{"
    for job in jobs:
        text = json.dumps(_finite(job), indent=2, default=str).replace("\n", "\n  ")
        yield f"{before}\n  {json.dumps(job['id'])}: {text}"
        before = ","
    yield "{}\n" if before == "{" else "\n}\n"


def _finite(value: Any) -> Any:
    """`value` without what JSON has no word for: a number that is none becomes its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
