"""A plan as a chart in plain text: a line for each CPU, time from left to right, a letter a job.

It draws what it is handed and decides nothing: `forecast` says when jobs would run.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from canary.clock import format_duration
from canary.table import clean, counted, table
from canary_console.forecast import Forecast, Planned

LETTERS: Final = string.ascii_letters + string.digits
IDLE: Final = "."
LABEL: Final = 24
LEAST: Final = 10  # columns of time, however narrow the terminal

Bar = tuple[float, float, str]


def plan_lines(plan: Forecast, *, chart_columns: int, columns: int) -> list[str]:
    """The chart, and below it the jobs in the order of their starts; then what would never
    start."""
    marks = [LETTERS[i % len(LETTERS)] for i in range(len(plan.planned))]
    rows = [
        [
            mark,
            format_duration(p.start),
            format_duration(p.end - p.start),
            _needs(p),
            p.job.display_name(),
        ]
        for mark, p in zip(marks, plan.planned, strict=True)
    ]
    rows += [["", "never", "", "", f"{job.display_name()}: {why}"] for job, why in plan.refused]
    lines = chart(plan.planned, marks, chart_columns)
    if rows:
        lines += table(("", "Start", "Takes", "Needs", "Job"), rows, columns=columns)
    return [
        *lines,
        f"{counted(len(plan.planned), 'job')} would run, for about {format_duration(plan.seconds)}",
    ]


def chart(planned: Sequence[Planned], marks: Sequence[str], columns: int) -> list[str]:
    """Lines for the CPUs that are used, one for neighbours that do the same, and the time below.

    A letter stands where its job has the CPU for most of the time that a column is long.
    """
    bars: dict[tuple[str, str], list[Bar]] = {}
    for mark, p in zip(marks, planned, strict=True):
        for entry in p.assigned.get("cpus", ()):
            bars.setdefault((entry["node"], entry["id"]), []).append((p.start, p.end, mark))
    end = max((p.end for p in planned), default=0.0)
    if not bars or end <= 0:
        return []
    slots = sorted(bars, key=lambda slot: (slot[0], len(slot[1]), slot[1]))
    nodes = list(dict.fromkeys(node for node, _ in slots))
    heads = {node: f"{clean(node)[: LABEL // 2]}:" if len(nodes) > 1 else "cpu " for node in nodes}
    widest = max(len(heads[node]) + 2 * len(id) + 1 for node, id in slots)
    room = max(LEAST, columns - min(LABEL, widest) - 2)
    drawn = [(slot, _cells(bars[slot], end, room)) for slot in slots]
    lines = []
    for (node, cells), group in groupby(drawn, key=lambda x: (x[0][0], x[1])):
        ids = [clean(id) for (_, id), _ in group]
        span = ids[0] if len(ids) == 1 else f"{ids[0]}-{ids[-1]}"
        lines.append((heads[node] + span, cells))
    lines.append(("", _axis(end, room)))
    width = min(LABEL, max(len(label) for label, _ in lines))
    return [f"{label[:width]:<{width}}  {cells}".rstrip() for label, cells in lines] + [""]


def _cells(bars: Iterable[Bar], end: float, room: int) -> str:
    part = end / room
    held: list[dict[str, float]] = [{} for _ in range(room)]
    for start, stop, mark in bars:
        for i in range(int(start / part), min(room, int(stop / part) + 1)):
            inside = min(stop, (i + 1) * part) - max(start, i * part)
            if inside > 0:
                held[i][mark] = held[i].get(mark, 0.0) + inside
    return "".join(_most(shares, part) for shares in held)


def _most(shares: Mapping[str, float], part: float) -> str:
    return max(shares, key=lambda mark: shares[mark]) if sum(shares.values()) > part / 2 else IDLE


def _axis(end: float, room: int) -> str:
    """Begin, middle and end of the time, each where it is."""
    middle, last = format_duration(end / 2), format_duration(end)
    line = "0s"
    for at, text in ((room // 2, middle), (room - len(last), last)):
        if at > len(line):
            line = f"{line:<{at}}{text}"
    return line


def _needs(p: Planned) -> str:
    """CPUs, and what else it holds; of how many nodes, if of several."""
    held = {type: sum(entry["slots"] for entry in entries) for type, entries in p.assigned.items()}
    texts = [f"{n} {clean(type)}" for type, n in held.items()]
    nodes = {entry["node"] for entries in p.assigned.values() for entry in entries} - {""}
    return ", ".join(texts) + (f" of {len(nodes)} nodes" if len(nodes) > 1 else "")
