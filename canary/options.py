"""Settings as data: each field of a `Settings` class becomes an `Option`.

An option knows its key, flag and environment variable, and turns what a file or a text says into a
value of its type. Options of plugins are stored in the discovery cache, so they are plain data; the
core's own are declared in `canary.settings`. Nothing here knows who writes values, or argparse.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from canary.clock import parse_duration
from canary.errors import ConfigError, ExpressionError, PluginError, UsageError
from canary.frozen import FrozenDict

_KINDS: Final[Mapping[str, str]] = {
    **{kind: kind for kind in ("bool", "int", "float", "str")},
    "tuple[str, ...]": "list",
    "dict[str, str]": "table",
    "Mapping[str, str]": "table",
    "dict[str, int]": "counts",
    "Mapping[str, int]": "counts",
    "dict[str, float]": "durations",
    "Mapping[str, float]": "durations",
    "Any": "any",
}
TABLES: Final = frozenset({"table", "counts", "durations"})
_WANTED: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": "a list of texts",
    "table": "a table of texts",
    "counts": "a table of whole numbers",
    "durations": "a table of durations",
    "duration": "a duration, in seconds or such as 1h20m",
    "size": "a number of bytes, such as 4096, 64K, 10M or 2G",
}
_WORDS: Final[Mapping[str, bool]] = {
    **{word: True for word in ("1", "true", "yes", "on")},
    **{word: False for word in ("0", "false", "no", "off", "")},
}
_UNITS: Final = "KMGT"


class Option(NamedTuple):
    """One setting: its key `section.name` (no section: top level), its type, and what is declared.

    `flag` None: it has none. `const` is the value of the flag given alone. `owner` names the
    plugin, with its distribution; it is empty for the core.
    """

    section: str
    name: str
    kind: str
    default: Any = None
    optional: bool = False
    help: str = ""
    flag: str | None = None
    short: str | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    const: Any = None
    commands: tuple[str, ...] = ()
    owner: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """The key in parts."""
        return (*self.section.split("."), self.name) if self.section else (self.name,)

    @property
    def key(self) -> str:
        """The key as people write it."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "CANARY_" + "_".join(self.path).upper().replace("-", "_")

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        words = " or ".join(self.choices) if self.choices else _WANTED.get(self.kind, "a value")
        return f"{words}, or none" if self.optional else words

    def value(self, data: Any) -> Any:
        """The value that `data` of a file means; ConfigError (without its place) if none."""
        if data is None and self.optional:
            return None
        try:
            made = self._made(data)
        except ExpressionError as e:
            raise ConfigError(e.message, hint=e.hint) from None
        except (TypeError, ValueError, OverflowError):
            made = None
        if made is None and self.kind != "any":
            raise ConfigError(f"must be {self.wanted}, not {_shown(data)}")
        if not self.choices:
            return made
        return tuple(map(self._chosen, made)) if self.kind == "list" else self._chosen(made)

    def _chosen(self, word: str) -> str:
        """The choice that `word` is, in whatever case."""
        for choice in self.choices:
            if choice.lower() == str(word).lower():
                return choice
        hint = closest(str(word), self.choices)
        raise ConfigError(f"must be {self.wanted}, not {_shown(word)}", hint=hint)

    def _made(self, data: Any) -> Any:
        kind = self.kind
        if kind == "any":
            return data
        if kind == "bool":
            return data if isinstance(data, bool) else None
        if kind == "list":
            good = isinstance(data, (list, tuple)) and all(isinstance(x, str) for x in data)
            return tuple(data) if good else None
        if kind in TABLES:
            if not isinstance(data, Mapping):
                return None
            return FrozenDict({str(k): self.item(v) for k, v in data.items()})
        return _scalar(kind, data)

    def item(self, data: Any) -> Any:
        """The value of one entry of a table."""
        if self.kind == "durations":
            # negative: no limit, as the older tool has it for the session
            return parse_duration(data, allow_negative=True)
        kind = "int" if self.kind == "counts" else "str"
        if kind == "str" and isinstance(data, (int, float)) and not isinstance(data, bool):
            data = str(data)
        made = _scalar(kind, data)
        if made is None or (kind == "int" and made < 0):
            raise ConfigError(f"must be {_WANTED[kind]}, not {_shown(data)}")
        return made

    def entry(self, rest: Sequence[str], text: str) -> Any:
        """The value that `text` means for the key `rest` below this option; ConfigError if none."""
        if self.kind in TABLES:
            # a colon may be part of what was written: environment:set:PATH:/a:/b
            text = ":".join((*rest[1:], text))
            return self.value({rest[0]: _number(text) if self.kind == "counts" else text})
        if self.kind != "any":
            return self.read(":".join((*rest, text)))
        data: Any = text
        for part in reversed(rest):
            data = {part: data}
        return data

    def read(self, text: str) -> Any:
        """The value that a text means (of a variable, `-c` or a flag); ConfigError if none."""
        if self.optional and text.lower() in ("none", "null"):
            return None
        data = self._split(text)
        if data is None:
            raise ConfigError(f"must be {self.wanted}, not {_shown(text)}")
        return self.value(data)

    def _split(self, text: str) -> Any:
        if self.kind == "bool":
            return _WORDS.get(text.lower())
        if self.kind == "list":
            return [word for part in text.split(",") if (word := part.strip())]
        if self.kind in TABLES:
            pairs = [part.partition("=") for part in text.split(",") if part.strip()]
            if any(not sep for _, sep, _ in pairs):
                return None
            return {k.strip(): _number(v) if self.kind == "counts" else v for k, _, v in pairs}
        return _number(text) if self.kind in ("int", "float") else text


def _scalar(kind: str, data: Any) -> Any:
    if isinstance(data, bool):
        return None
    if kind == "duration":
        return parse_duration(data)
    if kind == "size":
        return _size(data)
    if kind == "float":
        return float(data) if isinstance(data, (int, float)) else None
    return data if isinstance(data, int if kind == "int" else str) else None


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _size(data: Any) -> int | None:
    if not isinstance(data, int):
        text = str(data).strip().upper().removesuffix("B").removesuffix("I")
        power = _UNITS.find(text[-1:]) + 1 if text else 0
        data = int(float(text[:-1] if power else text) * 1024**power)
    return data if data >= 0 else None


def _shown(data: Any) -> str:
    text = "nothing" if data is None else repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."


def no_such(kind: str, name: str, known: Collection[str]) -> UsageError:
    """The error for a name that is none of the known ones."""
    hint = f"there are: {', '.join(sorted(known)) or 'none installed'}"
    return UsageError(f"no {kind} {name!r}", hint=closest(name, known) or hint)


def closest(word: str, words: Iterable[str]) -> str | None:
    """A hint, if one of `words` is much like `word`."""
    close = get_close_matches(word, list(words), 1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else None


def near(word: str, cwd: str, stored: Iterable[Sequence[str]]) -> str | None:
    """A hint, if a file where the word points to or a job, `(id, *names)`, may be meant."""
    place, slash, name = word.rpartition("/")
    try:
        files = os.listdir(Path(cwd, place) if slash else cwd)
    except OSError:
        files = []
    found = closest(name, [f for f in files if f != name and not f.startswith(".")])
    return found or closest(word, [name for row in stored for name in row[1:]])


def options_of(cls: type[Any], owner: str = "") -> tuple[Option, ...]:
    """The options that a settings class declares; PluginError naming class and field if wrong."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if not dataclasses.is_dataclass(cls) or not isinstance(getattr(cls, "section", None), str):
        raise PluginError(f"{name}: settings are a dataclass with `section`, a text")
    return tuple(_option(cls, f, f"{name}.{f.name}", owner) for f in dataclasses.fields(cls))


def _type_text(annotation: Any) -> tuple[str, bool]:
    """A type as it is written in `_KINDS`, and whether None is one of its values."""
    text = annotation if isinstance(annotation, str) else str(annotation)
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        text = annotation.__name__
    text = text.replace("typing.", "").replace("collections.abc.", "")
    if text.startswith("Optional["):
        return text[9:-1], True
    return text.removesuffix(" | None"), text.endswith(" | None")


def _option(cls: type[Any], f: dataclasses.Field[Any], name: str, owner: str) -> Option:
    meta = f.metadata
    text, optional = _type_text(f.type)
    kind = meta.get("kind") or _KINDS.get(text)
    default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
    problem = None
    if kind is None:
        problem = f"its type {text} is none of {', '.join(_KINDS)}"
    elif default is dataclasses.MISSING:
        problem = "it needs a default"
    elif not meta.get("help"):
        problem = 'it needs metadata={"help": ...}'
    if problem or kind is None:
        raise PluginError(f"{name}: {problem}")
    dashed = f"{cls.section}-{f.name}".replace(".", "-").replace("_", "-").strip("-")
    default = dict(default) if isinstance(default, Mapping) else default
    return Option(
        *(cls.section, f.name, kind, default, optional),
        flag=meta.get("flag", f"--{dashed}"),
        choices=tuple(meta.get("choices", ())),
        commands=tuple(meta.get("commands", cls.commands)),
        owner=owner,
        **{name: meta[name] for name in ("help", "short", "metavar", "const") if name in meta},
    )


class Schema:
    """All options there are, the core's first.

    Two of one key, or of one flag of a command, are a PluginError naming both owners.
    """

    def __init__(self, options: Iterable[Option]) -> None:
        self.options: dict[tuple[str, ...], Option] = {}
        self._sections: set[tuple[str, ...]] = set()
        flags: dict[tuple[str, str], Option] = {}
        for option in options:
            other = self.options.setdefault(option.path, option)
            if other is not option:
                raise _clash("setting", option.key, other, option)
            for i in range(len(option.path)):
                self._sections.add(option.path[:i])
            for flag in filter(None, (option.flag, option.short)):
                for command in option.commands:
                    other = flags.setdefault((command, flag), option)
                    if other is not option:
                        raise _clash(f"option of canary {command}", flag, other, option)

    def of_command(self, command: str) -> list[Option]:
        """The options with a flag that `command` takes; `resume` is a run and takes all of its."""
        name = "run" if command == "resume" else command
        return [o for o in self.options.values() if name in o.commands and o.flag]

    def by_flag(self, flag: str) -> Option | None:
        """The option with that long flag (or `--no-` before it), whatever command it belongs to;
        by its short one only if it belongs to none."""
        for option in self.options.values():
            if flag == option.flag or (option.kind == "bool" and flag == negative(option.flag)):
                return option
            if flag == option.short and not option.commands:
                return option
        return None

    def find(self, path: Sequence[str]) -> tuple[Option, tuple[str, ...]] | None:
        """The option at or above `path`, and what of the path is left."""
        names = tuple(part.replace("-", "_") for part in path)
        for i in range(len(path), 0, -1):
            option = self.options.get(names[:i]) or self.options.get(tuple(path[:i]))
            if option is not None:
                return option, tuple(path[i:])
        return None

    def require(self, path: Sequence[str]) -> tuple[Option, tuple[str, ...]]:
        """As `find`; ConfigError with a hint if there is none."""
        found = self.find(path)
        if found is None:
            raise ConfigError("no such setting", key=".".join(path), hint=self.hint(path))
        return found

    def is_section(self, path: Sequence[str]) -> bool:
        """Does some option's key begin with `path`?"""
        return tuple(part.replace("-", "_") for part in path) in self._sections

    def hint(self, path: Sequence[str]) -> str | None:
        """A key that is much like `path`."""
        known = {name for o in self.options.values() for name in (o.key, o.section)}
        return closest(".".join(path), known) or closest(path[0], {p[0] for p in self.options})


def negative(flag: str | None) -> str | None:
    """`--no-x` for `--x`."""
    return f"--no-{flag[2:]}" if flag else None


def _clash(what: str, name: str, a: Option, b: Option) -> PluginError:
    both = " and ".join(o.owner or "canary itself" for o in (a, b))
    return PluginError(f"the {what} {name} is declared by {both}", hint="block one: -p no:NAME")
