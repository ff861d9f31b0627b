"""The end of a session: the table of results, and the two lines that sum it up.

The words are the core's; only the looks are ours. Standard output may be a terminal or a file: the
same is written to both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.style import Style

from canary.clock import format_duration, ran_for
from canary.events import JobFinished, Summary
from canary.status import Category, Outcome
from canary_console.paint import FAINT, PLAIN, STRONG, Line, Painter, style_of, word_of
from canary_console.tally import KEPT, Tally

ROWS: Final = KEPT
_GROUPS: Final = (
    (Category.FAIL, "that failed"),
    (None, "without a result"),
    (Category.PASS, "that passed"),
)
_HEAD: Final = ("Job", "ID", "Status", "Total", "Details")
_RIGHT: Final = _HEAD.index("Total")
_GAP: Final = "  "
# names leave that much to details, if there are any so long
_MOST_DETAILS: Final = 24
_LEAST_DETAILS: Final = 8
_LEAST_NAME: Final = 20


def table(painter: Painter, tally: Tally, columns: int, names: Mapping[str, str]) -> list[str]:
    """Failures, then what did not run, then what passed; `names` are shown instead of jobs' own."""
    groups = [(_first(tally, kind), _left_out(tally, kind, word)) for kind, word in _GROUPS]
    ends = [end for group, _ in groups for end in group]
    if not ends:
        return []
    cells = {end.id: _cells(painter, end, names) for end in ends}
    widths = _widths(list(cells.values()), columns)
    lines = _row(painter, _HEAD, widths, columns, [STRONG] * len(_HEAD))
    for group, left_out in groups:
        for end in group:
            styles = (PLAIN, FAINT, style_of(end.status.outcome), PLAIN, PLAIN)
            lines += _row(painter, cells[end.id], widths, columns, styles)
        if left_out:
            lines.append(Line().add(left_out, FAINT))
    return [painter.render(line) for line in lines]


def _group(outcome: Outcome) -> Category | None:
    category = outcome.category
    return category if category in (Category.FAIL, Category.PASS) else None


def _first(tally: Tally, kind: Category | None) -> list[JobFinished]:
    kept = [e for o in sorted(tally.kept) if _group(o) is kind for e in tally.kept[o]]
    return kept[:ROWS]


def _left_out(tally: Tally, kind: Category | None, word: str) -> str:
    left = sum(n for outcome, n in tally.counts.items() if _group(outcome) is kind) - ROWS
    if left <= 0:
        return ""
    return f"... {left} more job{'s' if left > 1 else ''} {word}: canary status -rA lists all"


def _cells(painter: Painter, end: JobFinished, names: Mapping[str, str]) -> tuple[str, ...]:
    took = ran_for(end.times)
    return (
        painter.safe(names.get(end.id, end.name)),
        painter.safe(end.id[:7]),
        end.status.text,
        format_duration(took) if took >= 0 else "",
        painter.safe(end.status.reason or ""),
    )


def _widths(rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    """Widths of all columns but the last, which gets the rest.

    The longest names do not count: each of them has a line of its own.
    """
    longest = [max(cell_len(row[n]) for row in (_HEAD, *rows)) for n in range(1, len(_HEAD))]
    widths, details = longest[:-1], min(longest[-1], _MOST_DETAILS)
    limit = columns - sum(widths) - details - len(_GAP) * len(longest)
    names = [n for n in (cell_len(row[0]) for row in rows) if n <= max(_LEAST_NAME, limit)]
    return [max(len(_HEAD[0]), *names) if names else _LEAST_NAME, *widths]


def _row(
    painter: Painter,
    cells: Sequence[str],
    widths: Sequence[int],
    columns: int,
    styles: Sequence[Style],
) -> list[Line]:
    """A row of the table; a name that is too long stands on a line before it."""
    name, *rest, details = cells
    lines = [Line()]
    if cell_len(name) > widths[0]:
        lines = [Line().add(name, styles[0]), Line()]
        name = ""
    line = lines[-1].add(name + " " * (widths[0] - cell_len(name)), styles[0])
    for n, (cell, width) in enumerate(zip(rest, widths[1:], strict=True), 1):
        pad = " " * (width - cell_len(cell))
        line.add(_GAP + (pad if n == _RIGHT else "")).add(cell, styles[n])
        if n != _RIGHT:
            line.add(pad)
    room = columns - line.width - len(_GAP)
    if details and room >= _LEAST_DETAILS:
        line.add(_GAP).parts += painter.fit(Line().add(details, styles[-1]), room).parts
    return lines


def footer(painter: Painter, summary: Summary) -> list[str]:
    """`26 total: 8 pass, …` and how the session ended."""
    styles = {word_of(outcome): style_of(outcome) for outcome in Outcome}
    head, _, rest = summary.line().partition(": ")
    line = Line().add(f"{head}: ", STRONG)
    for n, part in enumerate(rest.split(", ") if rest else ()):
        line.add(", " if n else "").add(part, styles.get(part.rpartition(" ")[2], STRONG))
    took = format_duration(summary.duration)
    end = Line().add(f"Finished session {painter.safe(summary.session)} in {took} with returncode ")
    end.add(str(summary.exit_code), STRONG)
    return [painter.render(line), painter.render(end)]
