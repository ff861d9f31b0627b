"""From jobs to batches that are ready to be driven: where the parts of this plugin meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canary.job import Dependency
from canary.resources import Machine, Request, ResourcePool
from canary_slurm import attach
from canary_slurm import machine as machines
from canary_slurm.batch import DIRECTORY, BatchJob
from canary_slurm.launcher import SlurmLauncher
from canary_slurm.options import Batching, HpcSettings, batching_of
from canary_slurm.packing import Pack, pack
from canary_slurm.slurm import Slurm
from canary_slurm.srun import SrunLauncher

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import BaseJob, Job
    from canary.launch import Launcher


def slurm_of(config: Config) -> Slurm:
    """The programs of Slurm, with the time limit that is configured."""
    return Slurm(config.settings(HpcSettings).call_limit)


def machine(config: Config, environ: Mapping[str, str]) -> Machine | None:
    """See the hook `canary_machine`."""
    if "CANARY_BATCH_ID" in environ or config.run.launcher == SrunLauncher.name:
        return machines.allocation(environ)
    batching = batching_of(config)
    if batching is None or batching.backend != "slurm":
        return None
    settings = config.settings(HpcSettings)
    return machines.cluster(
        slurm_of(config),
        partition=batching.ask.partition,
        threads=settings.allow_hyperthreading,
    )


def launchers(config: Config) -> Iterable[Launcher]:
    """See the hook `canary_launchers`."""
    settings = config.settings(HpcSettings)
    return [
        SlurmLauncher(
            slurm_of(config),
            longest=settings.interval,
            per_minute=settings.calls_per_minute,
            settle=settings.settle,
        ),
        SrunLauncher(),
    ]


def group(
    jobs: Sequence[Job], batching: Batching | None, config: Config
) -> Sequence[BaseJob] | None:
    """See the hook `canary_group`: batches that are there already, and new ones."""
    if not jobs:
        return None
    root = Path(jobs[0].workspace.root)
    left = attach.left_over(root.parent, root.name)
    old = attach.take_up(jobs, left, config, slurm_of(config)) if left else []
    # what names another launcher is that one's
    names = (SlurmLauncher.name,) if batching is None else (SlurmLauncher.name, None)
    if batching is None and any(job.launcher_name in names for job in jobs):
        batching = batching_of(config, named=True)
    if batching is None and not old:
        return None
    taken: dict[str, BaseJob] = {job.id: batch for batch in old for job in batch.jobs}
    rest = [job for job in jobs if job.id not in taken]
    mine = [job for job in rest if job.launcher_name in names]
    new = batches(mine, batching, config) if batching is not None and mine else []
    held = taken | {job.id: batch for batch in new for job in batch.jobs}
    alone = [job for job in rest if job.id not in held]
    held |= {job.id: job for job in alone}
    for batch in new:
        batch.wait_for(held)
    for job in alone:
        _follow(job, held)
    return [*old, *new, *alone]


def _follow(job: Job, held: Mapping[str, BaseJob]) -> None:
    """A job that is no batch's waits for the batches of those that it depends on."""
    holders = {h.id: h for d in job.dependencies if (h := held.get(d.job.id)) is not d.job and h}
    job.dependencies += [Dependency(holder, "always") for holder in holders.values()]


def batches(jobs: Sequence[Job], batching: Batching, config: Config) -> list[BatchJob]:
    """Batches of all jobs that the cluster can hold."""
    nodes = machine(config, {})
    pool = ResourcePool(nodes) if nodes is not None else None
    fitting = [
        job
        for job in jobs
        if pool is None or pool.refusal(Request.of(job.required_resources())) is None
    ]
    width = jobs[0].workspace.capacity.per_node.get("cpus", 1)
    directory = Path(jobs[0].workspace.root, DIRECTORY)
    return [
        _batch(packed, directory, batching, config) for packed in pack(fitting, batching, width)
    ]


def _batch(packed: Pack, directory: Path, batching: Batching, config: Config) -> BatchJob:
    batch = BatchJob(packed, directory, config, batching.backend)
    batch.workers = batching.workers
    if batching.layout == "allocation":
        batch.launcher = SrunLauncher.name
    elif batch.launcher in (SlurmLauncher.name, SrunLauncher.name):
        batch.launcher = None  # the batch is what runs there
    if batching.exec:
        batch.program = batching.exec
    batch.options = {
        "submit": tuple(submit_words(packed)),
        "array": batching.array,
        "queue_timeout": batching.queue_timeout,
    }
    return batch


def submit_words(packed: Pack) -> list[str]:
    """The words of `sbatch` that say what a batch needs."""
    words = [
        f"--nodes={packed.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={packed.cpus}",
    ]
    if packed.gpus:
        words.append(f"--gres=gpu:{packed.gpus}")
    if packed.exclusive:
        words.append("--exclusive")
    return [*words, *packed.ask.arguments()]
