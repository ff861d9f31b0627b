"""`canary help`: the commands, all their options, and how paths are written."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from canary.commands import CORE, load, topics
from canary.config import Config
from canary.options import Option, Schema
from canary.words import MAIN

if TYPE_CHECKING:
    import argparse


_EXAMPLES: Final = (
    ("canary run tests", "run what is below a directory"),
    ("canary run -k fast", "only what has the keyword 'fast'"),
    ("canary log JOB", "read what a job printed"),
)
_MORE: Final = (
    ("canary COMMAND --help", "the options of a command"),
    ("canary help --all", "all main options, all commands and their options"),
    ("canary help --pathspec", "how to say what to run; --pathfile: in a file"),
)


def overview(offered: Mapping[str, str], schema: Schema, *, whole: bool = False) -> str:
    """What `canary --help` shows; `offered` are the commands of plugins, with a line of help. So
    that it fits a screen, settings without a short name are there only in the `whole` of it."""
    lines = ["usage: canary [main options] COMMAND [options] [paths]", "", "commands:"]
    lines += _columns((name, help) for name, help, _ in CORE)
    if offered:
        lines += ["", "commands of plugins:", *_columns(sorted(offered.items()))]
    lines += ["", "main options, before the command:"]
    lines += _columns(
        (f"{name} {value}".strip().replace("--help", "-h, --help"), help)
        for name, value, help in MAIN
        if help
    )
    settings = [o for o in _main_settings(schema) if whole or o.short]
    lines += _columns((_flag(o), o.help) for o in settings)
    for title, rows in (("examples:", _EXAMPLES), ("more help:", _MORE)):
        lines += ["", title, *_columns(rows)]
    return "\n".join(lines) + "\n"


def _main_settings(schema: Schema) -> list[Option]:
    return [o for o in schema.options.values() if o.flag and not o.commands]


def _value(option: Option) -> str:
    if option.kind == "bool":
        return ""
    return option.metavar or "|".join(option.choices) or "VALUE"


def _flag(option: Option) -> str:
    flag = f"{option.flag} {_value(option)}".strip()
    return f"{option.short}, {flag}" if option.short else flag


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [
        f"  {left:22} {right}" if len(left) <= 22 else f"  {left}\n{'':25}{right}"
        for left, right in rows
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary help`."""
    shape = parser.add_mutually_exclusive_group(required=True).add_argument
    shape("--all", action="store_true", help="all commands and their options")
    shape("--json", action="store_true", help="the same as JSON, for programs")
    for topic, help in (
        (topics.pathspec, "how to say what to run"),
        (topics.pathfile, "how to say it in a file"),
    ):
        flag = f"--{topic.__name__}"
        shape(flag, dest="topic", action="store_const", const=topic, help=help)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.topic is not None:
        print(inspect.getdoc(args.topic))
        return 0
    # not for `canary --help`, which is to be quick
    from canary.parser import Parser, describe, parser_of

    added = config.plugins.commands()
    if not args.json:
        offered = {name: c.help for name, c in added.items()}
        print(overview(offered, config.schema, whole=True), end="")
    core = {name: load(name) for name, _, _ in CORE}
    described: dict[str, Any] = {}
    for name, known in {**core, **added}.items():
        parser = parser_of(known, config.schema.of_command(name))
        if args.json:
            words = {"help": known.help, "examples": known.examples}
            described[name] = {**words, **describe(parser)}
        else:
            print(f"\n{parser.format_help()}", end="")
    if args.json:
        types = described["report"]["words"] = {}
        for name, reporter in config.plugins.reporters().items():
            parser = Parser(prog=f"canary report {name}", description=reporter.help)
            reporter.arguments(parser)
            types[name] = {"help": reporter.help, **describe(parser)}
        main = [(name, value, help) for name, value, help in MAIN if help]
        main += [(o.flag or "", _value(o), o.help) for o in _main_settings(config.schema)]
        rows = [{"flag": name, "value": value, "help": help} for name, value, help in main]
        print(json.dumps({"main_options": rows, "commands": described}, default=str))
    return 0


EXAMPLES = ("canary help run", "canary help --all", "canary help --pathspec")
