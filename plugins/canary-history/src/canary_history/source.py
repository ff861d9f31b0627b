"""Which branch and commit a session ran, as a file in its directory.

git's own files are read; no program is run, which would cost a session more than all the rest here.
Where there is no repository, nothing is noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = "source.json"
_MOST: Final = 1 << 20


def note(directory: Path, start: Path | str) -> None:
    """Write what `head` finds into a session's directory; one that cannot be written is none."""
    found = head(Path(start))
    if found:
        try:
            (directory / FILE).write_text(json.dumps(found) + "\n", encoding="ascii")
        except OSError:
            pass


def read(directory: Path) -> Mapping[str, Any]:
    """What `note` wrote; empty if it wrote nothing."""
    try:
        data = json.loads((directory / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def head(start: Path) -> dict[str, str]:
    """`branch` (not if none is checked out) and `commit` of the repository around a directory."""
    for place in (start, *start.parents):
        git = place / ".git"
        if git.is_file():  # a worktree or submodule: the file says where the rest is
            git = place / _text(git).removeprefix("gitdir:").strip()
        if (git / "HEAD").is_file():
            return _head(git)
    return {}


def _head(git: Path) -> dict[str, str]:
    said = _text(git / "HEAD")
    if not said.startswith("ref:"):
        return {"commit": said}
    ref = said.removeprefix("ref:").strip()
    common = git / (_text(git / "commondir") or ".")
    commit = _text(git / ref) or _text(common / ref) or _packed(common, ref)
    found = {"branch": ref.removeprefix("refs/heads/"), "commit": commit}
    return {k: v for k, v in found.items() if v}


def _packed(common: Path, ref: str) -> str:
    for line in _text(common / "packed-refs", 64 * _MOST).splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return ""


def _text(path: Path, most: int = _MOST) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as f:
            return f.read(most).strip()
    except OSError:
        return ""
