"""Tasks that a killed runner has left: taken up again where a run wants their jobs, else cancelled.

A task that nobody has told the end of may wait, run or be over. What it has run stays run: its
record tells. Only tasks of this workspace are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary import lockfile
from canary.errors import RecordError
from canary.events import Event, JobFinished, JobStarted, JobSubmitted
from canary.job import BaseJob, JobServices
from canary.launch import Exit, Launch
from canary.workspace import ExecutionSpace
from canary_sge.launcher import FOUND, SgeLauncher, cancel_all
from canary_sge.record import Submission, Task

if TYPE_CHECKING:
    from canary.job import Job
    from canary_sge.engine import Engine


class FoundJob(BaseJob):
    """A job that was submitted before: nothing is staged, its directory is where it runs.

    It has the ID of the job that it holds, and shares its phase, times and measurements.
    """

    composite = True

    def __init__(self, job: Job, task: Task, launch: Launch) -> None:
        super().__init__()
        self.job = job
        self.task = task
        self.launch = replace(launch, options={**launch.options, FOUND: f"{task}"})
        self.state, self.timekeeper = job.state, job.timekeeper
        self.measurements = job.measurements
        self.dependencies = job.dependencies
        self._told: set[type[Event]] = set()
        self._has: dict[str, list[dict[str, Any]]] = {}
        job.attempt = launch.attempt
        root, old = task.directory.parent.parent, job.workspace
        job.workspace = ExecutionSpace(root, old.path, root.name, old.capacity)

    @property
    def id(self) -> str:
        """See `BaseJob.id`."""
        return self.job.id

    @property
    def launcher_name(self) -> str:
        """The launcher that knows its task."""
        return SgeLauncher.name

    @property
    def first_attempt(self) -> int:
        """The attempt that was submitted."""
        return self.launch.attempt

    @property
    def exclusive(self) -> bool:
        """See `BaseJob.exclusive`."""
        return self.job.exclusive

    def cost(self) -> float:
        """See `BaseJob.cost`."""
        return self.job.cost()

    def required_resources(self) -> list[dict[str, Any]]:
        """See `BaseJob.required_resources`."""
        return self.job.required_resources()

    def assign_resources(self, arg: dict[str, list[dict[str, Any]]]) -> None:
        """See `BaseJob.assign_resources`."""
        self._has = arg
        self.job.assign_resources(arg)

    def free_resources(self) -> dict[str, list[dict[str, Any]]]:
        """See `BaseJob.free_resources`."""
        return self.job.free_resources()

    def refresh_readiness(self) -> None:
        """All that it depends on was over before it was submitted."""

    def is_runnable(self) -> bool:
        """See `BaseJob.is_runnable`."""
        return self.state.is_pending()

    def is_ready(self) -> bool:
        """See `BaseJob.is_ready`."""
        return self.state.is_pending()

    def total_timeout(self) -> float:
        """See `BaseJob.total_timeout`."""
        return self.job.total_timeout()

    def refresh(self) -> None:
        """See `BaseJob.refresh`."""
        self.job.refresh()

    def save(self) -> None:
        """See `BaseJob.save`."""
        self.job.save()

    def display_name(self, **kwargs: Any) -> str:
        """See `BaseJob.display_name`."""
        return self.job.display_name(**kwargs)

    def set_status(self, *args: Any, **kwargs: Any) -> None:
        """See `BaseJob.set_status`; it is the job's too."""
        super().set_status(*args, **kwargs)
        self.job.status = self.status

    def prepare(self, services: JobServices, attempt: int = 1) -> Launch:  # noqa: ARG002 - it was prepared
        """What was submitted, and where that is found."""
        return self.launch

    def conclude(self, exit: Exit | None, services: JobServices) -> None:
        """See `BaseJob.conclude`."""
        self.job.conclude(exit, services)
        self.status = self.job.status

    def news(self) -> list[Event]:
        """See `BaseJob.news`."""
        job, times = self.job, self.timekeeper
        name, attempt = job.display_name(), job.attempt
        events: list[Event] = [JobSubmitted(times.submitted, self.id, name, attempt, self._has)]
        if times.started > 0:
            events.append(JobStarted(times.started, self.id, name, f"{self.task}", attempt))
        if self.state.is_done():
            data = dict(job.measurements.data)
            end = (job.status, times.asdict(), data, attempt)
            events.append(JobFinished(times.finished, self.id, name, *end))
        new = [event for event in events if type(event) not in self._told]
        self._told |= {type(event) for event in new}
        return new


def take_up(jobs: Sequence[Job], left: Iterable[Submission], engine: Engine) -> list[BaseJob]:
    """All jobs, those that are there already as they are; every other task is cancelled."""
    wanted = {job.id: job for job in jobs if all(d.is_done() for d in job.dependencies)}
    out: dict[str, BaseJob] = {job.id: job for job in jobs}
    unwanted = []
    for made in left:
        for task in made.open_tasks():
            job, launch = _wanted(task, wanted)
            if job is None or launch is None:
                unwanted.append((made, task))
            else:
                out[job.id] = FoundJob(job, task, launch)
                del wanted[job.id]
    try:
        cancel_all(engine, unwanted)
    except OSError:
        pass  # nobody answers: they stay open, and the next run tries again
    return list(out.values())


def _wanted(task: Task, jobs: dict[str, Job]) -> tuple[Job | None, Launch | None]:
    """The job that the task runs, if it is still defined as it was then."""
    try:
        launch = task.launch()
        lock = lockfile.read(Path(launch.stdout).parent)
    except (OSError, ValueError, TypeError, KeyError, RecordError):
        return None, None
    job = jobs.get(launch.id)
    if job is None or json.loads(lockfile.dump(job.record()["spec"])) != lock["spec"]:
        return None, None
    return job, launch
