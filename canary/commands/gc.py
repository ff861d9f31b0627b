"""`canary gc`: remove what nobody looks at any more, and keep every latest result."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from canary import fsio, home
from canary.commands import command
from canary.config import Config
from canary.errors import ExitCode
from canary.store import Store


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary gc`."""
    parser.add_argument(
        "--dryrun", "--dry-run", dest="dryrun", action="store_true", help="only say"
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace = home.require(config.cwd, config.workspace)
    with closing(Store(workspace.database, writable=True)) as book:
        latest = book.results()
        needed = {r.workspace for r in latest}
        rows = [r for name in book.sessions() for r in book.results(session=name)]
        old = [r for r in rows if r.workspace not in needed]
        freed = 0
        for result in old:
            freed += _remove(workspace, Path(result.workspace), dry=args.dryrun)
        kept = {r.session for r in latest}
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
    verb = "would remove" if args.dryrun else "removed"
    print(f"{verb} {len(old)} older results and {len(empty)} sessions, {freed / 1e6:.1f} MB")
    return ExitCode.OK


def _remove(workspace: home.Workspace, directory: Path, *, dry: bool) -> int:
    """Bytes freed; nothing outside the workspace's sessions is touched."""
    inside = directory.is_relative_to(workspace.sessions)
    if not inside or not directory.is_dir() or directory.is_symlink():
        return 0
    size = sum(p.lstat().st_size for p in directory.rglob("*") if not p.is_dir() or p.is_symlink())
    if not dry:
        fsio.remove_tree(directory)
    return size


COMMAND = command(__name__, run, arguments, "canary gc --dryrun", "canary gc")
