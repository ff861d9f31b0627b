"""What a command line asked of a run, as plain data in the header of its session, and how
`canary resume` takes it over.

Taken over is what says how jobs run: repeats, limits, resources, launcher, settings of plugins.
What chose the jobs and what shows them is not, nor messages, plugins and trust; a secret is not
recorded. What is given again holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from canary import home, journal
from canary.commands.options import timeouts_of
from canary.config import Config, Entry, Layer, plain
from canary.lockfile import public
from canary.options import TABLES
from canary.table import say

# options of `canary run` that are no settings; `--` is for the words after it
OPTIONS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {
        **{f"--repeat-{u}": int for u in ("until-pass", "after-timeout", "until-fail")},
        **{f"--{name}": bool for name in ("fail-fast", "copy-all-resources", "teardown")},
        **{"--analyze": bool, "--oversubscribe": list, "--": list},
    }
)
# settings of how canary itself works: taken from no file that a command line does not name
_APART: Final = (
    *("debug", "log_level", "color", "plain", "no_pager", "plugins", "plugin_errors"),
    *("hook_limit", "aliases", "run.shared_workspace"),
)
_SECRET: Final = "..."  # stands for what is not recorded


def option_name(flag: str) -> str:
    """Where the parsed arguments have it."""
    return flag[2:].replace("-", "_") or "script_args"


def record(args: argparse.Namespace, config: Config) -> list[list[Any]]:
    """Rows of flag, path of a setting (None: an option of its own), and value."""
    rows = [[flag, None, plain(getattr(args, option_name(flag)))] for flag in OPTIONS]
    rows = [row for row in rows if row[2]] + [[f, list(p), plain(v)] for p, f, v in _set(config)]
    timeouts = {"session_timeout", "test_timeout", "timeout_multiplier"} & {*vars(args)}
    if any(getattr(args, name) for name in timeouts):  # these older options are over settings
        given, _ = timeouts_of(args, config)
        rows += [["--timeout", ["run", "timeout", key], n] for key, n in given.items()]
    for row in rows:
        named = {(row[1] or [""])[-1]: row[2]}
        row[2] = row[2] if public(named) == named else _SECRET
    return rows + _lost(args, config)


def _set(config: Config) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Settings that the command line gave: path, flag, value; each entry of a table by itself."""
    for path, origin in config.origins.items():
        option, rest = config.schema.require(path)
        whole = bool(rest) or option.kind not in TABLES
        if origin.startswith("-") and whole and option.key not in _APART:
            value = config.values[option.path]
            yield path, origin.split()[0], value[rest[0]] if rest else value


def take_over(args: argparse.Namespace, root: Path | None) -> Layer:
    """Options of the newest session, where `args` has none; what it says of settings."""
    args.resumed = (home.Workspace(root).latest if root else None) or ""
    args.taken = list(_rows(root / "sessions" / args.resumed)) if root and args.resumed else []
    for flag, path, value in args.taken:
        name = option_name(flag)
        if path is None and getattr(args, name) in (None, ()) and value != _SECRET:
            setattr(args, name, value)
    for flag, kind in OPTIONS.items():
        if getattr(args, option_name(flag)) is None:
            setattr(args, option_name(flag), kind())
    rows = [(tuple(p), v, f) for f, p, v in args.taken if p is not None and v != _SECRET]
    return Layer("the session", entries=tuple(Entry(*row) for row in rows), lenient=True)


def _rows(session: Path) -> Iterator[tuple[str, list[str] | None, Any]]:
    """Those of a session's log that are of the form that `record` gives them."""
    try:
        header = next((x for x in journal.read_lines(session / journal.LOG) if x.get("e")), {})
    except OSError:
        return
    rows = header.get("asked")
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [str(flag), None, value] if value == _SECRET or _fits(value, OPTIONS.get(flag)):
                yield flag, None, value
            case [str(flag), [*path], value] if path and all(type(p) is str for p in path):
                key = ".".join(path).replace("-", "_") + "."
                if not key.startswith(tuple(f"{name}." for name in _APART)):
                    yield flag, path, value


def _fits(value: Any, kind: type[Any] | None) -> bool:
    if type(value) is not kind:
        return False
    return value >= 0 if kind is int else kind is not list or all(type(x) is str for x in value)


def tell(args: argparse.Namespace, config: Config) -> None:
    """Say what was taken over, and what could not be."""
    lost, taken = [".".join(path or [flag]) for flag, path, _ in _lost(args, config)], []
    for flag, path, value in args.taken:
        if value != _SECRET and _now(args, config, flag, path) == value:
            shown = " ".join(value) if isinstance(value, list) else value
            taken.append(".".join(path or [flag]) + (f" {shown}" if value is not True else ""))
    if taken and config.main.log_level not in ("WARNING", "ERROR", "CRITICAL"):
        say("info", f"as session {args.resumed} was asked: {', '.join(taken)}")
    if lost:
        say("warning", f"not recorded, so to be given again if needed: {', '.join(lost)}")


def _lost(args: argparse.Namespace, config: Config) -> list[Any]:
    """Rows of what the newest session had and nobody knows."""
    secret = [row for row in getattr(args, "taken", ()) if row[2] == _SECRET]
    return [row for row in secret if not _now(args, config, *row[:2])]


def _now(args: argparse.Namespace, config: Config, flag: str, path: list[str] | None) -> Any:
    """The value that an option, or a setting, has in this run."""
    if path is None:
        return plain(getattr(args, option_name(flag)))
    found = config.schema.find(path)
    if found is None:  # of a plugin that is not here: the merge said so
        return None
    value = config.values[found[0].path]
    if found[0].path == ("run", "timeout"):
        value = timeouts_of(args, config)[1]
    return plain(value.get(path[-1]) if found[1] else value)
