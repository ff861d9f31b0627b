"""From a file to plain data and the lines where its parts stand.

YAML is read with the limits of `canary.yamldata`; the lines come from its nodes. TOML has no marks:
its lines are those where headers and keys are found. What the data means is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from canary import textdata, yamldata
from canary.errors import CanaryError, SpecError
from canary_yaml import quick
from canary_yaml.place import KnownLines, Lines, Path, Place

# what aliases may blow a small file up to
MAX_NODES: Final = 100_000
_HEADER: Final = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_HEADERS: Final = re.compile(r"^[ \t]*\[([\w.-]+)\][ \t]*$", re.MULTILINE)
_KEY: Final = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")
_PART: Final = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class NodeLines(Lines):
    """Lines of YAML, looked up in its nodes when they are asked for: most never are."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root
        self._keys: dict[int, dict[str, tuple[int, yaml.Node]]] = {}

    def of(self, path: Path) -> int:
        """See `Lines.of`."""
        line, node = 1, self._root
        for part in path:
            if isinstance(node, yaml.MappingNode):
                keys = self._keys.get(id(node))
                if keys is None:
                    # the last of two that read alike, as with dictionaries
                    keys = {str(k.value): (k.start_mark.line + 1, v) for k, v in node.value}
                    self._keys[id(node)] = keys
                if part not in keys:
                    break
                line, node = keys[str(part)]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


class TextLines(Lines):
    """Lines of TOML, where headers and keys are found when they are asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._headers: dict[Path, int] | None = None

    def of(self, path: Path) -> int:
        """See `Lines.of`."""
        text = self._text
        if self._headers is None:
            self._headers = {
                tuple(found[1].split(".")): text.count("\n", 0, found.start()) + 1
                for found in _HEADERS.finditer(text)
            }
        if path in self._headers:
            return self._headers[path]
        return KnownLines(dict(_toml_lines(text))).of(path)


def read(path: str) -> tuple[Any, Place]:
    """The data of a file and the place that is all of it; SpecError if it cannot be read."""
    try:
        text = textdata.read_text(path)
        if path.endswith(".toml"):
            data = textdata.parse_toml(text, path)
            return data, Place(path, TextLines(text))
        found = quick.load(text)
        if found is not None:
            return found[0], Place(path, NodeLines(found[1]))
        data, root = yamldata.load(text, path)
    except CanaryError as e:
        raise SpecError(e.message, hint=e.hint, file=path, line=e.line, key=e.key) from None
    _check_size(root, path)
    return data, Place(path, NodeLines(root))


def _check_size(root: yaml.Node | None, file: str) -> None:
    """Refuse what aliases make of a small file."""
    todo: list[tuple[int, yaml.Node]] = [] if root is None else [(0, root)]
    count = 0
    while todo:
        depth, node = todo.pop()
        count += 1
        if count > MAX_NODES:
            raise SpecError(f"aliases make it more than {MAX_NODES} values", file=file, line=1)
        if depth > yamldata.MAX_DEPTH:
            # an alias for what it stands in, or aliases for aliases
            line = node.start_mark.line + 1
            raise SpecError("aliases make it nested too deep", file=file, line=line)
        if isinstance(node, yaml.MappingNode):
            todo += [(depth + 1, value) for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(depth + 1, item) for item in node.value]


def _toml_lines(text: str) -> Iterator[tuple[Path, int]]:
    """Headers and keys: a guess, good enough for errors."""
    header: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _HEADER.match(line):
            header = _parts(found[1])
            yield header, number
        elif found := _KEY.match(line):
            yield header + _parts(found[1]), number


def _parts(text: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(text))
