"""`when`: the conditions of a directive in a test file, and parameters put into texts.

A `When` is plain text, so it can be stored with the directive that carries it; its parts are
compiled (and kept) when they are asked. Where the names of platforms, options and parameters come
from is the caller's affair, except `platform_names`, which reads an environment that is handed in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final, TypeVar

from canary.errors import CanaryError, ExpressionError
from canary.expression.grammar import QUOTED, error, tokenize
from canary.expression.names import compile_names
from canary.expression.parameters import compile_parameters

T = TypeVar("T")

# in order of evaluation
_FIELDS: Final = ("platforms", "testname", "options", "keywords", "parameters")
_ALIASES: Final[Mapping[str, str]] = {
    **{name: name for name in _FIELDS},
    "platform": "platforms",
    "name": "testname",
    "option": "options",
    "parameter": "parameters",
}
_TOKENS: Final = rf"\s+|(?P<word>[^\W\d]\w*)|{QUOTED}|(?P<op>=)"
_HINT: Final = (
    "write name=value name='an expression' with the names platforms, testname, options, parameters"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it holds, and if not, why; true or false itself."""

    ok: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.ok


_OK: Final = Verdict(True)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Conditions that must all hold; None is no condition, `enabled=False` never holds."""

    platforms: str | None = None
    testname: str | None = None
    options: str | None = None
    keywords: str | None = None
    parameters: str | None = None
    enabled: bool = True

    @property
    def templated(self) -> bool:
        """Is there anything to substitute?"""
        return any(is_template(text) for _, text in self.texts())

    def texts(self) -> list[tuple[str, str]]:
        """The given conditions as (field, text), in the order of evaluation."""
        pairs = [(name, getattr(self, name)) for name in _FIELDS]
        return [(name, text) for name, text in pairs if text is not None]

    def substituted(self, names: Mapping[str, str]) -> When:
        """The same with `substitute` applied to each text; ExpressionError if one is wrong."""
        changed = {
            name: located(f"when {name}", lambda text: substitute(text, names), text)
            for name, text in self.texts()
            if is_template(text)
        }
        return replace(self, **changed) if changed else self  # type: ignore[arg-type]  # fields of text only

    def evaluate(
        self,
        *,
        platforms: Collection[str],
        testname: str | None,
        options: Iterable[str],
        keywords: Iterable[str],
        parameters: Mapping[str, object] | None,
    ) -> Verdict:
        """Ask the conditions in order; the first that fails gives the reason.

        Without `testname` or `parameters` (None) a condition on them is false. With `any` among the
        platforms each name of a platform is true. Texts are taken as they are: see `substituted`.
        """
        if not self.enabled:
            return Verdict(False, "when=False")
        pools = {"platforms": platforms, "options": options, "keywords": keywords}
        for name, text in self.texts():
            if name == "parameters":
                ok = parameters is not None and compile_parameters(text).matches(parameters)
            elif name == "testname":
                expression = compile_names(text, ignore_case=False)
                ok = testname is not None and expression.matches([testname])
            elif name == "platforms" and "any" in platforms:
                ok = compile_names(text, ignore_case=True).evaluate(lambda _: True)
            else:
                ok = compile_names(text, ignore_case=name != "options").matches(pools[name])
            if not ok:
                return Verdict(False, f"{name}={text!r} does not hold")
        return _OK

    def check(self) -> None:
        """Compile what needs no substitution; ExpressionError naming the condition."""
        for name, text in self.texts():
            if not is_template(text):
                names = partial(compile_names, ignore_case=True)
                compiled = compile_parameters if name == "parameters" else names
                located(f"when {name}", compiled, text)


def parse_when(arg: str | bool | Mapping[str, str] | None) -> When | None:
    """Read a `when` argument; None if it sets no condition (None, True, an empty text or mapping).

    A mapping has the keys `platforms testname options keywords parameters`. A text is `name=value
    ...` with a bare identifier or a quoted text as value; there `platform name option parameter`
    are understood, too. ExpressionError for an unknown or repeated name, a value that is not a
    text, and an expression that is malformed.
    """
    if arg is None or arg is True:
        return None
    if arg is False:
        return When(enabled=False)
    if isinstance(arg, str):
        return _parse_text(arg)
    if not isinstance(arg, Mapping):
        raise _wrong(f"expected a text or a mapping, got {type(arg).__name__}")
    for name, text in arg.items():
        if name not in _FIELDS:
            raise _wrong(f"got an unexpected keyword argument {name!r}")
        if not isinstance(text, str):
            raise _wrong(f"{name} is to be a text, got {type(text).__name__}")
    return _made(arg)


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> When | None:
    tokens = iter(tokenize(text, _TOKENS, keywords=frozenset()))
    found: dict[str, str] = {}
    while (name := next(tokens)).kind != "end":
        equal = next(tokens) if name.kind == "word" else name
        if name.kind != "word" or equal.kind != "=":
            raise error("when: expected name=value", text, equal.column, _HINT)
        if name.text not in _ALIASES:
            raise _wrong(f"got an unexpected keyword argument {name.text!r}", name.column)
        value = next(tokens)
        if value.kind not in ("word", "text"):
            raise error("when: expected a value", text, value.column, _HINT)
        if _ALIASES[name.text] in found:
            problem = f"when: {name.text} is given twice"
            raise error(problem, text, name.column, "join them with 'and'")
        found[_ALIASES[name.text]] = value.text
    return _made(found)


def _wrong(problem: str, column: int | None = None) -> ExpressionError:
    return ExpressionError(f"when: {problem}", hint=_HINT, column=column)


def _made(texts: Mapping[str, str]) -> When | None:
    if not texts:
        return None
    when = When(**texts)  # type: ignore[arg-type]  # _FIELDS are all texts
    when.check()
    return when


def located(key: str, function: Callable[[str], T], text: str) -> T:
    """What a function makes of a text; its errors are those of `key`."""
    try:
        return function(text)
    except CanaryError as e:
        raise e.located(key=key) from None


def platform_names(environ: Mapping[str, str]) -> frozenset[str]:
    """Names of this platform: `sys.platform`, SNLSYSTEM, SNLCLUSTER, SNLOS, CANARY_PLATFORM."""
    given = [environ.get(name, "") for name in ("SNLSYSTEM", "SNLCLUSTER", "SNLOS")]
    given += environ.get("CANARY_PLATFORM", "").split(",")
    return frozenset((sys.platform, *(name.strip() for name in given if name.strip())))


def is_template(text: str) -> bool:
    """Could `substitute` change this text, or refuse it?"""
    return "$" in text or "{" in text or "}" in text


# {name}, {name:>4}, or a doubled brace; anything else with a brace is an error
_BRACES: Final = r"\{\{|\}\}|\{([^{}]*)\}|[{}]"
_FORMAT: Final = r"(?:.?[<>^])?[0-9]{0,3}(?:\.[0-9]{1,3})?s?"
# $name or ${name}, or a doubled dollar
_DOLLARS: Final = r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([^{}]*)\})"


def substitute(text: str, names: Mapping[str, str]) -> str:
    """Put values in the place of names.

    A text with a `$` has `$name`, `${name}` and `$$`, as in `string.Template`; unknown names are
    left alone. Any other has fields `{name}`, at most with a width (`{name:0>4}`), and doubled
    braces for single ones; an unknown name, access to attributes or items and a stray brace are an
    ExpressionError naming the text.
    """
    if "$" in text:
        return re.sub(_DOLLARS, lambda m: m[1] or names.get(m[2] or m[3], m[0]), text)

    def replacement(match: re.Match[str]) -> str:
        field, column = match[1], match.start() + 1
        if field is None:
            if len(match[0]) == 2:
                return match[0][0]
            hint = "double a brace that stands for itself: {{ or }}"
            raise error(f"a stray {match[0]!r}", text, column, hint)
        if field in names:
            return names[field]
        name, _, spec = field.partition(":")
        if name in names and re.fullmatch(_FORMAT, spec, re.DOTALL):
            return format(names[name], spec)
        if name not in names and any(c in name for c in ".[!"):
            raise error(f"{{{field[:40]}}} is more than a name", text, column, "write {name} only")
        if name in names:
            raise error(f"{{{field[:40]}}} has a format that is not for a text", text, column)
        known = ", ".join(sorted(names)) or "none"
        hint = f"known names: {known}; double a brace that stands for itself"
        raise error(f"unknown name {name[:40]!r}", text, column, hint)

    return re.sub(_BRACES, replacement, text)
