"""From a file to plain data and the lines where its parts stand.

YAML is read with the limits of `canary.yamldata`; the lines come from its nodes. TOML has no marks:
its lines are those where headers and keys are found. What the data means is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import yaml

from canary import textdata, yamldata
from canary.errors import CanaryError, SpecError
from canary_yaml import quick

Path: TypeAlias = tuple[str | int, ...]

# what aliases may blow a small file up to
MAX_NODES: Final = 100_000
_HEADER: Final = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")
_PART: Final = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class Lines:
    """Where the parts of a file stand; this is what nobody knows."""

    def of(self, path: Path) -> int:  # noqa: ARG002 - there are others
        """The line of a part, or of the nearest thing around it of which that is known."""
        return 1


class KnownLines(Lines):
    """Lines by path."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self._lines = lines

    def of(self, path: Path) -> int:
        """See `Lines.of`."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return 1


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


class Place:
    """A part of a file; errors about it name the file, the line and the key."""

    __slots__ = ("file", "lines", "path")

    def __init__(self, file: str, lines: Lines, path: Path = ()) -> None:
        self.file = file
        self.lines = lines
        self.path = path

    def at(self, *more: str | int) -> Place:
        """A part of the part."""
        return Place(self.file, self.lines, self.path + more)

    @property
    def line(self) -> int:
        """Where it is written, or the nearest thing around it of which that is known."""
        return self.lines.of(self.path)

    @property
    def key(self) -> str | None:
        """`tests.NAME.key[0]`."""
        text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path)
        return text.lstrip(".") or None

    def wrong(self, message: str, hint: str | None = None) -> SpecError:
        """The error to raise."""
        return SpecError(message, hint=hint, file=self.file, line=self.line, key=self.key)


def read(path: str) -> tuple[Any, Place]:
    """The data of a file and the place that is all of it; SpecError if it cannot be read."""
    try:
        text = textdata.read_text(path)
        if path.endswith(".toml"):
            data = textdata.parse_toml(text, path)
            return data, Place(path, KnownLines(dict(_toml_lines(text))))
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
