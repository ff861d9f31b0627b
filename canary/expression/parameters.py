"""Expressions over the parameters of a job: `-p` and `parameters=` of `when`.

Python's comparisons and arithmetic with tweaks for the command line: `=` compares, `name=*` and
`!name` ask whether there is such a parameter, `mesh=fine` needs no quotes. A job that lacks a
parameter, or has one of another type, is not an error but does not match. Numbers are bounded, so
that `9**9**9` is harmless.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from canary.expression.grammar import BOOLEAN, QUOTED, Node, Parser, Token, error, never, tokenize

MAX_BITS: Final = 4096  # of an integer that a product or power may come to
MAX_DIGITS: Final = 400  # of a number as written

Params = Mapping[str, object]
Operation = Callable[[Any, Any], object]  # raises TypeError for what it cannot do

_NUMBER: Final = (
    r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+"
    r"|(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
# a number that runs on into letters is a text (2D, 1.2.3), unless they are `and` or `or`
_TOKENS: Final = (
    rf"\s+|(?P<number>(?:{_NUMBER})(?:(?![\w.])|(?=(?:and|or)\b)))"
    r"|(?P<run>\.?[0-9][0-9.]*[eE][+-][\w.]+|\.?[0-9][\w.]*)"
    rf"|(?P<word>[^\W\d][\w.]*)|{QUOTED}|(?P<op>[=!<>]=|\*\*|//|[=<>+\-*/%()\[\],!])"
)
_KEYWORDS: Final = BOOLEAN | {"in", "is"}
_HINTS: Final[Mapping[str, str]] = {"&": "write 'and'", "|": "write 'or'", ";": "write 'and'"}
_CONSTANTS: Final[Mapping[str, object]] = {"True": True, "False": False, "None": None}

# What a bare word stands for, by what comes before it
_NAME: Final = "name"  # a parameter; a job that lacks it does not match
_TEXT: Final = "text"  # itself: after = == != and among the values of `in`
_EITHER: Final = "either"  # the parameter if the job has it, else itself: after any other operator


class _Term(NamedTuple):
    run: Node[Params]
    name: str | None = None  # of a lone parameter
    spelt: str | None = None  # of a number or True, False, None as written: equals such a text, too
    word: Token | None = None  # a bare word that stands for itself


def _checked(function: Callable[[float, float], object]) -> Operation:
    def operation(a: object, b: object) -> object:
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return function(a, b)
        raise TypeError("not numbers")

    return operation


def _plus(a: object, b: object) -> object:
    return a + b if isinstance(a, str) and isinstance(b, str) else _ADD(a, b)


def _bits(number: float) -> int:
    """Of an integer; a float has room of its own, and overflows by itself."""
    return number.bit_length() if isinstance(number, int) else 0


def _times(a: float, b: float) -> object:
    if _bits(a) + _bits(b) > MAX_BITS:
        raise OverflowError
    return a * b


def _power(a: float, b: float) -> object:
    if isinstance(b, int) and abs(a) > 1 and _bits(a) * abs(b) > MAX_BITS:
        raise OverflowError
    result: object = a**b
    if isinstance(result, complex):
        raise ValueError("not a real number")
    return result


_ADD: Final = _checked(operator.add)
_POWER: Final = _checked(_power)
_SUMS: Final[Mapping[str, Operation]] = {"+": _plus, "-": _checked(operator.sub)}
_PRODUCTS: Final[Mapping[str, Operation]] = {
    "*": _checked(_times),
    "/": _checked(operator.truediv),
    "//": _checked(operator.floordiv),
    "%": _checked(operator.mod),
}


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


_COMPARISONS: Final[Mapping[str, Operation]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": _same,
    "is not": lambda a, b: not _same(a, b),
    "in": lambda a, b: operator.contains(b, a),
    "not in": lambda a, b: not operator.contains(b, a),
}


class _ParameterParser(Parser[Params]):
    def __init__(self, text: str) -> None:
        super().__init__(text, tokenize(text, _TOKENS, keywords=_KEYWORDS, hints=_HINTS))
        self.role = _NAME  # of the first word of the next operand

    def operand(self) -> Node[Params]:
        role, self.role = self.role, _NAME
        if self.take("!"):
            return self.absent()
        first = left = self.arithmetic(role)
        links: list[tuple[Operation, Node[Params]]] = []
        while (op := self.comparison()) is not None:
            if op in ("=", "==") and self.kind == "*":
                if not links and first.name is not None:
                    return self.present(first.name)
                self.expected("a value", "NAME=* asks whether there is a parameter NAME")
            right = self.collection() if op in ("in", "not in") else None
            if right is None:
                right = self.arithmetic(_TEXT if op in ("=", "==", "!=") else _EITHER)
            links.append((_comparison(op, left, right), right.run))
            left = right
        return _chain(first.run, tuple(links)) if links else first.run

    def comparison(self) -> str | None:
        if self.kind == "not" and self.tokens[self.position + 1].kind == "in":
            self.position += 2
            return "not in"
        token = self.take(*_COMPARISONS)
        if token is None:
            return None
        return "is not" if token.kind == "is" and self.take("not") else token.kind

    def absent(self) -> Node[Params]:
        token = self.take("word")
        if token is None:
            self.expected("the name of a parameter after '!'", "'not' negates an expression")
        if self.kind in _COMPARISONS:
            self.expected("nothing more after '!name'", "write name != value")
        name = token.text
        return lambda params: name not in params

    def present(self, name: str) -> Node[Params]:
        self.take("*")
        if self.kind not in ("end", "and", "or", ")"):
            self.expected("'and', 'or' or the end after '=*'", "a text with '*' in it needs quotes")
        return lambda params: bool(params.get(name))

    def collection(self) -> _Term | None:
        """The values of `in`: a list in parentheses or brackets; None if something else follows."""
        opening = self.take("(", "[")
        if opening is None:
            return None
        closing = ")" if opening.kind == "(" else "]"
        terms: list[_Term] = []
        while not self.take(closing):
            terms.append(self.arithmetic(_TEXT))
            if not self.take(",") and self.kind != closing:
                self.expected(f"',' or {closing!r}")
        runs = tuple(term.run for term in terms)
        spelt = tuple(term.spelt for term in terms if term.spelt is not None)
        return _Term(lambda params: (*[run(params) for run in runs], *spelt))

    def arithmetic(self, role: str) -> _Term:
        return self.chain(_SUMS, self.product, role)

    def product(self, role: str) -> _Term:
        return self.chain(_PRODUCTS, self.power, role)

    def chain(
        self, operations: Mapping[str, Operation], below: Callable[[str], _Term], role: str
    ) -> _Term:
        """Operands of one precedence, from left to right."""
        first = below(role)
        rest: list[tuple[Operation, Node[Params]]] = []
        while (token := self.take(*operations)) is not None:
            self.refuse_word(first)
            rest.append((operations[token.kind], below(_EITHER).run))
        return _Term(_calculation(first.run, tuple(rest))) if rest else first

    def power(self, role: str) -> _Term:
        """A value with signs, and powers of it, which bind from the right and before signs."""
        parts: list[tuple[bool, _Term]] = []
        signs = 0
        while True:
            negative = False
            while (sign := self.take("+", "-")) is not None:
                negative ^= sign.kind == "-"
                signs += 1
                role = _EITHER
            parts.append((negative, self.value(role)))
            if not self.take("**"):
                break
            self.refuse_word(parts[0][1])
            role = _EITHER
        term = parts[0][1]
        if len(parts) == 1 and not signs:
            return term
        run = _signed_power(tuple((negative, part.run) for negative, part in parts))
        if len(parts) == 1 and term.spelt not in (None, "None"):
            return _Term(run, spelt=f"-{term.spelt}" if parts[0][0] else term.spelt)
        return _Term(run)

    def value(self, role: str) -> _Term:
        if (token := self.take("number")) is not None:
            return self.number(token)
        if (token := self.take("text", "run")) is not None:
            return _constant(token.text)
        if (token := self.take("word")) is not None:
            name = token.text
            if name in _CONSTANTS:
                return _constant(_CONSTANTS[name], name)
            if role == _TEXT:
                return _constant(name)._replace(word=token)
            if role == _EITHER:
                return _Term(lambda params: params.get(name, name))
            return _Term(operator.itemgetter(name), name=name)
        if self.take("("):
            self.role = _NAME if role == _NAME else _EITHER
            return _Term(self.group())
        hint = "use == to compare" if self.kind in ("=", "==") else None
        self.expected("a name, a number, a text or '('", hint)

    def number(self, token: Token) -> _Term:
        text = token.text
        if len(text) > MAX_DIGITS:
            raise error(f"a number of more than {MAX_DIGITS} digits", self.text, token.column)
        plain = text.replace("_", "")
        if plain[:2].lower() in ("0x", "0o", "0b"):
            return _constant(int(plain, 0), text)
        return _constant(int(plain) if plain.isdigit() else float(plain), text)

    def refuse_word(self, term: _Term) -> None:
        if term.word is not None:
            problem = f"{term.word.text[:40]!r} is a text here and cannot be calculated with"
            hint = (
                "quote a text that contains an operator; write a calculation on the left: m+1 = n"
            )
            raise error(problem, self.text, term.word.column, hint)


def _constant(value: object, spelt: str | None = None) -> _Term:
    return _Term(lambda _: value, spelt=spelt)


def _comparison(op: str, left: _Term, right: _Term) -> Operation:
    """The function of a comparison; a constant equals a text parameter that is spelt as it is."""
    compare = _COMPARISONS[op]
    spelt = right.spelt if right.spelt is not None else left.spelt
    if spelt is None or op not in ("=", "==", "!="):
        return compare
    if op == "!=":
        return lambda a, b: a != b and spelt not in (a, b)
    return lambda a, b: a == b or spelt in (a, b)


def _chain(first: Node[Params], links: tuple[tuple[Operation, Node[Params]], ...]) -> Node[Params]:
    def run(params: Params) -> object:
        left = first(params)
        for compare, node in links:
            right = node(params)
            if not compare(left, right):
                return False
            left = right
        return True

    return run


def _calculation(
    first: Node[Params], rest: tuple[tuple[Operation, Node[Params]], ...]
) -> Node[Params]:
    def run(params: Params) -> object:
        result = first(params)
        for operation, node in rest:
            result = operation(result, node(params))
        return result

    return run


def _signed(negative: bool, value: object) -> object:
    return _SUMS["-"](0, value) if negative else value


def _signed_power(parts: tuple[tuple[bool, Node[Params]], ...]) -> Node[Params]:
    bases = parts[-2::-1]
    sign, last = parts[-1]

    def run(params: Params) -> object:
        result = _signed(sign, last(params))
        for negative, node in bases:
            result = _signed(negative, _POWER(node(params), result))
        return result

    return run


@dataclass(frozen=True, slots=True)
class ParameterExpression:
    """A compiled expression over parameters."""

    text: str
    _root: Node[Params] = field(repr=False, compare=False)

    def matches(self, params: Params) -> bool:
        """Does it hold for these parameters?

        Evaluated from left to right as far as needed; an unknown name or values that cannot be
        compared or calculated with make the whole expression false, a `not` before it or not.
        """
        try:
            return bool(self._root(params))
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return False


@lru_cache(maxsize=4096)
def compile_parameters(text: str) -> ParameterExpression:
    """Compile a parameter expression; an empty text never holds.

    ExpressionError with the column if the text is malformed.
    """
    return ParameterExpression(text, _ParameterParser(text).parse() if text.strip() else never)
