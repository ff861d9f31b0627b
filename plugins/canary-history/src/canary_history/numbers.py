"""Numbers of jobs: which there are, how they changed, and a line that shows them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from canary.clock import format_duration

# taken by canary of each job; shown when asked for, but the first
OWN: Final = ("duration", "user", "system", "max_rss", "expected")
_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN: Final = "_.-~=+*#"


def running(job: Mapping[str, Any]) -> float:
    """Seconds that the job's command ran; negative if it did not."""
    return float(job["timings"].get("running", -1.0))


def measured(job: Mapping[str, Any]) -> dict[str, float]:
    """The measurements that are finite numbers, those that canary takes itself left out."""
    return {
        name: value
        for name, value in job["measurements"].items()
        if name not in OWN and is_number(value)
    }


def is_number(value: Any) -> bool:
    """Is it a finite number, and no truth value?"""
    # an integer may be more than any float
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def change(before: float, now: float) -> float:
    """Relative to what was before; infinite if that was nothing."""
    if before == now:
        return 0.0
    return (now - before) / abs(before) if before else math.copysign(math.inf, now)


def show_change(part: float) -> str:
    """`+12 %`, `×3.4` for what at least doubled, `from 0` for what was nothing."""
    if math.isinf(part):
        return "from 0"
    return f"×{1 + part:.1f}" if part >= 1 else f"{100 * part:+.0f} %"


def show(value: float) -> str:
    """A few digits."""
    return str(value) if isinstance(value, int) and abs(value) < 10**9 else f"{value:.6g}"


def bars(values: Sequence[float | None]) -> str:
    """A character a value, its height between the least and the greatest; `·` for none."""
    # halves: their differences are finite
    halves = [None if v is None else v / 2 for v in values]
    known = [v for v in halves if v is not None]
    marks, gap = (_BARS, "·") if _can_show(_BARS + "·") else (_PLAIN, " ")
    low, high = min(known, default=0.0), max(known, default=0.0)
    step = (high - low) / (len(marks) - 1)
    at = [None if v is None else round((v - low) / step) if step > 0 else 0 for v in halves]
    return "".join(gap if i is None else marks[i] for i in at)


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def trend(name: str, values: Sequence[float | None]) -> list[str]:
    """A row: the name, bars, the median of all, the last one, if any, and how that differs."""
    known = [v for v in values if v is not None]
    if not known:
        return []
    middle, last = median(known), values[-1]
    how = format_duration if name in OWN[:3] else show
    texts = ["" if v is None else how(v) for v in (middle, last)]
    moved = show_change(change(middle, last)) if len(known) > 2 and last is not None else ""
    return [name, bars(values), *texts, moved]
