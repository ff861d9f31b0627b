"""`canary.time`: durations and time stamps as people write them."""

from __future__ import annotations

import time
from collections.abc import Callable

from canary.clock import parse_duration


def time_in_seconds(arg: float | str) -> float:
    """Seconds of `90`, `1h20m`, `00:05:00`, …; ExpressionError for anything else."""
    return parse_duration(arg, allow_negative=True)


def hhmmss(seconds: float | None, threshold: float = 2.0) -> str:
    """`HH:MM:SS`, below the threshold with hundredths; dashes for None or a negative number."""
    if seconds is None or seconds < 0:
        return "--:--:--"
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if seconds < threshold:
        return f"{hours:02d}:{minutes:02d}:{secs + (seconds - whole):05.2f}"
    return f"{hours:02d}:{minutes:02d}:{secs:02d}"


def pretty_seconds_formatter(seconds: float) -> Callable[[float], str]:
    """A function that shows times of this size: in s, ms, us or ns."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return lambda s: f"{s / factor:.3f}{unit}"
    return lambda s: f"{s / 1e-9:.3f}ns"


def pretty_seconds(seconds: float | str) -> str:
    """`1.500s`, `12.000ms`, …."""
    value = float(seconds)
    return pretty_seconds_formatter(value)(value)


def timestamp(local: bool = True) -> float:
    """Epoch seconds, whole ones if `local`."""
    now = time.time()
    return float(int(now)) if local else now


def strftimestamp(timestamp: float, fmt: str = "%b %d %H:%M") -> str:
    """A time stamp as text, with the time zone."""
    return time.strftime(f"{fmt} %Z", time.localtime(timestamp))
