"""`canary plugins`: who they are, what they add, and what is wrong with them."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Final

from canary import discovery, oldtool, version
from canary.commands import command
from canary.config import Config
from canary.discovery import EntryPoint
from canary.errors import ExitCode
from canary.table import safe_write, table, use_colour, width

_COLOURS: Final[Mapping[str, str]] = {
    "active": "default",
    "failed": "red",
    "blocked": "yellow",
    "old": "yellow",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary plugins`."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    manager = config.plugins
    manager.commands()
    manager.reporters()
    rows = [dataclasses.asdict(info) for info in manager.plugins()]
    installed = discovery.read(version)
    for point in installed.old if installed else ():
        rows.append(_old(point))
    if args.json:
        safe_write(sys.stdout, json.dumps(rows, indent=2) + "\n")
        return ExitCode.OK
    head = ("Name", "Status", "Kind", "Distribution", "Origin", "Hooks")
    cells = [[_cell(row, column) for column in head] for row in rows]
    colours = [_COLOURS.get(str(row["state"]), "default") for row in rows]
    on = use_colour(config.main.color, sys.stdout)
    lines = table(head, cells, colours=colours, on=on, columns=width(sys.stdout))
    lines += [f"{row['name']}: {row['error']}" for row in rows if row["error"]]
    safe_write(sys.stdout, "\n".join(lines if rows else ["no plugins"]) + "\n")
    return ExitCode.OK


def _cell(row: dict[str, object], column: str) -> str:
    if column == "Status":
        return str(row["state"])
    if column == "Distribution":
        return f"{row['distribution']} {row['version']}".strip()
    if column == "Hooks":
        hooks = row["hooks"]
        assert isinstance(hooks, (list, tuple))
        return ", ".join(str(name).removeprefix("canary_") for name in hooks)
    return str(row[column.lower()])


def _old(point: EntryPoint) -> dict[str, object]:
    """A plugin of the older tool: not loaded, but its source says which hooks it has."""
    hooks = _hooks_in_source(point)
    instead = "; ".join(f"{h} -> {oldtool.HOOKS.get(h) or 'no such hook'}" for h in hooks)
    return {
        "name": point.name,
        "kind": "entry point",
        "source": "installed",
        "origin": point.value,
        "distribution": point.distribution,
        "version": point.version,
        "state": "old",
        "hooks": hooks,
        "error": f"written for {oldtool.DISTRIBUTION} and not loaded"
        + f" ({instead})" * bool(instead),
    }


def _hooks_in_source(point: EntryPoint) -> list[str]:
    """Names of the functions in its module, and in its package, that are hooks."""
    try:
        distribution = metadata.distribution(point.distribution)
    except metadata.PackageNotFoundError:
        return []
    stem = point.value.partition(":")[0].replace(".", "/")
    names: set[str] = set()
    for file in (f"{stem}.py", f"{stem}/__init__.py"):
        try:
            with open(str(distribution.locate_file(file)), "rb") as f:
                tree = ast.parse(f.read())
        except (OSError, SyntaxError, ValueError):
            continue
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        names |= {f.name for f in functions if f.name in oldtool.HOOKS}
    return sorted(names)


COMMAND = command(
    __name__, run, arguments, "canary plugins", "canary plugins --json", "canary -p no:NAME plugins"
)
