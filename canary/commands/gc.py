"""`canary gc`: remove what nobody looks at any more; every latest result and what it needs stays.

What is removed is first written into the log of its session, so that it is missed by nobody.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing, nullcontext
from itertools import groupby
from pathlib import Path

from canary import fsio, home, journal, lockfile, recovery
from canary.commands import shapes
from canary.config import Config
from canary.errors import ExitCode, RecordError
from canary.store import Store
from canary.table import counted, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary gc`."""
    parser.add_argument("--dryrun", "--dry-run", action="store_true", help="only say")
    parser.add_argument("--json", action="store_true", help="how much, as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace = home.require(config.cwd, config.workspace)
    home.refuse_foreign(workspace)
    lock = recovery.run_lock(workspace, lambda text: say("info", text))
    with (
        nullcontext() if args.dryrun else lock,
        closing(Store(workspace.database, writable=not args.dryrun)) as book,
    ):
        needed = _needed(book)
        rows = [r for name in book.sessions() for r in book.results(session=name)]
        old = [r for r in rows if _place(r.workspace) not in needed]
        freed = 0
        for session, some in groupby(old, lambda r: r.session):
            results = list(some)
            if not args.dryrun:
                lines = [{"e": recovery.REMOVED, "id": r.id} for r in results]
                journal.append(workspace.sessions / session / journal.LOG, lines)
            for result in results:
                freed += _remove(workspace, Path(result.workspace), dry=args.dryrun)
        kept = {r.session for r in rows if _place(r.workspace) in needed}
        empty = [n for n in book.sessions() if n not in kept and n != workspace.latest]
        for name in empty:
            freed += _remove(workspace, workspace.sessions / name, dry=args.dryrun)
        if not args.dryrun:
            gone = [(name,) for name in empty]
            superseded = [(r.id, r.session) for r in old]
            book.write(
                [
                    ("delete from results where spec_id=? and session=?", superseded),
                    ("delete from sessions where name=?", gone),
                    ("delete from excluded where session=?", gone),
                ]
            )
    if args.json:
        print(shapes.as_json({"results": len(old), "sessions": len(empty), "bytes": freed}))
        return ExitCode.OK
    verb = "would remove" if args.dryrun else "removed"
    what = f"{counted(len(old), 'older result')} and {counted(len(empty), 'session')}"
    print(f"{verb} {what}, {freed / 1e6:.1f} MB")
    return ExitCode.OK


def _needed(book: Store) -> set[str]:
    """The places of all latest results, and of those that they read when they ran."""
    needed = {_place(r.workspace) for r in book.results()}
    latest = "select workspace from results where latest=1 and spec_id in"
    todo = {book.here(row[0]) for row in book.query(f"{latest} (select spec_id from spec_deps)")}
    while todo:
        place = todo.pop()
        try:
            data = lockfile.read(place)
            root, entries = data["workspace"]["root"], data["dependencies"]
            found = {os.path.normpath(f"{root}/{e['path']}") for e in entries if e["path"]}
            found = {d for d in map(book.here, found) if _place(d) not in needed}
        except (RecordError, LookupError, TypeError):
            if not os.path.isdir(place):
                continue
            raise RecordError(
                "nothing is removed, as what this job needs cannot be read",
                hint="canary doctor --rebuild",
                file=place,
            ) from None
        todo |= found
        needed.update(map(_place, found))
    return needed


def _place(directory: str) -> str:
    """Session and path of a directory, however the way to its workspace is written."""
    return directory.rpartition(f"/{home.DIRECTORY}/sessions/")[2]


def _remove(workspace: home.Workspace, directory: Path, *, dry: bool) -> int:
    """Bytes freed; nothing outside the workspace's sessions is touched."""
    inside = directory.is_relative_to(workspace.sessions)
    if not inside or not directory.is_dir() or directory.is_symlink():
        return 0
    size = sum(p.lstat().st_size for p in directory.rglob("*") if not p.is_dir() or p.is_symlink())
    if not dry:
        fsio.remove_tree(directory)
    return size


EXAMPLES = ("canary gc --dryrun", "canary gc")
