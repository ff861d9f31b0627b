"""CMake's regular expressions, for Python's `re`.

CMake has an engine of its own: a backslash takes any character as it is, and none of them has a
meaning between brackets; braces are characters; what may be repeated is checked. Which texts match
is the same otherwise, as there are no references back. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_KINDS: Final = ("PASS", "FAIL", "SKIP")


class BadExpressionError(ValueError):
    """CMake cannot compile it; the text says why."""


def fault(properties: Mapping[str, Any]) -> str | None:
    """What is wrong with the first of a test's expressions that CMake cannot compile."""
    found = {key: properties.get(key) or () for key in map("{}_REGULAR_EXPRESSION".format, _KINDS)}
    match = properties.get("TIMEOUT_AFTER_MATCH")
    if match:
        found["TIMEOUT_AFTER_MATCH"] = match["regex"]
    for key, texts in found.items():
        for text in texts:
            try:
                translated(text)
            except BadExpressionError as e:
                return f"its {key} {text!r} cannot be compiled: {e}"
    return None


@lru_cache(maxsize=1024)
def translated(text: str) -> str:
    """The same expression for Python, without groups to ask for; BadExpressionError."""
    return _Translation(text).done()


class _Translation:
    """Goes through an expression once. A piece or branch is `wide` if it cannot match nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        # of the groups around: are all branches so far wide, is the one that goes on?
        self.around: list[tuple[bool, bool]] = []
        self.all_wide, self.wide = True, False
        # the last piece: None if there is none to repeat, else whether it is wide
        self.last: bool | None = None
        self.repeated = False

    def done(self) -> str:
        """The translation."""
        while self.at < len(self.text):
            sign = self.text[self.at]
            self.at += 1
            if sign in "*+?":
                self._repeat(sign)
            else:
                self.wide |= bool(self.last)
                self.last, self.repeated = None, False
                self._piece(sign)
        if self.around:
            raise BadExpressionError("unmatched ()")
        return "".join(self.out)

    def _piece(self, sign: str) -> None:
        if sign == "(":
            self.around.append((self.all_wide, self.wide))
            self.all_wide, self.wide = True, False
            self.out.append("(?:")
        elif sign == "|":
            self.all_wide, self.wide = self.all_wide and self.wide, False
            self.out.append(sign)
        elif sign == ")":
            if not self.around:
                raise BadExpressionError("unmatched ()")
            self.last = self.all_wide and self.wide
            self.all_wide, self.wide = self.around.pop()
            self.out.append(sign)
        else:
            self.last = sign not in "^$"
            self.out.append(self._atom(sign))

    def _atom(self, sign: str) -> str:
        if sign in "^$.":
            return sign
        if sign == "[":
            return self._set()
        if sign == "\\":
            if self.at == len(self.text):
                raise BadExpressionError("trailing backslash")
            sign = self.text[self.at]
            self.at += 1
        return re.escape(sign)

    def _repeat(self, sign: str) -> None:
        if self.repeated:
            raise BadExpressionError("nested *?+")
        if self.last is None:
            raise BadExpressionError("?+* follows nothing")
        if not self.last and sign != "?":
            raise BadExpressionError("*+ operand could be empty")
        if self.out[-1] in ("^", "$"):
            self.out.pop()  # it holds there or not: no matter
        else:
            self.out.append(sign)
        self.last, self.repeated = sign == "+", True

    def _set(self) -> str:
        """What stands between brackets: `]` and `-` are characters at its beginning."""
        text, at = self.text, self.at
        head = "["
        if text[at : at + 1] == "^":
            head, at = "[^", at + 1
        first = at
        parts = []
        while text[at : at + 1] not in ("", "]") or (at == first and text[at:]):
            if text[at] == "-" and at > first and text[at + 1 : at + 2] not in ("", "]"):
                low, high = ord(text[at - 1]) + 1, ord(text[at + 1])
                if low > high + 1:
                    raise BadExpressionError("invalid range in []")
                if low <= high:
                    parts.append(f"{re.escape(chr(low))}-{re.escape(chr(high))}")
                at += 2
            else:
                parts.append(re.escape(text[at]))
                at += 1
        if at == len(text):
            raise BadExpressionError("unmatched []")
        self.at = at + 1
        return f"{head}{''.join(parts)}]"
