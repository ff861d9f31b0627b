"""What canary calls: two formats, and what tests said of themselves while they ran."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canary.errors import RecordError
from canary.hookspecs import hookimpl
from canary.status import Category, Outcome, Status, judge_exit_code
from canary_pyt import remarks
from canary_pyt.canaryconf import CanaryconfGenerator
from canary_pyt.generator import PytGenerator

if TYPE_CHECKING:
    from canary.job import Job
    from canary.launch import Exit
    from canary.spec import SpecGenerator


@hookimpl
def canary_spec_generators() -> Iterable[SpecGenerator]:
    """The two formats."""
    return [PytGenerator(), CanaryconfGenerator()]


@hookimpl
def canary_job_status(job: Job, exit: Exit) -> Status | None:
    """BROKEN if a setup function raised; the status that a setup or teardown function set; else the
    usual verdict with the test's own reason."""
    code = exit.code
    if not code:  # a test that succeeded has no reason to give
        return None
    said = remarks.read(job.workspace.text)
    if "broken" in said:
        return Status.make(outcome=Outcome.BROKEN, reason=said["broken"], code=code)
    if "status" in said and code == remarks.STATED:
        with suppress(RecordError):  # a test can write anything there
            return Status.fromdict(said["status"])
    end = said.get("end")
    if not end or end.get("code") != code or not end.get("reason"):
        return None
    spec = job.spec
    status = judge_exit_code(code, xstatus=spec.xstatus, skip_codes=spec.skip_codes, name=spec.name)
    if status.category is Category.PASS or spec.xstatus:
        return replace(status, reason=f"{status.reason}: {end['reason']}")
    return replace(status, reason=str(end["reason"]))


@hookimpl
def canary_job_finish(job: Job, exit: Exit) -> Mapping[str, Any] | None:  # noqa: ARG001 - by contract
    """The measurements that the test took; its attributes and variables go to the job."""
    directory = job.workspace.text
    said = remarks.read(directory)
    if not said:
        return None
    try:
        os.unlink(f"{directory}/{remarks.FILE_NAME}")  # noqa: PTH108 - a text is at hand
    except OSError:
        pass
    if said.get("attributes"):
        job.set_attributes(**said["attributes"])
    if said.get("variables"):
        job.add_variables(**said["variables"])
    return said.get("measurements")
