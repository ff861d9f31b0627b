"""Plain lines for a running session: one for each job that ends, a table and a sentence at the end.

This is what one sees without a console plugin, and in logs. Nothing is redrawn, and lines are
written together a few times a second, not one by one.
"""

from __future__ import annotations

import sys
from typing import TextIO

from canary.clock import format_duration, ran_for
from canary.declare import Display
from canary.events import Event, JobFinished, Notice, SessionStarted, Summary
from canary.session import Session
from canary.table import clean, counted, paint, safe_write, table, use_colour, width

ROWS = 10


class PlainDisplay(Display):
    """Writes progress to `err`, the final table to `out`."""

    def __init__(
        self,
        *,
        color: str = "auto",
        quiet: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.colour_err = use_colour(color, self.err)
        self.colour_out = use_colour(color, self.out)
        self.quiet = quiet
        self._lines: list[str] = []
        self._ends: dict[str, JobFinished] = {}
        self._names: dict[str, str] = {}
        self._total = 0

    def start(self, session: Session) -> None:
        """See `Display.start`."""
        self._total = len(session.jobs)
        if self.long_names:
            self._names = {job.id: job.spec.fullname for job in session.jobs}

    def event(self, event: Event) -> None:
        """See `Display.event`. Only ends are shown: the runner says what runs on SIGUSR1."""
        if isinstance(event, JobFinished):
            if not event.retry:
                self._ends[event.id] = event
            if not self.quiet:
                self._lines.append(self._row(event))
        elif isinstance(event, SessionStarted):
            if not self.quiet:
                for reason, n in sorted(event.excluded.items()):
                    self._lines.append(f"INFO: excluded {counted(n, 'job')}: {clean(reason)}")
                self._lines.append(f"INFO: session {event.session}: {counted(event.jobs, 'job')}")
        elif isinstance(event, Notice) and not (self.quiet and event.level == "info"):
            self._lines.append(f"{event.level.upper()}: {clean(event.text)}")

    def flush(self) -> None:
        """See `Display.flush`."""
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines = []
            safe_write(self.err, text)
            self.err.flush()

    def finish(self, session: Session, summary: Summary) -> None:  # noqa: ARG002 - events said all
        """See `Display.finish`."""
        self.flush()
        took, code = format_duration(summary.duration), summary.exit_code
        end = f"Finished session {summary.session} in {took} with returncode {code}"
        lines = [*self._table(), summary.line(), end]
        safe_write(self.out, "\n".join(lines) + "\n")
        self.out.flush()

    def _name(self, event: JobFinished) -> str:
        return self._names.get(event.id, event.name)

    def _row(self, event: JobFinished) -> str:
        status = event.status
        text = paint(f"{status.text:18}", status.category.colour, self.colour_err)
        seconds = _running(event)
        again = f"  attempt {event.attempt}, again" if event.retry else ""
        rank = f"{len(self._ends):>5}/{self._total}"
        return f"{text} {event.id[:7]} {seconds:>8} {rank}  {clean(self._name(event))}{again}"

    def _table(self) -> list[str]:
        rows: list[list[str]] = []
        colours: list[str] = []
        more: list[str] = []
        for rank in (2, 1, 0):  # failures first
            ends = [e for e in self._ends.values() if e.status.category.rank == rank]
            ends.sort(key=lambda e: int(e.status.outcome))
            for event in ends[:ROWS]:
                status = event.status
                what = [self._name(event), event.id[:7], status.text, _running(event)]
                rows.append([*what, status.reason or ""])
                colours.append(status.category.colour)
            if len(ends) > ROWS:
                word = "passed" if rank == 0 else ends[0].status.category.value.lower()
                more.append(f"... {len(ends) - ROWS} more {word} jobs: canary status -rA lists all")
        if not rows:
            return []
        head = ("Job", "ID", "Status", "Total", "Details")
        on, columns = self.colour_out, width(self.out)
        return table(head, rows, colours=colours, on=on, columns=columns) + more


def _running(event: JobFinished) -> str:
    seconds = ran_for(event.times)
    return format_duration(seconds) if seconds >= 0 else ""
