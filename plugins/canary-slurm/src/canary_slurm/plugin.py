"""What canary calls: settings, the machine, launchers, batches, and the command `hpc`.

Without a backend asked for, none of it does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from canary.hookspecs import hookimpl
from canary_slurm.options import HpcSettings, batching_of

if TYPE_CHECKING:
    from canary.config import Config
    from canary.declare import Command, Settings
    from canary.job import BaseJob, Job
    from canary.launch import Launcher
    from canary.resources import Machine
    from canary.session import Session


@hookimpl
def canary_settings() -> type[Settings]:
    """The settings `hpc.*`."""
    return HpcSettings


@hookimpl
def canary_commands() -> Iterable[Command]:
    """The command `hpc`."""
    from canary_slurm import hpc

    return [hpc.COMMAND]


@hookimpl
def canary_configure(config: Config) -> None:
    """With `--detach`, the run goes on apart, and this process ends once it has begun."""
    if config.settings(HpcSettings).detach and not {"CANARY_DETACHED", "CANARY_BATCH_ID"} & {
        *os.environ
    }:
        from canary_slurm import detach

        detach.leave()


@hookimpl
def canary_session_start(session: Session) -> None:
    """Let go of the terminal that a detached run was started from."""
    if "CANARY_DETACHED" in os.environ:
        from canary_slurm import detach

        detach.begun(session.name, session.directory)


@hookimpl
def canary_machine(config: Config) -> Machine | None:
    """The nodes of the allocation around us, or of the cluster that batches will run on."""
    from canary_slurm import grouping

    return grouping.machine(config, os.environ)


@hookimpl
def canary_launchers(config: Config) -> Iterable[Launcher]:
    """The launchers `slurm` and `srun`."""
    from canary_slurm import grouping

    return grouping.launchers(config)


@hookimpl(tryfirst=True)
def canary_plan(jobs: Sequence[Job], machine: Machine, config: Config) -> Iterable[str] | None:
    """The batches that would be submitted."""
    batching = batching_of(config)
    if batching is None:
        return None
    from canary_slurm import grouping

    return grouping.plan(jobs, batching, config, machine)


@hookimpl(trylast=True)
def canary_job_env(job: Job) -> Mapping[str, str] | None:
    """Of the GPUs that Slurm has given to a batch, the job sees its own, unless a plugin that
    knows GPUs has its own word on it."""
    if "SLURM_JOB_ID" not in os.environ or not job.resources.get("gpus"):
        return None
    from canary_slurm import srun

    return srun.own_gpus(job.resources["gpus"], os.environ)


@hookimpl
def canary_group(jobs: Sequence[Job], config: Config, machine: Machine) -> Sequence[BaseJob] | None:
    """Pack jobs into batches."""
    from canary_slurm import grouping

    return grouping.group(jobs, batching_of(config), config, machine)
