"""Who goes next: ranks along chains, and a queue that keeps what the dearest waits for.

The scheduler's tests show it at work; here are its rules, one by one.
"""

from __future__ import annotations

import heapq
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.job import BaseJob, Dependency
from canary.ready import ReadyQueue, Running, wire
from canary.resources import LOCK, Capacity, Machine, Request, ResourcePool


@pytest.fixture
def jobs(new_job):
    """`jobs(a=(cost, {"cpus": 1}, "b c"))`: by name, its weight, needs and what it depends on."""

    def make(**rows):
        made = {}
        for name, (weight, needs, *depends) in rows.items():
            upstream = [(made[d], None) for d in (depends[0].split() if depends else ())]
            locks = needs.pop("locks", ())
            pieces = needs.pop("pieces", {})
            more = {"exclusive": needs.pop("exclusive", False), "timeout": needs.pop("limit", 10.0)}
            made[name] = new_job(
                name,
                weight=weight,
                parameters=needs,
                depends=upstream,
                locks=locks,
                pieces=pieces,
                capacity=Capacity({"cpus": 99, "gpus": 99}),
                **more,
            )
        return made

    return make


def ranks(made):
    return {node.job.name: node.rank for node in wire(list(made.values())).values()}


def test_a_rank_is_the_cost_of_the_dearest_chain_that_begins_there(jobs):
    made = jobs(
        a=(1.0, {}),
        b=(10.0, {}, "a"),
        c=(2.0, {}, "a"),
        d=(100.0, {}, "c"),
        e=(5.0, {}),
    )
    assert ranks(made) == {"a": 103.0, "b": 10.0, "c": 102.0, "d": 100.0, "e": 5.0}


def test_what_is_over_is_not_wired(jobs):
    made = jobs(a=(1.0, {}), b=(1.0, {}, "a"))
    made["a"].on_finished()
    nodes = wire(list(made.values()))
    assert [n.job.name for n in nodes.values()] == ["b"]
    assert nodes[made["b"].id].waits == 0


def test_a_dependency_given_twice_is_waited_for_twice_and_told_twice(jobs):
    made = jobs(a=(1.0, {}), b=(1.0, {}, "a a"))
    nodes = wire(list(made.values()))
    assert nodes[made["b"].id].waits == len(nodes[made["a"].id].children) == 2


class Desk:
    """A queue on a machine, with what runs."""

    def __init__(self, made, machine=None, **counts):
        self.pool = ResourcePool(machine or Machine.single("n", **counts))
        self.queue = ReadyQueue(self.pool)
        self.running = []
        for node in wire(list(made.values())).values():
            self.queue.push(node)

    def next(self, now=0.0):
        node = self.queue.next(self.running, now)
        if node is None:
            return None
        assigned = self.pool.checkout(node.request)
        end = now + node.job.expected_runtime
        self.running.append(Running(node, assigned, now, end))
        return node.job.name

    def all(self, now=0.0):
        out = []
        while name := self.next(now):
            out.append(name)
        return out

    def end(self, name):
        (over,) = [r for r in self.running if r.node.job.name == name]
        self.running.remove(over)
        self.pool.checkin(over.assigned)


def test_the_dearest_that_fit_go_in_order(jobs):
    desk = Desk(jobs(a=(1.0, {}), b=(3.0, {}), c=(2.0, {})), cpus=2)
    assert desk.all() == ["b", "c"]
    desk.end("b")
    assert desk.all() == ["a"]
    assert not desk.queue


def test_the_dearest_keeps_what_it_waits_for(jobs):
    made = jobs(
        long=(9.0, {"cpus": 1, "limit": 100.0}),
        wide=(8.0, {"cpus": 2}),
        late=(7.0, {"cpus": 1, "gpus": 0, "limit": 200.0}),
    )
    desk = Desk(made, cpus=2)
    assert desk.all() == ["long"]
    assert desk.next(50.0) is None
    desk.end("long")
    assert desk.all(60.0) == ["wide"]


def test_what_ends_before_it_may_pass(jobs):
    made = jobs(
        long=(9.0, {"cpus": 1, "limit": 100.0}),
        wide=(8.0, {"cpus": 2}),
        short=(7.0, {"cpus": 1, "limit": 40.0}),
    )
    assert Desk(made, cpus=2).all() == ["long", "short"]


def test_behind_one_that_is_too_long_a_shorter_one_of_the_same_needs_is_found(jobs):
    made = jobs(
        long=(90.0, {"cpus": 1, "limit": 100.0}),
        wide=(80.0, {"cpus": 2}),
        slow=(70.0, {"cpus": 1, "limit": 200.0}),
        short=(60.0, {"cpus": 1, "limit": 40.0}),
    )
    assert Desk(made, cpus=2).all() == ["long", "short"]


@pytest.mark.parametrize("limit", [100.0, -1.0])
def test_what_leaves_room_for_the_wide_job_may_run_beside_it(jobs, limit):
    """Of 8 CPUs 3 are left then, whatever the length of what takes them; a fourth would delay."""
    made = jobs(
        long=(90.0, {"cpus": 6, "limit": limit}),
        wide=(80.0, {"cpus": 5}),
        beside=(70.0, {"cpus": 1, "limit": 900.0}),
        too=(60.0, {"cpus": 1, "limit": 900.0}),
        much=(50.0, {"cpus": 4, "limit": 900.0}),
    )
    desk = Desk(made, cpus=8)
    assert desk.all() == ["long", "beside", "too"]
    desk.end("long")
    assert desk.all() == ["wide"]


def test_what_may_take_the_room_of_a_piece_does_not_start(jobs):
    """Two GPUs of two slots each: three may be free then, and none of the two as one wants it."""
    made = jobs(
        long=(90.0, {"gpus": 3, "limit": 100.0}),
        piece=(80.0, {"gpus": 2, "pieces": {"gpus": (2,)}}),
        small=(70.0, {"gpus": 1, "limit": 900.0}),
        other=(60.0, {"gpus": 0, "limit": 900.0}),
    )
    desk = Desk(made, Machine.single("n", cpus=4, gpus=2).with_slots("gpus", 2))
    assert desk.all() == ["long", "other"]
    desk.end("long")
    assert desk.all() == ["piece", "small"]


def test_of_nearly_equal_ones_the_widest_goes_first(jobs):
    """So that the machine is not emptied for each of them alone."""
    made = jobs(
        a=(300.1, {"cpus": 1}),
        b=(300.0, {"cpus": 4}),
        c=(300.2, {"cpus": 2}),
        d=(300.0, {"cpus": 4}),
        dear=(400.0, {"cpus": 4}),
    )
    desk = Desk(made, cpus=4)
    assert desk.all() == ["dear"]
    desk.end("dear")
    assert desk.all(10.0) == ["b"]
    desk.end("b")
    assert desk.all(20.0) == ["d"]
    desk.end("d")
    assert desk.all(30.0) == ["c", "a"]


def test_costs_and_lengths_may_be_anything(jobs):
    made = jobs(
        a=(0.0, {"limit": 0.0}),
        b=(-5.0, {"limit": -1.0}),
        c=(float("inf"), {"limit": 1e300}),
    )
    assert Desk(made, cpus=9).all() == ["c", "a", "b"]


def test_a_job_alone_lets_the_machine_run_empty(jobs):
    made = jobs(a=(9.0, {}), alone=(8.0, {"exclusive": True}), b=(7.0, {"limit": 1.0}))
    desk = Desk(made, cpus=2)
    assert desk.all() == ["a"]
    desk.end("a")
    assert desk.next() == "alone"


def test_who_waits_for_a_lock_keeps_nothing(jobs):
    made = jobs(
        a=(9.0, {"locks": ("port",)}),
        b=(8.0, {"locks": ("port",), "cpus": 2}),
        c=(7.0, {"limit": 500.0}),
    )
    desk = Desk(made, cpus=2)
    assert desk.all() == ["a", "c"]
    desk.end("c")
    assert desk.all() == []
    desk.end("a")
    assert desk.all() == ["b"]


def test_what_is_kept_while_somebody_holds_a_lock(jobs):
    made = jobs(
        a=(9.0, {"locks": ("port",), "limit": 100.0}),
        wide=(8.0, {"cpus": 2}),
        short=(7.0, {"cpus": 1, "limit": 50.0}),
        slow=(6.0, {"cpus": 1, "limit": 500.0}),
    )
    desk = Desk(made, cpus=2)
    assert desk.all() == ["a", "short"]
    desk.end("short")
    assert desk.all(20.0) == []


def test_an_empty_queue(jobs):
    desk = Desk({}, cpus=1)
    assert not desk.queue
    assert desk.next() is None
    desk.queue.clear()


def test_a_cleared_queue_is_empty(jobs):
    desk = Desk(jobs(a=(1.0, {})), cpus=1)
    assert desk.queue
    desk.queue.clear()
    assert desk.next() is None


# locks of the pool itself


def test_a_lock_is_one_for_all_nodes_and_comes_back():
    pool = ResourcePool(Machine.single("n", cpus=4).with_count("nodes", 2))
    wanted = Request.of([{"type": "cpus", "slots": 1}, {"type": f"{LOCK}port", "slots": 1}])
    assert pool.refusal(wanted) is None
    first = pool.checkout(wanted)
    assert first[f"{LOCK}port"] == [{"id": "port", "slots": 1, "node": ""}]
    assert pool.is_locked(wanted)
    assert pool.checkout(wanted) is None
    other = Request.of([{"type": "cpus", "slots": 1}, {"type": f"{LOCK}disk", "slots": 1}])
    assert not pool.is_locked(other)
    second = pool.checkout(other)
    pool.checkin(first)
    assert not pool.is_locked(wanted)
    pool.checkin(second)
    assert pool.idle


@given(st.lists(st.sets(st.sampled_from("abc"), max_size=2), max_size=8), st.data())
def test_a_lock_is_never_held_twice(wants, data):
    pool = ResourcePool(Machine.single("n", cpus=8))
    requests = [
        Request.of([{"type": "cpus", "slots": 1}, *({"type": LOCK + n, "slots": 1} for n in names)])
        for names in wants
    ]
    held = {}
    for i in data.draw(st.lists(st.integers(0, max(0, len(wants) - 1)), max_size=20)):
        if not wants:
            return
        if i in held:
            pool.checkin(held.pop(i))
            continue
        taken = set().union(*(wants[k] for k in held))
        assigned = pool.checkout(requests[i])
        assert (assigned is None) == bool(taken & wants[i])
        if assigned is not None:
            held[i] = assigned
    for assigned in held.values():
        pool.checkin(assigned)
    assert pool.idle


# how well jobs are packed: against the shortest time that any schedule can have

TREES = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "trees.py"))
UNKNOWN = 300.0


class Sleep(BaseJob):
    """A job of so many CPUs that takes so long; `guess` is what is known of that beforehand."""

    def __init__(self, number, cpus, seconds, depends=(), guess=None):
        super().__init__()
        self.number, self.cpus, self.seconds = number, cpus, seconds
        self.guess = seconds if guess is None else guess
        self.dependencies = [Dependency(job, None) for job in depends]

    @property
    def id(self):
        return str(self.number)

    @property
    def expected_runtime(self):
        return self.guess

    def cost(self):
        return (self.cpus**2 + self.guess**2) ** 0.5

    def required_resources(self):
        return [{"type": "cpus", "slots": self.cpus}]

    def total_timeout(self):
        return UNKNOWN

    def display_name(self, **kwargs):
        return self.id

    def nothing(self, *_):
        raise AssertionError("nothing is run here")

    assign_resources = free_resources = refresh_readiness = refresh = save = nothing
    is_runnable = is_ready = nothing


def makespan(jobs, cpus=16):
    """The time that they take, on a clock that jumps from one end to the next."""
    pool = ResourcePool(Machine.single("n", cpus=cpus))
    queue = ReadyQueue(pool)
    for node in wire(jobs).values():
        if not node.waits:
            queue.push(node)
    running, ends, now, begun = {}, [], 0.0, 0
    while queue or ends:
        while node := queue.next(running.values(), now):
            job, begun = node.job, begun + 1
            end = now + job.expected_runtime
            assigned = pool.checkout(node.request)
            running[job.id] = Running(node, assigned, now, end)
            heapq.heappush(ends, (now + job.seconds, begun, node))
        now, _, node = heapq.heappop(ends)
        pool.checkin(running.pop(node.job.id).assigned)
        for child in node.children:
            child.waits -= 1
            if not child.waits:
                queue.push(child)
    assert begun == len(jobs)
    assert pool.idle
    return now


def packed(n, seed, *, known):
    """The makespan on 16 CPUs, in units of the shortest there can be."""
    rows = TREES["mixture"](n, seed)
    jobs = []
    for i, (cpus, seconds, parents) in enumerate(rows):
        before = [jobs[p] for p in parents]
        jobs.append(Sleep(i, cpus, seconds, before, None if known else UNKNOWN))
    return makespan(jobs) / TREES["shortest"](rows, 16)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_jobs_of_known_length_are_packed_tightly(seed):
    assert packed(1000, seed, known=True) <= 1.01


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_jobs_of_unknown_length_are_packed_well(seed):
    assert packed(1000, seed, known=False) <= 1.12


@pytest.mark.timeout(150)  # five seconds of CPU time each
@pytest.mark.parametrize(("known", "limit"), [(True, 1.01), (False, 1.12)])
def test_a_hundred_thousand_jobs(known, limit):
    assert packed(100_000, 1, known=known) <= limit


def test_a_narrow_chain_is_not_kept_waiting_by_wide_jobs():
    """The chain takes nearly as long as all the others together; it must go on all the time."""
    chain = []
    for i in range(24):
        chain.append(Sleep(i, 1, 1.0, chain[-1:]))
    assert makespan([*(Sleep(100 + i, 3, 1.0) for i in range(110)), *chain]) <= 26.0
