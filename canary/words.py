"""From the words of a command line to main options, the command and entries of configuration.

Main options stand before the command; each flag of a setting may stand there too. What comes after
the command is left to its own parser. Nothing is decided here about plugins or commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from canary.config import Entry, override
from canary.errors import UsageError
from canary.options import TABLES, Option, Schema, closest, negative

Given = tuple[Option, str, Any]

# main options that are no settings: name, its value if one follows, help (empty: kept for old
# command lines, without effect)
MAIN: Final = (
    ("--help", "", "show help"),
    ("--version", "", "show the version"),
    ("-C", "PATH", "work in this directory"),
    ("--canary-dir", "PATH", "the workspace: .canary or the directory that holds it"),
    ("-p", "NAME", "load a plugin: a module or a path; no:NAME blocks one"),
    ("-v", "", "show more messages"),
    ("-q", "", "show fewer messages"),
    ("-f", "FILE", "read a configuration file"),
    ("-c", "KEY:VALUE", "set a configuration value, such as run:workers:4"),
    ("-e", "NAME=VALUE", "set a variable for jobs"),
    ("-r", "TYPE=N", "how many of a resource each node has"),
    ("--profile", "", "show where the time went"),
    ("--echo", "", ""),
    ("--banner", "", ""),
    ("--no-banner", "", ""),
    ("--cache-dir", "DIR", ""),
    ("--sorted-profile", "STAT", ""),
    ("--lines", "N", ""),
)
_QUOTED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def expand(words: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Words with `%XX` decoded, `@file` replaced by its lines, and $CANARY_ADDOPTS before them."""
    out = split(environ.get("CANARY_ADDOPTS", ""))
    for raw in words:
        word = _unquote(raw) if "%" in raw else raw
        if word.startswith("@") and len(word) > 1:
            try:
                out += Path(word[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as e:
                raise UsageError(f"{word}: cannot be read: {e}") from None
        else:
            out.append(word)
    if odd := [word for word in out if "\0" in word]:
        raise UsageError(f"a NUL character in {odd[0]!r}")
    return out


def _unquote(word: str) -> str:
    data = word.encode("utf-8", "surrogateescape")
    plain = _QUOTED.sub(lambda match: bytes.fromhex(match[1].decode()), data)
    return plain.decode("utf-8", "surrogateescape")


def split(text: str) -> list[str]:
    """A text as a shell would split it into words."""
    try:
        return shlex.split(text)
    except ValueError as e:
        raise UsageError(f"cannot split {text!r} into words: {e}") from None


def main_names(schema: Schema) -> list[str]:
    """Every option that stands before whatever command."""
    own = [option for option in schema.options.values() if not option.commands]
    names = [name for option in own for name in (option.flag, option.short)]
    return [*(name for name, _, _ in MAIN), *filter(None, names)]


class MainOptions:
    """What stands before the command: `given` options, and `flags` of settings."""

    def __init__(self, words: Iterable[str], schema: Schema) -> None:
        self.schema = schema
        self.given: list[tuple[str, str]] = []
        self.flags: list[Given] = []
        self._takes = {name: bool(value) for name, value, _ in MAIN} | {"-h": False}
        self._todo = list(words)
        while self._todo and self._todo[0].startswith("-") and self._todo[0] != "-":
            self._read(self._todo.pop(0))
        self.command = self._todo[0] if self._todo else None
        self.rest = self._todo[1:]

    def values(self, *names: str) -> list[str]:
        """What was given for an option, in order."""
        return [value for name, value in self.given if name in names]

    def has(self, *names: str) -> bool:
        """Was one of them given?"""
        return any(name in names for name, _ in self.given)

    def _read(self, word: str) -> None:
        name, sep, text = word.partition("=")
        value = text if sep else None
        if not word.startswith("--"):
            name, value = word[:2], word[2:] or None
        option = None if name in self._takes else self._option(name)
        takes = self._takes[name] if option is None else option.kind != "bool"
        if not takes and value is not None:
            if word.startswith("--"):
                raise UsageError(f"{name} takes no value")
            self._todo.insert(0, f"-{value}")
        elif takes and value is None:
            if option is not None and option.const is not None:
                value = str(option.const)
            elif self._todo:
                value = self._todo.pop(0)
            else:
                raise UsageError(f"{name} needs a value")
        if option is None:
            self.given.append((name, (value or "") if takes else ""))
        elif takes:
            self.flags.append((option, name, value))
        else:
            self.flags.append((option, name, name != negative(option.flag)))

    def _option(self, name: str) -> Option:
        option = self.schema.by_flag(name)
        if option is None:
            names = [*self._takes, *(o.flag for o in self.schema.options.values() if o.flag)]
            hint = closest(name, names) or "see canary --help; a command's own stand after it"
            raise UsageError(f"unknown option {name}", hint=hint)
        return option

    def entries(self) -> Iterator[Entry]:
        """The options that are configuration."""
        for name, value in self.given:
            key, sep, text = value.partition("=")
            if name == "-c":
                yield override(value)
            elif name in ("-e", "-r") and (not sep or not key):
                raise UsageError(f"{name} {value!r}", hint=f"want {name} NAME=VALUE")
            elif name == "-e":
                yield Entry(("environment", "set", key), text, f"-e {value}", text=True)
            elif name == "-r":
                yield Entry(("resource_pool", key), text, f"-r {value}", text=True)
        if names := tuple(self.values("-p")):
            yield Entry(("plugins",), names, "-p")
        yield from flag_entries(self.flags)


def flag_entries(flags: Iterable[Given]) -> Iterator[Entry]:
    """Flags of settings as entries of a layer; those of a list are one entry."""
    lists: dict[str, tuple[Option, str, list[str]]] = {}
    for option, flag, value in flags:
        values = value if isinstance(value, list) else [value]
        if option.kind == "list":
            lists.setdefault(option.key, (option, flag, []))[2].extend(values)
        elif option.kind in TABLES:
            for text in values:
                key, sep, item = text.partition("=")
                if not sep:
                    want = option.metavar or "KEY=VALUE"
                    raise UsageError(f"{flag} {text!r}", hint=f"want {flag} {want}")
                yield Entry((*option.path, key), item, flag, text=True)
        else:
            yield Entry(option.path, value, flag, text=isinstance(value, str))
    for option, flag, gathered in lists.values():
        yield Entry(option.path, tuple(gathered), flag)
