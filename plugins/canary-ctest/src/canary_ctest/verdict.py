"""What a CTest test came to: its exit code, and what its properties say of code and output.

The order is that of the older tool: pass expression, skip code, skip expression, fail expression,
and WILL_FAIL last. A test that was killed by a signal failed, whatever was expected of it: so it is
for ctest, and a crash is nothing to be green about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from canary.clock import time_limit
from canary.status import Category, Outcome, Status, judge_exit_code
from canary_ctest.expressions import BadExpressionError, translated

SECONDS: Final = 10.0  # some expressions take for ever on some texts


def judge(attributes: Mapping[str, Any], code: int, output: Callable[[], str]) -> Status | None:
    """The status for an exit code, or None if nothing but the code counts.

    `attributes` are those of the job; `output` reads what it printed, and is called at most once.
    """
    wants = [attributes.get(f"{kind}_regular_expression") for kind in ("pass", "skip", "fail")]
    skip_code = attributes.get("skip_return_code")
    will_fail = bool(attributes.get("will_fail"))
    if code < 0 or not (any(wants) or skip_code is not None or will_fail):
        return None
    status = judge_exit_code(code)
    if status.category is Category.NOTRUN:
        return status
    if any(wants):
        text = output()
        try:
            with time_limit(SECONDS):
                status = _matched(status, wants, skip_code, text)
        except TimeoutError as e:
            reason = f"looking for regular expressions in the output: {e}"
            return Status.make(outcome=Outcome.FAILED, reason=reason, code=code)
        except BadExpressionError as e:
            reason = f"one of its regular expressions cannot be compiled: {e}"
            return Status.make(outcome=Outcome.FAILED, reason=reason, code=code)
    elif code == skip_code:
        status = _skipped(code)
    return _reversed(status) if will_fail else status


def _skipped(code: int) -> Status:
    return Status.make(
        outcome=Outcome.SKIPPED, reason=f"exit code {code} is SKIP_RETURN_CODE", code=code
    )


def _matched(
    status: Status, wants: Sequence[Sequence[str] | None], skip_code: int | None, text: str
) -> Status:
    passes, skips, fails = wants
    code = status.code if status.outcome is not Outcome.SUCCESS else 0
    make = Status.make
    if passes:
        if _first(passes, text) is not None:
            status = make(outcome=Outcome.SUCCESS)
        else:
            reason = f"the output has no match of PASS_REGULAR_EXPRESSION {_list(passes)}"
            status = make(outcome=Outcome.FAILED, reason=reason, code=code)
    if code == skip_code:
        status = _skipped(code)
    for outcome, expressions in ((Outcome.SKIPPED, skips), (Outcome.FAILED, fails)):
        found = _first(expressions or (), text)
        if found is not None:
            kind = "SKIP" if outcome is Outcome.SKIPPED else "FAIL"
            reason = f"the output matches {kind}_REGULAR_EXPRESSION {found!r}"
            status = make(outcome=outcome, reason=reason, code=code)
    return status


def _first(expressions: Sequence[str], text: str) -> str | None:
    """The first expression found in the text.

    `^` and `$` match at each line, as for the older tool; `.` matches the end of a line too, as for
    CMake.
    """
    for expression in expressions:
        if re.search(translated(expression), text, re.MULTILINE | re.DOTALL):
            return expression
    return None


def _list(expressions: Sequence[str]) -> str:
    return " or ".join(map(repr, expressions))


def _reversed(status: Status) -> Status:
    if status.outcome is Outcome.SUCCESS:
        return Status.make(
            outcome=Outcome.FAILED, reason="it passed, and WILL_FAIL is set", code=status.code
        )
    if status.category is Category.NOTRUN:
        return status
    return replace(status, outcome=Outcome.SUCCESS, reason=None)
