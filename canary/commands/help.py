"""`canary help`: the commands, all their options, and how paths are written."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from canary.commands import CORE, topics
from canary.config import Config
from canary.declare import Command
from canary.options import Option, Schema
from canary.words import MAIN

if TYPE_CHECKING:
    import argparse


def overview(offered: Mapping[str, str], schema: Schema) -> str:
    """What `canary --help` shows; `offered` are the commands of plugins, with a line of help."""
    lines = ["usage: canary [main options] COMMAND [options] [paths]", "", "commands:"]
    lines += _columns((name, help) for name, help, _ in CORE)
    if offered:
        lines += ["", "commands of plugins:", *_columns(sorted(offered.items()))]
    lines += ["", "main options, before the command:"]
    lines += _columns(
        (f"{name} VALUE" if takes else name.replace("--help", "-h, --help"), help)
        for name, takes, help in MAIN
        if help
    )
    settings = [o for o in schema.options.values() if o.flag and not o.commands]
    lines += _columns((_flag(o), o.help) for o in settings)
    lines += [
        "",
        "more help:",
        *_columns(
            (
                ("canary COMMAND --help", "the options of a command"),
                ("canary help --all", "all commands and their options"),
                ("canary help --pathspec", "how to say what to run"),
                ("canary help --pathfile", "how to say it in a file"),
            )
        ),
    ]
    return "\n".join(lines) + "\n"


def _flag(option: Option) -> str:
    flag = option.flag or ""
    if option.kind != "bool":
        flag += " " + (option.metavar or "|".join(option.choices) or "VALUE")
    return f"{option.short}, {flag}" if option.short else flag


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [
        f"  {left:22} {right}" if len(left) <= 22 else f"  {left}\n{'':25}{right}"
        for left, right in rows
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary help`."""
    shape = parser.add_mutually_exclusive_group(required=True)
    shape.add_argument("--all", action="store_true", help="all commands and their options")
    shape.add_argument("--json", action="store_true", help="the same as JSON, for programs")
    for topic, help in (
        (topics.pathspec, "how to say what to run"),
        (topics.pathfile, "how to say it in a file"),
    ):
        flag = f"--{topic.__name__}"
        shape.add_argument(flag, dest="topic", action="store_const", const=topic, help=help)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.topic is not None:
        print(inspect.getdoc(args.topic))
        return 0
    # not for `canary --help`, which is to be quick
    from canary.parser import Parser, add_options, describe

    added = config.plugins.commands()
    if not args.json:
        print(overview({name: c.help for name, c in added.items()}, config.schema), end="")
    core = {name: import_module(f"canary.commands.{name}").COMMAND for name, _, _ in CORE}
    described = {}
    for name, command in {**core, **added}.items():
        parser = Parser(prog=f"canary {name}", description=f"{command.help}.")
        if command.arguments is not None:
            command.arguments(parser)
        add_options(parser, config.schema.of_command(name))
        if args.json:
            words = {"help": command.help, "examples": command.examples}
            described[name] = {**words, **describe(parser)}
        else:
            print(f"\n{parser.format_help()}", end="")
    if args.json:
        rows = [{"flag": name, "value": takes, "help": help} for name, takes, help in MAIN if help]
        print(json.dumps({"main_options": rows, "commands": described}, default=str))
    return 0


COMMAND = Command(
    name="help",
    help="show help",
    run=run,
    arguments=arguments,
    examples=("canary help run", "canary help --all", "canary help --pathspec"),
)
