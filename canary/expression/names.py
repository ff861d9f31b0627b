"""Boolean expressions over names: `-k`, most of `when`, and the condition on a dependency's result.

A name is matched exactly or as an fnmatch pattern. Which names there are (keywords, options,
platforms) is the caller's affair; only those of results are known here, so that a misspelt one is
an error and not a job that stays blocked for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from typing import Final, NamedTuple

from canary.expression.grammar import QUOTED, Node, Parser, Token, error, never, tokenize
from canary.status import Category, Outcome

_TOKENS: Final = rf"\s+|(?P<op>[()])|{QUOTED}|(?P<word>[\w:+\-.\[\]\\/*?]+)"
_HINTS: Final[Mapping[str, str]] = {
    "=": "-p and parameters= select by parameter; quote a name that contains '='",
    ",": "join names with 'and' or 'or'",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
}


class _Ident(NamedTuple):
    text: str
    key: str
    glob: Callable[[str], object] | None


_Test = Callable[[_Ident], bool]


def _ident(text: str, ignore_case: bool) -> _Ident:
    key = text.lower() if ignore_case else text
    magic = any(c in key for c in "*?[")
    return _Ident(text, key, re.compile(translate(key)).match if magic else None)


def _holds(root: Node[_Test], pool: Collection[str]) -> bool:
    """Does an expression hold where these names are?"""
    return bool(root(lambda i: i.key in pool or (i.glob is not None and any(map(i.glob, pool)))))


class _NameParser(Parser[_Test]):
    def __init__(self, text: str, ignore_case: bool) -> None:
        super().__init__(text, tokenize(text, _TOKENS, hints=_HINTS))
        self.ignore_case = ignore_case

    def operand(self) -> Node[_Test]:
        if self.take("("):
            return self.group()
        token = self.take("word", "text")
        if token is None:
            self.expected("a name, 'not' or '('")
        ident = self.ident(token)
        return lambda test: test(ident)

    def ident(self, token: Token) -> _Ident:
        return _ident(token.text, self.ignore_case)


@dataclass(frozen=True, slots=True)
class NameExpression:
    """A compiled expression over names."""

    text: str
    ignore_case: bool
    _root: Node[_Test] = field(repr=False, compare=False)

    def matches(self, names: Iterable[str]) -> bool:
        """Does it hold where exactly these names are?"""
        return _holds(self._root, [n.lower() for n in names] if self.ignore_case else list(names))

    def evaluate(self, match: Callable[[str], bool]) -> bool:
        """Does it hold when `match` decides about each name, given as it is written?"""
        return bool(self._root(lambda i: match(i.text)))

    def names(self) -> list[str]:
        """The names it asks for, as they are written."""
        return [t.text for t in tokenize(self.text, _TOKENS) if t.kind in ("word", "text")]


@lru_cache(maxsize=4096)
def compile_names(text: str, *, ignore_case: bool) -> NameExpression:
    r"""Compile `and`, `or`, `not`, parentheses and names; an empty text never holds.

    A name is made of word characters and `: + - . [ ] \ / * ?`, or is anything in quotes.
    ExpressionError with the column if the text is malformed.
    """
    root = _NameParser(text, ignore_case).parse() if text.strip() else never
    return NameExpression(text, ignore_case, root)


_CATEGORIES: Final = tuple(c.name.lower() for c in Category if c is not Category.NONE)
_OUTCOMES: Final = tuple(outcome.name.lower() for outcome in Outcome)
_RESULTS: Final = frozenset((*_CATEGORIES, *_OUTCOMES))
_ANY_END: Final[Mapping[str, str]] = {"always": "*", "if_run": "*"}
_WORDS: Final[Mapping[str, str]] = {**_ANY_END, "on_success": "pass", "on_failure": "fail"}


class _ConditionParser(_NameParser):
    def ident(self, token: Token) -> _Ident:
        name = token.text.lower()
        ident = _ident(_WORDS.get(name, name), True)
        if not (any(map(ident.glob, _RESULTS)) if ident.glob else ident.key in _RESULTS):
            valid = ", ".join((*_WORDS, *_CATEGORIES, *_OUTCOMES))
            hint = f"results are {valid}"
            raise error(f"{token.text[:40]!r} is no result", self.text, token.column, hint)
        return ident


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition on the result of a dependency."""

    text: str
    _root: Node[_Test] = field(repr=False, compare=False)

    def holds(self, category: str, outcome: str) -> bool:
        """Does it hold for a job that is done with this category and outcome, in any case?"""
        return _holds(self._root, (category.lower(), outcome.lower()))


@lru_cache(maxsize=1024)
def compile_condition(text: str | None) -> Condition:
    """Compile the `when` of a dependency.

    None, an empty text, `*` and `always` hold for any end; so does `if_run`, and a job that is not
    run then keeps nobody from running. `on_success` holds for category PASS, `on_failure` for FAIL;
    otherwise an expression over these words and the names of categories and outcomes, in any case.
    ExpressionError listing the valid names for one that is none.
    """
    text = (text or "").strip() or "always"
    return Condition(text, _ConditionParser(text, True).parse())
