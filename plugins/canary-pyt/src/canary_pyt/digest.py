"""From recorded directive calls to checked, plain data: the part of reading a file that is kept.

Everything that can be said of a call without knowing parameters, options and platform is said here,
once; `canary_pyt.expand` does the rest for each run. What comes out is

    {"dynamic": bool, WHAT: [(when, line, ...), ...], ...}

with `when` as the file gave it (None: always) and WHAT one of the keys below. `dynamic` says that
something must be decided for each row of parameters.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from canary.clock import parse_duration
from canary.errors import CanaryError, SpecError
from canary.expression import compile_condition, parse_when
from canary.expression.when import is_template
from canary.scope import EXPLICIT_ID
from canary_pyt.spaces import names_of, rows_of

if TYPE_CHECKING:
    from canary_pyt.directives import Call

Data = dict[str, Any]

SAVE_ON: Final = ("always", "success", "failure")


def digest(calls: Iterable[Call], path: str) -> Data:
    """Check every call; SpecError with its line and name for the first that is wrong."""
    data: Data = {}
    for name, line, args in calls:
        try:
            _HANDLERS[name](data, line, *args)
        except CanaryError as e:
            key = f"{name}: {e.key}" if e.key else name
            raise SpecError(
                e.message, hint=e.hint, file=path, line=line, key=key, column=e.column
            ) from None
        except Exception as e:  # noqa: BLE001 - objects of the user raise what they like
            raise SpecError(f"{type(e).__name__}: {e}", file=path, line=line, key=name) from None
    if "composite" in data and "parameterize" not in data:
        hint = "it runs after the jobs that parameterize makes"
        line = data["composite"][0][1]
        raise SpecError("a composite base case needs parameters", hint=hint, file=path, line=line)
    return data


def _put(
    data: Data, key: str, line: int, when: Any, *rest: Any, texts: Sequence[str | None] = ()
) -> None:
    """Add an entry; `texts` are those in which names will be replaced."""
    if when is not None:
        condition = parse_when(when)
        if condition is None:
            when = None
        else:
            when = dict(when) if isinstance(when, Mapping) else when
            if condition.parameters is not None or condition.templated:
                data["dynamic"] = True
    for text in texts:
        if text is not None and is_template(text):
            data["dynamic"] = True
    entry = (when, line, *rest)
    if key in data:
        data[key].append(entry)
    else:
        data[key] = [entry]


def _text(value: Any, what: str) -> str:
    """A text or path that is not empty."""
    if not isinstance(value, (str, os.PathLike)):
        raise SpecError(f"{what} must be a text, not {value!r}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip():
        raise SpecError(f"{what} must not be empty")
    if "\0" in text:
        raise SpecError(f"{what} must not contain a NUL character")
    return str(text)


def _optional(value: Any, what: str) -> str | None:
    return None if value is None else _text(value, what)


def _testname(data: Data, line: int, arg: Any) -> None:
    data.setdefault("testname", []).append((line, _text(arg, "the name")))


def _words(args: Iterable[Any]) -> tuple[str, ...]:
    words: list[Any] = []
    for arg in args:
        words += arg if isinstance(arg, (list, tuple)) else [arg]
    for word in words:
        if isinstance(word, bool) or not isinstance(word, (str, int, float)) or word == "":
            raise SpecError(f"{word!r} is no word")
    return tuple(map(str, words))


def _keywords(data: Data, line: int, args: tuple[Any, ...], when: Any) -> None:
    _put(data, "keywords", line, when, _words(args))


def _owners(data: Data, _line: int, args: tuple[Any, ...]) -> None:
    data["owners"] = data.get("owners", ()) + _words(args)


def _description(data: Data, _line: int, text: Any) -> None:
    data["description"] = str(text)


def _parameterize(
    data: Data, line: int, names: Any, values: Any, when: Any, space: Any, samples: Any, seed: Any
) -> None:
    keys = names_of(names)
    _put(data, "parameterize", line, when, keys, rows_of(keys, values, space, samples, seed))
    condition = parse_when(data["parameterize"][-1][0])
    if condition is not None and condition.parameters is not None:
        raise SpecError(
            "the condition of parameterize cannot ask for parameters", hint="it makes them"
        )


def _meta(kind: str, least: int, data: Data, line: int, arg: Any, when: Any) -> None:
    if isinstance(arg, bool) or not isinstance(arg, int) or arg < least:
        raise SpecError(f"{arg!r} is no whole number from {least}")
    _put(data, "meta", line, when, kind, int(arg))


def _timeout(data: Data, line: int, arg: Any, when: Any) -> None:
    # a negative limit has always meant "none of its own"
    _put(data, "timeout", line, when, parse_duration(arg, allow_negative=True))


def _assets(action: str, data: Data, line: int, files: Any, src: Any, dst: Any, when: Any) -> None:
    for file in files:
        for one in file if isinstance(file, (list, tuple)) else [file]:
            text = _text(one, "a file")
            _put(data, "assets", line, when, action, text, None, texts=(text,))
    if src is not None:  # without it dst has never had an effect
        source, target = _text(src, "src"), _optional(dst, "dst")
        _put(data, "assets", line, when, action, source, target, texts=(source, target))


def _baseline(data: Data, line: int, src: Any, dst: Any, when: Any, flag: Any) -> None:
    source, target, option = _optional(src, "src"), _optional(dst, "dst"), _optional(flag, "flag")
    if option is not None and (source is not None or target is not None):
        raise SpecError("flag goes without src and dst")
    if option is None and (source is None or target is None):
        raise SpecError(
            "src and dst are needed, or flag", hint="baseline('new.txt', 'reference.txt')"
        )
    _put(data, "baseline", line, when, source, target, option, texts=(source, target))


def _depends_on(data: Data, line: int, arg: Any, when: Any, legacy: dict[str, Any]) -> None:
    if isinstance(when, str) and "=" not in when and when.strip():
        raise SpecError(
            f"when={when!r} is no condition on this job",
            hint=f"for how the other ends: {{'job': …, 'when': {when!r}}}",
        )
    items: list[Any] = list(arg) if isinstance(arg, (list, tuple)) else [arg]
    if not items:
        raise SpecError("nothing to depend on", hint="depends_on('pattern')")
    if legacy:
        unknown = [k for k in legacy if k not in ("result", "expect")]
        if unknown:
            raise SpecError(
                f"an unexpected argument {unknown[0]!r}",
                hint="job, when and expects go into a dict",
            )
        if len(items) != 1 or not isinstance(items[0], str):
            raise SpecError(
                "result= and expect= go with one pattern", hint="depends_on({'job': …, 'when': …})"
            )
        renamed = {"result": "when", "expect": "expects"}
        items = [{"job": items[0], **{renamed[k]: v for k, v in legacy.items()}}]
    for item in items:
        pattern, condition, expects = _dependency(item)
        _put(data, "depends_on", line, when, pattern, condition, expects, texts=(pattern,))


def _dependency(item: Any) -> tuple[str, str, str | int]:
    if isinstance(item, str):
        return _text(item, "a pattern"), "on_success", "+"
    if not isinstance(item, Mapping):
        raise SpecError(
            f"{item!r} is no pattern", hint="a text, or {'job': …, 'when': …, 'expects': …}"
        )
    for key in item:
        if key not in ("job", "when", "expects"):
            raise SpecError(f"an unknown key {key!r}", hint="the keys are job, when and expects")
    if "job" not in item:
        raise SpecError("the key 'job' is missing", hint="{'job': 'pattern'}")
    condition = item.get("when")
    if condition is None:
        condition = "on_success"
    compile_condition(_text(condition, "when"))
    expects = item.get("expects", "+")
    number = isinstance(expects, int) and not isinstance(expects, bool) and expects > 0
    if not number and expects not in ("+", "?", "*"):
        raise SpecError(
            f"expects={expects!r}",
            hint="+ (one or more), ? (at most one), * (any) or a number from 1",
        )
    return _text(item["job"], "a pattern"), str(condition).strip(), expects


def _aggregate(data: Data, line: int, when: Any, flag: Any, script: Any, requires: Any) -> None:
    compile_condition(_text(requires, "requires"))
    row = (_optional(flag, "flag"), _optional(script, "script"), requires)
    _put(data, "composite", line, when, *row, texts=row[:2])


def _analyze(data: Data, line: int, when: Any, flag: Any, script: Any, requires: Any) -> None:
    if flag is None and script is None:
        flag = "--analyze"
    _aggregate(data, line, when, flag, script, requires)


def _xfail(data: Data, line: int, code: Any, when: Any) -> None:
    if isinstance(code, bool) or not isinstance(code, int):
        raise SpecError(f"code={code!r} is no exit code", hint="a whole number")
    _put(data, "xstatus", line, when, int(code))


def _xdiff(data: Data, line: int, when: Any) -> None:
    _put(data, "xstatus", line, when, 64)


def _skipif(data: Data, _line: int, arg: Any, reason: Any) -> None:
    if not arg:
        return
    if not isinstance(reason, str) or not reason.strip():
        raise SpecError("the reason must not be empty", hint="skipif(condition, reason='…')")
    if "skipif" not in data:
        data["skipif"] = reason


def _enable(data: Data, line: int, args: tuple[Any, ...], when: Any) -> None:
    if len(args) > 1:
        raise SpecError(f"{len(args)} values; one is enough")
    _put(data, "enable", line, when, bool(args[0]) if args else True)


def _exclusive(data: Data, line: int, when: Any) -> None:
    _put(data, "exclusive", line, when)


def _launcher(data: Data, line: int, name: Any, when: Any, options: dict[str, Any]) -> None:
    values = {k: json_value(v, k) for k, v in options.items()}
    _put(data, "launcher", line, when, {**values, "launcher": _text(name, "the name")})


def _artifact(data: Data, line: int, file: Any, when: Any, save_on: Any) -> None:
    if save_on not in SAVE_ON:
        raise SpecError(f"save_on={save_on!r}", hint=f"one of {', '.join(SAVE_ON)}")
    text = _text(file, "a pattern")
    _put(data, "artifact", line, when, text, save_on, texts=(text,))


def _set_attribute(data: Data, line: int, when: Any, attributes: dict[str, Any]) -> None:
    _put(data, "attributes", line, when, {k: json_value(v, k) for k, v in attributes.items()})


def json_value(value: Any, name: str) -> Any:
    """`value` as plain JSON (a tuple is a list); SpecError if it is something else."""
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is float or kind is str:
        return value
    if isinstance(value, Mapping):
        return {str(k): json_value(v, name) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(v, name) for v in value]
    if isinstance(value, (int, float, str)):
        return next(k(value) for k in (int, float, str) if isinstance(value, k))
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise SpecError(
        f"{name}={value!r} is no JSON value", hint="use texts, numbers, lists, dicts, None"
    )


def _set_id(data: Data, line: int, id: Any, when: Any) -> None:
    text = _text(id, "the ID")
    if not is_template(text) and not EXPLICIT_ID.fullmatch(text.lower()):
        raise SpecError(f"{text!r} is no ID", hint="8 to 64 of 0-9 a-f _")
    _put(data, "set_id", line, when, text)
    data["dynamic"] = True  # an ID is for one job, so each is asked for its own


def _execution_path(data: Data, line: int, path: Any, when: Any) -> None:
    text = _text(path, "the path")
    if text.startswith("/") or ".." in text.split("/"):
        raise SpecError(
            f"{text!r} leaves the session's directory", hint="a relative path without .."
        )
    _put(data, "execution_path", line, when, text, texts=(text,))


def _load_module(data: Data, line: int, name: Any, use: Any, when: Any) -> None:
    _put(data, "modules", line, when, _text(name, "the name"), _optional(use, "use"))


def _source(data: Data, line: int, name: Any, when: Any) -> None:
    _put(data, "rcfiles", line, when, _text(name, "the file"))


def _preload(data: Data, line: int, arg: Any, when: Any, _source: Any) -> None:
    _put(data, "preload", line, when, _text(arg, "the text"))


def _filter_warnings(_data: Data, _line: int, _arg: Any) -> None:
    """Nothing: no warnings arise."""


def _fixture(kind: str, data: Data, _line: int, func: Any) -> None:
    name = getattr(func, "__name__", None)
    if (
        not callable(func)
        or not name
        or getattr(func, "__qualname__", name) != name
        or name == "<lambda>"
    ):
        raise SpecError(f"{func!r} is no function at the top level of the file")
    if kind in data:
        raise SpecError(f"a second {kind} function", hint="one is allowed in a file")
    data[kind] = name


_HANDLERS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "testname": _testname,
        "keywords": _keywords,
        "owners": _owners,
        "description": _description,
        "parameterize": _parameterize,
        "cpus": partial(_meta, "cpus", 1),
        "gpus": partial(_meta, "gpus", 0),
        "nodes": partial(_meta, "nodes", 1),
        "timeout": _timeout,
        "copy": partial(_assets, "copy"),
        "link": partial(_assets, "link"),
        "sources": partial(_assets, "none"),
        "baseline": _baseline,
        "depends_on": _depends_on,
        "aggregate": _aggregate,
        "analyze": _analyze,
        "xfail": _xfail,
        "xdiff": _xdiff,
        "skipif": _skipif,
        "enable": _enable,
        "exclusive": _exclusive,
        "launcher": _launcher,
        "artifact": _artifact,
        "set_attribute": _set_attribute,
        "set_id": _set_id,
        "execution_path": _execution_path,
        "load_module": _load_module,
        "source": _source,
        "preload": _preload,
        "filter_warnings": _filter_warnings,
        "setup": partial(_fixture, "setup"),
        "teardown": partial(_fixture, "teardown"),
    }
)
