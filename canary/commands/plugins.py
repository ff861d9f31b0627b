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
from canary.config import Config
from canary.discovery import EntryPoint
from canary.errors import ExitCode
from canary.loader import PluginInfo
from canary.plugins import installed_info
from canary.table import safe_write, table, use_colour, width

_COLOURS: Final[Mapping[str, str]] = {"failed": "red", "blocked": "yellow", "old": "yellow"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary plugins`."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    manager = config.plugins
    manager.commands()
    manager.reporters()
    installed = discovery.read(version)
    old = map(_old, installed.old if installed else ())
    infos = [*manager.plugins(), *old]
    if args.json:
        rows = [dataclasses.asdict(info) for info in infos]
        safe_write(sys.stdout, json.dumps(rows, indent=2) + "\n")
        return ExitCode.OK
    head = ("Name", "Status", "Kind", "Distribution", "Origin", "Hooks")
    cells = [_cells(info) for info in infos]
    colours = [_COLOURS.get(info.state, "default") for info in infos]
    on = use_colour(config.main.color, sys.stdout)
    lines = table(head, cells, colours=colours, on=on, columns=width(sys.stdout))
    lines += [f"{info.name}: {info.error}" for info in infos if info.error]
    safe_write(sys.stdout, "\n".join(lines if infos else ["no plugins"]) + "\n")
    return ExitCode.OK


def _cells(info: PluginInfo) -> list[str]:
    """A row of the table."""
    came_with = f"{info.distribution} {info.version}".strip()
    hooks = ", ".join(name.removeprefix("canary_") for name in info.hooks)
    return [info.name, info.state, info.kind, came_with, info.origin, hooks]


def _old(point: EntryPoint) -> PluginInfo:
    """A plugin of the older tool: not loaded, but its source says which hooks it has."""
    hooks = _hooks_in_source(point)
    instead = "; ".join(f"{h} -> {oldtool.HOOKS.get(h) or 'no such hook'}" for h in hooks)
    problem = f"written for {oldtool.DISTRIBUTION} and not loaded" + f" ({instead})" * bool(instead)
    return installed_info(point, state="old", hooks=tuple(hooks), error=problem)


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


EXAMPLES = ("canary plugins", "canary plugins --json", "canary -p no:NAME plugins")
