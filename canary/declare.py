"""What a plugin declares: settings, commands, reporters. Plain classes: asking for them is cheap.

They are kept apart from the hooks because a command that asks a question of the workspace must not
load pluggy. Plugin authors reach them as `canary.Settings`, `canary.Command`, `canary.Reporter`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from canary.table import say

if TYPE_CHECKING:
    import argparse

    from canary.config import Config
    from canary.events import Event, Summary
    from canary.session import Session


class Settings:
    """Base of a plugin's settings: a frozen dataclass whose fields are options.

    One declaration gives a TOML key (`[section] field`), a flag (`--section-field`, or
    `metadata["flag"]`), an environment variable (`CANARY_SECTION_FIELD`) and a row in the
    documentation. `metadata`: `help` (required), `flag` (None: no flag), `short` (`-x`), `metavar`,
    `choices`, `const` (the value of the flag without one), `kind` (`duration`: seconds as a float;
    `durations`: a table of them). Types: bool, int, float, str, each also `| None`,
    `tuple[str, ...]` (repeatable) and `dict[str, str]` (`KEY=VALUE`, repeatable). `commands` names
    the commands that take the flags; they are also taken before the command word.

        @dataclass(frozen=True, slots=True)
        class Mine(Settings):
            section = "mine"
            depth: int = field(default=3, metadata={"help": "how deep to look"})

    Read them with `config.settings(Mine)`.
    """

    __slots__ = ()
    section: ClassVar[str]
    commands: ClassVar[tuple[str, ...]] = ("run",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand: `canary NAME …`.

    `help` is one line; `arguments(parser)` adds to an `argparse.ArgumentParser`;
    `run(args, config)` does it and returns the exit code. `examples` are shown below its help, one
    command line each.
    `args.script_args` holds the words after `--` if `arguments` did
    `parser.set_defaults(script_args=())`.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace, Config], int]
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


class Reporter(abc.ABC):
    """Turns a session into something to read: `canary report NAME` and `run --report NAME`."""

    name: ClassVar[str]
    help: ClassVar[str] = ""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add options of `canary report NAME` to `parser`; `report` gets them by their names."""

    def standalone(self, options: Mapping[str, Any]) -> Sequence[Path] | None:
        """Do what needs no session, where `options` ask for that, and return the paths written;
        None: `report` is to be called."""

    @abc.abstractmethod
    def report(self, results: Results, options: Mapping[str, Any]) -> Sequence[Path]:
        """Write the report; return the paths written.

        `options["cwd"]` is the directory that relative paths are relative to. `canary.reporting`
        has what reporters share. Raising never changes a verdict or an exit code.
        """


class Results(abc.ABC):
    """What a reporter gets: one session, read from its record."""

    session: str
    directory: Path
    summary: Summary

    @abc.abstractmethod
    def events(self) -> Iterable[Event]:
        """All events of the session in order."""

    @abc.abstractmethod
    def jobs(self) -> Iterable[Mapping[str, Any]]:
        """The last result of each job, as `canary query jobs` gives it.

        Masked jobs are among them, with their reason.
        """

    def past(self, sessions: int) -> Iterable[Mapping[str, Any]]:  # noqa: ARG002 - none here
        """The results of so many sessions before this one, the oldest first, as `jobs` begins."""
        return ()


class Display(abc.ABC):
    """What a person sees of a running session; there is one, the core's plain lines or a
    plugin's.

    `long_names` is set before `start` if the person asked for full names. With `beat`, `flush` is
    called after so many seconds also while nothing happens.
    """

    beat: float | None = None
    long_names: bool = False

    @abc.abstractmethod
    def start(self, session: Session) -> None:
        """The session is about to run its jobs."""

    @abc.abstractmethod
    def event(self, event: Event) -> None:
        """Take an event; keep it cheap and draw in `flush`."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Show what has come; called a few times a second while there is news."""

    @abc.abstractmethod
    def finish(self, session: Session, summary: Summary) -> None:
        """The session is over: the final table and line."""

    def pause(self) -> None:
        """The process is about to be stopped (Ctrl-Z): the terminal will be the shell's."""

    def resume(self) -> None:
        """The process goes on after `pause`."""

    def say(self, text: str, level: str = "info") -> None:
        """Lines for the person, outside any event (before the session, say)."""
        for line in text.splitlines():
            say(level, line)
