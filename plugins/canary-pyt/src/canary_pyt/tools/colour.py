"""`canary.color`: colour in the output of tests, where the terminal wants it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Final

_CODES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "underline": "4",
    "black": "30",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "white": "37",
}
_TAG = re.compile(r"\[(/?[a-z ]*)\]")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def wanted() -> bool:
    """Does the output want colour (NO_COLOR, FORCE_COLOR, else whether it is a terminal)?"""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def colorize(message: str, *, color: bool | None = None) -> str:
    """Replace `[red]…[/red]`, `[bold]…[/]` by terminal codes, or take them out."""
    on = wanted() if color is None else color

    def code(match: re.Match[str]) -> str:
        tag = match[1]
        if tag.startswith("/"):
            return "\x1b[0m" if on else ""
        codes = [_CODES.get(word) for word in tag.split()]
        if not codes or None in codes:
            return match[0]
        return f"\x1b[{';'.join(map(str, codes))}m" if on else ""

    return _TAG.sub(code, message)


def bold(arg: str) -> str:
    """Bold where that is wanted."""
    return f"\x1b[1m{arg}\x1b[0m" if wanted() else arg


def code(arg: str) -> str:
    """Set off as program text where that is wanted."""
    return f"\x1b[36m{arg}\x1b[0m" if wanted() else arg


def cstrip(string: str) -> str:
    """Without terminal codes."""
    return _ESCAPE.sub("", string)


def clen(string: str) -> int:
    """How many characters are visible."""
    return len(cstrip(string))


def cextra(string: str) -> int:
    """How many characters are not visible."""
    return len(string) - clen(string)
