"""Measurements from what a job writes: for each name a regular expression, and the last number
that it finds."""

from __future__ import annotations

import mmap
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from time import thread_time
from typing import TYPE_CHECKING, Final

import canary
from canary.clock import time_limit
from canary.errors import ConfigError
from canary.table import say

if TYPE_CHECKING:
    from canary.job import Job
    from canary.launch import Exit

# seconds for all patterns on what a job wrote, of which there are two tries: no job is looked after
# meanwhile
LIMIT: Final = 0.25
# a pattern that computed for this part of them is to blame; else the disk or the machine is
_BLAME: Final = 0.1
Numbers = dict[str, int | float]


class Patterns:
    """The hook, for one command."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = {name: _compiled(name, text) for name, text in patterns.items()}
        self._warned = False

    @canary.hookimpl
    def canary_job_finish(self, job: Job, exit: Exit) -> Numbers | None:  # noqa: ARG002 - by contract
        """The numbers that are in the job's output, standard error included."""
        names = [job.spec.stdout, *([job.spec.stderr] if job.spec.stderr else [])]
        paths = [f"{job.workspace.text}/{name}" for name in names]
        found: Numbers = {}
        for last in (False, True):
            spent: dict[str, float] = {}
            try:
                with time_limit(LIMIT):
                    self.read(paths, found, spent)
                break
            except TimeoutError:
                if not self._dropped(spent, job.name) and last and not self._warned:
                    self._warned = True
                    say("warning", f"{job.name}: no time to read all output for measurements")
        return found or None

    def read(self, paths: Sequence[str], found: Numbers, spent: dict[str, float]) -> None:
        """Put the last number of each pattern into `found`, and its seconds into `spent`."""
        with ExitStack() as stack:
            outputs = [output for path in paths if (output := _mapped(path, stack)) is not None]
            for name, pattern in self._patterns.items():
                begun = thread_time()
                try:
                    number = _last(pattern, outputs)
                finally:
                    spent[name] = thread_time() - begun
                if number is not None:
                    found[name] = number

    def _dropped(self, spent: Mapping[str, float], job: str) -> bool:
        """Leave out the slowest pattern from now on; if it is not to blame, put it last."""
        if not spent:
            return False
        name = max(spent, key=spent.__getitem__)
        pattern = self._patterns.pop(name)
        if spent[name] < LIMIT * _BLAME:
            self._patterns[name] = pattern
            return False
        say("warning", f"measurements.patterns.{name} is left out: too slow on the output of {job}")
        return True


def _mapped(path: str, stack: ExitStack) -> mmap.mmap | None:
    try:
        with open(path, "rb") as f:
            return stack.enter_context(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))
    except TimeoutError:
        raise  # it is an OSError
    except (OSError, ValueError):
        return None  # a file of no bytes cannot be mapped


def _last(pattern: re.Pattern[bytes], outputs: Sequence[mmap.mmap]) -> int | float | None:
    last = None
    for output in outputs:
        for match in pattern.finditer(output):
            number = to_number(match[1] if pattern.groups else match[0])
            last = last if number is None else number
    return last


def to_number(text: bytes | None) -> int | float | None:
    """A number as programs write it, Fortran's `1.5D-3` among them; None for anything else."""
    if text is None or len(text) > 400:
        return None
    for read in (int, float):
        try:
            number = read(text.strip().replace(b"D", b"e").replace(b"d", b"e"))
        except ValueError:
            continue
        # what is no longer a float cannot be computed with
        return number if read is float or abs(number) <= sys.float_info.max else None
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
