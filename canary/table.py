"""Tables and colour for terminals, in the few lines that the core needs.

Colour is never alone: a word stands beside it. Text from users is stripped of control characters
before it is shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

_CODES: Final[Mapping[str, str]] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
}

# what services that run pipelines take from the output as theirs: `::error` of GitHub, where a
# line begins, `##vso[` of Azure, `##[` of both, `##teamcity[`
_ORDERS: Final = re.compile(r"(?<=^:):(?=[\w-])|(?<=#)#(?=\w*\[)")


def use_colour(when: str, stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Should `stream` get colour? `when` is `always`, `never` or `auto`; NO_COLOR and FORCE_COLOR
    are honoured."""
    if when != "auto":
        return when == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def paint(text: str, colour: str, on: bool) -> str:
    """`text` in a colour, if that is on."""
    code = _CODES.get(colour)
    return f"\x1b[{code}m{text}\x1b[0m" if on and code else text


def clean(text: str) -> str:
    """Text that does nothing to a terminal: control and bidirectional characters become `\\xNN`,
    surrogates `?`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    return " " if c == "\n" else ascii(c)[1:-1]


def quote(line: str) -> str:
    """A line that a test printed, `clean`, and no order to a service that reads our output."""
    text = clean(line)
    margin = len(text) - len(text.lstrip())
    return text[:margin] + _ORDERS.sub(lambda m: f"\\x{ord(m[0]):02x}", text[margin:])


def width(stream: TextIO) -> int:
    """Columns of a terminal; $COLUMNS, else what the terminal says, else 200 where there is
    none."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 200


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    colours: Sequence[str] = (),
    on: bool = False,
    columns: int = 200,
) -> list[str]:
    """Lines of a table; `colours` has one name a row, for its `Status` column or the first; the
    last column is cut."""
    cells = [[clean(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    room = max(8, columns - sum(widths[:-1]) - 2 * (len(head) - 1))
    marked = head.index("Status") if "Status" in head else 0
    lines = [_line(head, widths, room).rstrip()]
    for n, row in enumerate(cells):
        line = _line(row, widths, room)
        if on and n < len(colours):
            start = sum(widths[:marked]) + 2 * marked
            end = start + len(row[marked])
            line = line[:start] + paint(line[start:end], colours[n], on) + line[end:]
        lines.append(line.rstrip())
    return lines


def _line(cells: Sequence[str], widths: Sequence[int], room: int) -> str:
    parts = [c.ljust(w) for c, w in zip(cells[:-1], widths[:-1], strict=True)]
    last = cells[-1] if len(cells[-1]) <= room else cells[-1][: room - 1] + "…"
    return "  ".join([*parts, last])


def counted(n: int, what: str) -> str:
    """`1 job`, `2 jobs`, `2 processes`."""
    ending = "es" if what.endswith(("s", "ch")) else "s"
    return f"{n} {what}{ending if n != 1 else ''}"


def say(level: str, text: str) -> None:
    """A line for people on the error stream."""
    sys.stderr.write(f"{level.upper()}: {clean(text)}\n")


def safe_write(stream: TextIO, text: str) -> None:
    """Write text whatever the stream's encoding makes of it."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
