"""Differences as one HTML file: texts and images side by side, numbers with their tolerance.

The file needs nothing from elsewhere and has no script. What is in the compared files is escaped
and does nothing; `canary.reporting.visible` shows what cannot be seen. Nothing is decided here.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Final

from canary.job import Job
from canary.reporting import visible
from canary_baseline.changes import (
    Change,
    Lines,
    Moved,
    Tolerance,
    describe,
    describe_texts,
    is_text,
    numbers_moved,
    text_lines,
)

ROWS: Final = 2000
CONTEXT: Final = 3
LINE: Final = 2000
IMAGE_BYTES: Final = 8 << 20
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def head() -> str:
    """The file up to the first job."""
    style = (resources.files("canary_baseline") / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>canary rebaseline</title>\n<style>{style}</style>\n</head>\n<body>\n"
        "<h1>What would become the reference</h1>\n"
    )


def foot() -> str:
    """What follows the last job."""
    return "</body>\n</html>\n"


def section(job: Job, changes: Sequence[Change], tolerance: Tolerance) -> Iterator[str]:
    """A job and its files."""
    yield f"<section>\n<h2>{_text(job.display_name(resolve=True))}</h2>\n"
    yield f"<p>{_text(job.status.text)} <code>{_text(job.id[:7])}</code></p>\n"
    for change in changes:
        yield from _change(change, tolerance)
    yield "</section>\n"


def _change(change: Change, tolerance: Tolerance) -> Iterator[str]:
    new = change.source.read_bytes()
    old = b"" if change.is_new else change.target.read_bytes()
    name = _text(str(change.target))
    moved = None if change.is_new else numbers_moved(old, new)
    if change.is_new:
        said = f"new, {len(new)} bytes"
    elif old == new:
        said = "the same"
    elif moved is not None:
        said = describe(moved, tolerance)
    elif is_text(old) and is_text(new):
        said = describe_texts(old, new)
    elif _are_images(old, new):
        said = "the picture differs"
    else:
        said = f"{len(old)} bytes become {len(new)}"
    is_open = "" if old == new else " open"
    yield f"<details{is_open}>\n<summary><strong>{name}</strong> {said}</summary>\n"
    if old != new:
        yield from _numbers(moved, tolerance) if moved else ()
        if _are_images(old, new):
            yield from _images(old, new)
        elif is_text(old) and is_text(new):
            yield from _texts(old, new)
    yield "</details>\n"


def _numbers(moved: Sequence[Moved], tolerance: Tolerance) -> Iterator[str]:
    titles = ("Line", "Reference", "New", "Absolute", "Relative", "")
    yield f"<table>\n<thead><tr>{''.join(f'<th>{t}</th>' for t in titles)}</tr></thead>\n<tbody>\n"
    by_size = sorted(moved, key=lambda m: -m.relative if math.isfinite(m.relative) else -math.inf)
    for m in by_size[:ROWS]:
        values = (m.line, _number(m.before), _number(m.after), f"{m.absolute:.3g}")
        cells = "".join(f"<td>{v}</td>" for v in (*values, f"{m.relative:.3g}"))
        is_allowed = tolerance.allows(m)
        verdict = "✓ within" if is_allowed else "✗ beyond"
        shown = verdict if tolerance != Tolerance() else ""
        kind = "within" if is_allowed else "beyond"
        yield f"<tr>{cells}<td class='{kind}'>{shown}</td></tr>\n"
    yield "</tbody>\n</table>\n"
    if len(moved) > ROWS:
        yield f"<p>... {len(moved) - ROWS} more, which differ less</p>\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def _image_kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _IMAGES if data.startswith(begin)), None)


def _are_images(old: bytes, new: bytes) -> bool:
    """Can both be shown, or the new one where there is no old one?"""
    small = len(old) + len(new) <= IMAGE_BYTES
    return small and all(_image_kind(data) for data in (old, new) if data) and bool(new)


def _images(old: bytes, new: bytes) -> Iterator[str]:
    """The two, and one over the other so that only what differs is not black."""
    shown = [
        f'<img alt="{name}" src="data:{_image_kind(data)};base64,'
        f'{base64.b64encode(data).decode("ascii")}">'
        for name, data in (("reference", old), ("new", new))
        if data
    ]
    titles = ("Reference", "New") if len(shown) == 2 else ("New",)
    yield '<div class="images">\n'
    for title, image in zip(titles, shown, strict=True):
        yield f"<figure><figcaption>{title}</figcaption>{image}</figure>\n"
    if len(shown) == 2:
        yield '<figure><figcaption>Difference (black: the same)</figcaption><div class="over">'
        yield f"{''.join(shown)}</div></figure>\n"
    yield "</div>\n"


def _texts(old: bytes, new: bytes) -> Iterator[str]:
    """The lines that differ and those around them, side by side."""
    before, after = text_lines(old), text_lines(new)
    yield '<table class="sides">\n<tbody>\n'
    rows = 0
    for group in Lines(before, after).get_grouped_opcodes(CONTEXT):
        if rows:
            yield '<tr class="gap"><td colspan="4">...</td></tr>\n'
        for tag, i, i_end, j, j_end in group:
            for k in range(max(i_end - i, j_end - j)):
                if rows == ROWS:
                    yield "</tbody>\n</table>\n<p>... and more</p>\n"
                    return
                rows += 1
                left = before[i + k] if i + k < i_end else None
                right = after[j + k] if j + k < j_end else None
                yield _row(i + k + 1, left, j + k + 1, right, same=tag == "equal")
    yield "</tbody>\n</table>\n"


def _row(i: int, left: str | None, j: int, right: str | None, *, same: bool) -> str:
    if same or left is None or right is None:
        old, new = (_text((side or "")[:LINE]) for side in (left, right))
    else:
        old, new = _marked(left[:LINE], right[:LINE])
    kinds = (
        ("", "")
        if same
        else ("old" if left is not None else "", "new" if right is not None else "")
    )
    cells = ((i, left, old, kinds[0]), (j, right, new, kinds[1]))
    return "<tr>{}</tr>\n".format(
        "".join(
            f'<th>{number if side is not None else ""}</th><td class="{kind}">{text}</td>'
            for number, side, text, kind in cells
        )
    )


def _marked(left: str, right: str) -> tuple[str, str]:
    """Both lines, with what differs marked."""
    begin = 0
    while begin < min(len(left), len(right)) and left[begin] == right[begin]:
        begin += 1
    end = 0
    while end < min(len(left), len(right)) - begin and left[-1 - end] == right[-1 - end]:
        end += 1

    def mark(line: str) -> str:
        stop = len(line) - end
        middle = f"<mark>{_text(line[begin:stop])}</mark>" if stop > begin else ""
        return _text(line[:begin]) + middle + _text(line[stop:])

    return mark(left), mark(right)


def _text(text: str) -> str:
    return escape(visible(text))
