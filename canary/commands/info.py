"""`canary info`: what is in the workspace."""

from __future__ import annotations

import argparse

from canary.commands import command, shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.home import VERSION
from canary.table import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary info`."""
    parser.add_argument("-t", "--tag", metavar="TAG", help="the jobs of a tag")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace, book = shapes.open_store(config)
    if args.tag:
        ids = book.tag(args.tag)
        if ids is None:
            known = ", ".join(t for t, _ in book.tags()) or "none"
            raise UsageError(f"no tag {args.tag!r}", hint=f"there are: {known}")
        names_by_id: dict[str, str] = dict(
            book.query("select spec_id, json_extract(data, '$.name') from specs")
        )
        names = {id: names_by_id.get(id) or "" for id in ids}
        print(
            shapes.as_json(names)
            if args.json
            else "\n".join(f"{id[:7]}  {clean(name)}" for id, name in names.items())
        )
        return ExitCode.OK
    roots = book.query("select distinct json_extract(data, '$.file_root') from specs")
    sessions = book.sessions()
    data = {
        "workspace": str(workspace.root),
        "version": VERSION,
        "specs": book.query("select count(*) from specs")[0][0],
        "test_roots": [r[0] for r in roots],
        "sessions": len(sessions),
        "latest": workspace.latest,
        "tags": dict(book.tags()),
    }
    if args.json:
        print(shapes.as_json(data))
    else:
        for key, value in data.items():
            shown = ", ".join(map(str, value)) if isinstance(value, (list, dict)) else value
            print(f"{key.replace('_', ' '):10}  {shown if shown is not None else ''}")
    return ExitCode.OK


COMMAND = command(__name__, run, arguments, "canary info", "canary info -t nightly")
