"""The exceptions that end a test with a result, and the hook that makes exit codes of them.

Importing this module installs the hook: an exception with a whole number `exit_code` that nothing
catches ends the process with that code, after the usual traceback. The text of the exception
becomes the reason of the job's status.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

diff_exit_status = 64
fail_exit_status = 65
exception_exit_status = 66
timeout_exit_status = 68
skip_exit_status = 80


class TestEnd(Exception):
    """Base of the exceptions that end a test with a result of their own."""

    __test__ = False  # pytest: not a class of tests
    exit_code: int = fail_exit_status


class TestDiffed(TestEnd):
    """The test differs from its reference."""

    exit_code = diff_exit_status


class TestFailed(TestEnd):
    """The test failed."""

    exit_code = fail_exit_status


class TestSkipped(TestEnd):
    """The test has nothing to do here."""

    exit_code = skip_exit_status


class TestTimedOut(TestEnd):
    """Something that the test ran took too long."""

    exit_code = timeout_exit_status


_previous = sys.excepthook


def excepthook(
    kind: type[BaseException], value: BaseException, trace: TracebackType | None
) -> None:
    """Show the traceback, then exit with the exception's `exit_code` if it has one."""
    _previous(kind, value, trace)
    code = getattr(value, "exit_code", None)
    if isinstance(code, bool) or not isinstance(code, int):
        return
    note(code, value)
    raise SystemExit(code)


def note(code: int, value: BaseException) -> None:
    """Let the status of the job say why it ended with `code`."""
    from canary_pyt import remarks

    name = type(value).__name__
    text = str(value).strip()
    remarks.add("end", {"code": code, "reason": f"{name}: {text}" if text else name})


if sys.excepthook is not excepthook:
    sys.excepthook = excepthook
