"""Which jobs share a batch, in which order batches can run, and how long they take."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import UsageError
from canary.job import Dependency, Job
from canary.resources import Capacity
from canary.spec import JobSpec
from canary.workspace import ExecutionSpace
from canary_slurm.options import Ask, Batching
from canary_slurm.packing import Room, makespan
from canary_slurm.packing import pack as packed_into

CPUS = 8
CAPACITY = Capacity({"cpus": CPUS, "gpus": 4})


def job(n, *upstream, timeout=10.0, exclusive=False, attributes=None, **parameters):
    spec = JobSpec(
        file_root="/t",
        file_path=f"t{n}.x",
        id=f"{n:064x}",
        family=f"t{n}",
        name=f"t{n}",
        command=("true",),
        timeout=timeout,
        exclusive=exclusive,
        parameters=parameters,
        attributes=attributes or {},
    )
    made = Job(spec, ExecutionSpace(Path("/s"), Path(f"t{n}"), "s", CAPACITY))
    made.dependencies = [Dependency(u, "on_success") for u in upstream]
    return made


def pack(jobs, batching, cpus, **more):
    return packed_into(jobs, batching, lambda _: Room(cpus=cpus, gpus=4, **more))


def names(packs):
    return [sorted(int(job.id, 16) for job in p.jobs) for p in packs]


def test_every_job_is_in_one_batch():
    jobs = [job(n, cpus=n % 3 + 1) for n in range(20)]
    packs = pack(jobs, Batching(count=3), CPUS)
    assert len(packs) == 3
    assert sorted(n for group in names(packs) for n in group) == list(range(20))


def test_flat_batches_hold_only_jobs_that_do_not_wait_for_each_other():
    a, b = job(0), job(1)
    c = job(2, a)
    d = job(3, b, c)
    assert names(pack([d, c, b, a], Batching(count=1), CPUS)) == [[0, 1], [2], [3]]


def test_atomic_batches_hold_what_is_connected():
    a, b, e = job(0), job(1), job(4)
    jobs = [a, b, job(2, a), job(3, b), e]
    made = Batching(layout="atomic", same_nodes=False)
    assert names(pack(jobs, made, CPUS)) == [[0, 2], [1, 3], [4]]
    assert len(pack(jobs, Batching(layout="atomic", same_nodes=False, count=2), CPUS)) == 2


def test_an_allocation_is_one_batch_of_all():
    a = job(0)
    (one,) = pack([a, job(1, a)], Batching(layout="allocation", nodes=3), CPUS)
    assert (one.nodes, one.cpus) == (3, CPUS)


def test_count_max_is_a_batch_for_each_job():
    assert len(pack([job(n) for n in range(5)], Batching(count=0), CPUS)) == 5


def test_jobs_of_different_numbers_of_nodes_share_a_batch_only_if_they_may():
    jobs = [job(0), job(1, nodes=2)]
    assert names(pack(jobs, Batching(), CPUS)) == [[0], [1]]
    (one,) = pack(jobs, Batching(same_nodes=False), CPUS)
    assert (one.nodes, one.cpus) == (2, CPUS)


def test_a_parameter_can_name_the_batches():
    jobs = [job(n, size=n % 2) for n in range(6)]
    assert names(pack(jobs, Batching(by="size"), CPUS)) == [[0, 2, 4], [1, 3, 5]]


def test_jobs_that_ask_slurm_for_different_things_are_apart():
    jobs = [job(0), job(1, attributes={"slurm_partition": "low"})]
    packs = pack(jobs, Batching(), CPUS)
    assert [p.ask.partition for p in packs] == [None, "low"]


def test_a_job_that_must_be_alone_has_its_batch_for_itself():
    packs = pack([job(0), job(1, exclusive=True), job(2)], Batching(), CPUS)
    assert names(packs) == [[0, 2], [1]]
    assert [p.exclusive for p in packs] == [False, True]


def test_a_batch_asks_for_what_its_jobs_can_use():
    (few,) = pack([job(0, cpus=2), job(1)], Batching(), CPUS)
    assert few.cpus == 3
    (many,) = pack([job(n) for n in range(20)], Batching(), CPUS)
    assert many.cpus == CPUS
    (one,) = pack([job(0, cpus=4), job(1), job(2)], Batching(workers=1), CPUS)
    assert one.cpus == 4
    (gpu,) = pack([job(0, gpus=2), job(1, gpus=1)], Batching(), CPUS)
    assert gpu.gpus == 3
    (gpus,) = pack([job(n, gpus=2) for n in range(5)], Batching(), CPUS)
    assert gpus.gpus == 4


def test_batches_of_a_duration_are_as_long_as_that():
    jobs = [job(n, timeout=60.0) for n in range(64)]
    packs = pack(jobs, Batching(duration=240.0), CPUS)
    assert [p.estimate for p in packs] == [240.0, 240.0]
    (long,) = pack([job(0, timeout=999.0)], Batching(duration=240.0), CPUS)
    assert long.estimate == 999.0


def test_the_time_asked_for_leaves_room_for_the_longest():
    (one,) = pack([job(n, timeout=60.0) for n in range(16)], Batching(), CPUS)
    assert one.estimate == 120.0
    assert one.walltime == 60.0 + 150.0 + 60.0
    (said,) = pack([job(0)], Batching(ask=Ask(walltime=30.0)), CPUS)
    assert said.walltime == 30.0


def test_the_estimate_knows_workers_and_chains():
    jobs = [job(n, timeout=10.0) for n in range(4)]
    assert makespan(jobs, CPUS) == 10.0
    assert makespan(jobs, CPUS, workers=1) == 40.0
    chain = [job(0)]
    for n in range(1, 5):
        chain.append(job(n, chain[-1]))
    assert makespan(chain, CPUS) == 50.0


@given(st.integers(1, 60), st.integers(0, 99), st.sampled_from([None, 0, 1, 3]))
def test_batches_of_any_graph_can_run_in_their_order(n, seed, count):
    draw = random.Random(seed)
    jobs: list[Job] = []
    for i in range(n):
        upstream = draw.sample(jobs, min(i, draw.randint(0, 3)))
        jobs.append(job(i, *upstream, cpus=draw.choice((1, 2, 8)), nodes=1))
    packs = pack(draw.sample(jobs, n), Batching(count=count), CPUS)
    done: set[str] = set()
    for one in packs:
        mine = {j.id for j in one.jobs}
        waits = {d.job.id for j in one.jobs for d in j.dependencies}
        assert waits <= done
        assert mine.isdisjoint(done)
        done |= mine
    assert len(done) == n


def test_many_jobs_are_packed_at_once():
    jobs = [job(n) for n in range(20_000)]
    packs = pack(jobs, Batching(duration=1800.0), CPUS)
    assert sum(len(p.jobs) for p in packs) == 20_000


@pytest.mark.parametrize("count", [1, 7])
def test_work_is_spread_evenly(count):
    draw = random.Random(1)
    jobs = [job(n, timeout=draw.uniform(1, 20)) for n in range(200)]
    areas = [sum(j.timeout for j in p.jobs) for p in pack(jobs, Batching(count=count), CPUS)]
    assert len(areas) == count
    assert max(areas) - min(areas) < 20


def test_connected_jobs_that_ask_for_different_things_wait_in_batches_of_their_own():
    a = job(0, attributes={"slurm_account": "x"})
    b = job(1, a, attributes={"slurm_partition": "long"})
    c = job(2)
    d = job(3, c)
    made = pack([a, b, c, d], Batching(layout="atomic", same_nodes=False), CPUS)
    assert names(made) == [[2, 3], [0], [1]]
    assert [(p.ask.account, p.ask.partition) for p in made[1:]] == [("x", None), (None, "long")]


def test_what_is_not_connected_shares_an_atomic_batch_only_if_it_asks_for_the_same():
    jobs = [job(n, attributes={"slurm_account": "xy"[n % 2]}) for n in range(6)]
    made = pack(jobs, Batching(layout="atomic", same_nodes=False, count=2), CPUS)
    assert names(made) == [[0, 2, 4], [1, 3, 5]]


def test_one_allocation_cannot_be_two_things():
    jobs = [job(0), job(1, attributes={"slurm_partition": "long"})]
    with pytest.raises(UsageError, match="t0 and t1 ask Slurm for different things"):
        pack(jobs, Batching(layout="allocation"), CPUS)


def test_times_that_tests_ask_for_are_added_only_where_they_follow_each_other():
    jobs = [job(n, attributes={"slurm_walltime": "2h"}) for n in range(16)]
    (one,) = pack(jobs, Batching(count=1), CPUS)
    assert one.walltime == 2 * 7200.0
    (few,) = pack(jobs, Batching(count=1, workers=4), CPUS)
    assert few.walltime == 4 * 7200.0
    mixed = [job(0, timeout=300.0), job(1, attributes={"slurm_walltime": "1m"})]
    (both,) = pack(mixed, Batching(), CPUS)
    assert both.walltime == 1.25 * 300.0 + 300.0 + 60.0


def test_no_more_time_is_asked_for_than_the_partition_gives():
    jobs = [job(n, timeout=3000.0) for n in range(4)]
    (one,) = pack(jobs, Batching(count=1), CPUS, limit=3600.0)
    assert one.walltime == 3600.0
    asking = [job(0, attributes={"slurm_walltime": "2h"})]
    (own,) = pack(asking, Batching(), CPUS, limit=3600.0)
    assert own.walltime == 7200.0


def test_memory_is_that_of_the_jobs_up_to_a_nodes():
    def packed(*sizes, **more):
        jobs = [job(n, memory=size) for n, size in enumerate(sizes)]
        for one in jobs:
            one.fit(Capacity({"cpus": CPUS, "gpus": 4, "memory": 1000}))
        return pack(jobs, Batching(count=1, **more), CPUS, memory=1000)[0].memory

    assert packed(100, 200) == 300
    assert packed(600, 700) == 1000
    assert packed(100, layout="allocation") == 1000
