"""The hooks: the reporter `json`, and `canary run --events`.

This is imported by every command that loads plugins: what makes a stream is imported, and its hooks
are registered, only in a command that was asked for one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import canary
from canary.declare import Settings
from canary.errors import ConfigError

if TYPE_CHECKING:
    from canary.config import Config


@dataclass(frozen=True, slots=True)
class EventSettings(Settings):
    """Where the stream of events goes."""

    section: ClassVar[str] = "events"
    to: str | None = field(
        default=None,
        metadata={
            "help": "write what happens as JSON lines: to a file, to standard output (-), or to an"
            " open file descriptor (its number)",
            "flag": "--events",
            "metavar": "FILE|-|N",
        },
    )


@canary.hookimpl
def canary_settings() -> type[Settings]:
    """Section `events`."""
    return EventSettings


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `json`."""
    from canary_json.reporter import JsonReporter

    return [JsonReporter()]


@canary.hookimpl
def canary_configure(config: Config) -> None:
    """Watch the session, if a stream is wanted."""
    to = config.settings(EventSettings).to
    if not to:
        return
    if to.isdecimal():
        try:
            os.fstat(int(to))
        except (OSError, OverflowError):
            raise _refusal(config, f"no file is open as descriptor {to}") from None
    elif to != "-" and not Path(config.cwd, to).parent.is_dir():
        raise _refusal(config, f"{to}: there is no such directory")
    from canary_json.stream import Stream

    config.plugins.add(Stream(to, Path(config.cwd)), "canary_json.stream")


def _refusal(config: Config, problem: str) -> ConfigError:
    return ConfigError(problem, key="events.to", hint=f"set by {config.origin('events.to')}")
