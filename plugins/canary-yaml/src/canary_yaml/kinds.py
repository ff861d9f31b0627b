"""Kinds of values in a test: each takes a value and its place, and returns plain data or raises.

`canary_yaml.schema` says which key has which kind. What the values are for is not known here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from canary.clock import parse_duration
from canary.errors import CanaryError
from canary.options import closest
from canary_yaml.place import Place

Kind: TypeAlias = Callable[[Any, Place], Any]


def kind_of(value: Any) -> str:
    """A value's kind, as people call it."""
    names = {
        type(None): "nothing",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def mapping(value: Any, place: Place) -> dict[str, Any]:
    """A mapping whose keys are texts."""
    if not isinstance(value, dict):
        raise place.wrong(f"expected a mapping, not {kind_of(value)}")
    for key in value:
        if not isinstance(key, str):
            raise place.wrong(f"the key {key!r} is not a text", "write it in quotes")
    return value


def known(value: Any, place: Place, names: Collection[str]) -> dict[str, Any]:
    """A mapping with no keys but these."""
    table = mapping(value, place)
    for key in table:
        if key not in names:
            hint = closest(key, names) or f"known keys: {', '.join(names)}"
            raise place.at(key).wrong("unknown key", hint)
    return table


def text(value: Any, place: Place) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        raise place.wrong(f"expected a text, not {kind_of(value)}", "write it in quotes")
    if not value.strip() or "\0" in value:
        raise place.wrong("an empty text" if "\0" not in value else "a text with a zero byte")
    return value


def boolean(value: Any, place: Place) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise place.wrong(f"expected true or false, not {kind_of(value)}")
    return value


def listed(value: Any, place: Place, kind: Kind) -> list[Any]:
    """One of a kind, or a list of them."""
    if isinstance(value, list):
        return [kind(item, place.at(i)) for i, item in enumerate(value)]
    return [kind(value, place)]


def texts(value: Any, place: Place) -> list[str]:
    """A text, or a list of them."""
    return listed(value, place, text)


def choice(value: Any, place: Place, words: Collection[str]) -> str:
    """One of some words."""
    if value not in words or not isinstance(value, str):
        hint = closest(str(value), words)
        raise place.wrong(f"expected {', '.join(words)}, not {value!r}", hint)
    return value


def code(value: Any, place: Place) -> int:
    """An exit code."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise place.wrong(f"expected an exit code from 0 to 255, not {value!r}")
    return value


def duration(value: Any, place: Place) -> float:
    """Seconds."""
    try:
        seconds = parse_duration(value)
    except CanaryError as e:
        raise place.wrong(e.message, e.hint) from None
    if seconds == 0:
        raise place.wrong("a timeout of nothing")
    return seconds


def expression(value: Any, place: Place) -> str:
    """A regular expression; one with parameters is read again when they are known."""
    source = text(value, place)
    if "${" not in source:
        compiled(source, place)
    return source


def compiled(source: str, place: Place) -> re.Pattern[str]:
    """A regular expression that can be used."""
    try:
        return re.compile(source, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as e:
        raise place.wrong(f"not a regular expression: {e}") from None


def count(value: Any, place: Place) -> int | str:
    """A number of slots, or a text that becomes one when parameters are known."""
    if isinstance(value, str) and "${" in value:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise place.wrong(f"expected a whole number, not {value!r}")
    return value


def number(value: Any, place: Place) -> float | str:
    """A number, or a text that becomes one when parameters are known."""
    if isinstance(value, str) and "${" in value:
        return value
    try:
        if not isinstance(value, (int, float, str)) or isinstance(value, bool):
            raise ValueError
        found = float(value)
        if not math.isfinite(found):
            raise ValueError
    except (ValueError, OverflowError):
        raise place.wrong(f"expected a number, not {value!r}") from None
    return found


def bound(value: Any, place: Place) -> tuple[float, bool]:
    """A distance from a reference, and whether it is a part of it (`5%`)."""
    relative = isinstance(value, str) and value.rstrip().endswith("%")
    distance = number(value.rstrip()[:-1] if relative else value, place)
    if isinstance(distance, str):
        raise place.wrong("parameters are not for bounds")
    return (distance / 100 if relative else distance), relative


def plain(value: Any, place: Place) -> Any:
    """Anything that JSON can hold."""
    if isinstance(value, dict):
        return {k: plain(v, place.at(k)) for k, v in mapping(value, place).items()}
    if isinstance(value, list):
        return [plain(v, place.at(i)) for i, v in enumerate(value)]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise place.wrong(f"{value!r} is no value of JSON", "write it in quotes")


def scalar(value: Any, place: Place) -> Any:
    """A parameter's value."""
    if isinstance(value, (list, dict)) or value is None:
        raise place.wrong(f"expected a text or a number, not {kind_of(value)}")
    return plain(value, place)


def variables(value: Any, place: Place) -> dict[str, str | None]:
    """Names and texts of an environment; null unsets."""
    out: dict[str, str | None] = {}
    for name, item in mapping(value, place).items():
        if not name or "=" in name or "\0" in name:
            raise place.at(name).wrong("not a name of a variable")
        if isinstance(item, bool) or not isinstance(item, (str, int, float, type(None))):
            hint = "write it in quotes"
            raise place.at(name).wrong(f"expected a text or a number, not {kind_of(item)}", hint)
        out[name] = None if item is None else str(item)
    return out


def mapped(value: Any, place: Place, kind: Kind) -> Mapping[str, Any]:
    """A mapping to values of a kind."""
    return {k: kind(v, place.at(k)) for k, v in mapping(value, place).items()}
