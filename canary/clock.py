"""Time: durations as people write them, a clock that never jumps, and the time stamps of one job.

Wall-clock time is read once, when a `Clock` is made; from there it follows the monotonic clock, so
that a machine whose date is corrected during a session does not report negative run times. This
module must not know of jobs, of configuration or of what a time-out is for; it never sleeps.
"""

from __future__ import annotations

import math
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Final

from canary.errors import CanaryError, ExpressionError

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0

_UNITS: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
    "mm": 30 * DAY,
    "y": 365 * DAY,
}
_WORDS: Final[Mapping[str, float]] = {
    **{word: 1.0 for word in ("s", "sec", "secs", "second", "seconds")},
    **{word: MINUTE for word in ("m", "min", "mins", "minute", "minutes")},
    **{word: HOUR for word in ("h", "hr", "hrs", "hour", "hours")},
    **{word: DAY for word in ("d", "day", "days")},
    **{word: 7 * DAY for word in ("w", "week", "weeks")},
    **{word: 30 * DAY for word in ("mo", "month", "months")},
    **{word: 365 * DAY for word in ("y", "year", "years")},
}
_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN: Final = rf"{_NUMBER}(?:[eE][+-]?[0-9]+)?"
_CLOCK: Final = r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)"
_PART: Final = rf"\s*({_NUMBER})([a-zµ]+)"
_WORDY: Final = rf"(?:\s*(?:,|and\b))?\s*({_NUMBER})\s*([a-zµ]+)"
_HINT: Final = (
    "write seconds (90), numbers with units ns us ms s m h d w mm y (1h20m, 1m 30s), "
    "HH:MM:SS or MM:SS"
)


def parse_duration(
    value: float | str, *, allow_negative: bool = False, words: bool = False
) -> float:
    """Read a duration and return seconds.

    A number is seconds; so is a numeric text. Otherwise `1h20m`, `1m 30s` (no blank between a
    number and its unit; `m` is minutes, `mm` a month of 30 days), `HH:MM:SS[.f]` or `MM:SS[.f]`.
    With `words` also `2 hours and 5 min`. ExpressionError for anything else, for what is not
    finite, and for what is negative unless `allow_negative`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ExpressionError(f"not a duration: {_shown(value)}", hint=_HINT)
    if isinstance(value, str):
        seconds = _seconds(value.strip(), words)
    else:
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
    if not math.isfinite(seconds):
        raise ExpressionError(f"not a finite duration: {_shown(value)}", hint=_HINT)
    if seconds < 0 and not allow_negative:
        raise ExpressionError(f"a duration cannot be negative: {_shown(value)}", hint=_HINT)
    return seconds


def _shown(value: object) -> str:
    try:
        return repr(value if len(str(value)) <= 60 else f"{str(value)[:57]}...")
    except (ValueError, RecursionError):  # a number, or nesting, without end
        return "a value too large"


def _seconds(text: str, words: bool) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    body = text[1:] if text[:1] in ("-", "+") else text
    if re.fullmatch(_PLAIN, body):
        return sign * float(body)
    if match := re.fullmatch(_CLOCK, body):
        hours, minutes, seconds = match.groups(default="0")
        return sign * (float(hours) * HOUR + float(minutes) * MINUTE + float(seconds))
    return sign * _sum(body.lower() if words else body, words, text)


def _sum(body: str, words: bool, text: str) -> float:
    pattern, units = (_WORDY, {**_UNITS, **_WORDS}) if words else (_PART, _UNITS)
    matcher = re.compile(pattern).match
    total, position = 0.0, 0
    while position < len(body):
        match = matcher(body, position)
        if match is None or match[2] not in units:
            raise ExpressionError(f"not a duration: {_shown(text)}", hint=_HINT)
        total += float(match[1]) * units[match[2]]
        position = match.end()
    if position == 0:
        raise ExpressionError("an empty duration", hint=_HINT)
    return total


def stamp(at: float | None) -> str | None:
    """A local time as ISO 8601, as scripts know it."""
    if at is None:
        return None
    whole, micro = divmod(round(at * 1e6), 10**6)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(whole))}.{micro:06}"


def format_duration(seconds: float) -> str:
    """Seconds for people: `0.52s`, `12.3s`, `1m 05s`, `2h 03m`, `3d 04h`.

    `-` stands for what is unknown: negative or not finite.
    """
    if not 0 <= seconds < math.inf:
        return "-"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // 60}m {whole % 60:02d}s"
    minutes = round(seconds / MINUTE)
    if minutes < 24 * 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    hours = round(seconds / HOUR)
    return f"{hours // 24}d {hours % 24:02d}h"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TimeoutError in the body after so many seconds, in the middle of a regular expression too.

    Only in the main thread, to which alarms come; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_: int, __: object) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, over)
    others = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *others)


class Clock:
    """Epoch seconds that only go forward. `wall` and `mono` give seconds; tests hand in their
    own."""

    __slots__ = ("_epoch", "monotonic")

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monotonic = mono
        self._epoch = wall() - mono()

    def now(self) -> float:
        """Epoch seconds: the wall clock of when this was made, carried on by the monotonic one."""
        return self._epoch + self.monotonic()


@dataclass(slots=True)
class Timekeeper:
    """When the steps of one job happened, in epoch seconds; -1 is not yet.

    The differences are seconds, or -1 if one of their ends is unknown. `paused` are seconds that
    its process was stopped with the whole session; they count neither as running nor in the total.
    """

    submitted: float = -1.0
    staged: float = -1.0
    started: float = -1.0
    stopped: float = -1.0
    finished: float = -1.0
    paused: float = 0.0

    def pending(self) -> float:
        """From submission to the begin of staging."""
        return _between(self.submitted, self.staged)

    def setup(self) -> float:
        """From the begin of staging to the start of the process."""
        return _between(self.staged, self.started)

    def running(self) -> float:
        """From the start of the process to its end."""
        return _between(self.started, self.stopped, self.paused)

    def teardown(self) -> float:
        """From the end of the process to the end of the job."""
        return _between(self.stopped, self.finished)

    def total(self) -> float:
        """From submission to the end of the job."""
        return _between(self.submitted, self.finished, self.paused)

    def asdict(self) -> dict[str, float]:
        """As JSON; `paused` only if there was a pause."""
        names = self.__slots__ if self.paused else self.__slots__[:-1]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def fromdict(cls, data: Mapping[str, object]) -> Timekeeper:
        """Read what `asdict` wrote, or keys with a leading underscore; None and absent are -1."""
        times = cls()
        for field in fields(cls):
            value = data.get(field.name, data.get(f"_{field.name}"))
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise CanaryError(f"not a time stamp: {value!r}", key=field.name)
            setattr(times, field.name, float(value))
        return times


def ran_for(times: Mapping[str, float]) -> float:
    """Seconds that a command ran by the stamps of its timekeeper, without its pauses; -1 if it
    did not."""
    start, stop = times.get("started", -1.0), times.get("stopped", -1.0)
    return _between(start, stop, times.get("paused", 0.0)) if 0 < start <= stop else -1.0


def _between(begin: float, end: float, less: float = 0.0) -> float:
    return max(0.0, end - begin - less) if begin >= 0 and end >= 0 else -1.0
