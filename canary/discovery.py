"""What is installed, remembered between runs, so that `--help` need not import a single plugin.

The cache is one JSON file a Python environment. It holds the entry points of plugins and what each
plugin declared (commands, options, reporters) when it was last loaded. It is believed only while
the environment and the files of the plugins are as they were, and only if it is the user's own
file. Being unable to read or write it costs time and nothing else. How plugins are found and loaded
is not known here.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import platformdirs

from canary.frozen import EMPTY
from canary.fsio import write_atomic
from canary.options import Option

FORMAT: Final = 2
_METADATA: Final = (".dist-info", ".egg-info")
Stamp = tuple[str, int, int]


class EntryPoint(NamedTuple):
    """An entry point of a plugin, and the distribution it came with."""

    name: str
    value: str
    distribution: str
    version: str


class Declared(NamedTuple):
    """What a plugin offered when it was asked: `commands` are (name, help, aliases).

    `files` are the files this depends on, with time and size.
    """

    commands: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    options: tuple[Option, ...] = ()
    reporters: tuple[tuple[str, str], ...] = ()
    files: tuple[Stamp, ...] = ()

    @classmethod
    def read(cls, row: Sequence[Any]) -> Declared:
        """From JSON, which knows no tuples."""
        commands, options, reporters, files = _tuples(row)
        return cls(commands, tuple(Option(*option) for option in options), reporters, files)


def _tuples(data: Any) -> Any:
    return tuple(map(_tuples, data)) if isinstance(data, list) else data


class Installed(NamedTuple):
    """The plugins of this environment, those of the older tool, and its version if it is here too.

    `declared` has what each plugin offers, by its name, if it was asked.
    """

    plugins: tuple[EntryPoint, ...] = ()
    old: tuple[EntryPoint, ...] = ()
    old_tool: str = ""
    declared: Mapping[str, Declared] = EMPTY

    def without(self, blocked: Iterable[str]) -> Installed:
        """The same, less the plugins `blocked` by their name or that of their distribution."""
        out = names(blocked)
        plugins = tuple(p for p in self.plugins if not out & names((p.name, p.distribution)))
        left = {p.name: self.declared[p.name] for p in plugins if p.name in self.declared}
        return self._replace(plugins=plugins, declared=left)

    @property
    def unasked(self) -> list[str]:
        """Names of the plugins of which it is not known what they offer."""
        return [p.name for p in self.plugins if p.name not in self.declared]

    def options(self) -> list[Option]:
        """The options of all plugins."""
        return [o for one in self.declared.values() for o in one.options]

    def commands(self) -> dict[str, str]:
        """`{command: help}` of all plugins."""
        return {name: help for one in self.declared.values() for name, help, _ in one.commands}

    def reporters(self) -> dict[str, str]:
        """`{reporter: help}` of all plugins."""
        return {name: help for one in self.declared.values() for name, help in one.reporters}


def names(given: Iterable[str]) -> frozenset[str]:
    """Names of plugins and distributions for comparing: `_` is `-`, case does not matter, and
    neither does the `canary-` that most begin with."""
    return frozenset(name.replace("_", "-").lower().removeprefix("canary-") for name in given)


def stamp(path: str) -> Stamp | None:
    """Time and size of a file; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - start-up: texts are at hand
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size


def _directories(path: Iterable[str], known: Mapping[str, int] = EMPTY) -> dict[str, int]:
    """`{directory: mtime_ns}` of those entries of `path` in which distributions have metadata; in
    those `known` it is not looked for."""
    found = {}
    for entry in dict.fromkeys(path):
        here = os.path.abspath(entry)  # noqa: PTH100 - as stamp
        mark = stamp(here)
        if mark is not None and (here in known or _holds_metadata(here)):
            found[here] = mark[1]
    return found


def _holds_metadata(directory: str) -> bool:
    try:
        return any(name.endswith(_METADATA) for name in os.listdir(directory))
    except OSError:
        return False


def _environment(version: str) -> list[Any]:
    """What the cache of one environment is not valid without."""
    return [FORMAT, version, sys.prefix, sys.hexversion]


def cache_file() -> Path:
    """Where the cache of this environment is."""
    mark = crc32(f"{sys.prefix}\0{sys.hexversion}".encode(errors="surrogateescape"))
    return platformdirs.user_cache_path("canary") / f"plugins-{mark:08x}.json"


def read(version: str, path: Sequence[str] | None = None) -> Installed | None:
    """What the cache holds for canary `version`; None if it is not there, not ours or out of date.

    If only the plugins' files have changed, `declared` alone is empty.
    """
    path = sys.path if path is None else path
    try:
        with open(cache_file(), "rb") as f:
            found = os.fstat(f.fileno())
            # another user's file could name code that we would import
            if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            data = json.load(f)
        known = data["path"]
        if data["environment"] != _environment(version) or known != _directories(path, known):
            return None
        if any(stamp(name) != (name, *rest) for name, *rest in data["files"]):
            return None
        plugins, old = ([EntryPoint(*row) for row in data[key]] for key in ("plugins", "old"))
        installed = Installed(tuple(plugins), tuple(old), data["old_tool"])
        declared = {name: Declared.read(one) for name, one in data["declared"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    if any(stamp(s[0]) != s for one in declared.values() for s in one.files):
        return installed
    return installed._replace(declared=declared)


def write(installed: Installed, version: str, path: Sequence[str] | None = None) -> None:
    """Remember `installed`. Failing is no matter."""
    directories = _directories(sys.path if path is None else path)
    data = {
        "environment": _environment(version),
        "path": directories,
        "files": list(_entry_point_files(directories)),
        **installed._asdict(),
    }
    file = cache_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(file, json.dumps(data).encode(), mode=0o600)
    except (OSError, TypeError, ValueError):
        # unwritable, or a default that is no JSON: the next start asks the plugins again
        return


def _entry_point_files(directories: Iterable[str]) -> Iterator[Stamp]:
    """The metadata files that name plugins: editing one by hand leaves its directory as it was."""
    for directory in directories:
        for file in Path(directory).glob("*-info/entry_points.txt"):
            try:
                names_plugins = b"canary" in file.read_bytes()
            except OSError:
                continue
            if names_plugins and (mark := stamp(str(file))):
                yield mark
