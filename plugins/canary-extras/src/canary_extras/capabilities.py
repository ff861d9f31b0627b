"""What is installed, as one tree of plain data: the core's part, and one for each plugin.

Nothing of it is written by hand: commands come from their parsers (`canary help --json`, in a
process of its own, for a plugin does not reach into the command line), the rest from hooks, enums
and settings. How a part is chosen or shown is not known here.
"""

from __future__ import annotations

import inspect
import json
import subprocess
from collections.abc import Mapping
from typing import Any

from canary import hookspecs
from canary.again import program
from canary.config import Config
from canary.errors import ExitCode, PluginError
from canary.options import Option
from canary.status import Outcome, Status


def tree(config: Config) -> dict[str, Any]:
    """`{"core": …, "<plugin>": …}`."""
    described = _described_commands(config)
    parts = plugin_parts(config)
    commands: dict[str, Any] = described["commands"]
    for part in parts.values():
        part["commands"] = {n: commands.pop(n) for n in part["commands"] if n in commands}
    core = {
        "commands": commands,
        "main_options": {row.pop("flag"): row for row in described["main_options"]},
        "settings": _settings(config, ""),
        "hooks": hooks(),
        "exit_codes": {name: int(code) for name, code in ExitCode.__members__.items()},
        "statuses": {
            o.name: {"value": int(o), "category": o.category.value, "exit_bit": Status(o).exit_bit}
            for o in Outcome
        },
    }
    return {"core": core, **parts}


def plugin_parts(config: Config) -> dict[str, dict[str, Any]]:
    """One part for each active plugin, by its short name; of its commands the names."""
    asked: dict[str, dict[str, Any]] = {}
    for what in ("commands", "reporters", "spec_generators"):
        for info, items in config.plugins.call(f"canary_{what}", lenient=True):
            asked.setdefault(info.name, {})[what] = list(items)
    parts: dict[str, dict[str, Any]] = {}
    for info in config.plugins.plugins():
        if info.state != "active":
            continue
        offers = asked.get(info.name, {})
        name = short_name(info.name)
        parts[info.name if name in ("core", *parts) else name] = {
            "distribution": info.distribution,
            "version": info.version,
            "origin": info.origin,
            "hooks": list(info.hooks),
            "commands": {command.name: None for command in offers.get("commands", ())},
            "formats": {
                g.name: {
                    "patterns": list(g.patterns),
                    "description": g.description or _first_line(type(g)),
                }
                for g in offers.get("spec_generators", ())
            },
            "reports": {r.name: r.help for r in offers.get("reporters", ())},
            "settings": _settings(config, str(info)),
        }
    return parts


def short_name(plugin: str) -> str:
    """What a plugin is called among plugins: without the `canary_` that all of them begin with."""
    return plugin.removeprefix("canary_").removeprefix("canary-")


def hooks() -> dict[str, Any]:
    """Every hook of the core: arguments, whether the first result wins, what it is for."""
    found = {}
    for name, function in vars(hookspecs).items():
        marks = getattr(function, "canary_spec", None)
        if marks is None:
            continue
        found[name] = {
            "arguments": list(inspect.signature(function).parameters),
            "first_result_wins": bool(marks["firstresult"]),
            "help": inspect.getdoc(function) or "",
        }
    return found


def _settings(config: Config, owner: str) -> dict[str, Any]:
    return {o.key: _setting(o) for o in config.schema.options.values() if o.owner == owner}


def _setting(option: Option) -> dict[str, Any]:
    default = json.loads(json.dumps(option.default, default=_plain))
    return {
        "kind": option.kind,
        "default": default,
        "choices": list(option.choices),
        "flag": option.flag,
        "variable": option.variable,
        "help": option.help,
    }


def _plain(value: object) -> object:
    """For JSON: what behaves like a dict is one, anything else is its text."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _described_commands(config: Config) -> dict[str, Any]:
    """What `canary help --json` says, with the same plugins."""
    words = [*program(), "-C", str(config.cwd)]
    for name in config.main.plugins:
        words += ["-p", name]
    words += ["help", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PluginError(f"canary help --json fails: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
