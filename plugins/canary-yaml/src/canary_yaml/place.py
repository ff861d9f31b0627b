"""Parts of a file, and the lines where they stand: what errors name.

How lines are found is not known here, but that nobody need know them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from canary.errors import SpecError

Path: TypeAlias = tuple[str | int, ...]


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
