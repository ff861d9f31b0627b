"""`canary.string`: texts of parameters, lists and names."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any


def stringify(arg: Any, float_fmt: str | None = None) -> str:
    """A value as job names show it: `%g` (or `float_fmt`) for a float, 0 and 1 for a bool."""
    if isinstance(arg, bool):
        return str(int(arg))
    if isinstance(arg, float):
        return (float_fmt or "%g") % arg
    return str(arg)


def csvsplit(expr: str) -> list[str]:
    """Split at commas that are not in quotes."""
    parts, quote = [""], ""
    for c in expr:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == ",":
            parts.append("")
            continue
        parts[-1] += c
    return [strip_quotes(p.strip()) for p in parts]


def strip_quotes(arg: str) -> str:
    """Without a pair of quotes around it."""
    if len(arg) >= 2 and arg[0] == arg[-1] and arg[0] in "'\"":
        return arg[1:-1]
    return arg


def pluralize(word: str, n: int) -> str:
    """`test`, `tests`."""
    return word if n == 1 else f"{word}s"


def truncate_middle(text: str, max_length: int = 254, sep: str = "...") -> str:
    """At most `max_length` characters: head and tail around `sep`."""
    if len(text) <= max_length:
        return text
    room = max(0, max_length - len(sep))
    head = room // 2
    return text[:head] + sep + (text[-(room - head) :] if room > head else "")


class SimpleTemplate:
    """A text in which `$name` and `${name}` are replaced; unknown names stay."""

    def __init__(self, s: str) -> None:
        self.template = string.Template(s)

    def substitute(self, mapping: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """The text with the values of these names."""
        return self.template.safe_substitute({**(mapping or {}), **kwargs})

    safe_substitute = substitute
