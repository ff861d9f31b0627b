"""A session in the Test Anything Protocol: a line for each job, and YAML below those that failed.

Older readers know fewer escapes than version 14 has. Names are therefore written so that none is
needed but `\\\\`: a `#` or a line break is `\\xNN`, as `canary.reporting` writes what is odd.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.declare import Reporter, Results
from canary.reporting import add_limit, add_output, output, visible, write

Job = Mapping[str, Any]
_COLON: Final = re.compile(r":(?=\s)")
_ESCAPED: Final = r"\\x3a"


class TapReporter(Reporter):
    """`canary report tap`."""

    name = "tap"
    help = "Test Anything Protocol, version 14"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of `canary report tap`."""
        add_output(parser, "canary.tap")
        add_limit(parser, 4096)
        parser.add_argument(
            "--tap-version",
            type=int,
            choices=(13, 14),
            default=14,
            help="what the first line says, for older readers (default: %(default)s)",
        )

    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the file."""
        parts = encode(results, version=options["tap_version"], limit=options["limit"])
        return write(parts, options)


def encode(results: Results, *, version: int, limit: int) -> Iterator[str]:
    """The lines; jobs that the session left out have none."""
    jobs = [job for job in results.jobs() if job["excluded"] is None]
    yield f"TAP version {version}\n1..{len(jobs)}{'' if jobs else ' # SKIP no jobs'}\n"
    for number, job in enumerate(jobs, 1):
        status = job["status"]
        category, reason = status["category"], status["reason"]
        ok = "ok" if category in ("PASS", "NOTRUN") else "not ok"
        skip = f" # SKIP {_inline(reason or status['outcome'])}" if category == "NOTRUN" else ""
        yield f"{ok} {number} - {_inline(job['fullname'])}{skip}\n"
        if ok != "ok" or (category == "PASS" and reason):
            yield "".join(f"  {line}\n" for line in _diagnostic(job, limit if ok != "ok" else 0))


def _inline(text: str) -> str:
    return visible(text, "#\n\t").replace("\\", "\\\\")


def _diagnostic(job: Job, limit: int) -> Iterator[str]:
    """A YAML document; all texts are in double quotes."""
    status = job["status"]
    yield "---"
    yield f"message: {_quoted(visible(status['reason'] or status['outcome']))}"
    yield f"severity: {'fail' if status['category'] != 'PASS' else 'comment'}"
    yield f"outcome: {status['outcome']}"
    if job["exit_code"] is not None:
        yield f"exitcode: {job['exit_code']}"
    seconds = job["timings"].get("running", -1.0)
    if seconds >= 0:
        yield f"duration_ms: {1000 * seconds:.3f}"
    yield f"file: {_quoted(visible(job['file_path']))}"
    yield f"id: {_quoted(job['id'])}"
    if limit and (text := output(job, limit)):
        yield "output:"
        for line in text.split("\n"):
            # Perl's reader takes `- "word: …"` for a mapping, and then stops reading at all
            yield f"  - {_COLON.sub(_ESCAPED, _quoted(line))}"
    yield "..."


def _quoted(text: str) -> str:
    """`visible` text, which YAML can hold, as its double-quoted form: that of JSON."""
    return json.dumps(text, ensure_ascii=False)
