"""What a new baseline would change: which file becomes which, and how they differ.

Nothing is written here. A difference is shown as text lines, as numbers that moved, or as sizes
where the content is no text.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from canary.job import Job, MissingSourceError
from canary.table import clean

PREVIEW_LINES: Final = 12
MAX_TEXT: Final = 1 << 20
_NUMBER: Final = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Change:
    """`source`, made by the job, would replace `target`, in the test's tree."""

    job: str
    source: Path
    target: Path

    @property
    def is_new(self) -> bool:
        """There is no reference yet."""
        return not self.target.exists()

    @property
    def is_same(self) -> bool:
        """Both hold the same bytes."""
        return not self.is_new and self.source.read_bytes() == self.target.read_bytes()

    def preview(self, tolerance: Tolerance) -> Iterator[str]:
        """A few lines for people."""
        name = clean(os.path.relpath(self.target))
        if self.is_new:
            yield f"{name}: new, {self.source.stat().st_size} bytes"
            return
        if self.is_same:
            yield f"{name}: the same"
            return
        old, new = self.target.read_bytes(), self.source.read_bytes()
        moved = numbers_moved(old, new)
        if moved is not None:
            yield f"{name}: {describe(moved, tolerance)}"
        elif is_text(old) and is_text(new):
            yield f"{name}: the text differs"
        else:
            yield f"{name}: {len(old)} bytes become {len(new)}"
            return
        yield from _lines(old, new)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What two numbers may differ by: `absolute`, and `relative` to the larger of them."""

    relative: float = 0.0
    absolute: float = 0.0

    def allows(self, moved: Moved) -> bool:
        """Is the difference no more than this?"""
        larger = max(abs(moved.before), abs(moved.after))
        return moved.absolute <= self.absolute + self.relative * larger


@dataclass(frozen=True, slots=True)
class Moved:
    """A number that is another now, on `line` of the file."""

    line: int
    before: float
    after: float

    @property
    def absolute(self) -> float:
        """The difference."""
        return abs(self.before - self.after)

    @property
    def relative(self) -> float:
        """The difference, relative to the larger of the two."""
        larger = max(abs(self.before), abs(self.after), 1e-300)
        return self.absolute / larger if self.before != self.after else 0.0


def describe(moved: Sequence[Moved], tolerance: Tolerance) -> str:
    """What became of the numbers, in one line."""
    largest = max((m.relative for m in moved), default=0.0)
    text = f"{len(moved)} numbers differ, by at most {largest:.3g} relatively"
    if tolerance == Tolerance():
        return text
    beyond = sum(not tolerance.allows(m) for m in moved)
    return f"{text}; {beyond or 'none'} by more than the tolerance"


def changes_of(job: Job) -> list[Change]:
    """The files that the job's baseline actions copy; MissingSourceError if the job did not make
    one, or if a name leaves its directory."""
    out = []
    for action in job.spec.baseline:
        if action.src is not None and action.dst is not None:
            source = _inside(job.workspace.dir, action.src)
            if not source.is_file():
                raise MissingSourceError(f"{action.src}: not made by {job.name}")
            out.append(Change(job.name, source, _inside(job.file.parent, action.dst)))
    return out


def _inside(directory: Path, name: str) -> Path:
    path = Path(os.path.normpath(directory / name))
    if directory not in path.parents:
        raise MissingSourceError(f"{name}: leaves {directory}")
    return path


def is_text(data: bytes) -> bool:
    """UTF-8 without NUL, and not too long to look at."""
    if b"\0" in data or len(data) > MAX_TEXT:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def numbers_moved(old: bytes, new: bytes) -> list[Moved] | None:
    """If two texts differ in numbers alone: those that do."""
    if not (is_text(old) and is_text(new)) or _NUMBER.sub(b"", old) != _NUMBER.sub(b"", new):
        return None
    before, after = list(_NUMBER.finditer(old)), list(_NUMBER.finditer(new))
    if len(before) != len(after):
        return None
    found, line, at = [], 1, 0
    for a, b in zip(before, after, strict=True):
        if a[0] != b[0]:
            line += old.count(b"\n", at, a.start())
            at = a.start()
            found.append(Moved(line, _number(a[0]), _number(b[0])))
    return found


def _number(text: bytes) -> float:
    return float(text.replace(b"d", b"e").replace(b"D", b"e"))


def _lines(old: bytes, new: bytes) -> Iterator[str]:
    before, after = old.decode().splitlines(), new.decode().splitlines()
    lines = list(difflib.unified_diff(before, after, "reference", "new", n=0, lineterm=""))[2:]
    for line in lines[:PREVIEW_LINES]:
        yield "    " + clean(line)
    if len(lines) > PREVIEW_LINES:
        yield f"    ... {len(lines) - PREVIEW_LINES} more lines"
