"""Data as it stands in the file: JSON, compressed, in letters that no HTML parser takes for a tag.

The limit on the size of the file is kept here: pages of jobs that did not pass come first, with
less of their output if need be, then those of the others as far as there is room.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from canary_html.tree import Tree

CHUNK: Final = 1 << 18
# of what passed, less is kept: enough to see what it printed
PASSED_ENDS: Final = 2048
SMALLEST_ENDS: Final = 128

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":")
).encode
Page = Callable[[int, int], Tree]


def pack(value: Any) -> str:
    """`value` as base64 of compressed JSON."""
    return _pack(_encode(value).encode("utf-8", "backslashreplace"))


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode("ascii")


@dataclass(slots=True)
class Pages:
    """Packed chunks of pages, and the numbers of the jobs in each."""

    chunks: list[str] = field(default_factory=list)
    jobs: list[list[int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(map(len, self.chunks))

    @property
    def count(self) -> int:
        """How many jobs have a page."""
        return sum(map(len, self.jobs))


def pack_pages(
    trouble: Sequence[int], others: Sequence[int], page: Page, *, budget: int, limit: int
) -> Pages:
    """As many pages as `budget` bytes hold; `page` makes one from a job's number and how much of
    the ends of its output to show."""
    while True:
        made, is_complete = _fill(trouble, page, budget, limit)
        if is_complete or limit == 0:
            break
        shrunk = int(limit * 0.85 * max(0.1, made.count / len(trouble)))
        limit = shrunk if shrunk >= SMALLEST_ENDS else 0
    if not is_complete:
        return made
    more, _ = _fill(others, page, budget - made.size, min(limit, PASSED_ENDS))
    return Pages(made.chunks + more.chunks, made.jobs + more.jobs)


def _fill(numbers: Iterable[int], page: Page, budget: int, limit: int) -> tuple[Pages, bool]:
    """Pages until the budget is used up, and whether that is all of them."""
    made, left = Pages(), budget
    texts: list[str] = []
    jobs: list[int] = []

    def close() -> bool:
        nonlocal left
        chunk = _pack(f"[{','.join(texts)}]".encode("utf-8", "backslashreplace"))
        left -= len(chunk) + 64  # the element around it
        if left >= 0:
            made.chunks.append(chunk)
            made.jobs.append(list(jobs))
        texts.clear()
        jobs.clear()
        return left >= 0

    size = 0
    for number in numbers:
        text = _encode(page(number, limit))
        texts.append(text)
        jobs.append(number)
        size += len(text)
        if size >= CHUNK:
            size = 0
            if not close():
                return made, False
    return made, not texts or close()
