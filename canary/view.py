"""The view: a directory beside `.canary` with one link per job to its latest result.

Made in bulk at the end of a session or by `canary view refresh`, never while jobs run.
`.canary-view.json` in it says what each entry is; only what is listed there is ever replaced or
removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from canary import fsio
from canary.errors import WorkspaceError

MANIFEST: Final = ".canary-view.json"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in the view: where it is shown, where its directory is (absolute), its session and how
    it ended."""

    id: str
    path: str
    source: str
    session: str
    outcome: str
    updated: float


def wanted(only: str, category: str) -> bool:
    """Does a result of that category belong into a view of `all`, `failed`, `not_pass` or
    `passed`?"""
    return {
        "all": True,
        "failed": category == "FAIL",
        "not_pass": category != "PASS",
        "passed": category == "PASS",
    }[only]


def update(
    view: Path, entries: Iterable[Entry], *, mode: str = "symlink", fresh: bool = False
) -> int:
    """Add or replace entries, or with `fresh` make the view of these alone; return how many it
    holds."""
    try:
        known = {} if fresh else _read(view)
        if fresh:
            _clear(view)
        view.mkdir(exist_ok=True)
        made: set[str] = {os.fspath(view)}
        for entry in entries:
            target = f"{view}/{entry.path}"
            _remove(target)
            _parents(target, made)
            _put(entry.source, target, mode)
            known[entry.id] = _describe(entry)
        _write(view, known, mode)
    except OSError as e:
        raise fsio.explain(e, view, "write the view") from None
    return len(known)


def entry_at(view: Path, path: Path) -> list[str]:
    """The IDs of the jobs shown at `path` or below it."""
    inside = os.path.relpath(path, view)
    return [
        id
        for id, e in _read(view).items()
        if inside == "." or e["view_path"] == inside or e["view_path"].startswith(inside + "/")
    ]


def is_view(view: Path) -> bool:
    """Is it a directory that we made?"""
    return (view / MANIFEST).is_file()


def _describe(entry: Entry) -> dict[str, Any]:
    return {
        "job_id": entry.id,
        "view_path": entry.path,
        "source": entry.source,
        "session": entry.session,
        "outcome": entry.outcome,
        "updated": entry.updated,
    }


def _read(view: Path) -> dict[str, Any]:
    try:
        entries = json.loads((view / MANIFEST).read_text(encoding="utf-8"))["entries"]
    except FileNotFoundError:
        if view.exists() and any(view.iterdir()):
            raise WorkspaceError(
                "this directory is no view of canary's, so it is left alone",
                hint="choose another name: workspace.view.name",
                file=str(view),
            ) from None
        return {}
    except (ValueError, KeyError, TypeError):
        return {}
    return dict(entries)


def _write(view: Path, known: Mapping[str, Any], mode: str) -> None:
    data = {"version": VERSION, "settings": {"mode": mode, "name": view.name}, "entries": known}
    fsio.write_atomic(
        view / MANIFEST, json.dumps(data, separators=(",", ":")).encode("utf-8", "surrogatepass")
    )


def _clear(view: Path) -> None:
    if view.is_symlink() or not view.exists():
        return
    _read(view)
    shutil.rmtree(view)


def _remove(target: str) -> None:
    try:
        os.unlink(target)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(target)
    except NotADirectoryError:
        pass


def _parents(target: str, made: set[str]) -> None:
    directory = os.path.dirname(target)
    if directory not in made:
        os.makedirs(directory, exist_ok=True)
        made.add(directory)


def _put(source: str, target: str, mode: str) -> None:
    if mode == "symlink":
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
    elif mode == "hardlink":
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    else:
        shutil.copytree(source, target, symlinks=True)
