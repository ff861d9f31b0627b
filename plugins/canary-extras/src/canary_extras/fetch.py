"""`canary fetch`: copies of files and directories that installed distributions hand out.

They are found through the entry-point group `canary.assets`; this module knows none by itself, not
even those of its own distribution. Nothing that is there already is touched.
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from canary.config import Config
from canary.declare import Command
from canary.errors import ExitCode, PluginError, UsageError
from canary.fsio import explain
from canary.table import safe_write, table

GROUP = "canary.assets"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary fetch`."""
    parser.add_argument("what", nargs="?", metavar="WHAT", help="its name; none: list all")
    parser.add_argument("-o", dest="into", metavar="DIR", default=".", help="copy it into DIR")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    offered = assets()
    if args.what is None:
        rows = [_row(name, point) for name, point in sorted(offered.items())]
        lines = table(("Name", "Distribution", "What"), rows)
        safe_write(sys.stdout, "\n".join(lines) + "\n")
        return ExitCode.OK
    made = fetch(args.what, Path(config.cwd, args.into), offered)
    safe_write(sys.stdout, f"{made}\n")
    return ExitCode.OK


def assets() -> dict[str, EntryPoint]:
    """What installed distributions hand out, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def fetch(name: str, into: Path, offered: Mapping[str, EntryPoint]) -> Path:
    """Copy an asset into a directory, which is made; return the copy.

    UsageError if there is no such asset, or already a file of that name.
    """
    if name not in offered:
        hint = "canary fetch lists what there is: " + ", ".join(sorted(offered))
        if name == "canary.cmake":
            hint = "pip install canary-ctest"
        raise UsageError(f"there is nothing called {name!r} to fetch", hint=hint)
    source, _ = locate(offered[name])
    target = into / source.name
    try:
        into.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            target.mkdir()
            shutil.copytree(source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        else:
            with target.open("xb") as file:
                file.write(source.read_bytes())
    except FileExistsError as e:
        there = e.filename or target
        raise UsageError(f"{there} is there already", hint="name another place with -o") from None
    except OSError as e:
        raise explain(e, target, "write it") from None
    return target


def locate(point: EntryPoint) -> tuple[Path, str]:
    """The path that an entry point gives, and a line about it; PluginError if it is broken."""
    owner = f"{point.name}, given by {point.dist.name if point.dist else point.value}"
    try:
        function = point.load()
        path = Path(function())
    except Exception as e:  # noqa: BLE001 - somebody else's code: named, not shown as our bug
        raise PluginError(f"{owner}, fails: {type(e).__name__}: {e}") from None
    if not path.exists():
        raise PluginError(f"{owner}, is not there: {path}", hint="install it again")
    return path, (inspect.getdoc(function) or "").partition("\n")[0]


def _row(name: str, point: EntryPoint) -> tuple[str, str, str]:
    owner = f"{point.dist.name} {point.dist.version}" if point.dist else ""
    try:
        return name, owner, locate(point)[1]
    except PluginError as e:
        return name, owner, f"broken: {e}"


COMMAND = Command(
    name="fetch",
    help="copy examples and other files that plugins give",
    run=run,
    arguments=arguments,
    examples=("canary fetch", "canary fetch examples", "canary fetch canary.cmake -o cmake"),
)
