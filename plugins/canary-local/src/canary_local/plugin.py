"""What canary calls: the settings and the launcher `local`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.launch import Launcher


@dataclass(frozen=True, slots=True)
class LocalSettings(Settings):
    """How jobs are started on this machine."""

    section = "local"

    warm_python: bool = field(
        default=True,
        metadata={"help": "run Python scripts in forks of a started interpreter", "flag": None},
    )
    preload: tuple[str, ...] = field(
        default=("canary", "canary.directives"),
        metadata={"help": "modules that this interpreter has imported already", "flag": None},
    )
    cgroups: bool = field(
        default=True,
        metadata={"help": "keep each job in a control group where the system allows", "flag": None},
    )
    affinity: bool = field(
        default=False,
        metadata={"help": "keep each job on the CPUs it was given", "flag": None},
    )


@hookimpl
def canary_settings() -> type[Settings]:
    """The settings."""
    return LocalSettings


@hookimpl
def canary_launchers(config: Config) -> Iterable[Launcher]:
    """The launcher."""
    from canary_local.launcher import LocalLauncher

    settings = config.settings(LocalSettings)
    return [
        LocalLauncher(warm=settings.warm_python, groups=settings.cgroups, preload=settings.preload)
    ]
