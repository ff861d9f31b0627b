"""What a new baseline would change: which file becomes which, and how they differ.

Nothing is written here. A difference is shown as text lines, as numbers that moved, or as sizes
where the content is no text.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import Final, Literal

from canary.job import Job, MissingSourceError
from canary.table import clean

PREVIEW_LINES: Final = 12
MAX_TEXT: Final = 1 << 20
# of more lines than these no line is sought in another place: that may take hours
MAX_LINES: Final = 2000
# digits of an integer that any float is greater than
_DIGITS: Final = 300
_NUMBER: Final = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")

Block = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]


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
            yield f"{name}: {describe_texts(old, new)}"
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
        """Is the difference no more than this? Never if a number is too large to say."""
        if not (math.isfinite(moved.before) and math.isfinite(moved.after)):
            return False
        larger = max(abs(moved.before), abs(moved.after))
        return moved.absolute <= self.absolute + self.relative * larger


@dataclass(frozen=True, slots=True)
class Moved:
    """A number that is another now, on `line` of the file."""

    line: int
    before: int | float
    after: int | float

    @property
    def absolute(self) -> float:
        """The difference; infinite if one of them is."""
        finite = math.isfinite(self.before) and math.isfinite(self.after)
        return abs(self.before - self.after) if finite else math.inf

    @property
    def relative(self) -> float:
        """The difference, relative to the larger of the two; infinite if one of them is."""
        larger = max(abs(self.before), abs(self.after), 1e-300)
        return self.absolute / larger if math.isfinite(larger) else math.inf


def describe(moved: Sequence[Moved], tolerance: Tolerance) -> str:
    """What became of the numbers, in one line."""
    largest = max((m.relative for m in moved), default=0.0)
    text = f"{len(moved)} numbers differ, by at most {largest:.3g} relatively"
    if tolerance == Tolerance():
        return text
    beyond = sum(not tolerance.allows(m) for m in moved)
    return f"{text}; {beyond or 'none'} by more than the tolerance"


def describe_texts(old: bytes, new: bytes) -> str:
    """How two texts differ, in one line."""
    same = text_lines(old) == text_lines(new)
    return "only the ends of lines differ" if same else "the text differs"


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
    # each number leaves a mark that no text has, so that it has to be in the same place
    if not (is_text(old) and is_text(new)) or _NUMBER.sub(b"\0", old) != _NUMBER.sub(b"\0", new):
        return None
    found, line, at = [], 1, 0
    for a, b in zip(_NUMBER.finditer(old), _NUMBER.finditer(new), strict=True):
        if a[0] != b[0]:
            line += old.count(b"\n", at, a.start())
            at = a.start()
            found.append(Moved(line, _number(a[0]), _number(b[0])))
    return found


def _number(text: bytes) -> int | float:
    """An integer exactly, unless it may be greater than any float."""
    if len(text) <= _DIGITS and text.lstrip(b"+-").isdigit():
        return int(text)
    return float(text.replace(b"d", b"e").replace(b"D", b"e"))


def text_lines(data: bytes) -> list[str]:
    """The lines of a text, without their ends."""
    return data.decode().splitlines()


class Lines(difflib.SequenceMatcher[str]):
    """What became of lines, in reasonable time: those of long texts are compared one by one."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__()
        self._sides = old, new

    def get_opcodes(self) -> list[Block]:
        """As the base class has them."""
        old, new = self._sides
        begin = _alike(old, new)
        end = _alike(old[begin:][::-1], new[begin:][::-1])
        i, j = len(old) - end, len(new) - end
        if max(i, j) - begin > MAX_LINES:
            inner = _one_by_one(old[begin:i], new[begin:j])
        else:
            inner = difflib.SequenceMatcher(None, old[begin:i], new[begin:j]).get_opcodes()
        blocks: list[Block] = [("equal", 0, begin, 0, begin)]
        blocks += [
            (tag, i1 + begin, i2 + begin, j1 + begin, j2 + begin) for tag, i1, i2, j1, j2 in inner
        ]
        blocks.append(("equal", i, len(old), j, len(new)))
        return [block for block in blocks if block[1] < block[2] or block[3] < block[4]]


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines are the same up to the first that differs."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _one_by_one(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    at = 0
    for same, run in groupby(a == b for a, b in zip(old, new, strict=False)):
        to = at + len(list(run))
        blocks.append(("equal" if same else "replace", at, to, at, to))
        at = to
    if len(old) > at:
        blocks.append(("delete", at, len(old), at, at))
    if len(new) > at:
        blocks.append(("insert", at, at, at, len(new)))
    return blocks


def _lines(old: bytes, new: bytes) -> Iterator[str]:
    before, after = text_lines(old), text_lines(new)
    count = 0
    for line in _difference(before, after):
        if count < PREVIEW_LINES:
            yield "    " + clean(line)
        count += 1
    if count > PREVIEW_LINES:
        yield f"    ... {count - PREVIEW_LINES} more lines"


def _difference(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """As `diff -U0` shows it."""
    for tag, i, i_end, j, j_end in Lines(old, new).get_opcodes():
        if tag != "equal":
            yield f"@@ -{_range(i, i_end)} +{_range(j, j_end)} @@"
            yield from (f"-{line}" for line in old[i:i_end])
            yield from (f"+{line}" for line in new[j:j_end])


def _range(begin: int, end: int) -> str:
    many = end - begin
    return str(begin + 1) if many == 1 else f"{begin + bool(many)},{many}"
