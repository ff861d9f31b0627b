"""Which nodes a batch can be given, and how much of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from canary.job import Job
from canary.resources import Instance, Machine, Node
from canary.spec import JobSpec
from canary.workspace import ExecutionSpace
from canary_slurm.grouping import submit_words
from canary_slurm.machine import Cluster, Place
from canary_slurm.options import Ask
from canary_slurm.packing import Pack, Room
from canary_slurm.site import Site


def node(name, cpus, gpus=0, **more):
    counts = {"cpus": cpus, "gpus": gpus, **more}
    return Node(name, {t: tuple(Instance(str(i)) for i in range(n)) for t, n in counts.items()})


def place(one, partition, **more):
    given = {"is_default": partition == "usual", "threads": 1, "limit": None, **more}
    return Place(one, partition, features=frozenset(given.pop("features", ())), **given)


THIN, WIDE, FAT = node("n1", 6), node("n2", 8), node("f1", 64, 2)
CLUSTER = Cluster(
    (
        place(THIN, "usual", features=("old",)),
        place(WIDE, "usual", features=("new",)),
        place(FAT, "fat", threads=2, limit=3600.0),
    )
)


@pytest.fixture
def site():
    return Site(CLUSTER.machine(), CLUSTER)


def job(machine=None, **parameters):
    spec = JobSpec(
        file_root="/t",
        file_path="t.x",
        id="0" * 64,
        family="t",
        name="t",
        command=("true",),
        parameters=parameters,
    )
    capacity = (machine or CLUSTER.machine()).capacity
    return Job(spec, ExecutionSpace(Path("/s"), Path("t"), "s", capacity))


def test_a_job_needs_as_many_nodes_as_its_partition_has_them_wide(site):
    usual, fat = job(cpus=12), job(cpus=12)
    assert (site.place(usual, Ask()), usual.nodes) == (None, 2)
    assert (site.place(fat, Ask(partition="fat")), fat.nodes) == (None, 1)


def test_what_only_another_partition_has_is_not_there(site):
    assert site.place(job(gpus=1), Ask()) == "needs 1 gpus, the machine has no gpus"
    assert site.place(job(gpus=1), Ask(partition="fat")) is None
    assert "(partition usual)" in site.place(job(gpus=1), Ask(partition="usual"))
    assert site.place(job(cpus=8, nodes=1), Ask(constraint="new")) is None
    assert "(constraint old)" in site.place(job(cpus=8, nodes=1), Ask(constraint="old"))
    assert site.place(job(cpus=8, nodes=1), Ask(constraint="old|new")) is None


def test_a_batch_is_no_wider_than_a_node_that_can_hold_its_jobs(site):
    assert site.room([job(cpus=2)], Ask()).cpus == 6
    assert site.room([job(cpus=2), job(cpus=8)], Ask()).cpus == 8
    fat = site.room([job(cpus=2)], Ask(partition="fat"))
    assert (fat.cpus, fat.threads, fat.limit) == (64, 2, 3600.0)


def test_what_the_user_says_of_the_machine_is_believed():
    said = CLUSTER.machine().with_count("cpus", 16).with_count("licences", 2)
    site = Site(said, CLUSTER)
    assert site.place(job(said, cpus=16, licences=2), Ask()) is None
    assert "no single node has" in site.place(job(said, licences=3), Ask())
    twice = Site(CLUSTER.machine().with_slots("cpus", 2), CLUSTER)
    room = twice.room([job(cpus=2)], Ask())
    assert (room.cpus, room.slots) == (12, {"cpus": 2})


def test_nodes_of_a_pool_file_that_slurm_does_not_know_are_the_users():
    mine = Machine((node("any", 12),), here="")
    site = Site(mine, CLUSTER)
    assert site.place(job(mine, cpus=12), Ask(partition="fat")) is None
    assert site.room([job(mine, cpus=12)], Ask()).cpus == 12


def test_what_belongs_to_no_node_is_wherever_a_batch_runs():
    machine = Machine((THIN, node("f1", 64, 2, licences=3)), here="")
    site = Site(machine, CLUSTER)
    assert site.place(job(machine, licences=3), Ask()) is None


def test_where_nothing_is_known_everything_fits():
    site = Site(None)
    assert site.place(job(cpus=500), Ask()) is None
    assert site.room([job(cpus=64)], Ask(partition="fat")).cpus == 64


@pytest.mark.parametrize(
    ("cpus", "gpus", "room", "words"),
    [
        (3, 0, Room(cpus=4), ["--cpus-per-task=3"]),
        (3, 0, Room(cpus=4, threads=2), ["--cpus-per-task=6"]),
        (5, 3, Room(cpus=8, slots={"cpus": 2, "gpus": 2}), ["--cpus-per-task=3", "--gres=gpu:2"]),
    ],
)
def test_slurm_is_asked_in_its_own_units(cpus, gpus, room, words):
    pack = SimpleNamespace(
        cpus=cpus, gpus=gpus, room=room, nodes=1, memory=0, exclusive=False, ask=Ask()
    )
    assert submit_words(pack)[2:] == words


def test_memory_is_asked_for_where_it_is_counted():
    pack = Pack(
        jobs=(job(),),
        ask=Ask(),
        nodes=1,
        cpus=1,
        gpus=0,
        memory=512,
        estimate=1.0,
        walltime=60.0,
        exclusive=False,
        room=Room(cpus=4, memory=1000),
    )
    assert "--mem=512M" in submit_words(pack)
