"""What is drawn while a session runs: the jobs that run, a bar, and counts in words.

Lines are made for the size that the terminal has just now; where it is small, what matters least
is left out first. Nothing here writes, and nothing asks for more than a `Tally` knows at once.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from rich.style import Style

from canary.clock import MINUTE, format_duration
from canary.status import Category
from canary_console.paint import (
    FAINT,
    PLAIN,
    RUNNING,
    STRONG,
    WARNING,
    Line,
    Painter,
    style_of,
    word_of,
)
from canary_console.tally import Tally

_LEAST_BAR: Final = 10
_MOST_BAR: Final = 48
_LEAST_COLUMNS: Final = 56
# before that, a forecast jumps too much to be read
_FORECAST_AFTER: Final = 2.0
_CATEGORIES: Final = (Category.FAIL, Category.ABORTED, Category.NOTRUN, Category.PASS)


class Bar:
    """Draws a tally; `began` is when the session did, `rows` how many jobs it names at most."""

    def __init__(self, painter: Painter, tally: Tally, *, began: float, rows: int) -> None:
        self._painter = painter
        self._tally = tally
        self._began = began
        self._rows = rows
        self._height = 0
        self._shrunk = began

    def lines(self, columns: int, height: int, now: float) -> list[tuple[str, int]]:
        """Lines as they are written and their widths, for a terminal of that size."""
        room = columns - 1  # writing into the last cell makes some terminals wrap
        lines = self._jobs(room, min(self._rows, height // 2 - 2), now)
        lines.append(self._progress(room, now))
        if height > 2:
            lines.append(self._counts())
        fit = [self._painter.fit(line, room) for line in lines]
        return [(self._painter.render(line), line.width) for line in fit]

    def summary(self) -> str:
        """The last state of it, in one line."""
        tally = self._tally
        line = Line().add(f"{tally.done}/{tally.total} ", STRONG)
        line.parts += self._counts().parts
        return self._painter.render(line)

    # what runs

    def _jobs(self, room: int, most: int, now: float) -> list[Line]:
        running = self._tally.running
        most = max(0, most)
        shown = min(len(running), most)
        if shown < len(running) and shown > 1:
            shown -= 1  # the last row says how many more there are
        lines = [
            self._job(id, run.name, elapsed(now - run.since), room)
            for id, run in islice(running.items(), shown)
        ]
        if shown < min(len(running), most):
            lines.append(Line().add(f"and {len(running) - shown} more running", FAINT))
        return [Line()] * (self._steady(len(lines), most, now) - len(lines)) + lines

    def _job(self, id: str, name: str, since: str, room: int) -> Line:
        """In the columns of the lines above; if there is little room, time and name alone."""
        safe = self._painter.safe
        if room < _LEAST_COLUMNS:
            return Line().add(f"{since:>7}  ", FAINT).add(safe(name))
        line = Line().add(f"{'running':14}  ", RUNNING).add(f"{since:>7}  ")
        return line.add(f"{safe(id[:7])}  ", FAINT).add(safe(name))

    def _steady(self, wanted: int, most: int, now: float) -> int:
        """Rows for what runs: more at once, fewer one by one, so that nothing jumps."""
        if wanted >= self._height or now - self._shrunk >= 1.0:
            if wanted < self._height:
                wanted = self._height - 1
            self._height, self._shrunk = wanted, now
        self._height = min(self._height, most)
        return self._height

    # how far it is

    def _progress(self, room: int, now: float) -> Line:
        tally = self._tally
        share = 100 * tally.done // tally.total if tally.total else 100
        passed = elapsed(now - self._began)
        words = [f"{tally.done}/{tally.total}", f"{share}%", passed]
        left = self._left(now)
        if left:
            words.append(left)
        line = Line()
        while len(words) > 1 and sum(map(len, words)) + 2 * len(words) > room:
            words.pop()
        width = room - sum(map(len, words)) - 2 * len(words)
        if width >= _LEAST_BAR:
            self._block(line, min(width, _MOST_BAR))
            line.add("  ")
        line.add(words[0], STRONG)
        for word in words[1:]:
            line.add(f"  {word}", WARNING if word == left and tally.stopping else PLAIN)
        return line

    def _left(self, now: float) -> str:
        tally = self._tally
        if tally.stopping:
            return "stopping"
        if now - self._began < _FORECAST_AFTER or tally.done == tally.total:
            return ""
        seconds = tally.seconds_left(now)
        return "" if seconds is None else f"about {rounded(seconds)} left"

    def _block(self, line: Line, width: int) -> None:
        """A bar of so many cells, in parts by category; a part with a job in it can be seen."""
        done, todo = ("━", "─") if self._painter.signs else ("#", "-")
        tally = self._tally
        filled = width * tally.done // tally.total if tally.total else width
        rest = filled
        for category in _CATEGORIES:
            count = tally.of(category)
            cells = (
                rest
                if category is Category.PASS
                else min(rest, -(-filled * count // max(1, tally.done)))
            )
            rest -= cells
            if cells:
                line.add(done * cells, style_of(category))
        line.add(todo * (width - filled), FAINT)

    def _counts(self) -> Line:
        """Counts in words: failures first, since the end of it may be cut off."""
        tally = self._tally
        line = Line()
        for category in (*_CATEGORIES[:1], Category.PASS, *_CATEGORIES[1:3]):
            for outcome, n in sorted(tally.counts.items()):
                if n and outcome.category is category:
                    _count(line, n, word_of(outcome), style_of(outcome))
        _count(line, tally.started, "running", RUNNING)
        _count(line, tally.waiting, "waiting", FAINT)
        return line


def _count(line: Line, number: int, word: str, style: Style) -> None:
    if number:
        line.add(", " if line.parts else "", FAINT).add(f"{number} {word}", style)


def elapsed(seconds: float) -> str:
    """A time that passes: whole seconds, as what is redrawn must not flicker."""
    whole = max(0, int(seconds))
    return f"{whole}s" if whole < MINUTE else format_duration(whole)


def rounded(seconds: float) -> str:
    """A time that is guessed: no more digits than it is worth."""
    step = 1 if seconds < 10 else 5 if seconds < MINUTE else 10 if seconds < 5 * MINUTE else 60
    whole = max(1, round(seconds / step) * step)
    if whole < MINUTE:
        return f"{whole}s"
    return (
        format_duration(whole)
        if whole < 10 * MINUTE
        else format_duration(whole).replace(" 00s", "")
    )
