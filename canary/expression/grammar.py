"""What the languages share: tokens with columns, a parser for `or`, `and`, `not`, parentheses.

A language brings the pattern of its tokens and says what an operand is. The parser builds closures
over a context `C` that it never looks at. It must not know any of the languages.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, NoReturn, TypeVar

from canary.errors import ExpressionError

MAX_DEPTH: Final = 50  # parentheses within each other; each costs a handful of Python frames
BOOLEAN: Final = frozenset({"and", "or", "not"})
# a quoted text, for the token pattern of a language
QUOTED: Final = r"(?P<text>'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"

C = TypeVar("C")
Node = Callable[[C], object]

_ESCAPE: Final = r"\\([\\'\"])"
_NO_HINTS: Final[Mapping[str, str]] = {}


class Token(NamedTuple):
    """A piece of text: `kind` is `text` (quoted), `end`, an operator, or a group of the pattern."""

    kind: str
    text: str
    column: int


def error(problem: str, text: str, column: int, hint: str | None = None) -> ExpressionError:
    """An error at the 1-based `column` of `text`, of which a long one is shown in part."""
    begin = max(0, column - 30) if len(text) > 60 else 0
    shown = ("..." if begin else "") + text[begin : begin + 60]
    if begin + 60 < len(text):
        shown += "..."
    return ExpressionError(f"{problem} in {shown!r}", hint=hint, column=column)


def tokenize(
    text: str,
    pattern: str,
    *,
    keywords: frozenset[str] = BOOLEAN,
    hints: Mapping[str, str] = _NO_HINTS,
) -> list[Token]:
    """Cut `text` into tokens, the last being `end`.

    A group `op` and any of the `keywords` become their own kind; a match without a group is left
    out. What the pattern does not know is an error with its hint.
    """
    matcher = re.compile(pattern, re.DOTALL).match  # here, not at import: it takes a millisecond
    tokens, position = [], 0
    while position < len(text):
        match = matcher(text, position)
        if match is None:
            char = text[position]
            problem = "unclosed quote" if char in "'\"" else f"unexpected character {char!r}"
            raise error(problem, text, position + 1, hints.get(char))
        kind, value = match.lastgroup, match.group()
        if kind == "text":
            width = 3 if len(value) >= 6 and value[:3] in ("'''", '"""') else 1
            tokens.append(Token(kind, re.sub(_ESCAPE, r"\1", value[width:-width]), position + 1))
        elif kind is not None:
            own = kind == "op" or value in keywords
            tokens.append(Token(value if own else kind, value, position + 1))
        position = match.end()
    tokens.append(Token("end", "", len(text) + 1))
    return tokens


class Parser(abc.ABC, Generic[C]):
    """A cursor over tokens that reads a boolean expression; subclasses define `operand`.

    Nothing recurses except parentheses, so a long text is no danger and a deep one is an error.
    """

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        """The kind of the token that comes next."""
        return self.tokens[self.position].kind

    def take(self, *kinds: str) -> Token | None:
        """The next token if it is of one of these kinds; it is then behind us."""
        token = self.tokens[self.position]
        if token.kind not in kinds:
            return None
        self.position += 1
        return token

    def expected(self, what: str, hint: str | None = None) -> NoReturn:
        """Refuse the next token."""
        token = self.tokens[self.position]
        got = "the end" if token.kind == "end" else repr(token.text[:40])
        raise error(f"expected {what}, got {got}", self.text, token.column, hint)

    def parse(self) -> Node[C]:
        """Read the whole text."""
        node = self.disjunction()
        if self.kind != "end":
            hint = None if self.kind == ")" else "'and' and 'or', in lower case, join conditions"
            self.expected("'and', 'or' or the end", hint)
        return node

    def disjunction(self) -> Node[C]:
        """One or more conjunctions joined by `or`; a single one is left as it is."""
        parts = [self.conjunction()]
        while self.take("or"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else _any_of(tuple(parts))

    def conjunction(self) -> Node[C]:
        """One or more possibly negated operands joined by `and`."""
        parts = [self.negation()]
        while self.take("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else _all_of(tuple(parts))

    def negation(self) -> Node[C]:
        """An operand after any number of `not`."""
        count = 0
        while self.take("not"):
            count += 1
        node = self.operand()
        if count:
            node = _negated(node)
            if count % 2 == 0:
                node = _negated(node)
        return node

    @abc.abstractmethod
    def operand(self) -> Node[C]:
        """What the language joins."""

    def group(self) -> Node[C]:
        """What follows an opening parenthesis that was taken, up to and with the closing one."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} parentheses within each other"
            raise error(problem, self.text, self.tokens[self.position - 1].column)
        node = self.disjunction()
        if not self.take(")"):
            self.expected("')'")
        self.depth -= 1
        return node


def never(_: object) -> bool:
    """The node of an empty text."""
    return False


def _any_of(parts: tuple[Node[C], ...]) -> Node[C]:
    return lambda context: any(part(context) for part in parts)


def _all_of(parts: tuple[Node[C], ...]) -> Node[C]:
    return lambda context: all(part(context) for part in parts)


def _negated(node: Node[C]) -> Node[C]:
    return lambda context: not node(context)
