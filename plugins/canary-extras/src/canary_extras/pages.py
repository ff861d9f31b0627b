"""The pages of the manual: where they are, what they are called.

An installed distribution has them beside this file, a checkout in its `docs`. How they are shown
is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from canary.errors import UsageError

_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|<!--.*?-->", re.DOTALL)
FOLDERS = ("guide", "reference")
SINGLE = ("differences",)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name is its path without `.md`."""

    name: str
    path: Path

    @property
    def text(self) -> str:
        """All of it, as Markdown."""
        return self.path.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """Its first heading, or its name."""
        heading = re.search(r"^# +(.+)$", self.text, re.MULTILINE)
        return heading[1].strip() if heading else self.name

    @property
    def summary(self) -> str:
        """Its first paragraph, on one line, without links."""
        plain = _MARKS.sub(lambda m: m[1] or "", self.text)
        parts = (part.strip() for part in plain.split("\n\n"))
        first = next((p for p in parts if p and not p.startswith(("#", "```", "|"))), "")
        return " ".join(first.split())


def source() -> Path:
    """The directory that has the pages; UsageError if there is none."""
    here = Path(__file__).resolve().parent
    checkout = here.parents[3] / "docs" if here.parent.name == "src" else here / "manual"
    for directory in (here / "manual", checkout):
        if (directory / FOLDERS[0]).is_dir():
            return directory
    raise UsageError(
        "this installation has no pages", hint="pip install --force-reinstall canary-extras"
    )


def all_pages(directory: Path | None = None) -> dict[str, Page]:
    """Every page by name, those of the guide first."""
    top = source() if directory is None else directory
    files = [f for folder in FOLDERS for f in sorted((top / folder).glob("*.md"))]
    files += [top / f"{name}.md" for name in SINGLE if (top / f"{name}.md").is_file()]
    names = [f.relative_to(top).with_suffix("").as_posix() for f in files]
    return {name: Page(name, file) for name, file in zip(names, files, strict=True)}


def find(what: str, known: Mapping[str, Page]) -> Page:
    """The page of that name, or of that last part of a name; UsageError if that is not one."""
    wanted = what.removesuffix(".md").strip("/").lower()
    exact = [p for name, p in known.items() if name == wanted]
    found = exact or [p for name, p in known.items() if name.rpartition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{what!r} could be {' or '.join(p.name for p in found)}")
    words = {n.rpartition("/")[2]: n for n in known} | {n: n for n in known}
    close = get_close_matches(wanted, words, 1)
    hint = f"did you mean {words[close[0]]}?" if close else "canary docs list shows all"
    raise UsageError(f"there is no page {what!r}", hint=hint)
