"""What a declared test came to: its exit code first, then what its output must say.

Expressions and references are looked for in the output, of which no more than `MOST` bytes are
read: its head and its tail. `^` and `$` match at each line. Of several matches of a reference the
last one counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from canary import fsio
from canary.clock import time_limit
from canary.frozen import EMPTY
from canary.spec import JobSpec
from canary.status import Category, Outcome, Status, judge_exit_code
from canary_yaml.schema import ATTRIBUTE

MOST: Final = 8 * 1024 * 1024
SECONDS: Final = 10.0  # some expressions take for ever on some texts


def judge(spec: JobSpec, code: int, output: str) -> Status | None:
    """The status for an exit code and the file `output`; None if nothing but the code counts."""
    wanted: Mapping[str, Any] = spec.attributes.get(ATTRIBUTE) or EMPTY
    if not wanted:
        return None
    status = judge_exit_code(code, xstatus=spec.xstatus, skip_codes=spec.skip_codes, name=spec.name)
    differs = spec.xstatus == Outcome.DIFFED and code == 0 and "references" in wanted
    if status.category is not Category.PASS and not differs:
        return status
    try:
        text = fsio.read_ends(output, MOST // 2)
    except OSError as e:  # it may have put something else there: a pipe, say
        reason = f"its output cannot be read: {e.strerror}"
        return Status.make(outcome=Outcome.FAILED, reason=reason, code=code)
    try:
        with time_limit(SECONDS):
            complaint = _expressions(wanted, text)
            missing, out = _references(wanted.get("references", EMPTY), text)
    except TimeoutError as e:
        reason = f"looking for regular expressions in the output: {e}"
        return Status.make(outcome=Outcome.FAILED, reason=reason, code=code)
    if complaint:
        return Status.make(outcome=Outcome.FAILED, reason=complaint, code=code)
    if status.outcome is Outcome.XDIFF:
        return status
    if missing:
        return Status.make(outcome=Outcome.FAILED, reason="; ".join(missing), code=code)
    if out:
        outcome = Outcome.XDIFF if differs else Outcome.DIFFED
        return Status.make(outcome=outcome, reason="; ".join(out), code=code)
    return status


def measurements(spec: JobSpec, output: str) -> dict[str, Any]:
    """`{name: number}` of the references found; a number that JSON cannot hold is a text."""
    wanted: Mapping[str, Any] = (spec.attributes.get(ATTRIBUTE) or EMPTY).get("references", EMPTY)
    if not wanted:
        return {}
    try:
        text = fsio.read_ends(output, MOST // 2)
        with time_limit(SECONDS):
            found = {name: _number(_last(ref["pattern"], text)) for name, ref in wanted.items()}
    except OSError:  # also if that took too long
        return {}  # the verdict says so
    return {
        name: value if math.isfinite(value) else str(value)
        for name, value in found.items()
        if value is not None
    }


def _expressions(wanted: Mapping[str, Any], text: str) -> str | None:
    for source in wanted.get("fail_regex", ()):
        if found := re.search(source, text, re.MULTILINE):
            return f"the output matches fail_regex {source!r}: {found[0][:80]!r}"
    for source in wanted.get("pass_regex", ()):
        if not re.search(source, text, re.MULTILINE):
            return f"the output has no match of pass_regex {source!r}"
    return None


def _references(wanted: Mapping[str, Any], text: str) -> tuple[list[str], list[str]]:
    missing, out = [], []
    for name, ref in wanted.items():
        written = _last(ref["pattern"], text)
        value = _number(written)
        if written is None:
            missing.append(f"{name}: the output has no match of {ref['pattern']!r}")
        elif value is None:
            missing.append(f"{name}: {written[:80]!r} is not a number")
        elif "value" in ref:
            if not _within(ref, value):
                out.append(_outside(name, ref, value))
        elif not math.isfinite(value):
            missing.append(f"{name}: {written[:80]!r} is not a finite number")
    return missing, out


def _last(source: str, text: str) -> str | None:
    last = None
    for found in re.finditer(source, text, re.MULTILINE):
        last = found
    return None if last is None else last[1] or ""


def _number(written: str | None) -> float | None:
    if written is None:
        return None
    try:
        # Fortran writes 1.0D-3
        return float(written.strip().lower().replace("d", "e"))
    except ValueError:
        return None


def _within(ref: Mapping[str, Any], value: float) -> bool:
    return bool(ref.get("lower", -math.inf) <= value <= ref.get("upper", math.inf)) and (
        math.isfinite(value)
    )


def _outside(name: str, ref: Mapping[str, Any], value: float) -> str:
    unit = f" {ref['unit']}" if "unit" in ref else ""
    reference = ref["value"]
    change = ""
    if reference and math.isfinite(value):
        change = f" ({100 * (value - reference) / abs(reference):+.3g}%)"
    lower = f"{ref['lower']:.10g}" if "lower" in ref else "-inf"
    upper = f"{ref['upper']:.10g}" if "upper" in ref else "inf"
    return (
        f"{name} = {value:.10g}{unit}{change}, reference {reference:.10g}{unit},"
        f" bounds {lower} to {upper}"
    )
