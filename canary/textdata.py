"""Files of plain data that people write: TOML, JSON and YAML read, and TOML edited in place.

An error names the file and the line. Editing changes one value and leaves every other line, with
comments and order, as it was. Nothing here knows what the data means.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from canary.errors import ConfigError

MAX_SIZE: Final = 16 * 1024 * 1024
MAX_PARTS: Final = 50
# long strings and comments, which may hold anything; a key of many parts; other strings, words
_PIECES: Final = re.compile(
    r""""{3}(?:\\.|[^\\])*?(?:"{3}|\Z)|'{3}.*?(?:'{3}|\Z)|#[^\n]*"""
    rf"""|((?:(?:[\w-]+|"(?:\\[^\n]|[^"\\\n])*"|'[^'\n]*')[ \t]*\.[ \t]*){{{MAX_PARTS}}})"""
    r"""|"(?:\\[^\n]|[^"\\\n])*"?|'[^'\n]*'?|[\w-]+""",
    re.DOTALL,
)
_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?$")


def read(path: str | Path) -> Any:
    """The data in a `.toml`, `.json`, `.yaml` or `.yml` file; by content if the suffix is another.

    ConfigError naming file and line if it cannot be read; for YAML without PyYAML, what to install.
    """
    text = read_text(path)
    name = os.fspath(path)
    if name.endswith((".yaml", ".yml")):
        return yaml(name).parse(text, name)
    if name.endswith(".json") or (not name.endswith(".toml") and text.lstrip()[:1] in ("{", "[")):
        return _parse_json(text, name)
    return parse_toml(text, name)


def read_text(path: str | Path) -> str:
    """The text of a file that people write: UTF-8 and not huge, else ConfigError."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as f:
            data = f.read(MAX_SIZE + 1)
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror}", file=name) from None
    if len(data) > MAX_SIZE:
        raise ConfigError(f"larger than {MAX_SIZE // 2**20} MiB", file=name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise ConfigError("not UTF-8 text", file=name, line=line) from None


def _loads(text: str) -> dict[str, Any]:
    """The data in a TOML text; ValueError."""
    # loaded by name, and late: most starts read no file
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    data: dict[str, Any] = toml.loads(text)
    return data


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The data in a TOML text; ConfigError naming file and line."""
    # what reads it needs time and memory by the square of the parts of a key
    if any(line.count(".") >= MAX_PARTS for line in text.split("\n")):
        for found in _PIECES.finditer(text):
            if found[1]:
                line = text.count("\n", 0, found.start()) + 1
                raise ConfigError(f"a key of more than {MAX_PARTS} parts", file=file, line=line)
    try:
        data = _loads(text)
        json.dumps(data, default=str)  # a number in hexadecimal may be too long to be shown
        return data
    except (ValueError, RecursionError) as e:
        place = _PLACE.search(str(e))
        line = text.count("\n") + 1 if place is None or place[1] is None else int(place[1])
        raise ConfigError(f"not TOML: {_PLACE.sub('', str(e))}", file=file, line=line) from None


def _parse_json(text: str, file: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise ConfigError(f"not JSON: {e.msg}", file=file, line=e.lineno) from None
    except RecursionError:
        raise ConfigError("not JSON: nested too deep", file=file) from None
    except ValueError:
        raise ConfigError("not JSON: a number of too many digits", file=file) from None


def yaml(file: str | None = None) -> Any:
    """The room for YAML; ConfigError where PyYAML is not."""
    try:
        # by name, because what it needs is an extra
        return import_module("canary.yamldata")
    except ModuleNotFoundError as e:
        if e.name != "yaml":
            raise
        hint = "pip install 'canary-core[yaml]', or write TOML"
        raise ConfigError("YAML needs PyYAML", file=file, hint=hint) from None


def find_line(text: str, path: Sequence[str]) -> int | None:
    """The line (1-based) on which a TOML or YAML text sets the key `path`; None if unclear."""
    best: int | None = None
    for number, (line, table, key) in enumerate(_placed(text.splitlines()), 1):
        if path and (*table, *key) == tuple(path):
            return number
        if best is None and path and re.match(rf"\s*\"?{re.escape(path[-1])}\"?\s*[:=]", line):
            best = number
    return best


def format_toml(value: Any) -> str:
    """A value as TOML: scalars, lists, and tables (inline)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        inner = ", ".join(
            f"{_quoted(k)} = {format_toml(v)}" for k, v in value.items() if v is not None
        )
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(format_toml, value))}]"
    # JSON's escapes are all TOML's, but TOML wants DEL escaped too, and no lone surrogate
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def format_document(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Nested mappings as a TOML document; None is left out."""
    plain = {k: v for k, v in data.items() if not isinstance(v, Mapping) and v is not None}
    lines = [f"{_quoted(k)} = {format_toml(v)}" for k, v in plain.items()]
    if path and (lines or not data):
        lines.insert(0, f"[{'.'.join(map(_quoted, path))}]")
    parts = ["\n".join(lines)] if lines else []
    for key, value in data.items():
        if isinstance(value, Mapping):
            parts.append(format_document(value, (*path, key)))
    return "\n\n".join(part for part in parts if part)


def set_value(text: str, path: Sequence[str], value: Any, file: str) -> str:
    """A TOML text with the key `path` set to `value`, every other line as it was.

    ConfigError if the key is written in a way that one line cannot replace.
    """
    wanted = parse_toml(text, file)
    place = wanted
    for key in path[:-1]:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise ConfigError("is a value, not a table", file=file, key=key)
    place[path[-1]] = json.loads(json.dumps(value))
    lines = text.splitlines()
    entry = f"{_quoted(path[-1])} = {format_toml(value)}"
    begin, end = _extent(lines, tuple(path), file)
    if begin == end and path[:-1] and begin == 0:
        if lines and lines[-1].strip():
            lines.append("")
        lines += [f"[{'.'.join(map(_quoted, path[:-1]))}]", entry]
    else:
        lines[begin:end] = [entry]
    edited = "\n".join(lines) + "\n"
    try:
        right = _loads(edited) == wanted
    except ValueError:
        right = False
    if not right:
        key = ".".join(map(_quoted, path))
        hint = f"write it by hand: {key} = {format_toml(value)}"
        raise ConfigError("cannot be changed in place", file=file, key=key, hint=hint)
    return edited


def _extent(lines: Sequence[str], path: tuple[str, ...], file: str) -> tuple[int, int]:
    """Which lines hold the key; empty where it is to be inserted, (0, 0) if its table is absent."""
    insert = 0
    for i, (line, table, key) in enumerate(_placed(lines)):
        if key and (*table, *key) == path:
            for end in range(i + 1, len(lines) + 1):
                try:
                    _loads("\n".join(lines[i:end]))
                except ValueError:
                    continue
                return i, end
            raise ConfigError("cannot find the end of its value", file=file, key=".".join(path))
        if table == path[:-1] and line.strip():
            insert = i + 1
    return insert, insert


def _placed(lines: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Each line of a TOML text, the table that it opens or stands in, and the key that it sets."""
    table: tuple[str, ...] = ()
    for line in lines:
        if header := _HEADER.match(line):
            table = _split_key(header[1])
        yield line, table, () if header else _key_of(line)


def _key_of(line: str) -> tuple[str, ...]:
    """The key that a line of TOML sets, in parts; empty if it sets none."""
    head, sep, _ = line.partition("=")
    return _split_key(head) if sep and not head.lstrip().startswith("#") else ()


def _split_key(text: str) -> tuple[str, ...]:
    """`a."b c".d` in parts; empty if it is not a key."""
    try:
        data: Any = _loads(f"{text.strip()} = 0")
    except ValueError:
        return ()
    parts = []
    while isinstance(data, dict):
        [(key, data)] = data.items()
        parts.append(key)
    return tuple(parts)


def _quoted(key: str) -> str:
    return key if _BARE.fullmatch(key) else format_toml(key)
