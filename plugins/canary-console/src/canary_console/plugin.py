"""Where canary asks for a display: decides whether there is a terminal to draw on, and no more.

This is imported by every command that loads plugins, so rich and all that draws are imported only
once a terminal is there to be drawn on. It must not know how anything looks.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import canary
from canary.declare import Settings
from canary.errors import ConfigError
from canary.table import width
from canary_console.terminal import is_terminal

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job
    from canary.resources import Machine
    from canary_console.display import LiveDisplay

# what the older tool takes for "no" in CANARY_LIVE
_NO: Final = frozenset({"0", "no", "false", "off"})


@dataclass(frozen=True, slots=True)
class ConsoleSettings(Settings):
    """How a running session is shown on a terminal; times in seconds."""

    section: ClassVar[str] = "console"
    live: bool = field(default=True, metadata={"help": "redraw a bar on a terminal", "flag": None})
    rows: int = field(
        default=8, metadata={"help": "running jobs that are named at most", "flag": None}
    )
    refresh: float = field(
        default=0.125,
        metadata={"help": "least time between two redraws", "kind": "duration", "flag": None},
    )


class Plugin:
    """The hooks; remembers the display it gave, so that it is closed whatever happens."""

    def __init__(self) -> None:
        self._display: LiveDisplay | None = None

    @canary.hookimpl
    def canary_settings(self) -> type[Settings]:
        """Section `console`."""
        return ConsoleSettings

    @canary.hookimpl
    def canary_configure(self, config: Config) -> None:
        """Refuse what cannot be drawn."""
        settings = config.settings(ConsoleSettings)
        if settings.rows < 0:
            raise _refusal(config, "rows", "must not be negative")
        if settings.refresh < 0.05:
            raise _refusal(config, "refresh", "must be at least 0.05 s")

    @canary.hookimpl
    def canary_display(self, config: Config) -> LiveDisplay | None:
        """A live display, or None: the core's plain lines."""
        if not wanted(config, os.environ) or not is_terminal(sys.stderr, os.environ):
            return None
        from canary_console.display import LiveDisplay

        settings = config.settings(ConsoleSettings)
        self._display = LiveDisplay(
            color=config.main.color, rows=settings.rows, refresh=settings.refresh
        )
        return self._display

    @canary.hookimpl
    def canary_plan(self, jobs: Sequence[Job], machine: Machine, config: Config) -> list[str]:
        """A chart of what would run, and its jobs."""
        from canary_console.forecast import forecast
        from canary_console.gantt import plan_lines

        plan = forecast(jobs, machine, workers=config.run.workers)
        wide = shutil.get_terminal_size((80, 24)).columns
        return plan_lines(plan, chart_columns=wide, columns=width(sys.stdout))

    @canary.hookimpl
    def canary_unconfigure(self) -> None:
        """Leave the terminal as it was, also after an error."""
        if self._display is not None:
            self._display.close()
            self._display = None


def _refusal(config: Config, name: str, problem: str) -> ConfigError:
    key = f"console.{name}"
    return ConfigError(problem, key=key, hint=f"set by {config.origin(key)}")


def wanted(config: Config, environ: Mapping[str, str]) -> bool:
    """Did nobody ask for plain lines?"""
    if config.main.plain or config.main.color == "never":
        return False
    given = config.origin("console.live") != "default"
    if not given and environ.get("CANARY_LIVE", "").lower() in _NO:
        return False
    return config.settings(ConsoleSettings).live
