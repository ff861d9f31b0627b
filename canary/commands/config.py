"""`canary config`: what is configured, where that was written, and how to write it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import platformdirs

from canary import fsio, textdata
from canary.config import Config, plain
from canary.errors import ConfigError, ExitCode, UsageError
from canary.options import TABLES, Option
from canary.table import safe_write


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary config`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|set")
    show = actions.add_parser("show", help="show the merged configuration")
    show.add_argument("section", nargs="?", default="", help="a section or a key (default: all)")
    kinds = ("toml", "json", "yaml")
    show.add_argument("--format", choices=kinds, default="toml", help="how (default: toml)")
    show.add_argument("-p", "--paths", action="store_true", help="show which files are read")
    show.add_argument("--origin", action="store_true", help="show where each value comes from")
    put = actions.add_parser("set", help="write a value into a configuration file")
    put.add_argument("key", metavar="KEY", help="such as run:workers or run.timeout.default")
    put.add_argument("value", metavar="VALUE", help="as it would be written after -c")
    where = put.add_mutually_exclusive_group().add_argument
    where("--local", action="store_true", help="of this workspace (the default)")
    where("--project", action="store_true", help="of this project: canary.toml")
    where("--global", dest="user", action="store_true", help="of this user")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.action == "set":
        return _set(args, config)
    key = args.section.replace(":", ".")
    if args.paths:
        text = "".join(f"{scope}: {file}\n" for scope, file in config.files)
        safe_write(sys.stdout, text or "no configuration file is there\n")
        return ExitCode.OK
    value = config.get(key) if key else config.asdict()
    if key == "resource_pool" and not args.origin:
        from canary.commands import running  # the engine: little of what is shown needs it

        value = {"nodes": [asdict(node) for node in running.machine_of(config).nodes]}
    if args.origin:
        safe_write(sys.stdout, "".join(_origins(config, tuple(key.split(".")) if key else ())))
    elif args.format == "json":
        safe_write(sys.stdout, json.dumps(plain(value), indent=2) + "\n")
    else:
        data: Any = plain(value)
        for part in reversed(key.split(".") if key else []):
            data = {part: data}
        write = textdata.yaml().dump if args.format == "yaml" else textdata.format_document
        safe_write(sys.stdout, write(data).rstrip() + "\n")
    return ExitCode.OK


def _origins(config: Config, prefix: tuple[str, ...]) -> list[str]:
    """A line for each value: key, value, origin."""
    lines = []
    for path, value in config.values.items():
        keys = [path]
        if config.schema.options[path].kind in TABLES and value:
            keys = [(*path, key) for key in value]
        for key in keys:
            name = ".".join(key)
            if key[: len(prefix)] == prefix:
                shown = plain(config.get(name))
                text = "none" if shown is None else textdata.format_toml(shown)
                lines.append(f"{name} = {text}  # {config.origin(name)}\n")
    return lines


def _set(args: argparse.Namespace, config: Config) -> int:
    path = tuple(args.key.replace(":", ".").split("."))
    found = config.schema.find(path)
    if found is None or (found[1] and found[0].kind not in (*TABLES, "any")):
        raise ConfigError("no such setting", key=args.key, hint=config.schema.hint(path))
    option, rest = found
    try:
        value = _written(option, rest, args.value)
    except ConfigError as e:
        raise e.located(key=args.key) from None
    file, prefix = _file(args, config)
    text = textdata.read_text(file) if file.exists() else ""
    where = (*prefix, *option.path, *rest)
    edited = textdata.set_value(text, where, value, str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fsio.write_atomic(file, edited.encode())
    except OSError as e:
        raise fsio.explain(e, file, "write the configuration") from None
    print(f"{file}: {'.'.join(where)} = {textdata.format_toml(value)}")
    return ExitCode.OK


def _written(option: Option, rest: tuple[str, ...], text: str) -> Any:
    """What to write for `text`: durations and sizes as people wrote them, once they are checked."""
    value = option.entry(rest, text) if rest else option.read(text)
    if value is None:
        raise ConfigError("none cannot be written: remove the line from the file")
    for part in rest:
        value = value[part]
    if option.kind in ("duration", "durations", "size"):
        return text
    return plain(value)


def _file(args: argparse.Namespace, config: Config) -> tuple[Path, tuple[str, ...]]:
    """The file to write, and what stands before a key in it."""
    if args.user:
        given = os.environ.get("CANARY_GLOBAL_CONFIG")
        file = Path(given) if given else platformdirs.user_config_path("canary") / "config.toml"
    elif args.project:
        file = config.project or config.cwd / "canary.toml"
        if file.name == "pyproject.toml":
            return file, ("tool", "canary")
    elif config.workspace is not None:
        file = config.workspace / "config.toml"
    else:
        hint = "--global is for all you do, --project for this directory; canary init makes one"
        raise UsageError("there is no workspace here to configure", hint=hint)
    if file.suffix != ".toml":
        raise ConfigError("is not written: it is no TOML file", file=str(file))
    return file, ()


EXAMPLES = (
    "canary config show run",
    "canary config show --origin",
    "canary config set run:timeout:default 5m --global",
)
