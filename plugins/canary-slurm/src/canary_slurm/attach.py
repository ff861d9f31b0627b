"""Batches that a killed runner has left: taken up again where a run wants their jobs, else
cancelled.

A batch whose `batch.lock` is still there may wait, run or be over. What it has run stays run: its
log tells. Only batches of this workspace are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary import lockfile
from canary.job import JobServices
from canary.journal import LOG, read_lines
from canary.launch import Launch
from canary.recovery import runs_elsewhere
from canary.survivors import kill_marked
from canary.workspace import ExecutionSpace
from canary_slurm.batch import DIRECTORY, MANIFEST, OPEN, BatchJob, read_json
from canary_slurm.options import Ask
from canary_slurm.packing import Pack, Room

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job
    from canary_slurm.slurm import Slurm


class AttachedBatch(BatchJob):
    """A batch that was submitted before: its manifest is written, its jobs are where it runs."""

    def __init__(self, jobs: Sequence[Job], directory: Path, config: Config, id: str) -> None:
        packed = Pack(
            jobs=tuple(jobs),
            ask=Ask(),
            nodes=1,
            cpus=1,
            gpus=0,
            memory=0,
            estimate=0.0,
            walltime=0.0,
            exclusive=False,
            room=Room(cpus=1),
        )
        super().__init__(packed, directory.parent, config, "slurm")
        self.take_over(id, directory)
        root = directory.parent.parent
        for job in jobs:
            old = job.workspace
            job.workspace = ExecutionSpace(root, old.path, root.name, old.capacity)

    def prepare(self, services: JobServices, attempt: int = 1) -> Launch | None:  # noqa: ARG002 - it is written
        """Nothing is written: the launcher finds its ticket in its directory."""
        return replace(self.describe(attempt), timeout=None)


def left_over(sessions: Path, current: str) -> list[Path]:
    """The directories of batches of other sessions that nobody has seen the end of; in a copy of a
    workspace, not those of a runner that lives."""
    found = sessions.glob(f"*/{DIRECTORY}/*/{OPEN}")
    others = {lock.parents[2] for lock in found} - {sessions / current}
    ours = [session for session in others if not is_elsewhere(session)]
    return sorted(lock.parent for s in ours for lock in s.glob(f"{DIRECTORY}/*/{OPEN}"))


def is_elsewhere(session: Path) -> bool:
    """Is this directory of a session a copy of one whose runner lives?"""
    log = session / LOG
    header = next(read_lines(log), {}) if log.is_file() else {}
    return runs_elsewhere(header, session)


def take_up(
    jobs: Sequence[Job], directories: Sequence[Path], config: Config, slurm: Slurm
) -> list[AttachedBatch]:
    """Batches that hold some of the jobs, as they are now; every other one is cancelled."""
    out = []
    wanted = {job.id: job for job in jobs}
    for directory in directories:
        lock: Mapping[str, Any] = read_json(directory / OPEN) or {}
        mine = _wanted(directory, wanted) if lock.get("backend") == "slurm" else []
        if mine:
            out.append(AttachedBatch(mine, directory, config, str(lock["id"])))
            for job in mine:
                del wanted[job.id]
        else:
            _end(directory, lock, slurm)
    return out


def _wanted(directory: Path, jobs: Mapping[str, Job]) -> list[Job]:
    """Those of the jobs that the batch runs just as they are defined now."""
    manifest = read_json(directory / MANIFEST) or {}
    found = []
    for entry in manifest.get("jobs", ()):
        spec = entry["record"]["spec"]
        job = jobs.get(spec["id"])
        if job is not None and json.loads(lockfile.dump(job.record()["spec"])) == spec:
            found.append(job)
    return found


def _end(directory: Path, lock: Mapping[str, Any], slurm: Slurm) -> None:
    if lock.get("backend") == "local":
        kill_marked(f"{lock['id']}:1", str(directory))
    elif ticket := lock.get("ticket") or (lock.get("name") and slurm.named(lock["name"])):
        slurm.cancel([str(ticket)])
    (directory / OPEN).unlink(missing_ok=True)
