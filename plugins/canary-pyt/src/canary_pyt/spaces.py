"""From the arguments of `parameterize` to rows of plain values.

The numbers of a random space are those of Python's own generator with the seed that the file
gives, so that a tree makes the same jobs everywhere and for ever. Nothing here knows of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from canary.errors import SpecError

Value = bool | int | float | str
Row = tuple[Value, ...]

_SPACES: Final[Mapping[str, str]] = {
    "list_parameter_space": "list",
    "centered_parameter_space": "centered",
    "random_parameter_space": "random",
}


def names_of(names: object) -> tuple[str, ...]:
    """`"a"`, `"a,b"` or a sequence of texts as a tuple of distinct names."""
    parts = names.split(",") if isinstance(names, str) else names
    if not isinstance(parts, Sequence) or not all(isinstance(p, str) for p in parts):
        raise SpecError(f"the names must be a text or a list of texts, not {names!r}")
    keys = tuple(p.strip() for p in parts)
    if not keys or not all(keys):
        raise SpecError(f"an empty name in {names!r}")
    if len(set(keys)) != len(keys):
        raise SpecError(f"a name is given twice in {names!r}")
    return keys


def rows_of(
    keys: tuple[str, ...], values: Any, space: object, samples: object, seed: object
) -> tuple[Row, ...]:
    """The distinct rows in the order in which they arise."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SpecError(f"the values must be a list, not {values!r}", hint="write [value, ...]")
    kind = _kind(space)
    listed = list(values)
    if kind == "list":
        rows = [_row(keys, value) for value in listed]
    else:
        rows = _computed(kind, keys, listed, samples, seed)
    return tuple(dict.fromkeys(rows))


def _kind(space: object) -> str:
    if space is None:
        return "list"
    name = getattr(space, "name", space)
    kind = _SPACES.get(name) if isinstance(name, str) else None
    if kind is None and name in _SPACES.values():
        kind = str(name)
    if kind is None:
        names = ", ".join(f"canary.{n}" for n in _SPACES)
        raise SpecError(f"type={space!r} is no parameter space", hint=f"one of {names}")
    return kind


def _row(keys: tuple[str, ...], value: Any) -> Row:
    kind = type(value)
    if len(keys) == 1:
        if kind is int or kind is str or kind is float or kind is bool:
            return (value,)
        if not isinstance(value, (list, tuple)):
            return (plain(value),)
    elif not isinstance(value, (list, tuple)):
        if not hasattr(value, "tolist"):
            raise SpecError(f"{value!r} is no row of {len(keys)} values", hint=_names(keys))
        value = value.tolist()
    if len(value) != len(keys):
        raise SpecError(
            f"the row {value!r} has {len(value)} values, not {len(keys)}", hint=_names(keys)
        )
    return tuple([plain(v) for v in value])


def _names(keys: tuple[str, ...]) -> str:
    return f"the names are {', '.join(keys)}"


def plain(value: Any) -> Value:
    """A bool, int, float or str as exactly that type, numbers of libraries too; else SpecError."""
    if value is True or value is False:
        return value is True
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, type):
        return plain(item())
    raise SpecError(f"{value!r} cannot be a parameter", hint="use bool, int, float or str")


def _computed(
    kind: str, keys: tuple[str, ...], values: list[Any], samples: object, seed: object
) -> list[Row]:
    want = ("initial", "step", "nsteps") if kind == "centered" else ("low", "high")
    if len(keys) < 2:
        raise SpecError(f"a {kind} space needs two or more names", hint="parameterize('a,b', ...)")
    if len(values) != len(keys):
        raise SpecError(
            f"{len(values)} rows for {len(keys)} names",
            hint=f"one row ({', '.join(want)}) for each name",
        )
    table = [_numbers(row, want) for row in values]
    if kind == "centered":
        return _centered(table)
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise SpecError(f"samples={samples!r} is no positive whole number")
    if not isinstance(seed, (int, float, str)):
        raise SpecError(f"random_seed={seed!r} is no number")
    return _random(table, samples, seed)


def _numbers(row: Any, want: tuple[str, ...]) -> list[int | float]:
    numbers = [plain(v) for v in row] if isinstance(row, (list, tuple)) else []
    out = [v for v in numbers if not isinstance(v, str)]
    if len(numbers) != len(want) or len(out) != len(numbers):
        raise SpecError(f"{row!r} is no row of numbers ({', '.join(want)})")
    return out


def _centered(table: list[list[int | float]]) -> list[Row]:
    centre = [row[0] for row in table]
    rows: list[Row] = [tuple(centre)]
    for i, (initial, step, count) in enumerate(table):
        if count != int(count) or count < 0:
            raise SpecError(f"nsteps={count!r} is no whole number from 0")
        n = int(count)
        for k in [*range(-n, 0), *range(1, n + 1)]:
            rows.append((*centre[:i], initial + k * step, *centre[i + 1 :]))
    return rows


def _random(table: list[list[int | float]], samples: int, seed: float | str) -> list[Row]:
    from random import Random

    draw = Random(seed).uniform
    columns = [[draw(low, high) for _ in range(samples)] for low, high in table]
    return list(zip(*columns, strict=True))
