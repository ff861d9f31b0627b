"""One command's options: argparse, told to be strict, to mix options with paths, and not to exit.

Settings become options here. argparse is loaded with this module, so that what needs none of it
does not pay for it. What the options mean is not known here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn

from canary.declare import Command
from canary.errors import CanaryError, PluginError, UsageError
from canary.options import TABLES, Option, closest, negative

_PREFIX: Final = "setting "
_UNKNOWN: Final = re.compile(r"unrecognized arguments: (--?[\w-]+)")
_METAVARS: Final = (
    ("int", "N"),
    ("float", "X"),
    ("duration", "T"),
    ("size", "SIZE"),
    ("table", "KEY=VALUE"),
    ("counts", "KEY=N"),
    ("durations", "KEY=T"),
)


class Finished(Exception):
    """The parser answered by itself, as to `--help`; nothing else is to be done."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """One line of usage, as each option has its own below, and room for names of options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def _format_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], *rest: Any
    ) -> str:
        words = [
            self._format_args(action, self._get_default_metavar_for_positional(action))
            for action in actions
            if not action.option_strings
        ]
        usage = usage or " ".join(["%(prog)s [options]", *words])
        return super()._format_usage(usage, actions, *rest)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises `UsageError` and `Finished`, and never exits the process."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", _Formatter)
        super().__init__(**options)
        self.before: Collection[str] = ()  # options that stand before the command

    def error(self, message: str) -> NoReturn:
        """Refuse, naming an option that is much alike if there is one."""
        hint = f"see {self.prog} --help"
        if unknown := _UNKNOWN.match(message):
            name = unknown[1]
            hint = closest(name, self._option_string_actions) or hint
            if name in self.before:
                hint = f"it stands before the command: canary {name} ...{self.prog[6:]}"
            message = f"unknown option {name}"
        raise UsageError(f"{self.prog}: {message}", hint=hint)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and "--" in arg_strings:  # of which argparse makes a list
            raise argparse.ArgumentError(action, "'--' is no value")
        return super()._get_values(action, arg_strings)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002 - argparse's
        """End the parsing."""
        raise Finished

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Read the words after the command; options stand before, between or after paths.

        What follows `--` becomes `script_args` if the command has a default for that.
        """
        words = list(words)
        script: list[str] | None = None
        if self.get_default("script_args") is not None and "--" in words:
            at = words.index("--")
            words, script = words[:at], words[at + 1 :]
        words = list(self._values_apart(words))
        apart = (argparse.PARSER, argparse.REMAINDER)
        mixed = not any(action.nargs in apart for action in self._get_positional_actions())
        args = self.parse_intermixed_args(words) if mixed else self.parse_args(words)
        if script is not None:
            args.script_args = tuple(script)
        return args

    def _values_apart(self, words: Iterable[str]) -> Iterator[str]:
        """Keep an option whose value may be left out from taking a path for its value."""
        todo = list(words)
        for word, following in zip(todo, [*todo[1:], "-"], strict=False):
            action = self._option_string_actions.get(word)
            if action is not None and action.nargs == "?" and not self._fits(action, following):
                word += f"={action.const}" if word.startswith("--") else str(action.const)
            yield word

    def _fits(self, action: argparse.Action, word: str) -> bool:
        """May `word` follow that option: as its value, or as the next option?"""
        if word.startswith("-"):
            return True
        try:
            value = self._get_value(action, word)
        except argparse.ArgumentError:
            return False
        return action.choices is None or value in action.choices


def parser_of(command: Command, options: Iterable[Option], before: Collection[str] = ()) -> Parser:
    """The parser of a command: its own options, and those of settings; `before` are names of
    options that stand before it."""
    examples = "".join(f"  {line}\n" for line in command.examples)
    parser = Parser(
        prog=f"canary {command.name}",
        description=f"{command.help[:1].upper()}{command.help[1:]}.",
        epilog=f"examples:\n{examples}" if examples else None,
    )
    parser.before = before
    if command.arguments is not None:
        command.arguments(parser)
    add_options(parser, options)
    return parser


def add_options(parser: Parser, options: Iterable[Option]) -> None:
    """Add the flags of settings, grouped by who declares them."""
    groups: dict[str, Any] = {}
    for option in options:
        if option.flag in parser._option_string_actions:
            if option.owner:
                problem = f"{option.owner}: {parser.prog} has an option {option.flag} of its own"
                raise PluginError(problem)
            continue
        title = f"settings of {option.owner}" if option.owner else "settings, also in canary.toml"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add_option(parser, groups[title], option)


def _add_option(parser: Parser, group: Any, option: Option) -> None:
    flags = [option.flag or ""]
    if option.short and option.short not in parser._option_string_actions:
        flags.insert(0, option.short)
    how: dict[str, Any] = {"dest": _PREFIX + option.key, "default": argparse.SUPPRESS}
    text = option.help.replace("%", "%%")
    if option.kind == "bool":
        group.add_argument(*flags, action="store_const", const=True, help=text, **how)
        no = negative(option.flag)
        group.add_argument(no, action="store_const", const=False, help=argparse.SUPPRESS, **how)
        return
    if option.kind == "list" or option.kind in TABLES:
        how["action"] = "append"
        text += " (repeatable)"
    elif option.default is not None:
        text += f" (default: {str(option.default).replace('%', '%%')})"
    if option.const is not None:
        how |= {"nargs": "?", "const": str(option.const)}
        how["type"] = _reader(option)
    metavar = option.metavar or "|".join(option.choices) or dict(_METAVARS).get(option.kind, "TEXT")
    group.add_argument(*flags, help=text, metavar=metavar, **how)


def _reader(option: Option) -> Any:
    """For a value that may be left out: tell it from the path that follows."""

    def read(text: str) -> str:
        try:
            option.read(text)
        except CanaryError as e:
            raise argparse.ArgumentTypeError(e.message) from None
        return text

    return read


def given_options(
    args: argparse.Namespace, options: Iterable[Option]
) -> Iterator[tuple[Option, Any]]:
    """Take the settings out of parsed arguments: each option that was given, and its value."""
    for option in options:
        name = _PREFIX + option.key
        if hasattr(args, name):
            value = getattr(args, name)
            delattr(args, name)
            yield option, value


def describe(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """What a parser takes, as data for JSON: its arguments in order, and words with parsers of
    their own."""
    rows, words = [], {}
    for group, action in [(g, a) for g in parser._action_groups for a in g._group_actions]:
        choices = action.choices
        if isinstance(action, argparse._SubParsersAction):
            helps = {a.dest: a.help for a in action._choices_actions}
            words = {n: {"help": helps.get(n), **describe(p)} for n, p in action.choices.items()}
        elif action.help != argparse.SUPPRESS:
            rows.append(
                {
                    "group": group.title,
                    "name": action.dest.removeprefix(_PREFIX),
                    "flags": action.option_strings,
                    "metavar": action.metavar,
                    "choices": None if choices is None else list(choices),
                    "nargs": action.nargs,
                    "default": None if action.default == argparse.SUPPRESS else action.default,
                    "help": parser._get_formatter()._expand_help(action) if action.help else "",
                }
            )
    return {"arguments": rows, "words": words} if words else {"arguments": rows}
