"""From jobs to batches that are ready to be driven: where the parts of this plugin meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canary.clock import format_duration
from canary.errors import ResourceError, SpecError
from canary.job import Dependency
from canary.status import Outcome
from canary.table import counted, table
from canary_slurm import attach
from canary_slurm import machine as machines
from canary_slurm.batch import DIRECTORY, BatchJob
from canary_slurm.launcher import SlurmLauncher
from canary_slurm.options import Batching, HpcSettings, ask_of, batching_of
from canary_slurm.packing import Pack, pack
from canary_slurm.site import Site
from canary_slurm.slurm import Slurm
from canary_slurm.srun import SrunLauncher

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import BaseJob, Job
    from canary.launch import Launcher
    from canary.resources import Machine


def slurm_of(config: Config) -> Slurm:
    """The programs of Slurm, with the time limit that is configured."""
    return Slurm(config.settings(HpcSettings).call_limit)


def machine(config: Config, environ: Mapping[str, str]) -> Machine | None:
    """See the hook `canary_machine`: of a cluster, the nodes of all partitions, as tests may ask
    for other ones than is usual."""
    if "CANARY_BATCH_ID" in environ or config.run.launcher == SrunLauncher.name:
        return machines.allocation(environ)
    batching = batching_of(config)
    if batching is None or batching.backend != "slurm":
        return None
    return _cluster(batching, config).machine()


def _cluster(batching: Batching, config: Config) -> machines.Cluster:
    memory = config.settings(HpcSettings).memory
    return machines.cluster(slurm_of(config), threads=batching.threads, memory=memory)


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
    jobs: Sequence[Job], batching: Batching | None, config: Config, machine: Machine
) -> Sequence[BaseJob] | None:
    """See the hook `canary_group`: batches that are there already, and new ones."""
    if not jobs:
        return None
    root = Path(jobs[0].workspace.root)
    left = attach.left_over(root.parent, root.name)
    old = attach.take_up(jobs, left, config, slurm_of(config)) if left else []
    # what names another launcher is that one's
    names = (SlurmLauncher.name,) if batching is None else (SlurmLauncher.name, None)
    is_usual = batching is not None
    if batching is None and any(job.launcher_name in names for job in jobs):
        batching = batching_of(config, named=True)
    if batching is None and not old:
        return None
    taken: dict[str, BaseJob] = {job.id: batch for batch in old for job in batch.jobs}
    rest = [job for job in jobs if job.id not in taken]
    mine = [job for job in rest if job.launcher_name in names]
    new: list[BatchJob] = []
    if batching is not None and mine:
        site = _site(batching, config, machine, is_usual=is_usual)
        new = batches(mine, batching, config, site)
    held = taken | {job.id: batch for batch in new for job in batch.jobs}
    alone = [job for job in rest if job.id not in held]
    held |= {job.id: job for job in alone}
    for batch in new:
        batch.wait_for(held)
    for job in alone:
        _follow(job, held)
    return [*old, *new, *alone]


def plan(jobs: Sequence[Job], batching: Batching, config: Config, machine: Machine) -> list[str]:
    """See the hook `canary_plan`: what would be submitted, and what would not and why."""
    mine = [job for job in jobs if job.launcher_name in (SlurmLauncher.name, None)]
    site = _site(batching, config, machine, is_usual=True)
    made = batches(mine, batching, config, site) if mine else []
    rows = []
    for batch in made:
        pack = batch.pack
        counts = (len(batch.jobs), pack.nodes, pack.cpus)
        times = (format_duration(pack.estimate), format_duration(pack.walltime))
        rows.append([batch.id[:7], *map(str, counts), *times])
    held = {job.id for batch in made for job in batch.jobs}
    rest = [job for job in jobs if job.id not in held]
    lines = [f"{job.name}: {job.status.reason or 'not in a batch'}" for job in rest]
    total = f"{counted(len(held), 'job')} would run in {counted(len(made), 'batch')}"
    return [*table(("Batch", "Jobs", "Nodes", "Width", "Est.", "Wall"), rows), *lines, total]


def _site(batching: Batching, config: Config, machine: Machine, *, is_usual: bool) -> Site:
    """Where batches run. The session's machine is the cluster, or, where only some tests name
    Slurm, this host; then the cluster is as Slurm says, if it does."""
    if batching.backend != "slurm":
        return Site(machine)
    try:
        cluster = _cluster(batching, config)
    except ResourceError:
        if is_usual:
            raise
        return Site(None)  # each submission says what is wrong
    return Site(machine if is_usual else cluster.machine(), cluster)


def _follow(job: Job, held: Mapping[str, BaseJob]) -> None:
    """A job that is no batch's waits for the batches of those that it depends on."""
    holders = {h.id: h for d in job.dependencies if (h := held.get(d.job.id)) is not d.job and h}
    job.dependencies += [Dependency(holder, "always") for holder in holders.values()]


def batches(jobs: Sequence[Job], batching: Batching, config: Config, site: Site) -> list[BatchJob]:
    """Batches of all jobs that the cluster can hold; of the others it is said that they cannot
    be."""
    fitting = []
    for job in jobs:
        try:
            refusal = site.place(job, ask_of(job, batching.ask))
        except SpecError as e:
            job.set_status(outcome=Outcome.INVALID, reason=str(e))
            continue
        if refusal is None:
            fitting.append(job)
        else:
            job.set_status(outcome=Outcome.OVERSIZED, reason=refusal)
    directory = Path(jobs[0].workspace.root, DIRECTORY)
    packs = pack(fitting, batching, lambda some: site.room(some, ask_of(some[0], batching.ask)))
    made = [_batch(packed, directory, batching, config) for packed in packs]
    if batching.backend == "local" and site.machine is not None:
        for batch in made:  # it is the same host, with all that was said of it
            batch.host = site.machine.nodes[0]
    return made


def _batch(packed: Pack, directory: Path, batching: Batching, config: Config) -> BatchJob:
    batch = BatchJob(packed, directory, config, batching.backend)
    batch.workers = batching.workers
    is_plain = batch.launcher in (None, SlurmLauncher.name)
    is_wide = packed.nodes > 1 and batching.backend == "slurm" and is_plain
    if batching.layout == "allocation" or is_wide:
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
    room = packed.room
    cpus = -(-packed.cpus // room.slots.get("cpus", 1)) * room.threads
    words = [f"--nodes={packed.nodes}", "--ntasks-per-node=1", f"--cpus-per-task={cpus}"]
    if packed.gpus:
        words.append(f"--gres=gpu:{-(-packed.gpus // room.slots.get('gpus', 1))}")
    if packed.memory:
        words.append(f"--mem={packed.memory}M")
    if packed.exclusive:
        words.append("--exclusive")
    return [*words, *packed.ask.arguments()]
