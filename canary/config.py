"""The merged configuration: frozen, checked, and every value knows where it came from.

Layers, each over those before it: defaults, site, user, project, workspace, environment, `-f`,
`-c` and the flags of the command line. Layers are read once and merged twice: at first leniently,
to learn which plugins to load, then with the plugins' settings. What is wrong is an error naming
file, line and key, all of them at once. This module must not know plugins, commands or argparse.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast

import platformdirs

from canary import options, textdata
from canary.errors import CanaryErrors, ConfigError
from canary.frozen import EMPTY, FrozenDict
from canary.settings import Environment, Main, Output, Run, View, core_options

if TYPE_CHECKING:
    from canary.declare import Settings
    from canary.options import Option, Schema
    from canary.plugins import PluginManager

S = TypeVar("S", bound="Settings")
Key = tuple[str, ...]

WORKSPACE: Final = ".canary"
HOOKS: Final = "canary-hooks"
# names of the older tool that keep their meaning; others of its names are already ours
_OLD_VARIABLES: Final = (("CANARY_MAX_WORKERS", ("run", "workers")),)


class Places(NamedTuple):
    """Where configuration and hook files are: what exists of them."""

    files: tuple[tuple[str, Path], ...]
    hooks: tuple[Path, ...]
    project: Path | None
    workspace: Path | None

    def unnamed(self) -> list[Path]:
        """What is obeyed though nobody named it: files of project and workspace, hook files, and
        their directories where these are ours alone."""
        found = [path for scope, path in self.files if scope in ("project", "workspace")]
        found += [path.parent for scope, path in self.files if scope == "workspace"]
        return [*found, *self.hooks, *(path for d in self.hooks for path in d.glob("*.py"))]


def find_places(cwd: Path, environ: Mapping[str, str], workspace: Path | None = None) -> Places:
    """Look from `cwd` upwards for project and workspace, and in the directories of site and user.

    `workspace` is a `.canary` directory, or the directory that holds one, in place of the search.
    """
    found = find_workspace(cwd, workspace)
    project = _find_project(cwd)
    site = (Path(platformdirs.site_config_dir("canary")), Path(sys.prefix, "etc", "canary"))
    user = platformdirs.user_config_path("canary")
    files = []
    for scope, directories, variable in (
        ("site", site, "CANARY_SITE_CONFIG"),
        ("user", (user,), "CANARY_GLOBAL_CONFIG"),
    ):
        if given := environ.get(variable):
            files.append((scope, cwd / given))
            continue
        for directory in directories:
            files += [(scope, f) for f in _first(directory / n for n in _NAMES)]
    if not any(scope == "user" for scope, _ in files):
        files += [("user", f) for f in _first([user.parent / "canary.yaml"])]
    if project:
        files.append(("project", project))
    if found:
        files += [("workspace", f) for f in _first(found / n for n in _NAMES)]
    hooks = [d / "hooks" for d in (*site, user)]
    if project:
        hooks.append(project.parent / HOOKS)
    return Places(tuple(files), tuple(d for d in hooks if _is(Path.is_dir, d)), project, found)


_NAMES: Final = ("config.toml", "config.yaml")


def _first(paths: Iterator[Path] | Sequence[Path]) -> list[Path]:
    return next(([path] for path in paths if _is(Path.is_file, path)), [])


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    """Ask of what kind it is; what is in a directory that we may not enter is not there."""
    try:
        return kind(path)
    except OSError:
        return False


def find_workspace(cwd: Path, given: Path | None = None) -> Path | None:
    """The `.canary` directory at or above `cwd`; `given` is one, or holds one, not checked."""
    if given is not None:
        return given if given.name == WORKSPACE else given / WORKSPACE
    for directory in (cwd, *cwd.parents):
        if _is(Path.is_dir, directory / WORKSPACE):
            return directory / WORKSPACE
    return None


def _find_project(cwd: Path) -> Path | None:
    """The nearest `canary.toml`, or `pyproject.toml` with a table `tool.canary`."""
    for directory in (cwd, *cwd.parents):
        own, shared = directory / "canary.toml", directory / "pyproject.toml"
        if _is(Path.is_file, own):
            return own
        if _is(Path.is_file, shared) and "[tool.canary" in textdata.read_text(shared):
            return shared
    return None


class Entry(NamedTuple):
    """One value of a layer: key, what was written, and where; `text` if it is yet to be read."""

    path: Key
    raw: Any
    origin: str
    text: bool = False


class Layer(NamedTuple):
    """What one source says. A file has `data`; others have `entries`.

    `lenient`: written for the older tool, so that what is unknown or wrong is a warning.
    """

    scope: str
    file: str = ""
    data: Mapping[str, Any] = EMPTY
    entries: tuple[Entry, ...] = ()
    lenient: bool = False


def read_layer(scope: str, path: Path) -> Layer:
    """Read a configuration file; ConfigError if it is none."""
    data = textdata.read(path)
    lenient = path.suffix in (".yaml", ".yml")
    if path.name == "pyproject.toml":
        data = data.get("tool", {}).get("canary", {})
    elif lenient and isinstance(data, Mapping) and isinstance(data.get("canary"), Mapping):
        data = data["canary"]
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ConfigError("must be a table of settings", file=str(path))
    return Layer(scope, str(path), data, lenient=lenient)


def environment_layer(environ: Mapping[str, str], schema: Schema) -> Layer:
    """What variables say: `CANARY_SECTION_KEY`."""
    ours = ((option.variable, option.path) for option in schema.options.values())
    entries = (
        Entry(path, environ[name], name, text=True)
        for name, path in (*_OLD_VARIABLES, *ours)
        if name in environ
    )
    return Layer("environment", entries=tuple(entries))


def override(text: str) -> Entry:
    """Read a `-c` option, `a:b:value` or `a.b=value`; where its value begins shows in the merge."""
    head, sep, value = text.partition("=")
    if sep and ":" not in head:
        return Entry(tuple(head.strip().split(".")), value, f"-c {text}", text=True)
    path = tuple(text.split(":"))
    if len(path) < 2 or not path[0]:
        raise ConfigError("not an override", key=f"-c {text}", hint="-c section:key:value")
    return Entry(path[:-1], path[-1], f"-c {text}", text=True)


class _Section(Generic[S]):
    """An attribute of `Config`: the settings of one class of the core."""

    def __init__(self, cls: type[S]) -> None:
        self.cls = cls

    def __get__(self, config: Config, _: object = None) -> S:
        return config.settings(self.cls)


@dataclass(frozen=True)
class Config:
    """The merged configuration; read it with `settings(cls)`, `get(key)` or the properties.

    `cwd` is the directory that relative paths of the command line are relative to (`-C`, else the
    process's). `workspace` is the `.canary` directory, if one was found or named, `project` the
    project's file. `files` are those that were read, each with its scope, weakest first;
    `warnings` are lines for people.
    """

    cwd: Path
    schema: Schema
    values: Mapping[Key, Any]
    origins: Mapping[Key, str]
    workspace: Path | None = None
    project: Path | None = None
    files: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    manager: PluginManager | None = None
    _made: dict[type, Any] = field(default_factory=dict, repr=False, compare=False)

    def settings(self, cls: type[S]) -> S:
        """The settings declared by `cls`, with their values."""
        made = self._made.get(cls)
        if made is None:
            declared = options.options_of(cls)
            given = {o.name: self.values[o.path] for o in declared if o.path in self.values}
            made = self._made[cls] = cls(**given)
        return cast(S, made)

    main = _Section(Main)
    run = _Section(Run)
    output = _Section(Output)
    view = _Section(View)
    environment = _Section(Environment)

    @property
    def plugins(self) -> PluginManager:
        """Who implements the hooks."""
        if self.manager is None:
            raise RuntimeError("this command loads no plugins: see canary/commands/__init__.py")
        return self.manager

    def get(self, key: str) -> Any:
        """The value of `section.key`, an entry of a table, or a whole section as a dict.

        ConfigError if there is no such key; an entry that is not there is None.
        """
        path = tuple(key.replace(":", ".").split(".")) if key else ()
        if self.schema.is_section(path):
            value: Any = self.asdict()
            for part in path:
                value = value[part.replace("-", "_")]
            return value
        option, rest = self.schema.require(path)
        value = self.values[option.path]
        for part in rest:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def origin(self, key: str) -> str:
        """Where the value of `section.key` came from: `default`, a file, a variable, a flag."""
        option, rest = self.schema.require(tuple(key.replace(":", ".").split(".")))
        path = (*option.path, *rest) if option.kind in options.TABLES else option.path
        return self.origins.get(path, "default")

    def asdict(self) -> dict[str, Any]:
        """All values as nested plain data."""
        data: dict[str, Any] = {}
        for path, value in self.values.items():
            place = data
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = plain(value)
        return data

    def with_plugins(self, manager: PluginManager) -> Config:
        """The same, with plugins."""
        return replace(self, manager=manager, _made={})


def plain(value: Any) -> Any:
    """A value as JSON and TOML have it."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


class _Merge:
    """One merge: values and origins so far, and what is wrong."""

    def __init__(self, schema: Schema, strict: bool) -> None:
        self.schema = schema
        self.strict = strict
        self.values = {o.path: _frozen(o.default) for o in schema.options.values()}
        self.origins: dict[Key, str] = {}
        self.errors: list[ConfigError] = []
        self.warnings: list[str] = []

    def add(self, layer: Layer) -> None:
        for entry in (*self._entries(layer, layer.data, ()), *layer.entries):
            self._enter(layer, entry)

    def _entries(self, layer: Layer, data: Mapping[str, Any], prefix: Key) -> Iterator[Entry]:
        origin = f"{layer.scope} {layer.file}"
        for key, value in data.items():
            path = (*prefix, str(key))
            option = self.schema.options.get(tuple(p.replace("-", "_") for p in path))
            if option is None and self.schema.is_section(path) and isinstance(value, Mapping):
                yield from self._entries(layer, value, path)
            elif option is not None and option.kind in options.TABLES and isinstance(value, dict):
                # each by itself, so that each that is wrong is told
                yield from (Entry((*path, str(k)), v, origin) for k, v in value.items())
            else:
                yield Entry(path, value, origin)

    def _enter(self, layer: Layer, entry: Entry) -> None:
        found = self.schema.find(entry.path)
        if found is None or (found[1] and not (entry.text or found[0].kind in options.TABLES)):
            self._unknown(layer, entry)
            return
        option, rest = found
        try:
            if entry.text:
                value = option.entry(rest, entry.raw) if rest else option.read(entry.raw)
            else:
                value = option.value({rest[0]: entry.raw} if rest else entry.raw)
        except ConfigError as e:
            self._report(layer, entry, e)
        else:
            self._set(layer, option, value, entry.origin)

    def _set(self, layer: Layer, option: Option, value: Any, origin: str) -> None:
        adds = option.kind in options.TABLES or option.path == ("plugins",)
        self.origins |= {(*option.path, key): origin for key in (value if adds else ())}
        if option.kind in options.TABLES:
            value = FrozenDict({**self.values[option.path], **value})
        elif adds:
            directory = Path(layer.file).parent if layer.file else None
            value = self.values[option.path] + tuple(beside(name, directory) for name in value)
        self.values[option.path] = value
        self.origins[option.path] = origin

    def _unknown(self, layer: Layer, entry: Entry) -> None:
        top = entry.path[:1]
        if not self.strict and not self.schema.is_section(top):
            return
        if layer.lenient and top == ("build",):  # facts for people, as CMake's functions write them
            return
        if self.schema.is_section(entry.path):
            self._report(layer, entry, ConfigError("must be a table"))
            return
        hint = self.schema.hint(entry.path)
        if hint is None and not self.schema.is_section(top) and isinstance(entry.raw, Mapping):
            hint = f"no plugin that is installed has settings [{top[0]}]"
        self._report(layer, entry, ConfigError("unknown setting", hint=hint))

    def _report(self, layer: Layer, entry: Entry, error: ConfigError) -> None:
        key = ".".join(entry.path)
        line = None
        if layer.file:
            line = textdata.find_line(textdata.read_text(layer.file), entry.path)
        elif entry.origin != key:
            key = entry.origin
        error = cast(ConfigError, error.located(file=layer.file or None, line=line, key=key))
        if layer.lenient:
            self.warnings.append(f"ignored: {error}")
        else:
            self.errors.append(error)


def _frozen(default: Any) -> Any:
    if isinstance(default, Mapping):
        return FrozenDict(default)
    return tuple(default) if isinstance(default, list) else default


def beside(name: str, directory: Path | None) -> str:
    """The name of a plugin; a path is relative to the file that names it."""
    is_path = "/" in name or name.endswith(".py")
    return str(directory / Path(name).expanduser()) if directory and is_path else name


def merge(
    layers: Sequence[Layer],
    schema: Schema,
    *,
    cwd: Path,
    places: Places,
    strict: bool,
    tolerant: bool = False,
) -> Config:
    """Merge `layers`, weakest first; all that is wrong is raised at once.

    Not `strict`: sections that nobody declared are passed over; their plugins may not be loaded.
    `tolerant`: what is wrong is passed over, for a first look before the merge that tells.
    """
    merged = _Merge(schema, strict)
    for layer in layers:
        merged.add(layer)
    if not tolerant:
        _raise(merged.errors)
    return Config(
        cwd=cwd,
        schema=schema,
        values=merged.values,
        origins=merged.origins,
        workspace=places.workspace,
        project=places.project,
        files=tuple((layer.scope, layer.file) for layer in layers if layer.file),
        warnings=tuple(merged.warnings),
    )


def read_layers(
    places: Places, environ: Mapping[str, str], schema: Schema, extra: Sequence[Path] = ()
) -> list[Layer]:
    """The layers below the command line's, weakest first; `extra` are the files of `-f`."""
    layers: list[Layer] = []
    errors: list[ConfigError] = []

    for scope, path in (*places.files, *(("file", path) for path in extra)):
        try:
            layers.append(read_layer(scope, path))
        except ConfigError as e:
            errors.append(e)
    _raise(errors)
    layers.insert(len(places.files), environment_layer(environ, schema))
    return layers


def _raise(errors: Sequence[ConfigError]) -> None:
    if errors:
        raise errors[0] if len(errors) == 1 else CanaryErrors(errors)


def load(
    cwd: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    declared: Sequence[type[Settings]] = (),
) -> Config:
    """The configuration as the command line would have it, for programs and tests."""
    cwd = Path.cwd() if cwd is None else cwd
    environ = os.environ if environ is None else environ
    own = [option for cls in declared for option in options.options_of(cls)]
    schema = options.Schema([*core_options(), *own])
    places = find_places(cwd, environ)
    layers = read_layers(places, environ, schema)
    layers.append(Layer("command line", entries=tuple(map(override, overrides))))
    return merge(layers, schema, cwd=cwd, places=places, strict=False)


def get(key: str, default: Any = None) -> Any:
    """The value of a key for the directory that this process is in, or the default.

    What test scripts ask for; see `Config.get`. The command line of the session is not known here.
    """
    try:
        value = load().get(key)
    except ConfigError:
        return default
    return default if value is None else value


def getoption(name: str, default: Any = None) -> Any:
    """The value of a key of section `run`, or the default; see `get`."""
    return get(f"run.{name}", default)
