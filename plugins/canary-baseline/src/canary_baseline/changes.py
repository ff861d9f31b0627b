"""What a new baseline would change: which file becomes which, and how they differ.

Nothing is written here. A difference is shown as text lines, as numbers that moved, or as sizes
where the content is no text.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
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

    def preview(self) -> Iterator[str]:
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
            n, largest = moved
            yield f"{name}: {n} numbers differ, by at most {largest:.3g} relatively"
        elif is_text(old) and is_text(new):
            yield f"{name}: the text differs"
        else:
            yield f"{name}: {len(old)} bytes become {len(new)}"
            return
        yield from _lines(old, new)


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


def numbers_moved(old: bytes, new: bytes) -> tuple[int, float] | None:
    """If two texts differ in numbers alone: how many, and the largest relative difference."""
    if not (is_text(old) and is_text(new)) or _NUMBER.sub(b"", old) != _NUMBER.sub(b"", new):
        return None
    before, after = _NUMBER.findall(old), _NUMBER.findall(new)
    if len(before) != len(after):
        return None
    n, largest = 0, 0.0
    for a, b in zip(before, after, strict=True):
        if a != b:
            x, y = (float(t.replace(b"d", b"e").replace(b"D", b"e")) for t in (a, b))
            n += 1
            largest = max(largest, abs(x - y) / max(abs(x), abs(y), 1e-300) if x != y else 0.0)
    return n, largest


def _lines(old: bytes, new: bytes) -> Iterator[str]:
    before, after = old.decode().splitlines(), new.decode().splitlines()
    lines = list(difflib.unified_diff(before, after, "reference", "new", n=0, lineterm=""))[2:]
    for line in lines[:PREVIEW_LINES]:
        yield "    " + clean(line)
    if len(lines) > PREVIEW_LINES:
        yield f"    ... {len(lines) - PREVIEW_LINES} more lines"
