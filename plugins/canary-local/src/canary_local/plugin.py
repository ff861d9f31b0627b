"""What canary calls: the settings, what this machine has, and the launcher `local`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canary.declare import Settings
from canary.errors import UsageError
from canary.hookspecs import hookimpl
from canary.resources import Instance, Machine, Node

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
    memory: bool = field(
        default=False,
        metadata={"help": "offer the machine's memory as a resource, in MiB", "flag": None},
    )
    enforce_memory: bool = field(
        default=False,
        metadata={"help": "end a job that uses more memory than it asked for", "flag": None},
    )


@hookimpl
def canary_settings() -> type[Settings]:
    """The settings."""
    return LocalSettings


@hookimpl
def canary_machine(config: Config) -> Machine | None:
    """This host: its cores (or logical CPUs) as far as this process may use them.

    `CANARY_TESTING_CPUS` and `CANARY_TESTING_GPUS` say otherwise, as with canary-wm.
    """
    from canary_local.topology import look

    host = look(hyperthreads=config.main.enable_hyperthreads)
    if not host.cpus:
        return None
    resources = {
        "cpus": tuple(
            Instance(str(cpus[0]), 1, {"logical": list(cpus)} if len(cpus) > 1 else {})
            for cpus in host.cpus
        ),
        "gpus": (),
    }
    if host.memory is not None and config.settings(LocalSettings).memory:
        resources["memory"] = (Instance("0", host.memory),)
    machine = Machine((Node(os.uname().nodename, resources),))
    for type in ("cpus", "gpus"):
        variable = f"CANARY_TESTING_{type.upper()}"
        number = os.environ.get(variable, "")
        if number and not (number.isascii() and number.isdecimal()):
            raise UsageError(f"{variable}={number!r} is no number", hint="unset it, or give one")
        if number:
            machine = machine.with_count(type, int(number))
    return machine


@hookimpl
def canary_launchers(config: Config) -> Iterable[Launcher]:
    """The launcher."""
    from canary_local.launcher import LocalLauncher

    settings = config.settings(LocalSettings)
    return [
        LocalLauncher(
            warm=settings.warm_python,
            groups=settings.cgroups,
            pin=settings.affinity,
            hyperthreads=config.main.enable_hyperthreads,
            enforce_memory=settings.enforce_memory,
            preload=settings.preload,
        )
    ]
