"""Pages as trees of plain values: `["p", {"class": "x"}, "text", [...]]`.

One description serves twice: `to_html` writes it as HTML, and `assets/build.js` makes elements of
it, from the JSON that such a tree is. Text is made harmless where it enters, in `el`; `Shown` says
that it has been. This module knows tags, not jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from canary.reporting import visible

Tree = str | list[Any]
_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_VALUE: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class Shown(str):
    """Text that `canary.reporting.visible` has seen already."""

    __slots__ = ()


def el(tag: str, *children: Tree | None, **attributes: str | None) -> list[Any]:
    """An element; an underscore at the end of an attribute's name is dropped, others become `-`.

    Children and attributes that are None are left out.
    """
    names = {
        k.rstrip("_").replace("_", "-"): _harmless(v)
        for k, v in attributes.items()
        if v is not None
    }
    return [tag, names, *[_shown(child) for child in children if child is not None]]


def facts(rows: Iterable[tuple[str, Tree]]) -> list[Any]:
    """A table of two columns, names and values; short, because there are more of these than of
    anything else."""
    return ["facts", {}, *(_shown(cell) for row in rows for cell in row)]


def _shown(child: Tree) -> Tree:
    return _harmless(child) if type(child) is str else child


def _harmless(text: str) -> str:
    # nearly all texts are plain, and there are millions
    is_plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if is_plain else visible(text)


def clip(text: str, length: int) -> Shown:
    """`text` as `visible` text, at most so many characters and a note of what was left out."""
    if len(text) <= length:
        return Shown(_harmless(text))
    return Shown(f"{_harmless(text[:length])} ... {len(text) - length} characters left out")


def to_html(tree: Tree) -> str:
    """The tree as HTML."""
    return "".join(_parts(tree))


def _parts(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree.translate(_TEXT)
        return
    tag, attributes, *children = tree
    if tag == "facts":
        yield from _parts(_table(children))
        return
    values = "".join(f' {k}="{v.translate(_VALUE)}"' for k, v in attributes.items())
    # the parser drops a first newline after <pre>
    yield f"<{tag}{values}>\n" if tag == "pre" else f"<{tag}{values}>"
    for child in children:
        yield from _parts(child)
    yield f"</{tag}>"


def _table(cells: Sequence[Tree]) -> list[Any]:
    rows = (
        ["tr", {}, ["th", {"scope": "row"}, name], ["td", {}, value]]
        for name, value in zip(cells[::2], cells[1::2], strict=True)
    )
    return ["table", {"class": "facts"}, ["tbody", {}, *rows]]
