"""What each directive means: from directives as written to checked, plain data that can be kept.

Everything that can be said without knowing parameters, options and platform is said here, once;
`canary_vvtest.expand` does the rest for each run. What comes out is

    {"dynamic": bool, WHAT: [(when, place, ...), ...], ...}

with `when` a tuple of conditions (None: always), `place` a line or (line, file), and WHAT one of
the keys below. `dynamic` says that something must be decided for each row of parameters.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from types import CodeType, MappingProxyType
from typing import Any, Final

from canary.clock import parse_duration
from canary.errors import SpecError
from canary.expression import compile_condition, parse_when, platform_names
from canary.expression.when import is_template
from canary.scope import EXPLICIT_ID
from canary_vvtest.grammar import CONDITIONS, Directive, rows, unquoted, words
from canary_vvtest.parameters import generated, written

Data = dict[str, Any]

SAVE_ON: Final = ("always", "never", "success", "failure", "on_success", "on_failure")
_RESULTS: Final[Mapping[str, str]] = MappingProxyType(
    {"pass": "success", "diff": "diffed", "fail": "failed", "skip": "skipped"}
)


def digest(data: Data, directive: Directive, directory: str) -> None:
    """Add a directive of a file in `directory` to `data`; SpecError if it is wrong.

    Whatever the file has that is not in it (a program that makes parameters, an expression over the
    environment) is asked now, and `data["outside"]` then says so.
    """
    handler = _HANDLERS.get(directive.name)
    if handler is None:
        raise _unknown(directive)
    check_options(directive)
    for condition in directive.when:
        parse_when(condition)
    if handler is _parameterize:
        _parameterize(data, directive, directory)
    else:
        handler(data, directive)


def finish(data: Data) -> None:
    """Check what takes all directives to see."""
    if "composite" in data and "parameterize" not in data:
        place = data["composite"][0][1]
        line, file = place if isinstance(place, tuple) else (place, None)
        hint = "it runs after the jobs that parameterize makes"
        raise SpecError("a composite base case needs parameters", hint=hint, file=file, line=line)


def _unknown(directive: Directive) -> SpecError:
    name = directive.name
    near = get_close_matches(name.lower(), _HANDLERS, 1)
    head, _, rest = name.partition("_")
    hint = None
    if rest and head in _HANDLERS and not directive.argument:
        hint = f"write {head} : {rest.replace('_', ' ')}"
    elif near:
        hint = f"did you mean {near[0].replace('depends_on', 'depends on')!r}?"
    return SpecError(f"unknown directive {name!r}", hint=hint)


def check_options(directive: Directive) -> None:
    """Refuse options that would be lost without a word.

    Those of canary's own directives have to be known ones. Elsewhere a strange one is ignored, as
    it always was, unless it is nearly a known one: then it is a slip, and what it was to say lost.
    """
    name = directive.name
    if name == "set_attribute":
        return
    known = _OPTIONS.get(name, ())
    for option in directive.options:
        if option in known:
            continue
        if option == "staged":
            hint = "'depends on' lets one job wait for another"
            raise SpecError("the option staged is not supported", hint=hint)
        near = get_close_matches(option, (*known, *CONDITIONS), 1, 0.8)
        if near or name in _STRICT:
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
            raise SpecError(f"unknown option {option!r}", hint=hint)


_COMPOSITE: Final = ("flag", "script", "requires")
_OPTIONS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "parameterize": ("autotype", "int", "float", "str", "generator"),
        "analyze": _COMPOSITE,
        "aggregate": _COMPOSITE,
        "generate_composite_base_case": _COMPOSITE,
        "skipif": ("reason",),
        "copy": ("rename",),
        "link": ("rename",),
        "sources": ("rename",),
        "depends_on": ("expect", "result"),
        "xfail": ("code",),
        "artifact": ("save_on",),
        "load_module": ("use",),
    }
)
# these refuse any other in canary-wm, too
_STRICT: Final = frozenset(
    ("analyze", "aggregate", "generate_composite_base_case", "xfail", "artifact", "load_module")
)


def _put(
    data: Data, key: str, directive: Directive, *rest: Any, texts: Sequence[str | None] = ()
) -> None:
    """Add an entry; `texts` are those in which names will be replaced."""
    when = directive.when or None
    for condition in directive.when:
        if "parameters" in condition or any(map(is_template, condition.values())):
            data["dynamic"] = True
    if any(text is not None and is_template(text) for text in texts):
        data["dynamic"] = True
    data.setdefault(key, []).append((when, directive.place, *rest))


def _needed(directive: Directive, what: str) -> str:
    """The argument, which must not be empty."""
    text = unquoted(directive.argument)
    if not text:
        raise SpecError(f"{what} is missing", hint=f"{directive.name} : …")
    return text


def _files(directive: Directive, what: str) -> list[str]:
    listed = words(directive.argument)
    if not listed:
        raise SpecError(f"{what} is missing", hint=f"{directive.name} : …")
    return [_file(name) for name in listed]


def _file(name: str) -> str:
    if not name or "\0" in name:
        raise SpecError(f"{name!r} is no name of a file")
    return name


def _testname(data: Data, directive: Directive) -> None:
    # conditions on a name have never counted
    if directive.argument:
        data.setdefault("testname", []).append((directive.place, directive.argument))


def _keywords(data: Data, directive: Directive) -> None:
    if directive.argument:
        _put(data, "keywords", directive, tuple(directive.argument.split()))


def _owner(data: Data, directive: Directive) -> None:
    data["owners"] = (*data.get("owners", ()), _needed(directive, "the owner"))


def _owners(data: Data, directive: Directive) -> None:
    data["owners"] = (*data.get("owners", ()), *directive.argument.split())


def _description(data: Data, directive: Directive) -> None:
    data["description"] = directive.argument


def _parameterize(data: Data, directive: Directive, directory: str = "") -> None:
    if any("parameters" in condition for condition in directive.when):
        raise SpecError(
            "the condition of parameterize cannot ask for parameters", hint="it makes them"
        )
    if "generator" not in directive.options:
        _put(data, "parameterize", directive, *written(directive).data())
        return
    data["outside"] = True
    # on another platform the program need not be there
    platforms = platform_names(os.environ)
    names = [c["platforms"] for c in directive.when if "platforms" in c]
    for text in names:
        if not is_template(text) and not _on_platform(text, platforms):
            return
    _put(data, "parameterize", directive, *generated(directive, directory).data())


def _on_platform(text: str, platforms: frozenset[str]) -> bool:
    when = parse_when({"platforms": text})
    return when is None or bool(
        when.evaluate(platforms=platforms, testname=None, options=(), keywords=(), parameters=None)
    )


def _composite(data: Data, directive: Directive) -> None:
    flag, script = directive.option("flag"), directive.option("script")
    argument = unquoted(directive.argument)
    if argument.startswith("-"):
        flag = argument
    elif argument:
        script = argument
    elif flag is None and script is None and directive.name == "analyze":
        flag = "--analyze"
    if flag is not None:
        script = None
    requires = _result(directive.option("requires") or "success")
    _put(data, "composite", directive, flag, script, requires, texts=(flag, script))


def _result(text: str) -> str:
    """An expression over results, in the core's words."""
    found = re.sub(r"[a-z]+", lambda m: _RESULTS.get(m[0], m[0]), text.lower())
    compile_condition(found)
    return found


def _timeout(data: Data, directive: Directive) -> None:
    if not directive.argument:
        return
    seconds = parse_duration(directive.argument, words=True)
    # 0 has always meant "none of its own"
    _put(data, "timeout", directive, seconds if seconds > 0 else -1.0)


def _compiled(text: str) -> CodeType:
    try:
        return compile(text, "<expression>", "eval")
    except (SyntaxError, ValueError, RecursionError) as e:
        raise SpecError(f"{text!r} is no expression: {e}") from None


def importable(name: str) -> bool:
    """Is there a module of that name? For the expressions of users."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _skipif(data: Data, directive: Directive) -> None:
    text = directive.argument
    code = _compiled(text)
    if code.co_names or any(isinstance(c, CodeType) for c in code.co_consts):
        data["outside"] = True
    try:
        skip = eval(code, {"os": os, "sys": sys, "importable": importable})
        skip = bool(skip)
    except (Exception, SystemExit) as e:  # noqa: BLE001 - an expression of the user raises what it likes
        raise SpecError(f"cannot evaluate {text!r}: {type(e).__name__}: {e}") from None
    if skip:
        reason = directive.option("reason")
        _put(data, "skipif", directive, reason or f"skipif expression {text} evaluating to True")


def _filter_warnings(data: Data, directive: Directive) -> None:  # noqa: ARG001 - there are none to filter
    _compiled(directive.argument)


def _count(least: int, data: Data, directive: Directive) -> None:
    text = directive.argument
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or int(text) < least:
        raise SpecError(f"{text!r} is no whole number from {least}")
    _put(data, "meta", directive, directive.name, int(text))


def _assets(action: str, data: Data, directive: Directive) -> None:
    if "rename" not in directive.options:
        for name in words(directive.argument):
            _put(data, "assets", directive, action, _file(name), None, texts=(name,))
        return
    for src, dst in _pairs(directive):
        _put(data, "assets", directive, action, src, dst, texts=(src, dst))


def _pairs(directive: Directive) -> list[tuple[str, str]]:
    hint = f"{directive.name} : from,to from,to"
    pairs = []
    for row in rows(directive.argument):
        if len(row) != 2:
            shown = ",".join(cell.text for cell in row)
            raise SpecError(f"{shown!r} is no pair of files", hint=hint)
        pairs.append((_file(row[0].value), _file(row[1].value)))
    return pairs


def _baseline(data: Data, directive: Directive) -> None:
    if not directive.argument:
        raise SpecError("the files or the flag are missing", hint="baseline : new,reference")
    flags = directive.argument.split()
    if all(flag.startswith("-") for flag in flags):
        for flag in flags:
            _put(data, "baseline", directive, None, None, flag)
        return
    for src, dst in _pairs(directive):
        _put(data, "baseline", directive, src, dst, None, texts=(src, dst))


def _enable(data: Data, directive: Directive) -> None:
    _put(data, "enable", directive, directive.argument.lower() != "false")


def _depends_on(data: Data, directive: Directive) -> None:
    pattern = _needed(directive, "the pattern of a job")
    text = directive.option("expect") or "+"
    expects: str | int = text
    if text.isdecimal() and int(text) > 0:
        expects = int(text)
    elif text not in ("+", "?", "*"):
        hint = "+ (one or more), ? (at most one), * (any) or a number from 1"
        raise SpecError(f"expect={text}", hint=hint)
    result = _result(directive.option("result") or "on_success")
    _put(data, "depends_on", directive, pattern, result, expects, texts=(pattern,))


def _xfail(data: Data, directive: Directive) -> None:
    text = directive.option("code") or directive.argument or "-1"
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise SpecError(f"{text!r} is no exit code", hint="xfail : 7, or xfail for any but 0")
    _put(data, "xstatus", directive, int(text))


def _xdiff(data: Data, directive: Directive) -> None:
    _put(data, "xstatus", directive, 64)


def _exclusive(data: Data, directive: Directive) -> None:
    _put(data, "exclusive", directive)


def _artifact(data: Data, directive: Directive) -> None:
    save_on = directive.option("save_on") or "always"
    if save_on not in SAVE_ON:
        raise SpecError(f"save_on={save_on}", hint=f"one of {', '.join(SAVE_ON)}")
    for pattern in _files(directive, "the pattern"):
        _put(data, "artifact", directive, pattern, save_on, texts=(pattern,))


def _set_attribute(data: Data, directive: Directive) -> None:
    values: dict[str, Any] = dict(directive.options)
    try:
        pairs = shlex.split(directive.argument)
    except ValueError as e:
        raise SpecError(f"{directive.argument!r}: {e}") from None
    for pair in pairs:
        key, equal, value = pair.partition("=")
        if not equal or not key:
            raise SpecError(f"{pair!r} is no KEY=VALUE", hint="set_attribute : key=value")
        values[key] = value
    if not values:
        raise SpecError("the attributes are missing", hint="set_attribute : key=value")
    _put(data, "attributes", directive, values)


def _set_id(data: Data, directive: Directive) -> None:
    text = _needed(directive, "the ID")
    if not is_template(text) and not EXPLICIT_ID.fullmatch(text.lower()):
        raise SpecError(f"{text!r} is no ID", hint="8 to 64 of 0-9 a-f _")
    _put(data, "set_id", directive, text, texts=(text,))


def _execution_path(data: Data, directive: Directive) -> None:
    text = _needed(directive, "the path")
    if text.startswith("/") or ".." in text.split("/"):
        hint = "a relative path without .."
        raise SpecError(f"{text!r} leaves the session's directory", hint=hint)
    _put(data, "execution_path", directive, text, texts=(text,))


def _load_module(data: Data, directive: Directive) -> None:
    use = directive.option("use")
    for name in _files(directive, "the name of the module"):
        _put(data, "modules", directive, name, use)


def _source(data: Data, directive: Directive) -> None:
    for name in _files(directive, "the name of the file"):
        _put(data, "rcfiles", directive, name)


def _preload(data: Data, directive: Directive) -> None:
    _put(data, "preload", directive, directive.argument)


_HANDLERS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "name": _testname,
        "testname": _testname,
        "keywords": _keywords,
        "owner": _owner,
        "owners": _owners,
        "description": _description,
        "parameterize": _parameterize,
        "analyze": _composite,
        "aggregate": _composite,
        "generate_composite_base_case": _composite,
        "timeout": _timeout,
        "skipif": _skipif,
        "filter_warnings": _filter_warnings,
        "cpus": partial(_count, 1),
        "gpus": partial(_count, 0),
        "nodes": partial(_count, 1),
        "copy": partial(_assets, "copy"),
        "link": partial(_assets, "link"),
        "sources": partial(_assets, "none"),
        "baseline": _baseline,
        "enable": _enable,
        "depends_on": _depends_on,
        "xfail": _xfail,
        "xdiff": _xdiff,
        "exclusive": _exclusive,
        "artifact": _artifact,
        "set_attribute": _set_attribute,
        "set_id": _set_id,
        "execution_path": _execution_path,
        "load_module": _load_module,
        "source": _source,
        "preload": _preload,
    }
)
