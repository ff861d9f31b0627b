"""Plugins: stevedore finds the installed ones, pluggy knows their hooks, and a failure has a name.

Every call of a hook goes through `PluginManager.call` or `first`, so that an exception is one line
naming the plugin and its distribution, a slow hook is noticed, and `CANARY_TRACE_HOOKS=1` shows all
of it. What the hooks are for is not known here, but for those by which a plugin declares itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar

import pluggy
from stevedore.named import NamedExtensionManager

from canary import discovery, hookspecs, oldtool, table
from canary.declare import Command, Reporter, Settings
from canary.discovery import Declared, EntryPoint, Installed
from canary.errors import CanaryError, PluginError, PluginStop
from canary.loader import PluginInfo, explain, file_of, load_file
from canary.options import Option, Schema, options_of

GROUP: Final = "canary.plugins"
Say = Callable[[str, str], None]
# what a hook's answer should have been and is not, in words; nothing, if it is that
Fit = Callable[[Any], str] | None
LIST: Final = (list, tuple, set, frozenset)


T = TypeVar("T")
if TYPE_CHECKING:
    _Manager = NamedExtensionManager[Any]
else:
    _Manager = NamedExtensionManager  # cannot be subscripted in every release


class _Finder(_Manager):
    """stevedore over a list of our own: its cache on disk may be minutes behind the truth."""

    def __init__(self, point: EntryPoint) -> None:
        self._points = [importlib.metadata.EntryPoint(point.name, point.value, GROUP)]
        super().__init__(
            GROUP,
            [point.name],
            on_load_failure_callback=_raise,
            on_missing_entrypoints_callback=None,
        )

    def list_entry_points(self) -> list[importlib.metadata.EntryPoint]:
        """Only the one that is wanted; nothing else is imported."""
        return self._points


def scan() -> Installed:
    """Look through the installed distributions for plugins, without importing any."""
    points: dict[str, list[EntryPoint]] = {GROUP: [], oldtool.GROUP: []}
    seen = set()
    for distribution in importlib.metadata.distributions():
        if oldtool.GROUP not in (distribution.read_text("entry_points.txt") or ""):
            continue
        name = distribution.metadata["Name"]
        if name in seen:
            # further along the path: shadowed, as its modules are
            continue
        seen.add(name)
        for point in distribution.entry_points:
            if point.group in points:
                found = EntryPoint(point.name, point.value, name, distribution.version)
                points[point.group].append(found)
    try:
        old_tool = importlib.metadata.version(oldtool.DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        old_tool = ""
    old = [p for p in points[oldtool.GROUP] if p.distribution != oldtool.DISTRIBUTION]
    return Installed(tuple(sorted(points[GROUP], key=lambda p: p.name)), tuple(old), old_tool)


def installed_info(point: EntryPoint, **more: Any) -> PluginInfo:
    """What is known of an installed plugin that is not loaded."""
    known = {**point._asdict(), **more}
    return PluginInfo(kind="entry point", source="installed", origin=known.pop("value"), **known)


class _Way(NamedTuple):
    """How a hook is asked: see `PluginManager.call`."""

    fit: Fit = None
    reraise: bool = False
    lenient: bool = False


class PluginManager:
    """Who implements which hook, and the one way to call it.

    `policy` says what a broken plugin does: `stop` the command, `continue` without it, or by
    default (None) stop if it was asked for with `-p`. `say(level, text)` shows a line to people.
    `fatal` is what has stopped the command, if something did.
    """

    def __init__(
        self,
        *,
        blocked: Collection[str] = (),
        policy: str | None = None,
        hook_limit: float = 1.0,
        trace: bool = False,
        say: Say | None = None,
    ) -> None:
        self.blocked = discovery.names(blocked)
        self.policy = policy
        self.hook_limit = hook_limit
        self.trace = trace
        self.say = table.say if say is None else say
        self._pluggy = pluggy.PluginManager("canary")
        self._pluggy.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._here: set[str] = set()
        self._owners: dict[tuple[str, str], PluginInfo] = {}
        self._lock = threading.Lock()
        self.fatal: PluginStop | None = None
        self._slow: set[tuple[str, str]] = set()

    # loading

    def load_installed(self, installed: Installed) -> None:
        """Load the installed plugins, but for those that are blocked."""
        owners: dict[str, PluginInfo] = {}
        for point in installed.plugins:
            info = installed_info(point)
            if self.blocked & discovery.names((point.name, point.distribution)):
                self._infos[point.name] = replace(info, state="blocked")
            elif point.name in owners:
                problem = f"{owners[point.name]} has the same name"
                self.failed(info, problem, block=point.distribution)
            else:
                owners[point.name] = info
                self._here |= discovery.names((point.name, point.distribution, point.value))
                self._load(info, partial(_load_entry_point, point))

    def load_hook_files(self, directory: Path) -> None:
        """Load the `*.py` files of a directory in the order of their names."""
        for path in sorted(directory.glob("*.py")):
            name = path.stem if path.stem not in self._infos else str(path)
            info = PluginInfo(name=name, kind="hook file", source=str(directory), origin=str(path))
            if self.blocked & discovery.names((path.stem, str(path))):
                self._infos[name] = replace(info, state="blocked")
            else:
                self._load(info, partial(load_file, path))

    def load_named(self, name: str, source: str, cwd: Path) -> None:
        """Load a module, a `.py` file or a package directory that somebody asked for by name."""
        path = Path(os.path.abspath(cwd / Path(name).expanduser()))  # noqa: PTH100 - links stay
        is_file = "/" in name or name.endswith(".py") or (path / "__init__.py").is_file()
        stem = path.name.removesuffix(".py") if is_file else name
        asked = discovery.names((stem, name))
        if self.blocked & asked or (self._here & asked and not is_file):
            return
        kind, origin = ("file", str(path)) if is_file else ("module", name)
        info = PluginInfo(name=stem, kind=kind, source=source, origin=origin)
        known = self._infos.get(stem)
        if known and (known.origin != info.origin if is_file else known.kind != "module"):
            self.failed(info, f"{known} has the same name", block=name)
        elif known is None or known.state == "failed":  # not twice
            self._load(info, lambda: load_file(path) if is_file else importlib.import_module(name))

    def add(self, plugin: object, name: str) -> None:
        """Register an object that exists already: for programs and tests."""
        self._load(PluginInfo(name=name, kind="object", source="program"), lambda: plugin)

    def _load(self, info: PluginInfo, make: Callable[[], object]) -> None:
        self._infos[info.name] = info
        try:
            plugin = make()
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # noqa: BLE001 - whatever its import does, it is this plugin's
            self.failed(info, f"cannot be imported: {explain(e)}", cause=e)
            return
        try:
            plugin = plugin() if isinstance(plugin, type) else plugin
            self._pluggy.register(plugin, info.name)
            self._added_hooks(plugin)
        except Exception as e:  # noqa: BLE001 - as above
            self._drop(info)
            self.failed(info, explain(e), cause=e)
            return
        hooks = self._pluggy.get_hookcallers(plugin) or []
        file = (file_of(plugin) if info.kind in ("entry point", "module") else "") or info.origin
        made = replace(info, hooks=tuple(sorted(h.name for h in hooks)), origin=file)
        self._infos[info.name] = made
        self._forgotten_marks(plugin, made)

    def _added_hooks(self, plugin: object) -> None:
        """Ask one plugin for specifications of its own, before any of its hooks is called."""
        for impl in self._pluggy.hook.canary_addhooks.get_hookimpls():
            if impl.plugin is plugin:
                impl.function(*(self for _ in impl.argnames))

    def add_hookspecs(self, module: ModuleType | type) -> None:
        """Add hook specifications: functions of `module` marked `@canary.hookspec`."""
        self._pluggy.add_hookspecs(module)

    def _forgotten_marks(self, plugin: object, info: PluginInfo) -> None:
        known = [n for n in vars(hookspecs) if n.startswith("canary_") and n not in info.hooks]
        forgotten = [n for n in known if callable(getattr(plugin, n, None))]
        if forgotten:
            self.say("WARNING", f"{info}: {', '.join(forgotten)} lacks @canary.hookimpl")

    def check(self) -> None:
        """Refuse plugins with hooks that nobody specified; to be called when all are loaded."""
        for info in self.plugins():
            plugin = self._pluggy.get_plugin(info.name)
            for caller in (self._pluggy.get_hookcallers(plugin) or []) if plugin else []:
                impls = [i for i in caller.get_hookimpls() if i.plugin is plugin]
                if any(i.hookwrapper or i.wrapper for i in impls):
                    problem = f"{caller.name} is a wrapper, and hooks cannot be wrapped"
                elif caller.has_spec() or all(i.optionalhook for i in impls):
                    continue
                else:
                    problem = f"there is no hook {caller.name}{_instead(caller.name)}"
                self._drop(info)
                self.failed(info, problem)
                break

    def _drop(self, info: PluginInfo) -> None:
        if self._pluggy.has_plugin(info.name):
            self._pluggy.unregister(name=info.name)

    def failed(
        self, info: PluginInfo, problem: str, lost: str = "it", cause: Any = None, block: str = ""
    ) -> None:
        """Note that a plugin is broken; PluginError if that stops the command.

        `lost` says what of it is missing from now on; `it` is the plugin as a whole. `block` is
        given for one whose name is another's: what else to call it, to block it.
        """
        state = "failed" if lost == "it" else info.state
        self._infos[str(info) if block else info.name] = replace(info, state=state, error=problem)
        if self.trace and cause is not None:
            self.say("TRACE", "".join(traceback.format_exception(cause)))
        if self.policy == "stop" or (self.policy is None and info.source == "-p"):
            hint = f"leave it out: -p no:{block or info.name}"
            self.fatal = PluginStop(f"{info}: {problem}", hint=hint)
            self.fatal.hooks = info.hooks if state == "failed" else ()
            raise self.fatal from cause
        self.say("WARNING", f"{info}: {problem}; going on without {lost}")

    # calling

    def has(self, hook: str) -> bool:
        """Does any plugin implement it?"""
        caller = getattr(self._pluggy.hook, hook, None)
        return caller is not None and bool(caller.get_hookimpls())

    def call(
        self, hook: str, *, fit: Fit = None, reraise: bool = False, lenient: bool = False, **of: Any
    ) -> list[tuple[PluginInfo, Any]]:
        """Ask every plugin; return who answered what, without those that answered None.

        Called are the last registered first; in the answers these come last, so that of two which
        cannot both hold the later counts. A plugin that raises, or gives what is no `fit`, is
        handled by the policy; `lenient`: it is a warning, always; `reraise`: it is a PluginError,
        always. A CanaryError that a plugin raises is meant for the user and passes through, unless
        `lenient`.
        """
        return [*self._answers(hook, of, _Way(fit, reraise, lenient))][::-1]

    def first(self, hook: str, *, fit: Fit = None, **arguments: Any) -> Any:
        """Ask plugins, the last registered first, until one answers; None if none does."""
        return next((answer for _, answer in self._answers(hook, arguments, _Way(fit))), None)

    def _answers(
        self, hook: str, given: Mapping[str, Any], way: _Way
    ) -> Iterator[tuple[PluginInfo, Any]]:
        """Ask one plugin after the other, the last registered first."""
        for impl in reversed(getattr(self._pluggy.hook, hook).get_hookimpls()):
            answer = self._ask(hook, impl, given, way)
            if answer is not None:
                yield self._infos[impl.plugin_name], answer

    def _ask(self, hook: str, impl: pluggy.HookImpl, given: Mapping[str, Any], way: _Way) -> Any:
        info = self._infos[impl.plugin_name]
        values = [given[name] for name in impl.argnames]
        problem, cause = "", None
        began = time.perf_counter()
        try:
            answer = impl.function(*values)
            if isinstance(answer, Iterator):
                answer = list(answer)
            if way.fit and answer is not None and (wrong := way.fit(answer)):
                problem = f"{hook} must return {wrong}"
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            if isinstance(e, CanaryError) and not way.lenient:
                raise
            problem, cause = f"{hook} raised {explain(e)}", e
        if problem:
            self._broke(info, problem, cause, way)
            return None
        took = time.perf_counter() - began
        if took > self.hook_limit and (info.name, hook) not in self._slow:
            self._slow.add((info.name, hook))
            self.say("WARNING", f"{info}: {hook} took {took:.1f} s")
        if self.trace:
            self.say("TRACE", f"{hook} {info} {1e3 * took:.3f} ms -> {_short(answer)}")
        return answer

    def _broke(self, info: PluginInfo, problem: str, cause: Any, way: _Way) -> None:
        if way.reraise:
            raise PluginError(f"{info}: {problem}") from cause
        if way.lenient:
            self.say("WARNING", f"{info}: {problem}")
            return
        with self._lock:  # some hooks are called in several threads: it is told once
            try:
                if self.fatal or self._pluggy.has_plugin(info.name):
                    self.failed(info, problem, cause=cause)
            finally:
                self._drop(info)

    # what plugins declare

    def plugins(self) -> list[PluginInfo]:
        """All plugins that were seen, the blocked and broken ones among them."""
        return list(self._infos.values())

    def names(self) -> list[str]:
        """By which they can be blocked: their own names and those of their distributions."""
        return [name for info in self.plugins() for name in (info.name, info.distribution)]

    def schema(self, options: Iterable[Option]) -> Schema:
        """`options` of the core, and those of the plugins."""
        found = list(options)
        for info, classes in self.call("canary_settings", fit=_fit_settings):
            try:
                new = [option for cls in _several(classes) for option in options_of(cls, str(info))]
                Schema([*found, *new])
            except (PluginError, TypeError) as e:
                self.failed(info, str(e), lost="its settings")
            else:
                found += new
        return Schema(found)

    def commands(self, taken: Collection[str] = ()) -> dict[str, Command]:
        """`{name or alias: command}` of all plugins; `taken` are the names of the core."""
        owners = {name: "canary itself" for name in taken}
        return self.offered("canary_commands", Command, owners)

    def reporters(self) -> dict[str, Reporter]:
        """`{name: reporter}` of all plugins."""
        return self.offered("canary_reporters", Reporter, {})  # type: ignore[type-abstract] # asked for with isinstance alone

    def offered(
        self, hook: str, cls: type[T], owners: Mapping[str, str], **arguments: Any
    ) -> dict[str, T]:
        """`{name: item}` of a hook by which plugins offer items of type `cls`, each with a `name`.

        Two of one name (an alias is one too), or one that `owners` has, `{name: who}`, are an error
        naming both plugins; if that does not stop the command, the later one is left out.
        """
        found: dict[str, T] = {}
        known = dict(owners)
        what = re.sub(r"\B(?=[A-Z])", " ", cls.__name__).lower()
        for info, items in self.call(hook, fit=shape(LIST, cls), **arguments):
            for item in items:
                for name in (item.name, *getattr(item, "aliases", ())):
                    if name in known:
                        problem = f"there is a {what} {name!r} already, from {known[name]}"
                        self.failed(info, problem, f"this {what}")
                    else:
                        known[name] = str(info)
                        found[name] = item
                        self._owners[hook, name] = info
        return found

    def clash(self, hook: str, kept: str, other: str, what: str) -> None:
        """Two that were `offered` both claim `what`; by policy the `other` goes without it."""
        owner = self._owners[hook, kept]
        problem = f"its {other!r} claims {what}, which {kept!r} of {owner} claims already"
        self.failed(self._owners[hook, other], problem, "its claim")

    def declared(self) -> dict[str, Declared]:
        """What each installed plugin offers, for the discovery cache."""
        settings = {i.name: _several(x) for i, x in self.call("canary_settings", fit=_fit_settings)}
        commands = {i.name: x for i, x in self.call("canary_commands", fit=shape(LIST, Command))}
        reporters = {i.name: x for i, x in self.call("canary_reporters", fit=shape(LIST, Reporter))}
        found = {}
        for info in self.plugins():
            if info.kind != "entry point" or info.state != "active":
                # a broken one is asked again at the next start: it may have been mended
                continue
            name = info.name
            offered, classes = commands.get(name, ()), settings.get(name, [])
            parts = [self._pluggy.get_plugin(name), *classes, *(c.run for c in offered)]
            files = sorted({file for part in parts if (file := file_of(part))})
            found[name] = Declared(
                tuple((c.name, c.help, tuple(c.aliases)) for c in offered),
                tuple(option for cls in classes for option in options_of(cls, str(info))),
                tuple((r.name, r.help) for r in reporters.get(name, ())),
                tuple(mark for file in files if (mark := discovery.stamp(file))),
            )
        return found


def _load_entry_point(point: EntryPoint) -> object:
    """What an entry point names; raises what its import raised."""
    return _Finder(point).extensions[0].plugin


def _raise(_manager: object, _point: object, error: BaseException) -> NoReturn:
    raise error


def shape(kind: tuple[type[Any], ...], *of: type[Any]) -> Callable[[Any], str]:
    """Of a type, and what it holds `of` these types; the keys of a mapping are texts."""
    names = " or ".join(t.__name__.removesuffix("Type") for t in of)
    want = f"a {kind[0].__name__}" + (f" of {names}" if of else "")

    def fit(answer: Any) -> str:
        if not isinstance(answer, kind):
            return f"{want}, not {_short(answer)}"
        items = answer.items() if isinstance(answer, Mapping) else [("", x) for x in of and answer]
        wrong = [x for name, x in items if not (isinstance(name, str) and isinstance(x, of))]
        return f"{want}; it has {_short(wrong[0])}" if wrong else ""

    return fit


def _fit_settings(answer: Any) -> str:
    problem = "" if isinstance(answer, type) else shape(LIST, type)(answer)
    try:
        for cls in () if problem else _several(answer):
            options_of(cls)
    except PluginError as e:
        problem = f"classes of settings: {e}"
    return problem


def _several(classes: Any) -> list[type[Settings]]:
    return [classes] if isinstance(classes, type) else list(classes)


def _instead(hook: str) -> str:
    """What to use for a hook that does not exist."""
    replacement = oldtool.HOOKS.get(hook)
    if replacement:
        return f"; it is one of {oldtool.DISTRIBUTION}, use {replacement}"
    close = get_close_matches(hook, [n for n in vars(hookspecs) if n.startswith("canary_")], 1)
    return f"; did you mean {close[0]}?" if close else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
