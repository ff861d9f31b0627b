"""What canary calls: the settings, the launcher `mpi`, and variables for jobs.

Every job gets the variables by which an `mpiexec` that a test calls by itself behaves among other
jobs, and those by which `canary-mpiexec` and `canary.mpi` know what the job has.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from canary.declare import Settings
from canary.hookspecs import hookimpl
from canary_mpi import variables

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job
    from canary.launch import Launcher


@dataclass(frozen=True, slots=True)
class MpiSettings(Settings):
    """How MPI programs are started."""

    section = "mpi"

    exec: str = field(
        default="auto",
        metadata={
            "help": "what starts MPI programs: a name or path of mpiexec, srun, or auto",
            "flag": None,
        },
    )
    bind: str = field(
        default="none",
        metadata={"help": "what ranks are bound to, as your MPI names it (core, …)", "flag": None},
    )
    flags: tuple[str, ...] = field(
        default=(), metadata={"help": "further words for mpiexec", "flag": None}
    )
    gpus: str = field(
        default="all",
        metadata={
            "help": "what a rank sees of the job's GPUs",
            "flag": None,
            "choices": ("all", "each"),
        },
    )
    environment: bool = field(
        default=True,
        metadata={
            "help": "set variables by which any mpiexec behaves among other jobs",
            "flag": None,
        },
    )


class Plugin:
    """The hooks. What is the same for all jobs is worked out once, with the configuration."""

    def __init__(self) -> None:
        self._here = os.uname().nodename
        self._given: dict[str, str] = {}
        self._behaviour: dict[str, str] = {}

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return MpiSettings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Take the settings."""
        from shlex import join

        settings = config.settings(MpiSettings)
        self._given = {
            "CANARY_MPI_EXEC": settings.exec,
            "CANARY_MPI_BIND": settings.bind,
            "CANARY_MPI_FLAGS": join(settings.flags),
            "CANARY_MPI_GPUS": settings.gpus,
        }
        if settings.environment:
            self._behaviour = dict(variables.VARIABLES)
            if os.geteuid() == 0:
                self._behaviour.update(variables.ROOT_VARIABLES)

    @hookimpl
    def canary_launchers(self, config: Config) -> Iterable[Launcher]:  # noqa: ARG002 - nothing to set
        """The launcher."""
        from canary_mpi.launcher import MpiLauncher

        return [MpiLauncher()]

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str]:
        """What the job has, and what is set for MPI; what is set already is left as it is."""
        cpus = job.resources.get("cpus", ())
        env = {"CANARY_MPI_RANKS": str(sum(int(e["slots"]) for e in cpus) or 1), **self._given}
        base = os.environ if job.settings.environment is None else job.settings.environment
        for name, value in self._behaviour.items():
            if name not in base:
                env[name] = value
        if any(entry["node"] != self._here for entry in cpus):
            env.update(_hosts(cpus, self._here))
        own = job.spec.environment
        return {k: v for k, v in env.items() if k not in own} if own else env


def _hosts(cpus: Sequence[Mapping[str, Any]], here: str) -> dict[str, str]:
    """`a:4,b:4` for CPUs that are elsewhere."""
    slots: Counter[str] = Counter()
    for entry in cpus:
        slots[str(entry["node"])] += int(entry["slots"])
    if all(re.fullmatch(rf"{re.escape(here)}(-\d+)?", name) for name in slots):
        return {}  # with `-r nodes=N`, nodes are this host several times
    return {"CANARY_MPI_HOSTS": ",".join(f"{name}:{n}" for name, n in slots.items())}
