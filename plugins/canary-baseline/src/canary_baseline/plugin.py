"""The hooks: the command `rebaseline`, and the two actions every test format may ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import canary
from canary.config import Config
from canary.declare import Command
from canary.errors import LaunchError
from canary.job import Job, JobServices
from canary.process import run_blocking


@canary.hookimpl
def canary_commands() -> list[Command]:
    """Add `rebaseline`."""
    from canary_baseline.command import COMMAND  # most commands load plugins and not this one

    return [COMMAND]


@canary.hookimpl
def canary_rebaseline(job: Job, config: Config) -> Iterable[Path]:  # noqa: ARG001 - nothing to set
    """Copy what is to be copied, then run the test with each flag that renews its references."""
    written = list(job.do_baseline())
    _run_flags(job)
    return written


def _run_flags(job: Job) -> None:
    """Run the job's command once for each of its baseline flags, in its directory as it is."""
    for action in job.spec.baseline:
        if action.flag is None:
            continue
        launch = job.describe_launch(JobServices())
        launch = replace(
            launch, argv=(*launch.argv, action.flag), stdout=f"{launch.cwd}/rebaseline.txt"
        )
        end = run_blocking(launch, job.launcher)
        if end.code != 0:
            raise LaunchError(
                f"{job.name} {action.flag}: exit code {end.code}", hint=f"see {launch.stdout}"
            )
