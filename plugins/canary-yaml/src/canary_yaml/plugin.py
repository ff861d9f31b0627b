"""Where canary asks for declared tests, for their verdicts and for their measurements.

Imported by every command that loads plugins, so what reads files is imported when it is asked for.
Hooks of jobs look at `spec.generator` first: the jobs of other formats cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import canary

if TYPE_CHECKING:
    from canary.job import Job
    from canary.launch import Exit
    from canary.spec import SpecGenerator
    from canary.status import Status


@canary.hookimpl
def canary_spec_generators() -> Iterable[SpecGenerator]:
    """The format `yaml`."""
    from canary_yaml.generator import YamlGenerator

    return [YamlGenerator()]


@canary.hookimpl
def canary_job_status(job: Job, exit: Exit) -> Status | None:
    """Judge by exit code, output and references."""
    if job.spec.generator != "yaml" or exit.code is None:
        return None
    from canary_yaml import verdict

    return verdict.judge(job.spec, exit.code, f"{job.workspace.text}/{job.stdout}")


@canary.hookimpl
def canary_job_finish(job: Job, exit: Exit) -> Mapping[str, Any] | None:  # noqa: ARG001 - by contract
    """The numbers that references took from the output."""
    if job.spec.generator != "yaml":
        return None
    from canary_yaml import verdict

    return verdict.measurements(job.spec, f"{job.workspace.text}/{job.stdout}") or None
