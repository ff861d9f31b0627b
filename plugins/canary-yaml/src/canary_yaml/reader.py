"""From a file to plain data and the lines where its parts stand.

YAML is read with the limits of `canary.yamldata`; the lines come from its nodes. TOML has no marks:
its lines are those where headers and keys are found. What the data means is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

from canary import textdata, yamldata
from canary.errors import CanaryError, SpecError

Path: TypeAlias = tuple[str | int, ...]

# what aliases may blow a small file up to
MAX_NODES: Final = 100_000
_HEADER: Final = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")
_PART: Final = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a file; errors about it name the file, the line and the key."""

    file: str
    lines: Mapping[Path, int]
    path: Path = ()

    def at(self, *more: str | int) -> Place:
        """A part of the part."""
        return Place(self.file, self.lines, self.path + more)

    @property
    def line(self) -> int:
        """Where it is written, or the nearest thing around it of which that is known."""
        for end in range(len(self.path), 0, -1):
            if self.path[:end] in self.lines:
                return self.lines[self.path[:end]]
        return 1

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
            return textdata.parse_toml(text, path), Place(path, dict(_toml_lines(text)))
        data, root = yamldata.load(text, path)
    except CanaryError as e:
        raise SpecError(e.message, hint=e.hint, file=path, line=e.line, key=e.key) from None
    return data, Place(path, _yaml_lines(root, path))


def _yaml_lines(root: yaml.Node | None, file: str) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    todo: list[tuple[Path, yaml.Node]] = [] if root is None else [((), root)]
    count = 0
    while todo:
        path, node = todo.pop()
        count += 1
        if count > MAX_NODES:
            raise SpecError(f"aliases make it more than {MAX_NODES} values", file=file, line=1)
        if len(path) > yamldata.MAX_DEPTH:
            # an alias for what it stands in, or aliases for aliases
            line = node.start_mark.line + 1
            raise SpecError("aliases make it nested too deep", file=file, line=line)
        lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                part = (*path, str(key.value))
                lines[part] = key.start_mark.line + 1
                todo.append((part, value))
        elif isinstance(node, yaml.SequenceNode):
            todo += [((*path, i), item) for i, item in enumerate(node.value)]
    return lines


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
