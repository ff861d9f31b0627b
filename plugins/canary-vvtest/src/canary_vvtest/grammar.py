"""The grammar of a directive: `NAME (option, option=value) : argument`, and of words and rows.

Only the form is known here. What a name, an option or an argument means is said in
`canary_vvtest.digest`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from canary.errors import SpecError
from canary.frozen import shared

# conditions, by the names that options give them
CONDITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "testname": "testname",
        "parameters": "parameters",
        "parameter": "parameters",
        "options": "options",
        "option": "options",
        "platforms": "platforms",
        "platform": "platforms",
    }
)
_NAME: Final = re.compile(r"([^(:=]*?)\s*(?=[(:=]|$)", re.DOTALL)
_KEY: Final = re.compile(r"\s*([^=,()\s]+(?:\s+[^=,()\s]+)*)\s*")
_CELL: Final = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s,\"'])+")
_WORD: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")
_QUOTED: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'")

When = tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive as written; `options` are those that set no condition (True: without a value).

    `when` are conditions that must all hold: its own, and those of the includes that led to it.
    `file` is where it stands, if not in the test file itself.
    """

    name: str
    argument: str
    line: int
    when: When = ()
    options: Mapping[str, Any] = shared()
    file: str | None = None

    @property
    def place(self) -> int | tuple[int, str]:
        """Where it stands, as plain data."""
        return self.line if self.file is None else (self.line, self.file)

    def option(self, name: str) -> str | None:
        """The value of an option, None if it is not given; SpecError if it has no value."""
        value = self.options.get(name)
        if value is True or value == "":
            raise SpecError(f"the option {name} wants a value", hint=f"write {name}=…")
        return None if value is None else str(value)


class Cell(NamedTuple):
    """A value in a row: as written, and without its quotes."""

    text: str
    value: str


def parse(text: str, line: int, *, file: str | None = None, when: When = ()) -> Directive | None:
    """Read a directive; None if nothing is in it, SpecError if it is malformed."""
    match = _NAME.match(text)
    name = re.sub(r"\s+", "_", match[1].strip()) if match else ""
    at = match.end() if match else 0
    conditions: dict[str, str] = {}
    options: dict[str, Any] = {}
    if text.startswith("(", at):
        at = _options(text, at + 1, conditions, options)
    rest = text[at:].lstrip()
    if rest and rest[0] not in ":=":
        raise SpecError(f"expected ':' before {rest!r}", hint="NAME (options) : argument")
    argument = rest[2 if rest.startswith(":=") else 1 :].strip()
    if not name and not argument and not conditions and not options:
        return None
    if not name:
        raise SpecError(f"no directive in {text!r}", hint="NAME (options) : argument")
    own = (*when, conditions) if conditions else when
    return Directive(name, argument, line, own, options, file)


def _options(text: str, at: int, conditions: dict[str, str], options: dict[str, Any]) -> int:
    """Read what stands in parentheses; return the position behind it."""
    while True:
        match = _KEY.match(text, at)
        key = match[1] if match else ""
        at = match.end() if match else at
        value: str | bool = True
        if text.startswith("=", at):
            value, at = _value(text, at + 1)
        stop = text[at : at + 1]
        if stop not in (",", ")") or not stop:
            raise SpecError(f"no closing parenthesis in {text!r}", hint="(option, option=value)")
        if key:
            _put(key, value, conditions, options)
        elif value is not True:
            raise SpecError(f"an option without a name in {text!r}")
        at += 1
        if stop == ")":
            return at


def _put(key: str, value: str | bool, conditions: dict[str, str], options: dict[str, Any]) -> None:
    condition = CONDITIONS.get(key)
    if condition is None:
        if key in options:
            raise SpecError(f"the option {key} is given twice")
        options[key] = value
        return
    if isinstance(value, bool):
        raise SpecError(f"the option {key} wants an expression", hint=f"write {key}=…")
    if condition in conditions:
        raise SpecError(f"the option {key} is given twice", hint="join conditions with 'and'")
    conditions[condition] = value


def _value(text: str, at: int) -> tuple[str, int]:
    """The raw value up to a comma or the closing parenthesis; quotes and parentheses protect."""
    begin, depth = at, 0
    while at < len(text):
        char = text[at]
        if char in "\"'" and not text[at - 1].isalnum():
            end = text.find(char, at + 1)
            at = end if end > 0 else at
        elif char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif (char == "," and not depth) or char == ")":
            break
        at += 1
    return unquoted(text[begin:at].strip()), at


def unquoted(text: str) -> str:
    """`text` without the quotes around all of it."""
    match = _QUOTED.fullmatch(text)
    return text if match is None else match[1] if match[1] is not None else match[2]


def words(text: str) -> list[str]:
    """Words separated by blanks; a word in quotes may contain some."""
    return [unquoted(word) for word in _WORD.findall(text)]


def rows(text: str) -> list[list[Cell]]:
    """Rows separated by blanks, their cells by commas; blanks beside a comma do not count.

    Quotes protect blanks and commas. SpecError for an empty cell and a quote without end.
    """
    table: list[list[Cell]] = []
    at, comma = 0, False
    while True:
        while text[at : at + 1].isspace():
            at += 1
        if at >= len(text):
            break
        if text[at] == ",":
            if comma or not table:
                raise SpecError(f"an empty value in {text!r}", hint="write '' for an empty text")
            comma = True
            at += 1
            continue
        match = _CELL.match(text, at)
        if match is None or text[match.end() : match.end() + 1] in ("'", '"'):
            raise SpecError(f"a quote without end in {text!r}")
        cell = Cell(match[0], _QUOTED.sub(lambda m: m[1] if m[1] is not None else m[2], match[0]))
        if comma:
            table[-1].append(cell)
        else:
            table.append([cell])
        at, comma = match.end(), False
    if comma:
        raise SpecError(f"an empty value in {text!r}", hint="write '' for an empty text")
    return table
