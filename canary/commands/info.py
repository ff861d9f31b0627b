"""`canary info`: what is in the workspace."""

from __future__ import annotations

import argparse
from typing import Any

from canary.commands import shapes
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
    shapes.warn_of_unended(workspace)
    if args.tag:
        ids = book.tag(args.tag)
        if ids is None:
            known = ", ".join(t for t, _ in book.tags()) or "none"
            raise UsageError(f"no tag {args.tag!r}", hint=f"there are: {known}")
        names = shapes.names_of(ids, book)
        lines = [f"{id[:7]}  {clean(name)}" for id, name in names.items()]
        print(shapes.as_json(names) if args.json else "\n".join(lines))
        return ExitCode.OK
    roots = book.query("select distinct json_extract(data, '$.file_root') from specs")
    sessions, tags = book.sessions(), book.tags()
    data: dict[str, Any] = {
        "workspace": str(workspace.root),
        "version": VERSION,
        "specs": book.query("select count(*) from specs")[0][0],
        "test_roots": [r[0] for r in roots],
        "sessions": len(sessions),
        "latest": workspace.latest,
        "tags": [tag for tag, _ in tags],
    }
    if args.json:
        data["tag_sizes"] = dict(tags)
        # as the older tool called them, for scripts
        data |= {"root": data["workspace"], "spec_count": data["specs"]}
        data |= {"session_count": data["sessions"], "latest_session": data["latest"]}
        print(shapes.as_json(data))
    else:
        for key, value in data.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{key.replace('_', ' '):10}  {shown if shown is not None else ''}")
    return ExitCode.OK


EXAMPLES = ("canary info", "canary info -t nightly")
