"""The public face of canary. Importing it does no work: every test script pays for it.

A name is looked up when it is first asked for: first among those of the core, then among those
that installed distributions give. Such a distribution ships a module in the namespace package
`canary_api` (a directory without `__init__.py`) with `NAMES`, `{name: "module:attribute"}` or
`{name: "module"}`, and may ship whole modules, `canary.x`, as `canary_api/canary/x.py`. The core
knows none of them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Table = tuple[dict[str, list[tuple[str, str]]], list[tuple[str, Exception]]]

    from canary.declare import Command as Command
    from canary.declare import Reporter as Reporter
    from canary.declare import Results as Results
    from canary.declare import Settings as Settings
    from canary.errors import CanaryError as CanaryError
    from canary.hookspecs import hookimpl as hookimpl
    from canary.hookspecs import hookspec as hookspec
    from canary.job import BaseJob as BaseJob
    from canary.job import Job as Job
    from canary.launch import Launcher as Launcher
    from canary.spec import JobSpec as JobSpec
    from canary.spec import SpecGenerator as SpecGenerator
    from canary.status import Status as Status

__version__ = version = "1.0.0"
version_info = (1, 0, 0)

# True only inside a file that a generator executes to read it; see the plugin that does so
FILE_SCANNING = False

_NAMES = (
    ("canary.declare", ("Command", "Reporter", "Results", "Settings")),
    ("canary.errors", ("CanaryError",)),
    ("canary.hookspecs", ("hookimpl", "hookspec")),
    ("canary.job", ("BaseJob", "Job")),
    ("canary.launch", ("Launcher",)),
    ("canary.spec", ("JobSpec", "SpecGenerator")),
    ("canary.status", ("Status",)),
)


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    for module, names in _NAMES:
        if name in names:
            value = getattr(import_module(module), name)
            break
    else:
        if name.startswith("__"):
            raise AttributeError(f"module 'canary' has no attribute {name!r}")
        value = import_module(f"canary.{name}") if _is_own_module(name) else _given(name)
    globals()[name] = value
    return value


def _is_own_module(name: str) -> bool:
    """Is it a module of this package? `from canary import x` asks for the attribute first."""
    import os

    directory = list.__getitem__(__path__, 0)
    places = (f"{directory}/{name}.py", f"{directory}/{name}/__init__.py")
    return any(os.access(place, os.R_OK) for place in places)


def _given(name: str) -> "Any":
    """The value that an installed distribution gives for `name`."""
    from importlib import import_module

    names, failed = _distributed()
    givers = names.get(name, ())
    if len(givers) > 1:
        both = " and ".join(module for module, _ in givers)
        raise AttributeError(f"canary.{name} is given by both {both}: uninstall one of them")
    if givers:
        module, _, attribute = givers[0][1].partition(":")
        value = import_module(module)
        for part in attribute.split(".") if attribute else ():
            value = getattr(value, part)
        return value
    hint = "" if names or failed else "; names for test files come with `pip install canary-pyt`"
    broken = "".join(f"; {module} cannot be imported: {e}" for module, e in failed)
    raise AttributeError(f"module 'canary' has no attribute {name!r}{hint}{broken}")


def _distributed() -> "Table":
    """`{name: [(giving module, target)]}` and the giving modules that fail; listed once."""
    known: Any = globals().get("_table")
    if known is None:
        import os
        from importlib import import_module

        names: dict[str, list[tuple[str, str]]] = {}
        failed: list[tuple[str, Exception]] = []
        for directory in _api_directories():
            files = os.listdir(directory) if os.access(directory, os.R_OK | os.X_OK) else []
            for file in sorted(file for file in files if file.endswith(".py")):
                module = f"canary_api.{file[:-3]}"
                try:
                    table = import_module(module).NAMES
                except Exception as e:  # noqa: BLE001 - named where its names are missed
                    failed.append((module, e))
                    continue
                for name, target in table.items():
                    if (module, target) not in names.setdefault(name, []):
                        names[name].append((module, target))
        known = globals()["_table"] = (names, failed)
    return known[0], known[1]


def _api_directories() -> list[str]:
    from importlib import import_module

    try:
        return list(import_module("canary_api").__path__)
    except ImportError:
        return []


class _Path(list[str]):
    """Where submodules are: in the package, and in what distributions add to it, asked for last."""

    def __iter__(self) -> "Iterator[str]":
        yield from list.__iter__(self)
        for directory in _api_directories():
            yield f"{directory}/canary"


__path__ = _Path(__path__)
