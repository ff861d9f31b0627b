"""What canary calls: the settings, the launcher `mpi`, and variables for jobs.

Every job gets the variables by which an `mpiexec` that a test calls by itself behaves among other
jobs, and those by which `canary-mpiexec` and `canary.mpi` know what the job has.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canary.declare import Settings
from canary.hookspecs import hookimpl

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
    """The hooks. Keeps the configuration for those that are not handed it."""

    def __init__(self) -> None:
        self._settings = MpiSettings()

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return MpiSettings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Take the settings."""
        self._settings = config.settings(MpiSettings)

    @hookimpl
    def canary_launchers(self, config: Config) -> Iterable[Launcher]:  # noqa: ARG002 - it is kept
        """The launcher."""
        from canary_mpi.launcher import MpiLauncher

        return [MpiLauncher()]

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str]:
        """What the job has, and what is set for MPI; what is set already is left as it is."""
        from shlex import join

        settings = self._settings
        env = {"CANARY_MPI_RANKS": str(_cpus(job)), **_hosts(job)}
        given = {
            "CANARY_MPI_EXEC": settings.exec,
            "CANARY_MPI_BIND": settings.bind,
            "CANARY_MPI_FLAGS": join(settings.flags),
            "CANARY_MPI_GPUS": settings.gpus,
        }
        env.update(given)
        if settings.environment:
            env.update(_behaviour(job))
        return {k: v for k, v in env.items() if k not in job.spec.environment}


def _cpus(job: Job) -> int:
    return sum(int(entry["slots"]) for entry in job.resources.get("cpus", ())) or 1


def _hosts(job: Job) -> dict[str, str]:
    """`a:4,b:4` for a job that has CPUs elsewhere than on this host alone."""
    slots: Counter[str] = Counter()
    for entry in job.resources.get("cpus", ()):
        slots[str(entry["node"])] += int(entry["slots"])
    here = re.escape(os.uname().nodename)
    if all(re.fullmatch(rf"{here}(-\d+)?", name) for name in slots):
        return {}  # also with `-r nodes=N`, where nodes are this host several times
    return {"CANARY_MPI_HOSTS": ",".join(f"{name}:{n}" for name, n in slots.items())}


def _behaviour(job: Job) -> dict[str, str]:
    from canary_mpi import words

    names = dict(words.VARIABLES)
    if os.geteuid() == 0:
        names.update(words.ROOT_VARIABLES)
    base = os.environ if job.settings.environment is None else job.settings.environment
    return {name: value for name, value in names.items() if name not in base}
