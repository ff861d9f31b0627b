"""Measurements from what a job writes: for each name a regular expression, and the last number
that it finds."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import canary
from canary.clock import time_limit
from canary.errors import ConfigError
from canary.table import say

if TYPE_CHECKING:
    from canary.job import Job
    from canary.launch import Exit

# seconds for all patterns on one file
LIMIT: Final = 5.0


class Patterns:
    """The hook, for one command."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = {name: _compiled(name, text) for name, text in patterns.items()}
        self._slow = False

    @canary.hookimpl
    def canary_job_finish(self, job: Job, exit: Exit) -> dict[str, int | float] | None:  # noqa: ARG002 - by contract
        """The numbers that are in the job's output, standard error included."""
        found: dict[str, int | float] = {}
        names = [job.spec.stdout, *([job.spec.stderr] if job.spec.stderr else [])]
        try:
            with time_limit(LIMIT):
                for name in names:
                    found.update(self.read(f"{job.workspace.text}/{name}"))
        except TimeoutError:
            if not self._slow:
                self._slow = True
                say("warning", f"measurements.patterns take more than {LIMIT:g} s for {job.name}")
        return found or None

    def read(self, path: str) -> dict[str, int | float]:
        """The numbers that are in a file."""
        try:
            with (
                open(path, "rb") as f,
                mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as output,
            ):
                return self._find(output)
        except (OSError, ValueError):
            return {}  # a file of no bytes cannot be mapped

    def _find(self, output: mmap.mmap) -> dict[str, int | float]:
        found: dict[str, int | float] = {}
        for name, pattern in self._patterns.items():
            for match in pattern.finditer(output):
                number = to_number(match[1] if pattern.groups else match[0])
                if number is not None:
                    found[name] = number
        return found


def to_number(text: bytes | None) -> int | float | None:
    """A number as programs write it, Fortran's `1.5D-3` among them; None for anything else."""
    if text is None or len(text) > 400:
        return None
    for read in (int, float):
        try:
            return read(text.strip().replace(b"D", b"e").replace(b"d", b"e"))
        except ValueError:
            continue
    return None


def _compiled(name: str, text: str) -> re.Pattern[bytes]:
    key = f"measurements.patterns.{name}"
    try:
        pattern = re.compile(text.encode(errors="surrogateescape"), re.MULTILINE)
    except re.error as e:
        raise ConfigError(f"{text!r} is no regular expression: {e}", key=key) from None
    if pattern.groups > 1:
        hint = "write (?:...) for a group that is not the number"
        raise ConfigError(f"{text!r} has {pattern.groups} groups, not one", key=key, hint=hint)
    return pattern
