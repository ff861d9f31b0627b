"""A batch: jobs that one submission runs, which a scheduler drives as one job.

It writes the manifest that `canary exec --manifest` runs inside what the cluster has given, and
tells what becomes of its jobs from the log that this leaves. A job's verdict is its own record's;
where there is none, it is never a pass. Nothing here knows Slurm.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary import fsio, lockfile
from canary.again import program
from canary.clock import Timekeeper
from canary.errors import RecordError
from canary.events import Event, JobFinished, JobStarted, JobSubmitted, Notice
from canary.job import BaseJob, Dependency, Job, JobServices
from canary.journal import LOG, decode_event, decode_line
from canary.launch import Exit, ExitReason, Launch
from canary.resources import LOCK
from canary.status import Category, Outcome, Status
from canary_slurm.machine import THREADS
from canary_slurm.packing import Pack

if TYPE_CHECKING:
    from canary.config import Config
    from canary.resources import Node

DIRECTORY: Final = "hpc.batches"
MANIFEST: Final = "manifest.json"
OPEN: Final = "batch.lock"  # there as long as nobody has seen its end
SETTINGS: Final = "config.json"
OUTPUT: Final = "canary-out.txt"
# what a node of the cluster brings; all else is lent to a batch by the session
OWN: Final = frozenset({"cpus", "gpus", "memory"})
ENVIRONMENT: Final = (("CANARY_LEVEL", "1"), ("CANARY_LIVE", "0"), ("CANARY_DISABLE_KB", "1"))


class Tail:
    """The whole lines that were added to a log since the last look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def read(self) -> list[dict[str, Any]]:
        """Sound lines, in order; a file that is not there yet has none."""
        try:
            with fsio.open_left(self.path) as f:
                f.seek(self._at)
                data = f.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        lines = (decode_line(raw) for raw in whole.splitlines(keepends=True))
        return [line for line in lines if line is not None]


class BatchJob(BaseJob):
    """Jobs that are submitted together; `directory` is theirs, below the session's."""

    composite = True

    def __init__(self, pack: Pack, directory: Path, config: Config, backend: str) -> None:
        super().__init__()
        self.pack = pack
        self.jobs = pack.jobs
        self.config = config
        self.backend = backend
        self.program: Sequence[str] = program()
        self.workers: int | None = None
        self.launcher: str | None = config.run.launcher
        self.options: Mapping[str, Any] = {}
        self.host: Node | None = None  # that it runs on, if it is known
        ids = "\n".join((str(directory), *(job.id for job in self.jobs)))
        self._id = hashlib.sha256(ids.encode()).hexdigest()[:40]
        self.directory = directory / self._id[:7]
        self._tail = Tail(self.directory / LOG)
        self._by_id = {job.id: job for job in self.jobs}
        self._held: dict[str, JobFinished] = {}
        self._told: set[str] = set()
        self._exit: Exit | None = None

    def take_over(self, id: str, directory: Path) -> None:
        """Be the batch that was made before, with that ID, in that directory."""
        self._id, self.directory, self._tail = id, directory, Tail(directory / LOG)

    def wait_for(self, others: Mapping[str, BaseJob]) -> None:
        """Depend on what holds the jobs that mine depend on: `{job id: what holds it}`."""
        found = {
            holder.id: holder
            for job in self.jobs
            for d in job.dependencies
            if (holder := others.get(d.job.id)) is not None and holder is not self
        }
        self.dependencies = [Dependency(holder, "always") for holder in found.values()]

    # what a scheduler asks

    @property
    def id(self) -> str:
        """See `BaseJob.id`."""
        return self._id

    @property
    def launcher_name(self) -> str:
        """The launcher of its backend."""
        return "subprocess" if self.backend == "local" else self.backend

    def cost(self) -> float:
        """What its jobs take in all."""
        return self.pack.estimate

    def required_resources(self) -> list[dict[str, Any]]:
        """The cluster hands out CPUs, GPUs and memory. Of anything else it holds as much as one
        of its jobs needs, which its jobs share, and the locks of all of them."""
        names = sorted({name for job in self.jobs for name in job.spec.locks})
        entries = [{"type": LOCK + name, "slots": 1} for name in names]
        return entries + [{"type": t, "slots": n} for t, n in sorted(self._loans().items()) if n]

    def _loans(self) -> dict[str, int]:
        loans: dict[str, int] = {}
        for job in self.jobs:
            needs = job.get_resource_parameters_from_spec()
            nodes = max(1, needs.pop("nodes"))
            for type, n in needs.items():
                if type not in OWN:
                    share = -(-n // nodes) * (self.pack.nodes if nodes > 1 else 1)
                    loans[type] = max(loans.get(type, 0), share)
        return loans

    def _machine(self) -> dict[str, Any]:
        """How what it finds where it runs differs from what its jobs were packed for."""
        lent = {t: list(x) for t, x in self._assigned.items() if not t.startswith(LOCK)}
        if self.host is not None:
            own = {t: [asdict(i) for i in x] for t, x in self.host.resources.items()}
            return {"slots": {}, "lent": [own | lent]}
        nodes = self.pack.nodes if any(job.nodes > 1 for job in self.jobs) else 1
        return {"slots": dict(self.pack.room.slots), "lent": [lent] * nodes}

    def assign_resources(self, arg: dict[str, list[dict[str, Any]]]) -> None:
        """See `BaseJob.assign_resources`."""
        self._assigned = arg

    def free_resources(self) -> dict[str, list[dict[str, Any]]]:
        """See `BaseJob.free_resources`."""
        assigned, self._assigned = self._assigned, {}
        return assigned

    def refresh_readiness(self) -> None:
        """Nothing blocks it: those of its jobs that cannot run any more are left out."""

    def is_runnable(self) -> bool:
        """See `BaseJob.is_runnable`."""
        return self.state.is_pending()

    def is_ready(self) -> bool:
        """See `BaseJob.is_ready`."""
        return self.state.is_pending() and all(d.is_done() for d in self.dependencies)

    def total_timeout(self) -> float:
        """The time that it asks for."""
        return self.pack.walltime

    def refresh(self) -> None:
        """It has no state of its own on disk."""

    def save(self) -> None:
        """It has no state of its own on disk."""

    def display_name(self, **kwargs: Any) -> str:  # noqa: ARG002 - it is always the same
        """`TestBatch(id=…)`."""
        return f"TestBatch(id={self._id[:7]})"

    # its life

    def prepare(self, services: JobServices, attempt: int = 1) -> Launch | None:
        """Write the manifest of those of its jobs that can run; None if none can."""
        for job in self.jobs:
            job.refresh_readiness()
        left = [job for job in self.jobs if not job.is_done()]
        if not left:
            return None
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write(MANIFEST, self._manifest(left, services.policy))
        self._write(SETTINGS, self._settings())
        if self.backend == "local":
            self._write(OPEN, {"schema": 1, "id": self._id, "backend": self.backend})
        return self.describe(attempt)

    def describe(self, attempt: int = 1) -> Launch:
        """What its launcher is handed."""
        settings, pack = self.jobs[0].settings, self.pack
        env = dict(os.environ if settings.environment is None else settings.environment)
        env.update(ENVIRONMENT)
        env["CANARY_BATCH_ID"] = self._id
        env["CANARY_HPC_BATCH"] = self._id
        env["CANARY_HPC_NODE_COUNT"] = str(pack.nodes)
        env[THREADS] = str(pack.room.threads)
        if self.backend == "local":
            env["PWD"] = str(self.directory)  # by which it is found should this runner be killed
        words = ("-C", str(self.config.cwd), "-f", str(self.directory / SETTINGS))
        return Launch(
            id=self._id,
            name=f"canary-{self._id[:7]}",
            argv=(*self.program, *words, "exec", "--manifest", str(self.directory / MANIFEST)),
            cwd=str(self.directory),
            env=env,
            stdout=str(self.directory / OUTPUT),
            timeout=pack.walltime,
            grace=settings.grace,
            nodes=pack.nodes,
            exclusive=pack.exclusive,
            pauses_itself=True,
            attempt=attempt,
            options=self.options,
        )

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        fsio.write_atomic(self.directory / name, lockfile.dump(data).encode())

    def _settings(self) -> dict[str, Any]:
        """The configuration that its jobs run with: that of the run, less what has made it."""
        data = {k: v for k, v in self.config.asdict().items() if k != "hpc"}
        return {**data, "run": {**data["run"], "launcher": self.launcher}}

    def _manifest(self, left: Sequence[Job], policy: Mapping[str, Any]) -> dict[str, Any]:
        first = left[0]
        ids = {job.id for job in left}
        upstream = {u.id: u for job in left for u in job.upstreams if u.id not in ids}
        launch = {k: v for k, v in asdict(first.settings).items() if k != "environment"}
        return {
            "schema": 1,
            "id": self._id,
            "backend": self.backend,
            "upstream": [job.record() for job in upstream.values()],
            "jobs": [
                {
                    "record": job.record(),
                    "history": job.history.asdict() if job.history is not None else {},
                }
                for job in left
            ],
            "launch": launch,
            "launcher": self.launcher,
            "machine": self._machine(),
            "multiplier": first.timeout_multiplier,
            "script_args": list(first.script_args),
            "policy": {**policy, "workers": self.workers, "session_timeout": None},
        }

    def conclude(self, exit: Exit | None, services: JobServices) -> None:
        """Its own end says only what to think of jobs that have left no record."""
        self._exit = exit
        if self.backend == "local":
            (self.directory / OPEN).unlink(missing_ok=True)
        super().conclude(exit, services)

    def news(self) -> list[Event]:
        """See `BaseJob.news`."""
        events: list[Event] = []
        for line in self._tail.read():
            event = decode_event(line)
            if event is None or not self._take(event):
                continue
            if isinstance(event, JobStarted):  # its process is not the runner's to end
                event = replace(event, ticket=f"batch {self._id[:7]}")
            events.append(event)
        if self.state.is_done():
            events += [self._end(job) for job in self.jobs if job.id not in self._told]
        return events

    def _take(self, event: Event) -> bool:
        """Let the job that an event is about know of it; True if it is to be told."""
        if isinstance(event, Notice):
            return True
        if not isinstance(event, (JobSubmitted, JobStarted, JobFinished)):
            return False
        job = self._by_id.get(event.id)
        if job is None or job.id in self._told:
            return False
        job.attempt = event.attempt
        if isinstance(event, JobSubmitted):
            self._held.pop(job.id, None)  # the batch was started again
            job.timekeeper = Timekeeper()
            if job.state.is_pending():
                job.on_submitted()
            job.timekeeper.submitted = event.at
        elif isinstance(event, JobStarted):
            job.on_started()
            job.timekeeper.started = event.at
        elif event.retry:
            job.timekeeper = Timekeeper()
        elif event.status.category is Category.ABORTED:
            self._held[job.id] = event  # why its end was cut off is known once the batch's is
            return False
        else:
            _finish(job, event)
            self._told.add(job.id)
        return True

    def _end(self, job: Job) -> JobFinished:
        """The end of a job that has left none of its own, or one that was cut off."""
        self._told.add(job.id)
        if not job.is_done():  # else it was blocked before the batch began
            held = self._held.get(job.id)
            if held is not None:
                _finish(job, held)
            ended = self._exit is not None and self._exit.reason is ExitReason.EXITED
            if held is None or not ended:
                job.status = self._verdict(job)
            job.on_finished()
            if job.timekeeper.started > 0:
                _save(job)
        times, data = job.timekeeper.asdict(), dict(job.measurements.data)
        at = job.timekeeper.finished
        said = dict(job.attributes_set)
        return JobFinished(at, job.id, job.name, job.status, times, data, job.attempt, False, said)

    def _verdict(self, job: Job) -> Status:
        reason = (
            f"batch {self._id[:7]}: {self.status.reason or 'it has left no record of this job'}"
        )
        outcome = self.status.outcome
        if self._exit is not None:
            if self._exit.reason is ExitReason.EXITED:
                outcome = Outcome.ERROR
            elif outcome is not Outcome.ERROR and job.timekeeper.started < 0:
                outcome = Outcome.CANCELLED
        return Status.make(outcome=outcome, reason=reason)


def _finish(job: Job, event: JobFinished) -> None:
    job.status = event.status
    job.timekeeper = Timekeeper.fromdict(event.times)
    job.measurements.reset()
    job.measurements.update(dict(event.measurements))
    job.set_attributes(**event.attributes_set)
    if not job.is_done():
        finished = job.timekeeper.finished
        job.on_finished()
        job.timekeeper.finished = finished if finished > 0 else event.at
    try:
        job.variables = dict(lockfile.read(job.workspace.text)["variables"])
    except (RecordError, KeyError, TypeError, ValueError):
        pass  # it was never set up; its status is known all the same


def _save(job: Job) -> None:
    try:
        job.save()
    except OSError:
        pass  # its directory is gone; the record has the result


def read_json(path: Path) -> Any:
    """What is in a file of a batch; None if it is not there or not whole."""
    try:
        return json.loads(fsio.read_ends(str(path)))
    except (OSError, ValueError, RecursionError):
        return None
