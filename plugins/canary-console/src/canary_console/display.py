"""The display itself: takes a session's events, and draws a few times a second.

All happens in the session's thread, in `event` and `flush`; nothing here waits for anything. The
progress is on standard error, the results are on standard output, as with the core's plain lines.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TextIO

from rich.cells import cell_len

from canary.clock import format_duration, ran_for
from canary.declare import Display
from canary.events import Event, JobFinished, Notice, SessionStarted, Summary
from canary.status import Category
from canary.table import counted, use_colour, width
from canary_console import results
from canary_console.bar import Bar
from canary_console.paint import FAINT, STRONG, WARNING, Line, Painter, style_of
from canary_console.tally import Tally
from canary_console.terminal import Redirection, Screen, has_unicode

if TYPE_CHECKING:
    from canary.session import Session

# times that pass are shown in whole seconds
_BEAT: Final = 1.0


def painter_for(stream: TextIO, color: str, environ: Mapping[str, str]) -> Painter:
    """A painter that knows what a stream shows; `color` is `auto`, `always` or `never`."""
    colour = use_colour(color, stream, environ)
    codes = colour or (
        color == "auto" and stream.isatty() and environ.get("TERM", "dumb") != "dumb"
    )
    return Painter(stream, codes=codes, colour=colour, signs=has_unicode(stream, environ))


class LiveDisplay(Display):
    """A bar at the end of a terminal, and a line above it for each failure.

    `rows` running jobs are named at most; two redraws are `refresh` seconds apart or more.
    """

    beat = _BEAT

    def __init__(
        self,
        *,
        color: str = "auto",
        rows: int = 8,
        refresh: float = 0.125,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out or sys.stdout
        self._painter = painter_for(err or sys.stderr, color, environ)
        self._out_painter = painter_for(self._out, color, environ)
        self._rows = rows
        self._refresh = refresh
        self._monotonic = monotonic
        self._screen = Screen(err or sys.stderr)
        self._redirection: Redirection | None = None
        self._tally = Tally()
        self._bar: Bar | None = None
        self._names: dict[str, str] = {}
        self._offset = 0.0
        self._due = 0.0
        self._paused = False

    def start(self, session: Session) -> None:
        """See `Display.start`."""
        self._tally = Tally(session.jobs)
        if self.long_names:
            self._names = {job.id: job.spec.fullname for job in session.jobs}
        self._redirection = Redirection(self._screen)

    def event(self, event: Event) -> None:
        """See `Display.event`."""
        self._tally.add(event)
        if isinstance(event, JobFinished):
            if event.status.category is Category.FAIL:
                self._fail(event)
        elif isinstance(event, Notice):
            self._notice(event)
        elif isinstance(event, SessionStarted):
            self._begin(event)
        if event.at >= self._due:
            self._draw(event.at)

    def flush(self) -> None:
        """See `Display.flush`."""
        now = self._now()
        if now >= self._due:
            self._draw(now)

    def finish(self, session: Session, summary: Summary) -> None:  # noqa: ARG002 - events said all
        """See `Display.finish`."""
        if self._bar is not None:
            # results that go elsewhere leave nothing of the end to be seen here
            self._screen.say("" if self._out.isatty() else self._bar.summary())
        self.close()
        columns = width(self._out)
        lines = results.table(self._out_painter, self._tally, columns, self._names)
        lines += results.footer(self._out_painter, summary)
        self._out.write("".join(f"{line}\n" for line in lines))
        self._out.flush()

    def pause(self) -> None:
        """See `Display.pause`."""
        self._paused = True
        self._screen.close()

    def resume(self) -> None:
        """See `Display.resume`."""
        self._paused = False
        self._due = 0.0
        self.flush()

    def close(self) -> None:
        """Take the bar away and give the streams back: at the end, however it comes."""
        if self._redirection is not None:
            self._redirection.close()
            self._redirection = None
        self._bar = None
        self._screen.close()

    def _now(self) -> float:
        """The time on the session's clock, as far as its events tell."""
        return self._monotonic() + self._offset

    def _begin(self, event: SessionStarted) -> None:
        self._offset = event.at - self._monotonic()
        self._bar = Bar(self._painter, self._tally, began=event.at, rows=self._rows)
        for reason, n in sorted(event.excluded.items()):
            self._tell("info", f"excluded {n} job{'s' if n != 1 else ''}: {reason}")
        self._tell("info", f"session {event.session}: {counted(event.jobs, 'job')}")

    def _draw(self, now: float) -> None:
        self._due = now + self._refresh
        if self._paused or not self._screen.is_ready():
            return
        drawing = self._bar.lines(*self._screen.size(), now) if self._bar else ()
        self._screen.draw(drawing)

    def _say(self, line: Line) -> None:
        self._screen.say(self._painter.render(line))

    def _tell(self, level: str, text: str) -> None:
        style = {"warning": WARNING, "error": style_of(Category.FAIL)}.get(level, FAINT)
        safe = self._painter.safe
        self._say(Line().add(f"{safe(level.upper())}: ", style).add(safe(text)))

    def _notice(self, event: Notice) -> None:
        self._tell(event.level, event.text)

    def _fail(self, event: JobFinished) -> None:
        """Say that a job failed; the reason has a line of its own where one is too short."""
        took = ran_for(event.times)
        safe = self._painter.safe
        status = event.status
        line = Line().add(f"{status.text:14}", style_of(status.outcome))
        time = format_duration(took) if took >= 0 else ""
        line.add(f"  {time:>7}  {safe(event.id[:7])}  ", FAINT)
        line.add(safe(self._names.get(event.id, event.name)), STRONG)
        if event.retry:
            line.add(f"  attempt {event.attempt}, again", WARNING)
        reason = safe(status.reason or "")
        fits = line.width + 2 + cell_len(reason) < self._screen.size()[0]
        self._say(line.add(f"  {reason}") if reason and fits else line)
        if reason and not fits:
            self._say(Line().add(f"{'':16}{reason}"))
