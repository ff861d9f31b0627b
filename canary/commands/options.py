"""Options that several commands share: how jobs are selected, and how that becomes a
`RunRequest`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from canary import textdata
from canary.clock import parse_duration
from canary.collect import ScanRoot
from canary.config import Config
from canary.errors import ConfigError, UsageError
from canary.generate import FILE_SECONDS
from canary.request import RunRequest
from canary.select import Criteria
from canary.settings import View

# entries of `run.timeout` that are no keywords of jobs
NO_KEYWORDS: Final = ("session", "multiplier", "collect")


def criteria_of(args: argparse.Namespace, **more: Any) -> Criteria:
    """The filters of the options of `add_selection`."""
    return Criteria(
        keywords=tuple(args.keywords),
        parameters=args.parameters,
        owners=tuple(name for text in args.owners for name in text.split(",")),
        regex=args.regex,
        **more,
    )


def on_options(args: argparse.Namespace) -> frozenset[str]:
    """Names given with `-o`, also as a comma list."""
    return frozenset(name for text in args.on_options for name in text.split(",") if name)


def roots_from_file(name: str, cwd: str) -> tuple[ScanRoot, ...]:
    """Scan roots of a path file: `{"testpaths": [{"root": ..., "paths": [...]}]}`, relative to the
    file."""
    file = Path(cwd, name)
    data = textdata.read(file)
    try:
        found = data["testpaths"]
        entries = [(str(e["root"]), [str(p) for p in e.get("paths", [])]) for e in found]
    except (KeyError, TypeError, AttributeError):
        hint = 'want {"testpaths": [{"root": ..., "paths": [...]}]}'
        raise UsageError("not a path file", hint=hint, file=str(file)) from None
    try:
        return tuple(_root(file.parent, root, paths) for root, paths in entries)
    except UsageError as e:
        raise e.located(file=str(file)) from None


def _root(base: Path, root: str, paths: Sequence[str]) -> ScanRoot:
    directory = os.path.normpath(base / root)
    if not paths and os.path.isfile(directory):
        directory, file = os.path.split(directory)
        return ScanRoot(directory, (file,))
    if not os.path.isdir(directory):
        raise UsageError(f"{directory}: no such directory")
    inside = []
    for path in paths:
        full = os.path.normpath(os.path.join(directory, path))
        if not full.startswith(directory + os.sep):
            raise UsageError(f"{path}: not below {directory}")
        if not os.path.exists(full):
            raise UsageError(f"{path}: no such file below {directory}")
        inside.append(os.path.relpath(full, directory))
    return ScanRoot(directory, tuple(inside))


def view_settings(config: Config, text: str | None = None) -> View:
    """The view as configured, changed by `--view mode=…,only=…,when=…,name=…`."""
    values = {}
    for part in filter(None, (text or "").split(",")):
        # the older tool's way to have none
        key, _, value = ("when=never" if part == "mode=none" else part).partition("=")
        option = config.schema.options.get(("workspace", "view", key))
        if option is None or not value:
            raise UsageError(f"--view {part!r}", hint="want mode=, only=, when= or name=")
        try:
            values[key] = option.read(value)
        except ConfigError as e:
            raise UsageError(f"--view {part!r}: {e.message}", hint=e.hint) from None
    view = replace(config.view, **values)
    if view.name in ("", ".", "..") or "/" in view.name:
        hint = "the name is one directory beside .canary"
        raise UsageError(f"a view cannot be called {view.name!r}", hint=hint)
    return view


def timeouts_of(
    args: argparse.Namespace, config: Config
) -> tuple[dict[str, float], dict[str, float]]:
    """Timeouts of the command line, its older options among them, and all that hold; seconds."""
    known = {key: float(value) for key, value in config.run.timeout.items()}
    origins = {key: config.origin(f"run.timeout.{key}") for key in known}
    ours = ("--", "flag", "command line")
    given = {key: value for key, value in known.items() if origins[key].startswith(ours)}
    for name, key, read in (
        ("session_timeout", "session", parse_duration),
        ("test_timeout", "all", parse_duration),
        ("timeout_multiplier", "multiplier", factor),
    ):
        if text := getattr(args, name, None):
            given[key] = read(text)
    return given, {**known, **given}


def counts_of(pairs: Iterable[str], flag: str) -> tuple[tuple[str, int], ...]:
    """`TYPE=N` pairs."""
    out = []
    for text in pairs:
        for part in text.split(","):
            name, _, number = part.partition("=")
            if not name or not number.isdecimal():
                raise UsageError(f"{flag} {part!r}", hint=f"want {flag} TYPE=N")
            out.append((name, int(number)))
    return tuple(out)


def factor(text: str) -> float:
    """A positive number given as an option."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{text!r} is no positive number")
    return value


def base_request(args: argparse.Namespace, config: Config, **more: Any) -> RunRequest:
    """A request with what all commands know."""
    roots: tuple[ScanRoot, ...] = ()
    for file in getattr(args, "path_files", None) or ():
        roots = (*roots, *roots_from_file(file, str(config.cwd)))
    for root in getattr(args, "roots", None) or ():
        roots = (*roots, _root(config.cwd, root, ()))
    given, known = timeouts_of(args, config)
    return RunRequest(
        cwd=str(config.cwd),
        roots=roots,
        canary_dir=config.workspace,
        options=on_options(args) if hasattr(args, "on_options") else frozenset(),
        timeouts={k: v for k, v in given.items() if k not in NO_KEYWORDS},
        multiplier=known.get("multiplier", 1.0),
        file_seconds=known.get("collect", FILE_SECONDS),
        permissive=config.run.parsing_policy == "permissive",
        shared_workspace=config.run.shared_workspace,
        **more,
    )
