"""`--where`: one predicate on a record, `key.path OP value`.

Made for what `canary query` prints: nested mappings and lists of plain values, of which nothing
else is known here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from canary.expression.grammar import error

_KEY: Final = r"\s*([^\s=!<>'\"]+)\s*"
_PREDICATE: Final = rf"{_KEY}(==|!=|>=|<=|>|<)\s*(.*)"
_SECOND: Final = r"\s(and|or)\s+[^\s=!<>]+\s*(?:[=!<>]=|[<>])"
_QUOTED: Final = r"'[^']*'|\"[^\"]*\""
_NUMBER: Final = r"[+-]?(?:[0-9]{1,300}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_CONSTANTS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None, "none": None}
_HINT: Final = (
    "write key.path OP value with OP one of == != > < >= <=, as in status.outcome==FAILED"
)
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Where:
    """A compiled predicate: `value` is a text, `constant` what it is as a number, bool or null."""

    text: str
    path: tuple[str, ...]
    op: str
    value: str
    constant: object

    def matches(self, record: object) -> bool:
        """Does it hold for this record?

        A text is compared as text, a number with a number; a list equals a value that it contains.
        What is absent equals nothing and is not ordered.
        """
        found = _find(record, self.path)
        if self.op == "==":
            return self.equals(found)
        if self.op == "!=":
            return not self.equals(found)
        if isinstance(found, str):
            return _ORDER[self.op](found, self.value)
        if _is_number(found) and _is_number(self.constant):
            return _ORDER[self.op](found, self.constant)
        return False

    def equals(self, found: object) -> bool:
        """Is what was found the value?"""
        if isinstance(found, str):
            return found == self.value
        if isinstance(found, (list, tuple)):
            return any(self.equals(item) for item in found if not isinstance(item, (list, tuple)))
        if found is None or isinstance(found, bool):
            return self.constant is found
        return _is_number(found) and _is_number(self.constant) and found == self.constant


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _find(record: object, path: tuple[str, ...]) -> object:
    """Follow the path; a key that contains dots is found, too."""
    while path:
        if isinstance(record, Mapping):
            for count in range(len(path), 0, -1):
                key = ".".join(path[:count])
                if key in record:
                    record, path = record[key], path[count:]
                    break
            else:
                return _ABSENT
        elif isinstance(record, (list, tuple)) and path[0].isdecimal() and len(path[0]) < 9:
            index = int(path[0])
            if index >= len(record):
                return _ABSENT
            record, path = record[index], path[1:]
        else:
            return _ABSENT
    return record


@lru_cache(maxsize=256)
def compile_where(text: str) -> Where:
    """Compile `key.path OP value`; ExpressionError if it is anything else.

    The value is the rest of the text; in quotes it is a text and nothing else. `null`, `true` and
    `false` are meant where the record has null or a bool.
    """
    match = re.fullmatch(_PREDICATE, text, re.DOTALL)
    if match is None:
        key = re.match(_KEY, text)
        fault = key.end() + 1 if key else 1
        raise error(f"expected {'an operator' if key else 'key.path OP value'}", text, fault, _HINT)
    path, op, value = match[1], match[2], match[3].rstrip()
    if re.fullmatch(_QUOTED, value):
        return Where(text, tuple(path.split(".")), op, value[1:-1], _ABSENT)
    if not value:
        raise error("expected a value", text, match.end(2) + 1, "'' is the empty text")
    if second := re.search(_SECOND, value):
        hint = "there can be one predicate only; quote a value that looks like two"
        raise error(f"unexpected {second[1]!r}", text, match.start(3) + second.start(1) + 1, hint)
    constant: object = _CONSTANTS.get(value.lower(), _ABSENT)
    if re.fullmatch(_NUMBER, value):
        constant = float(value) if any(c in value for c in ".eE") else int(value)
    return Where(text, tuple(path.split(".")), op, value, constant)
