"""What canary calls: the settings, the launcher `dask`, and the cluster as the machine.

The cluster is asked only in runs whose launcher is `dask`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.launch import Launcher
    from canary.resources import Machine


@dataclass(frozen=True, slots=True)
class DaskSettings(Settings):
    """The Dask cluster on which jobs run."""

    section = "dask"

    scheduler: str | None = field(
        default=None,
        metadata={"help": "address of the scheduler (tcp://HOST:PORT)", "flag": "--dask-scheduler"},
    )
    scheduler_file: str | None = field(
        default=None, metadata={"help": "file in which the scheduler wrote it", "flag": None}
    )
    timeout: float = field(
        default=10.0,
        metadata={"help": "how long to wait for the scheduler", "flag": None, "kind": "duration"},
    )


class Plugin:
    """The hooks. Keeps the connection from the first that needs it to the launcher."""

    def __init__(self) -> None:
        self._client: Any = None

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return DaskSettings

    @hookimpl(tryfirst=True)  # before those that describe this machine
    def canary_machine(self, config: Config) -> Machine | None:
        """The cluster's workers, if jobs run there."""
        if config.get("run.launcher") != "dask":
            return None
        from canary_dask import cluster

        return cluster.machine(self._connected(config))

    @hookimpl
    def canary_launchers(self, config: Config) -> Iterable[Launcher]:
        """The launcher."""
        from canary_dask.launcher import DaskLauncher

        return [DaskLauncher(lambda: self._connected(config))]

    @hookimpl
    def canary_unconfigure(self, config: Config) -> None:  # noqa: ARG002 - it is closed, however it was made
        """Close a connection that no launcher was opened for."""
        if self._client is not None and self._client.status != "closed":
            self._client.close()

    def _connected(self, config: Config) -> Any:
        if self._client is None:
            from canary_dask import cluster

            settings = config.settings(DaskSettings)
            self._client = cluster.connect(
                settings.scheduler, settings.scheduler_file, settings.timeout
            )
        return self._client
