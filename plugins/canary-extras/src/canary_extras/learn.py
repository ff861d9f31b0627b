"""`canary learn`: what this installation can do, as JSON for programs.

A tree of plain data is made (`capabilities`, `skills`), a part of it is chosen by a path of names,
and written. What is in the tree is known to those two modules alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from canary import version
from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode, UsageError
from canary.fsio import explain
from canary.table import safe_write
from canary_extras import capabilities, skills

SCHEMA = 1
# as people may be used to
_SHORT: Final = MappingProxyType(
    {"capability": "capabilities", "caps": "capabilities", "cap": "capabilities", "skill": "skills"}
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary learn`."""
    parser.add_argument(
        "topic",
        type=lambda text: _SHORT.get(text, text),
        choices=("capabilities", "skills"),
        help="capabilities: commands, formats, hooks, settings; skills: how things are done",
    )
    parser.add_argument(
        "query", nargs="?", default=".", metavar="QUERY", help="a part, such as core.commands.run"
    )
    parser.add_argument("--terse", action="store_true", help="that part alone, on one line")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--list", action="store_true", help="the names below it")
    shape.add_argument("--markdown", metavar="PATH", help="write it to a file as Markdown")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    made = capabilities.tree(config) if args.topic == "capabilities" else skills.tree(config)
    part = select(made, args.query)
    if args.list:
        text = "".join(f"{name}\n" for name in names_below(part, args.query))
    elif args.markdown is not None:
        path = Path(config.cwd, args.markdown)
        try:
            path.write_text(markdown(args.topic, args.query, part), encoding="utf-8")
        except OSError as e:
            raise explain(e, path, "write it") from None
        text = f"{path}\n"
    elif args.terse:
        text = json.dumps(part) + "\n"
    else:
        whole = {
            "schema_version": SCHEMA,
            "canary_version": version,
            "topic": args.topic,
            "namespace": args.query.strip(".") or ".",
            "data": part,
        }
        text = json.dumps(whole, indent=2) + "\n"
    safe_write(sys.stdout, text)
    return ExitCode.OK


def select(tree: Any, query: str) -> Any:
    """The part that a path of names leads to; `.` is all of it. UsageError naming what is near.

    A name may hold dots itself (settings do): the longest that fits is taken.
    """
    rest, part, before = query.strip("."), tree, ""
    while rest:
        known = list(part) if isinstance(part, Mapping) else []
        fits = [n for n in known if rest == n or rest.startswith(f"{n}.")]
        if not fits:
            where = f" in {before}" if before else ""
            close = get_close_matches(rest.partition(".")[0], known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            raise UsageError(
                f"there is no {rest!r}{where}", hint=hint if known else "it has no parts"
            )
        name = max(fits, key=len)
        part, rest = part[name], rest[len(name) + 1 :]
        before = f"{before}.{name}".strip(".")
    return part


def names_below(part: Any, query: str) -> Iterator[str]:
    """Names that a query below this one may ask for, two levels down."""
    base = query.strip(".")
    for name, value in part.items() if isinstance(part, Mapping) else ():
        full = f"{base}.{name}".strip(".")
        yield full
        if isinstance(value, Mapping):
            yield from (f"{full}.{inner}" for inner in value)


def markdown(topic: str, query: str, part: Any) -> str:
    """A page: texts as they are, all else as JSON."""
    name = query.strip(".") or topic
    pages = [value["text"] for value in _skills_in(part)]
    if pages:
        return "\n\n".join(page.strip() for page in pages) + "\n"
    body = json.dumps(part, indent=2, ensure_ascii=False)
    return f"# {name}\n\ncanary {version}\n\n```json\n{body}\n```\n"


def _skills_in(part: Any) -> Iterator[Mapping[str, str]]:
    """Every skill in a part of the tree of skills."""
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part
        else:
            for value in part.values():
                yield from _skills_in(value)


COMMAND = Command(
    name="learn",
    help="describe this installation for programs",
    run=run,
    arguments=arguments,
    examples=(
        "canary learn capabilities --list",
        "canary learn capabilities core.commands.run",
        "canary learn skills core.start --markdown start.md",
    ),
)
