"""Finds the `#VVT:` comments at the head of a file, whatever language the rest is in.

Directives end where code begins: only comments, blank lines and string literals may precede one.
The file is cut up as Python would, but by hand: Python's own tokeniser differs between releases in
what it makes of a file that is not Python. What a directive says is not known here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from canary.errors import SpecError

_BLANK: Final = re.compile(r"(?:[ \t\f\n]|\\\n)*")
_DIRECTIVE: Final = re.compile(r"#[ \t]*VVT[ \t]*:(:?)")
_STRING: Final = re.compile(
    r"(?i:rb|br|rf|fr|r|b|u|f)?"
    r"(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\""
    r"|'(?!'')(?:[^'\\\n]|\\.)*'|\"(?!\"\")(?:[^\"\\\n]|\\.)*\")",
    re.DOTALL,
)
_OPENED: Final = re.compile(r"(?i:rb|br|rf|fr|r|b|u|f)?(?:'''|\"\"\")")
_COOKIE: Final = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_HINT: Final = "save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"


class Line(NamedTuple):
    """The rest of a `#VVT:` comment; `continued` for `#VVT::`, `number` from 1."""

    number: int
    continued: bool
    text: str


class Head(NamedTuple):
    """What stands before the code of a file: its directives, and the words of a `#!` line."""

    lines: list[Line]
    shebang: tuple[str, ...]


def scan(raw: bytes) -> Head:
    """Read the head of a file; SpecError with a line if it cannot be read as text."""
    text, problem = _decoded(raw)
    shebang: tuple[str, ...] = ()
    if text.startswith("#!"):
        # as the kernel reads it: the program, and all the rest as one argument
        shebang = tuple(text[2 : (text + "\n").index("\n")].split(None, 1))
        shebang = tuple(word.strip() for word in shebang)
    lines, at = _lines(text)
    if problem and at >= len(text):
        raise SpecError(problem, line=text.count("\n") + 1, hint=_HINT)
    return Head(lines, shebang)


def program(words: Sequence[str]) -> str:
    """The name of the program that a `#!` line or a command comes to: `sh` for `env -S sh`."""
    names = [word for text in words for word in text.split()]
    name = names[0].rpartition("/")[2] if names else ""
    if name == "env":
        name = next((n for n in names[1:] if not n.startswith("-") and "=" not in n), "")
    return name.rpartition("/")[2]


def _decoded(raw: bytes) -> tuple[str, str]:
    """The text, up to the first byte that is none, and what is wrong with that."""
    encoding, problem = "utf-8", ""
    if raw.startswith(codecs.BOM_UTF8):
        raw = raw[3:]
    else:
        for number, line in enumerate(raw.split(b"\n", 2)[:2], 1):
            if match := _COOKIE.match(line):
                encoding = match[1].decode("ascii", "replace")
                if _unknown(encoding):
                    raise SpecError(f"unknown encoding {encoding!r}", line=number)
                break
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as e:
        text = raw[: e.start].decode(encoding, "ignore")
        problem = f"the byte 0x{raw[e.start]:02x} is not {encoding}"
    return text.replace("\r\n", "\n").replace("\r", "\n"), problem


def _unknown(encoding: str) -> bool:
    try:
        b"#".decode(encoding, "ignore")  # an empty text is decoded without a look
    except LookupError:
        return True
    return False


def _lines(text: str) -> tuple[list[Line], int]:
    """The directives, and where code begins."""
    found: list[Line] = []
    at, number, end = 0, 1, len(text)
    while at < end:
        blank = _BLANK.match(text, at)
        begin = blank.end() if blank else at
        breaks = text.count("\n", at, begin)
        first = breaks > 0 or at == 0
        number += breaks
        at = begin
        if text.startswith("#", at):
            stop = text.find("\n", at)
            stop = end if stop < 0 else stop
            # a comment behind something else on its line is a remark
            if first and (match := _DIRECTIVE.match(text, at, stop)):
                found.append(Line(number, bool(match[1]), text[match.end() : stop].strip()))
            at = stop
        elif match := _STRING.match(text, at):
            number += text.count("\n", at, match.end())
            at = match.end()
        elif _OPENED.match(text, at):
            raise SpecError("a string literal without end", line=number)
        else:
            break
    return found, at
