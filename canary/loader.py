"""What a plugin is, and how the code of one that is no distribution is loaded: by its file.

Also how a failure of somebody else's code is told in one line. Hooks are not known here.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

# frames of files that have no part in a plugin's failure
_OTHERS: Final = ("<frozen ", "/canary/loader.", "/canary/plugins.py", "/stevedore/", "/importlib/")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One plugin: what it is, where it came from and how it fares.

    `kind`: entry point, module, file, hook file, object. `source`: who asked for it (`installed`,
    `-p`, `configuration`, …). `state`: active, blocked, failed. `hooks` are those it implements.
    """

    name: str
    kind: str
    source: str
    origin: str = ""
    distribution: str = ""
    version: str = ""
    state: str = "active"
    hooks: tuple[str, ...] = ()
    error: str = ""

    def __str__(self) -> str:
        where = f"{self.distribution} {self.version}" if self.distribution else self.origin
        return f"plugin {self.name!r} ({where})" if where else f"plugin {self.name!r}"


def load_file(path: Path) -> ModuleType:
    """Import a `.py` file, or a directory with `__init__.py`, under a name of its own."""
    package = path.is_dir()
    name = f"canary_file_{path.name.removesuffix('.py')}"
    known = sys.modules.get(name)
    file = path / "__init__.py" if package else path
    if known is not None:
        if known.__file__ == str(file):
            return known
        name = f"{name}_{abs(hash(str(path))):x}"
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}")
    places = [str(path)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def file_of(part: object) -> str | None:
    """The file in which a module, class, function or object was written."""
    module = part if isinstance(part, ModuleType) else inspect.getmodule(part)
    if module is None and part is not None:
        module = sys.modules.get(type(part).__module__)
    return getattr(module, "__file__", None)


def explain(error: BaseException) -> str:
    """An exception in one line, with the place in the plugin where it was raised."""
    told = traceback.TracebackException.from_exception(error)
    theirs = [f for f in told.stack if not any(part in f.filename for part in _OTHERS)]
    place = f" ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else ""
    said = str(told)  # whatever the error's own __str__ does
    # pluggy's complaints about a hook's arguments take several lines
    text = [" ".join(said.split())] if type(error).__module__.startswith("pluggy") else []
    text = text or said.strip().splitlines()
    name = type(error).__name__
    return (f"{name}: {text[0]}" if text else name) + place
