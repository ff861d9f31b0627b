"""`parameterize`: from its argument, or from the program that it names, to rows of values.

Each value keeps the text it was written as, which names and IDs show; the value itself is a number
where the file asks for one. A program runs here, in the process that collects, and nowhere else.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from canary.errors import SpecError
from canary_vvtest.grammar import Cell, Directive, rows

Value = bool | int | float | str | None

# parameters that ask for resources, and what they ask for
RESOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {"np": "cpus", "ndevice": "gpus", "nnode": "nodes"}
)
COUNTS: Final = frozenset({*RESOURCES, *RESOURCES.values()})


class Table:
    """Rows of one `parameterize`; rows of equal values are one.

    For each: its values, their texts in names and in IDs, and what it depends on.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        self.rows: dict[tuple[Value, ...], tuple[Any, ...]] = {}

    def add(
        self,
        values: Sequence[Value],
        texts: Sequence[str],
        identities: Sequence[str | float] | None = None,
        patterns: Sequence[str] = (),
    ) -> None:
        """Add a row; one that is there keeps its texts."""
        row, shown = tuple(values), tuple(texts)
        exact = shown if identities is None else tuple(identities)
        known = self.rows.setdefault(row, (row, shown, exact, ()))
        if patterns:
            self.rows[row] = (*known[:3], tuple(dict.fromkeys((*known[3], *patterns))))

    def data(self) -> tuple[Any, ...]:
        """As plain data: names, and rows of (values, texts, texts in IDs, patterns)."""
        return self.keys, tuple(self.rows.values())


def written(directive: Directive) -> Table:
    """The rows that stand in the file."""
    names, equal, text = directive.argument.partition("=")
    if not equal:
        raise SpecError("expected NAMES = VALUES", hint="parameterize : a,b = 1,2 3,4")
    keys = _names(names)
    kinds = _kinds(directive, keys)
    table = Table(keys)
    cells = rows(text) or [[Cell("", "")]]
    for row in cells:
        if len(row) != len(keys):
            shown = ",".join(cell.text for cell in row)
            hint = f"the names are {', '.join(keys)}"
            raise SpecError(f"the row {shown!r} has {len(row)} values, not {len(keys)}", hint=hint)
        values = [kind(cell) for kind, cell in zip(kinds, row, strict=True)]
        table.add(values, [cell.text for cell in row])
    return table


def _names(text: str) -> list[str]:
    keys = [name.strip() for name in text.split(",")]
    if not all(keys):
        raise SpecError(f"an empty name in {text.strip()!r}", hint="parameterize : a,b = 1,2 3,4")
    for key in keys:
        if len(key.split()) > 1:
            raise SpecError(f"a blank in the name {key!r}", hint="names are separated by commas")
        if keys.count(key) > 1:
            raise SpecError(f"the name {key} is given twice")
    return keys


def _integer(cell: Cell) -> int:
    try:
        return int(cell.value)
    except ValueError:
        pass
    try:
        number = float(cell.value)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise SpecError(f"{cell.text} is no whole number")
    return int(number)


def _float(cell: Cell) -> float:
    try:
        return float(cell.value)
    except ValueError:
        raise SpecError(f"{cell.text} is no number") from None


def _text(cell: Cell) -> str:
    return cell.value


def _automatic(cell: Cell) -> int | float | str:
    """A whole number, a number or a text, whichever it can be; what is in quotes is a text."""
    if cell.value == cell.text:
        for kind in (int, float):
            try:
                return kind(cell.value)
            except ValueError:
                pass
    return cell.value


_KINDS: Final[Mapping[str, Callable[[Cell], Any]]] = MappingProxyType(
    {"autotype": _automatic, "int": _integer, "float": _float, "str": _text}
)


def _kinds(directive: Directive, keys: Sequence[str]) -> list[Callable[[Cell], Any]]:
    flags = [key for key, value in directive.options.items() if key in _KINDS and value is True]
    if len(flags) not in (0, 1, len(keys)):
        hint = f"none, one for all, or one for each of {', '.join(keys)}"
        raise SpecError(f"{len(flags)} types for {len(keys)} parameters", hint=hint)
    if not flags:
        flags = ["str"]
    if len(flags) == 1:
        flags *= len(keys)
    return [_integer if k in COUNTS else _KINDS[f] for k, f in zip(keys, flags, strict=True)]


def generated(directive: Directive, directory: str) -> Table:
    """The rows that a program prints as JSON, and what they depend on; it runs in `directory`."""
    lines = _run(directive.argument, directory).splitlines()
    found = _json(lines[0] if lines else "", "the parameters")
    if not isinstance(found, list) or not found or not all(isinstance(r, dict) for r in found):
        raise SpecError("the program's first line is no JSON list of objects", hint='[{"a": 1}]')
    keys = list(found[0])
    if not keys or not all(keys):
        raise SpecError("the program's rows have no names")
    patterns: list[Any] = [None] * len(found)
    if len(lines) > 1 and lines[1].strip():
        listed = _json(lines[1], "the dependencies")
        if not isinstance(listed, list) or len(listed) != len(found):
            hint = "null, a pattern or {name: {parameter: value}} for each row"
            raise SpecError(f"the second line is no list of {len(found)} entries", hint=hint)
        patterns = listed
    table = Table(keys)
    for row, entry in zip(found, patterns, strict=True):
        if set(row) != set(keys):
            raise SpecError(f"the row {row!r} has other names than {', '.join(keys)}")
        values = [_plain(key, row[key]) for key in keys]
        table.add(values, [str(v) for v in values], [_identity(v) for v in values], _wanted(entry))
    return table


def _run(command: str, directory: str) -> str:
    try:
        argv = shlex.split(command)
    except ValueError as e:
        raise SpecError(f"{command!r} is no command: {e}") from None
    if not argv:
        raise SpecError("no program that makes the parameters", hint="python3 FILE ARGUMENTS")
    if argv[0] in ("python", "python3"):
        argv[0] = sys.executable
    elif Path(directory, argv[0]).is_file():
        argv[0] = str(Path(directory, argv[0]).absolute())
    try:
        done = subprocess.run(argv, cwd=directory, stdout=subprocess.PIPE, check=False)
    except OSError as e:
        raise SpecError(f"cannot run {argv[0]}: {e.strerror}") from None
    if done.returncode:
        raise SpecError(f"the program ended with exit code {done.returncode}: {command}")
    return os.fsdecode(done.stdout)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise SpecError(f"{what} that the program printed are no JSON: {e}") from None


def _plain(key: str, value: Any) -> Value:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key in COUNTS and not whole:
        raise SpecError(f"{key}={value!r} is no whole number", hint="it asks for resources")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpecError(f"{key}={value!r} is neither text nor number")


def _identity(value: Value) -> str | float:
    """How an ID counts a value that no file has a text of: a bool as 1 or 0, a float exactly."""
    if isinstance(value, float):
        return value
    return str(int(value) if isinstance(value, bool) else value)


def _wanted(entry: Any) -> list[str]:
    """The patterns that an entry of the second line stands for."""
    if entry is None:
        return []
    if isinstance(entry, str) and entry.strip():
        return [entry]
    if isinstance(entry, list):
        return [pattern for part in entry for pattern in _wanted(part)]
    if isinstance(entry, dict) and all(isinstance(v, dict) for v in entry.values()):
        names = (
            ".".join([name, *(f"{k}={values[k]}" for k in sorted(values))])
            for name, values in entry.items()
        )
        return [shlex.quote(name) for name in names]
    hint = "null, a pattern or {name: {parameter: value}}"
    raise SpecError(f"{entry!r} says no dependency", hint=hint)
