"""The view: a directory beside `.canary` with one link per job to its latest result.

Made in bulk at the end of a session or by `canary view refresh`, never while jobs run.
`.canary-view.json` in it says what each entry is; only what is listed there is ever replaced or
removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from canary import fsio
from canary.errors import WorkspaceError
from canary.faults import fault
from canary.names import above
from canary.table import counted

MANIFEST: Final = ".canary-view.json"
VERSION: Final = 1


class Entry(NamedTuple):
    """A job in the view, as the manifest has it: where it is shown, where its directory is
    (absolute), its session and how it ended."""

    job_id: str
    view_path: str
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
    holds. WorkspaceError, after all others are shown, if something that is not ours is in the way.
    """
    try:
        known = _read(view)
        listed = {e["view_path"] for e in known.values()}
        new = {entry.job_id: entry for entry in entries}
        for id in list(known) if fresh else _stale(known, new):
            _drop(view, known.pop(id)["view_path"])
        view.mkdir(exist_ok=True)
        _sweep(view)
        if not is_view(view):
            _write(view, {}, mode)  # it is ours before anything is in it
        made: set[str] = {os.fspath(view)}
        shown = {id: e for id, e in new.items() if _is_free(view, e.view_path, listed, made)}
        known.update((id, entry._asdict()) for id, entry in shown.items())
        # before they are made: what a run that is cut off leaves is known to be ours
        _write(view, known, mode)
        for entry in shown.values():
            fsio.remove(f"{view}/{entry.view_path}")
            _put(entry.source, f"{view}/{entry.view_path}", mode, absolute=view.is_symlink())
    except OSError as e:
        raise fsio.explain(e, view, "write the view") from None
    foreign = [entry.view_path for id, entry in new.items() if id not in shown]
    if foreign:
        raise WorkspaceError(
            f"{counted(len(foreign), 'job')} not shown: {foreign[0]} is not of canary's making",
            hint="move it out of the view",
            file=str(view),
        )
    return len(known)


def remove_all(directory: Path) -> None:
    """Remove the views in `directory`: what is listed in them, and what is empty then."""
    for view in sorted(_views(directory)):
        if is_view(view):
            update(view, (), fresh=True)
        _sweep(view)
        if set(os.listdir(view)) <= {MANIFEST}:
            shutil.rmtree(view)


def _views(directory: Path) -> Iterator[Path]:
    """Directories in it with a manifest, or with what is left of one."""
    for path in directory.iterdir():
        with suppress(OSError):  # no directory, none of ours, or one that goes meanwhile
            names = () if path.is_symlink() else os.listdir(path)
            if any(name.startswith(MANIFEST) for name in names):
                yield path


def _sweep(view: Path) -> None:
    """Remove manifests that whoever wrote them was killed over."""
    for path in view.glob(f"{MANIFEST}.*~"):
        try:
            os.kill(int(path.name.rpartition(".")[2][:-1]), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except (OSError, ValueError, OverflowError):
            pass  # another user's, or no number: not ours


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


def _read(view: Path) -> dict[str, Any]:
    if (view / MANIFEST).exists() and not is_view(view):
        return {}  # a pipe, say: as one that is damaged
    try:
        entries = json.loads(fsio.read_ends(f"{view}/{MANIFEST}"))["entries"]
        return {id: e for id, e in entries.items() if _is_inside(e["view_path"])}
    except FileNotFoundError:
        if view.exists() and not all(n.startswith(MANIFEST) for n in os.listdir(view)):
            raise WorkspaceError(
                "this directory is no view of canary's, so it is left alone",
                hint="choose another name: workspace.view.name",
                file=str(view),
            ) from None
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _write(view: Path, known: Mapping[str, Any], mode: str) -> None:
    data = {"version": VERSION, "settings": {"mode": mode, "name": view.name}, "entries": known}
    fsio.write_atomic(
        view / MANIFEST, json.dumps(data, separators=(",", ":")).encode("utf-8", "surrogatepass")
    )


def _stale(known: Mapping[str, Any], new: Mapping[str, Entry]) -> list[str]:
    """IDs of entries that have moved, or are in the way of new ones of other jobs."""
    paths = {entry.view_path for entry in new.values()}
    taken = {*paths, *(directory for path in paths for directory in above(path))}

    def is_stale(id: str, path: str) -> bool:
        if id in new:
            return new[id].view_path != path
        return path in taken or not paths.isdisjoint(above(path))

    return [id for id, entry in known.items() if is_stale(id, entry["view_path"])]


def _drop(view: Path, path: str) -> None:
    """Remove an entry and the directories that are empty then; nothing behind a link."""
    if any(os.path.islink(f"{view}/{directory}") for directory in above(path)):
        return
    fsio.remove(f"{view}/{path}")
    for directory in above(path):
        try:
            os.rmdir(f"{view}/{directory}")
        except OSError:
            return


def _is_free(view: Path, path: str, listed: Collection[str], made: set[str]) -> bool:
    """Make the directories above an entry; is there nothing in its place but what is ours? Links
    are: a run that was cut off left them."""
    for directory in reversed(tuple(above(path))):
        at = f"{view}/{directory}"
        if at in made:
            continue
        if os.path.islink(at):
            os.unlink(at)
        try:
            os.mkdir(at)
        except FileExistsError:
            if not os.path.isdir(at):
                return False
        made.add(at)
    target = f"{view}/{path}"
    return path in listed or os.path.islink(target) or not os.path.exists(target)


def _put(source: str, target: str, mode: str, *, absolute: bool) -> None:
    fault("view")
    if mode == "symlink":
        os.symlink(source if absolute else os.path.relpath(source, os.path.dirname(target)), target)
    elif mode == "hardlink":
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    else:
        shutil.copytree(source, target, symlinks=True)
