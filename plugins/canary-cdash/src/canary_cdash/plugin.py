"""The hooks: the reporter `cdash`, what it is configured with, and hooks of its own.

What makes, uploads and reads anything is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import canary
from canary.declare import Settings
from canary_cdash import hooks
from canary_cdash.settings import CDashSettings

if TYPE_CHECKING:
    from canary.config import Config
    from canary.plugins import PluginManager


class Plugin:
    """Keeps the configuration for the reporter."""

    def __init__(self) -> None:
        self._config: Config | None = None

    @canary.hookimpl
    def canary_addhooks(self, pluginmanager: PluginManager) -> None:
        """Hooks for names, labels, measurements and files."""
        pluginmanager.add_hookspecs(hooks)

    @canary.hookimpl
    def canary_settings(self) -> type[Settings]:
        """Section `cdash`."""
        return CDashSettings

    @canary.hookimpl
    def canary_configure(self, config: Config) -> None:
        """Note the configuration."""
        self._config = config

    @canary.hookimpl
    def canary_reporters(self) -> Iterable[canary.Reporter]:
        """Offer `cdash`."""
        from canary_cdash.reporter import CDashReporter

        if self._config is None:
            return [CDashReporter()]
        return [CDashReporter(self._config.settings(CDashSettings), self._config.plugins)]
