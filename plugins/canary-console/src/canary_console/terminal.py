"""A terminal whose last lines are redrawn in place, while others scroll up above them.

The terminal is never put into another mode: the cursor stays visible, nothing is switched on, so
there is nothing to be left switched on if the process is stopped or killed. A terminal that does
not take what is written (Ctrl-S, a stalled connection) or that is not ours at the moment (the
process was sent to the background) is not waited for. Nothing is known here of sessions or colours.
"""

from __future__ import annotations

import io
import os
import re
import select
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TextIO

from canary.table import clean

_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_USUAL: Final = (80, 24)


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Can `stream` be redrawn: is it a terminal that moves its cursor, and does it listen to us?"""
    if environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    try:
        return stream.isatty() and in_foreground(stream.fileno())
    except (OSError, ValueError):
        return False


def in_foreground(descriptor: int) -> bool:
    """Is ours the process group that the terminal listens to?

    True as well where nobody can say: the terminal is not our controlling one, or its group is in
    another PID namespace.
    """
    try:
        return os.tcgetpgrp(descriptor) in (0, os.getpgrp())
    except OSError:
        return True


def has_unicode(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """May signs beyond ASCII be drawn?

    Python takes the C locale for UTF-8, which is a good guess where no locale is set, and a wrong
    one where somebody asked for C.
    """
    if environ.get("LC_ALL") in ("C", "POSIX"):
        return False
    return (stream.encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")


def encodable(text: str, stream: TextIO) -> str:
    """`text` with what the stream's encoding lacks written as `\\xNN`."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class Screen:
    """The last lines of a terminal: `say` adds a line above, `draw` puts others in their place.

    What is said waits until the next `draw` or `close`. Lines are complete: they hold nothing that
    moves the cursor. `say` may be called from any thread, all else from one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._drawn: tuple[int, ...] = ()
        self._gone = False
        self._poll = select.poll()
        try:
            self._descriptor = stream.fileno()
            self._poll.register(self._descriptor, select.POLLOUT)
        except (OSError, ValueError):
            self._descriptor = -1

    def say(self, line: str) -> None:
        """Show a line above the drawing."""
        self._lines.append(line)

    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        try:
            columns, lines = os.get_terminal_size(self._descriptor)
        except (OSError, ValueError):
            return _USUAL
        return columns or _USUAL[0], lines or _USUAL[1]

    def is_ready(self) -> bool:
        """Would it take what is drawn, at once?"""
        if self._gone:
            return False
        return self._descriptor < 0 or bool(self._poll.poll(0))

    def draw(self, drawing: Sequence[tuple[str, int]] = ()) -> None:
        """Show the lines that wait, and below them `drawing`: lines and the cells each takes.

        Each must be narrower than the screen, and all together lower.
        """
        if self._descriptor >= 0 and not in_foreground(self._descriptor):
            drawing = self._drawn = ()  # others have written there since
        if not self._lines and not drawing and not self._drawn:
            return
        parts = [self._to_top()]
        if self._lines:
            # a line that fills the screen exactly would lose its end to an erasure after it
            parts.append("\x1b[J")
            while self._lines:
                parts.append(f"{self._lines.popleft()}\n")
        parts.append("\n".join(f"{text}\x1b[K" for text, _ in drawing))
        parts.append("\x1b[J")
        self._drawn = tuple(width for _, width in drawing)
        self._write("".join(parts))

    def close(self) -> None:
        """Show the lines that wait, and take the drawing away."""
        self.draw()

    def leave(self) -> None:
        """Let what is drawn now stay where it is, as lines among the others."""
        if self._drawn:
            self._drawn = ()
            self._write("\n")

    def _to_top(self) -> str:
        """Move to where the drawing begins.

        Terminals wrap lines anew when they become narrower: then it is higher than it was drawn.
        """
        if not self._drawn:
            return ""
        columns, _ = self.size()
        rows = sum(max(1, -(-width // columns)) for width in self._drawn)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BlockingIOError:
            pass  # another process of this terminal has made it non-blocking: the next one may fit
        except (OSError, ValueError):
            self._gone = True  # it was closed; the session goes on


class Above(io.TextIOBase):
    """Stands in for a stream of the terminal: what others write there scrolls up as well."""

    def __init__(self, stream: TextIO, say: Callable[[str], None]) -> None:
        super().__init__()
        self.stream = stream
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        """Take text; whole lines are shown."""
        *lines, self._rest = f"{self._rest}{text}".split("\n")
        for line in lines:
            self._say(self._shown(line))
        return len(text)

    def end(self) -> None:
        """Show what was not ended by a new line."""
        if self._rest:
            self.write("\n")

    def _shown(self, line: str) -> str:
        parts = _COLOUR.split(line.rstrip("\r").expandtabs())
        text = "".join(p if n % 2 else clean(p) for n, p in enumerate(parts))
        return encodable(text, self.stream) + ("\x1b[0m" if len(parts) > 1 else "")

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """As the stream it stands for."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """As the stream it stands for; what is written to it directly is not seen here."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base has an attribute there
        """As the stream it stands for."""
        return self.stream.encoding


class Redirection:
    """Standard streams that are this terminal, led through a screen until `close`."""

    def __init__(self, screen: Screen) -> None:
        self._kept: list[tuple[str, TextIO, Above]] = []
        for name in ("stdout", "stderr"):
            stream: TextIO | None = getattr(sys, name)
            if stream is not None and stream.isatty():
                above = Above(stream, screen.say)
                self._kept.append((name, stream, above))
                setattr(sys, name, above)

    def close(self) -> None:
        """Put the streams back, unless somebody else has put others there since."""
        for name, stream, above in self._kept:
            above.end()
            if getattr(sys, name) is above:
                setattr(sys, name, stream)
        self._kept.clear()
