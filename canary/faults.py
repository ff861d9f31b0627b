"""Named fault points: places where the surroundings can fail, and a way to make them fail in tests.

`CANARY_FAULT=POINT:WHAT[:N]` (several: commas) is read once, when this module is loaded. WHAT is a
name of `errno` (ENOSPC, EIO, ...), `kill`, `slow=SECONDS` or `short` (of `write`: half is written).
N is the number of the call that fails, `N+` that one and all after it; without N all do. Without
the variable a point is an empty function, and `write` is `os.write`. The points are listed in
docs/explanation/recovery.md; this module must not know what stands behind them.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Final

from canary.errors import UsageError

VARIABLE: Final = "CANARY_FAULT"
WRITE: Final = "write"


class Fault:
    """One fault: where, what, and at which calls."""

    def __init__(self, text: str) -> None:
        parts = text.split(":")
        self.point, self.what = (*parts, "", "")[:2]
        nth = parts[2] if len(parts) > 2 else "1+"
        self.onwards = nth.endswith("+")
        self.seconds = 0.0
        try:
            self.first = int(nth.removesuffix("+"))
            if self.what.startswith("slow="):
                self.seconds = float(self.what[5:])
            known = self.seconds > 0 or self.what in ("kill", "short") or hasattr(errno, self.what)
        except ValueError:
            known = False
        if not known or not self.point or len(parts) > 3:
            hint = "POINT:ERRNO|kill|short|slow=SECONDS[:N|:N+]"
            raise UsageError(f"not a fault: {text!r}", key=VARIABLE, hint=hint)
        self.calls = 0

    def strike(self) -> None:
        """Count a call of the point, and do harm if it is its turn."""
        self.calls += 1
        if self.calls < self.first or (self.calls > self.first and not self.onwards):
            return
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.seconds:
            time.sleep(self.seconds)
        elif self.what == "short":
            raise InterruptedError
        else:
            number: int = getattr(errno, self.what)
            raise OSError(number, f"{os.strerror(number)} (a fault that was asked for)")


def _nothing(point: str) -> None:
    """A fault point where no fault is set."""


def armed(text: str) -> tuple[Callable[[str], None], Callable[[int, bytes], int]]:
    """`fault` and `write` for a value of the variable; UsageError if it cannot be read."""
    if not text:
        return _nothing, os.write
    faults = [Fault(part) for part in text.split(",")]

    def fault(point: str) -> None:
        """Fail here, if that was asked for."""
        for one in faults:
            if one.point == point:
                one.strike()

    def write(fd: int, data: bytes) -> int:
        """`os.write`, or what a full or slow disk makes of it."""
        try:
            fault(WRITE)
        except InterruptedError:
            data = data[: max(1, len(data) // 2)]
        return os.write(fd, data)

    return fault, write


fault, write = armed(os.environ.get(VARIABLE, ""))
