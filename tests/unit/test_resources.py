"""Machines, requests and the pool: nothing is handed out twice, and what can fit does fit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from canary.errors import ResourceError
from canary.resources import Capacity, Instance, Machine, Node, Request, ResourcePool, pack, plural


def machine(*nodes, multinode=True):
    """Each node is `{type: slots of each instance}`."""
    return Machine(
        tuple(
            Node(
                f"n{i}",
                {
                    t: tuple(Instance(str(k), slots) for k, slots in enumerate(each))
                    for t, each in node.items()
                },
            )
            for i, node in enumerate(nodes)
        ),
        multinode,
    )


def request(nodes=1, **slots):
    return Request(tuple(sorted(slots.items())), nodes)


def given_out(assigned):
    """{(node, type, id): slots}."""
    out = Counter()
    for type, entries in assigned.items():
        for entry in entries:
            out[entry["node"], type, entry["id"]] += entry["slots"]
    return out


# machine


def test_a_single_machine_has_what_was_counted():
    host = Machine.single("here", cpus=4, gpus=0)
    assert host.types == {"cpus", "gpus"}
    assert (host.count("cpus"), host.count("gpus"), host.count("tapes")) == (4, 0, 0)
    assert host.capacity == Capacity({"cpus": 4, "gpus": 0})


def test_counts_per_node_are_those_of_the_node_with_most():
    mixed = machine({"cpus": [1] * 2}, {"cpus": [1] * 8, "gpus": [2, 2]})
    assert mixed.count("cpus") == 10
    assert mixed.capacity.per_node == {"cpus": 8, "gpus": 4}


def test_slots_are_counted_by_node_and_type():
    made = machine({"cpus": [1, 2]}, {"gpus": [3]})
    assert made.slots() == {"n0": {"cpus": 3}, "n1": {"gpus": 3}}


def test_with_count_replaces_the_instances_of_every_node():
    made = machine({"cpus": [1]}, {"gpus": [3]}).with_count("cpus", 3)
    assert [len(n.resources["cpus"]) for n in made.nodes] == [3, 3]
    assert made.count("gpus") == 3
    assert made.with_count("cpus", 0).count("cpus") == 0


def test_with_count_of_nodes_clones_the_first():
    made = machine({"cpus": [1, 1]}, {"gpus": [1]}).with_count("nodes", 3)
    assert [n.id for n in made.nodes] == ["n0", "n0-1", "n0-2"]
    assert made.count("cpus") == 6
    assert made.count("gpus") == 0


@pytest.mark.parametrize(("type", "n"), [("cpus", -1), ("nodes", 0), ("nodes", -2)])
def test_with_count_refuses_what_cannot_be(type, n):
    with pytest.raises(ResourceError, match=f"{type}={n}"):
        machine({"cpus": [1]}).with_count(type, n)


def test_with_count_keeps_the_ids_that_are_there():
    """They may be the numbers of the CPUs that we may use."""
    host = Machine((Node("n", {"cpus": (Instance("1"), Instance("3"))}),))
    ids = [[i.id for i in host.with_count("cpus", n).nodes[0].resources["cpus"]] for n in (1, 2, 4)]
    assert ids == [["1"], ["1", "3"], ["1", "3", "0", "2"]]


def test_memory_is_an_amount():
    """One instance of so many slots, asked for as a whole, however it came there."""
    for host in (Machine.single("n", memory=50), machine({}).with_count("memory", 50)):
        assert host.nodes[0].resources["memory"] == (Instance("0", 50),)
        pool = ResourcePool(host)
        assert pool.checkout(request(memory=30))["memory"][0]["slots"] == 30
        assert not pool.can_hold(request(memory=21))
        assert pool.can_hold(request(memory=20))


@pytest.mark.parametrize(
    ("given", "type"), [("cpu", "cpus"), ("fpgas", "fpgas"), ("memory", "memory")]
)
def test_types_may_be_named_in_the_singular(given, type):
    assert plural(given) == type


def test_with_slots_multiplies():
    made = machine({"cpus": [1, 2]}, {"gpus": [1]}).with_slots("cpus", 3)
    assert [i.slots for i in made.nodes[0].resources["cpus"]] == [3, 6]
    assert made.count("gpus") == 1


def test_with_slots_refuses_what_is_not_there():
    with pytest.raises(ResourceError, match=r"no resource type 'tapes' \[there are: cpus\]"):
        machine({"cpus": [1]}).with_slots("tapes", 2)
    with pytest.raises(ResourceError, match="at least 1"):
        machine({"cpus": [1]}).with_slots("cpus", 0)


def test_changes_make_a_new_machine():
    old = machine({"cpus": [1]})
    old.with_count("cpus", 9)
    old.with_slots("cpus", 9)
    assert old.count("cpus") == 1


def test_a_machine_is_read_as_it_was_written():
    made = machine({"cpus": [1, 1]}, {"gpus": [2]}, multinode=False)
    data = json.loads(json.dumps(asdict(made)))
    assert Machine.fromdict(data) == made
    assert Machine.fromdict({"resource_pool": data}) == made


def test_properties_are_kept():
    data = {"nodes": [{"id": "n", "resources": {"gpus": [{"id": 0, "properties": {"mem": 8}}]}}]}
    (gpu,) = Machine.fromdict(data).nodes[0].resources["gpus"]
    assert (gpu.id, gpu.slots, gpu.properties) == ("0", 1, {"mem": 8})
    assert asdict(gpu) == {"id": "0", "slots": 1, "properties": {"mem": 8}}


def node(**resources):
    return {"nodes": [{"id": "a", "resources": resources}]}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "it lacks 'nodes'"),
        ({"nodes": [{"id": "a"}]}, "a node lacks 'resources'"),
        ({"nodes": [{"resources": {}}]}, "a node or resource lacks 'id'"),
        (node(cpus=[{"slots": 1}]), "a node or resource lacks 'id'"),
        (node(cpus=[{"id": "0", "slots": -1}]), "slots = -1"),
        ({"nodes": 3}, "a part of it has another form"),
    ],
)
def test_what_a_pool_lacks_is_said(data, problem):
    with pytest.raises(ResourceError) as caught:
        Machine.fromdict(data)
    assert caught.value.message == f"not a resource pool: {problem}"


@pytest.mark.parametrize(
    "data",
    [
        [],
        None,
        {},
        {"nodes": 3},
        {"nodes": [{"id": "a"}]},
        {"nodes": [{"resources": {}}]},
        {"nodes": ["a"]},
        {"resource_pool": None},
        {"resource_pool": []},
        node(cpus=4),
        node(cpus=[{"slots": 1}]),
        node(cpus=[{"id": "0", "slots": -1}]),
        node(cpus=[{"id": "0", "slots": "2"}]),
        node(cpus=[{"id": "0", "slots": True}]),
        node(cpus=[{"id": "0", "properties": 5}]),
    ],
)
def test_what_is_no_pool_is_refused_with_its_file(data):
    with pytest.raises(ResourceError, match=r"^pool\.json: not a resource pool") as caught:
        Machine.fromdict(data, file="pool.json")
    assert "instances" in caught.value.hint or "nodes" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"nodes": []}, "at least one node"),
        ({"nodes": [{"id": "a", "resources": {}}] * 2}, "two nodes"),
        (node(cpus=[{"id": "0"}, {"id": 0}]), "two of cpus"),
    ],
)
def test_what_could_not_be_told_apart_is_refused(data, why):
    with pytest.raises(ResourceError, match=why):
        Machine.fromdict(data, file="pool.json")


# capacity and requests


@pytest.mark.parametrize(
    ("wanted", "nodes"),
    [
        ({}, 1),
        ({"cpus": 1}, 1),
        ({"cpus": 4}, 1),
        ({"cpus": 5}, 2),
        ({"cpus": 5, "gpus": 9}, 5),
        ({"tapes": 100}, 1),
        ({"none": 3}, 1),
    ],
)
def test_fewest_nodes(wanted, nodes):
    assert Capacity({"cpus": 4, "gpus": 2, "none": 0}).nodes_for(wanted) == nodes


def test_a_request_sums_entries_and_takes_nodes_apart():
    entries = [
        {"type": "gpus", "slots": 1},
        {"type": "cpus", "slots": 2},
        {"type": "cpus", "slots": 1},
        {"type": "nodes", "slots": 2},
    ]
    assert Request.of(entries) == Request((("cpus", 3), ("gpus", 1)), 2)
    assert Request.of([]) == Request((), 1)
    assert hash(Request.of(entries)) == hash(Request.of(reversed(entries)))


# pool


def test_a_request_is_given_whole_or_not_at_all():
    pool = ResourcePool(machine({"cpus": [1] * 2, "gpus": [1]}))
    first = pool.checkout(request(cpus=1, gpus=1))
    assert given_out(first) == {("n0", "cpus", "0"): 1, ("n0", "gpus", "0"): 1}
    assert pool.checkout(request(cpus=1, gpus=1)) is None
    assert pool.in_use("cpus") == 1
    pool.checkin(first)
    assert pool.idle


def test_the_fullest_instances_are_used_first():
    """So that whole ones stay free for those who want many slots of one."""
    pool = ResourcePool(machine({"gpus": [4, 4]}))
    pool.checkout(request(gpus=1))
    assert given_out(pool.checkout(request(gpus=1))) == {("n0", "gpus", "0"): 1}
    assert given_out(pool.checkout(request(gpus=4))) == {
        ("n0", "gpus", "0"): 2,
        ("n0", "gpus", "1"): 2,
    }


def test_one_node_is_one_node():
    pool = ResourcePool(machine({"cpus": [1] * 2}, {"cpus": [1] * 2}))
    assert pool.checkout(request(cpus=3)) is None
    assert pool.refusal(request(cpus=3)) == "no single node has 3 cpus"


def test_several_nodes_are_taken_whole():
    pool = ResourcePool(machine({"cpus": [1] * 2}, {"cpus": [1] * 4}, {"cpus": [1] * 4}))
    narrow = pool.checkout(request(cpus=1))
    assert given_out(narrow) == {("n0", "cpus", "0"): 1}
    wide = pool.checkout(request(nodes=2, cpus=4))
    assert given_out(wide) == {(n, "cpus", str(i)): 1 for n in ("n1", "n2") for i in range(4)}
    assert pool.checkout(request(nodes=2, cpus=2)) is None
    pool.checkin(narrow)
    pool.checkin(wide)
    assert pool.checkout(request(nodes=3, cpus=3)) is not None


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (request(nodes=3), "3 nodes, the machine has 2"),
        (request(tapes=1), "no tapes"),
        (request(cpus=9), "9 cpus, the machine has 8"),
        (request(cpus=5), "no single node has 5 cpus"),
        (request(nodes=2, gpus=2), "fewer than 2 nodes have 1 gpus"),
    ],
)
def test_a_refusal_says_why(wanted, why):
    pool = ResourcePool(machine({"cpus": [1] * 4, "gpus": [1, 1]}, {"cpus": [1] * 4}))
    assert why in pool.refusal(wanted)


def test_where_jobs_over_several_nodes_are_forbidden_they_are_refused():
    pool = ResourcePool(machine({"cpus": [1]}, {"cpus": [1]}, multinode=False))
    assert "not allowed" in pool.refusal(request(nodes=2, cpus=2))


def test_wanting_none_of_what_is_not_there_is_no_refusal():
    pool = ResourcePool(machine({"cpus": [1]}))
    assert pool.refusal(request(cpus=1, gpus=0)) is None
    assert given_out(pool.checkout(request(cpus=1, gpus=0))) == {("n0", "cpus", "0"): 1}


def test_free_at_is_the_first_end_after_which_it_fits():
    pool = ResourcePool(machine({"cpus": [1] * 4}))
    parts = [pool.checkout(request(cpus=1)) for _ in range(4)]
    ends = [(40.0, parts[3]), (20.0, parts[1]), (10.0, parts[0]), (30.0, parts[2])]
    assert pool.free_at(request(cpus=1), ends) == (10, [{"cpus": 1}])
    assert pool.free_at(request(cpus=3), ends) == (30, [{"cpus": 3}])
    assert pool.in_use("cpus") == 4


def test_free_at_for_whole_nodes_waits_for_their_last_job():
    pool = ResourcePool(machine({"cpus": [1] * 2}, {"cpus": [1] * 2}))
    parts = [pool.checkout(request(cpus=1)) for _ in range(3)]
    ends = [(10.0, parts[2]), (20.0, parts[0]), (30.0, parts[1])]
    assert pool.free_at(request(nodes=2, cpus=2), ends)[0] == 30


# properties

machines = st.lists(
    st.dictionaries(
        st.sampled_from(["cpus", "gpus"]), st.lists(st.integers(0, 3), max_size=4), max_size=2
    ),
    min_size=1,
    max_size=3,
).map(lambda nodes: machine(*nodes))
requests = st.builds(
    Request,
    st.dictionaries(st.sampled_from(["cpus", "gpus"]), st.integers(0, 8), max_size=2).map(
        lambda d: tuple(sorted(d.items()))
    ),
    st.integers(1, 3),
)


@given(machines, requests)
def test_refused_is_what_the_idle_machine_cannot_give(host, wanted):
    pool = ResourcePool(host)
    why = pool.refusal(wanted)
    assert (why is None) == (pool.checkout(wanted) is not None)
    if wanted.nodes > len(host.nodes):
        assert f"{wanted.nodes} nodes" in why
    elif over := [(t, n) for t, n in wanted.slots if n > host.count(t)]:
        # that is the reason, not how it is spread
        type, n = over[0]
        assert why == f"needs {n} {type}, the machine has {host.count(type) or f'no {type}'}"


@given(machines, requests)
def test_can_hold_says_what_checkout_does(host, wanted):
    pool = ResourcePool(host)
    while pool.can_hold(wanted):
        before = pool.in_use("cpus") + pool.in_use("gpus")
        assert pool.checkout(wanted) is not None
        if pool.in_use("cpus") + pool.in_use("gpus") == before:
            return  # it wants nothing: there is no end to that
    assert pool.checkout(wanted) is None


@given(machines, st.lists(requests, max_size=8), requests, st.randoms())
def test_free_at_agrees_with_giving_back(host, held, wanted, random):
    pool = ResourcePool(host)
    if pool.refusal(wanted) is not None:
        return
    running = [x for x in (pool.checkout(r) for r in held) if x is not None]
    ends = [(float(i + 1), x) for i, x in enumerate(running)]
    if not ends:
        return
    at, free = pool.free_at(wanted, random.sample(ends, len(ends)))
    for time, assigned in ends:
        pool.checkin(assigned)
        if pool.can_hold(wanted):
            assert at == time
            for type in host.types:
                left = host.count(type) - pool.in_use(type)
                assert sum(node.get(type, 0) for node in free) == left
            return
    raise AssertionError("it fits on the idle machine")


class Pools(RuleBasedStateMachine):
    """Any order of checkout and checkin."""

    def __init__(self):
        super().__init__()
        self.pool = None
        self.held = []

    @precondition(lambda self: self.pool is None)
    @rule(host=machines)
    def make(self, host):
        self.host, self.pool = host, ResourcePool(host)

    @precondition(lambda self: self.pool is not None)
    @rule(wanted=requests)
    def checkout(self, wanted):
        fits = self.pool.can_hold(wanted)
        assigned = self.pool.checkout(wanted)
        assert fits == (assigned is not None)
        if assigned is None:
            return
        got = Counter()
        for (_, type, _), slots in given_out(assigned).items():
            got[type] += slots
        for type, slots in wanted.slots:
            assert got[type] == slots if wanted.nodes == 1 else got[type] >= slots
        nodes = {e["node"] for entries in assigned.values() for e in entries}
        assert len(nodes) <= wanted.nodes
        self.held.append(assigned)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def checkin(self, data):
        self.pool.checkin(self.held.pop(data.draw(st.integers(0, len(self.held) - 1))))

    @precondition(lambda self: self.pool is not None)
    @invariant()
    def nothing_is_handed_out_twice(self):
        out = Counter()
        for assigned in self.held:
            out += given_out(assigned)
        for node in self.host.nodes:
            for type, instances in node.resources.items():
                for instance in instances:
                    assert out[node.id, type, instance.id] <= instance.slots
        for type in self.host.types:
            held = sum(n for (_, t, _), n in out.items() if t == type)
            assert self.pool.in_use(type) == held

    @precondition(lambda self: self.pool is not None and not self.held)
    @invariant()
    def all_that_came_back_is_there_again(self):
        assert self.pool.idle
        for type in self.host.types:
            assert self.pool.in_use(type) == 0


TestPools = Pools.TestCase
TestPools.settings = settings(max_examples=60, stateful_step_count=20)


# --- locks and pieces ----------------------------------------------------------------------------


def entry(type, slots, **more):
    return {"type": type, "slots": slots, **more}


def pool_of(**types):
    resources = {t: [{"id": i, "slots": n} for i, n in x.items()] for t, x in types.items()}
    return ResourcePool(Machine.fromdict({"nodes": [{"id": "n", "resources": resources}]}))


def test_a_lock_is_held_once_and_declared_by_nobody():
    pool = pool_of(cpus={"0": 1, "1": 1})
    wants = Request.of([entry("cpus", 1), entry("lock:db", 1)])
    assert pool.refusal(wants) is None
    got = pool.checkout(wants)
    assert got["lock:db"] == [{"id": "db", "slots": 1, "node": ""}]
    assert pool.is_locked(wants)
    assert pool.checkout(wants) is None
    assert not pool.is_locked(Request.of([entry("cpus", 1), entry("lock:other", 1)]))
    assert pool.free_at(wants, [(3.0, got)])[0] == 3.0
    pool.checkin(got)
    assert pool.idle
    assert pool.checkout(wants) is not None


@pytest.mark.parametrize(
    ("sizes", "free", "want"),
    [
        ((2, 1), {"a": 1, "b": 2}, ["b", "a"]),
        ((2,), {"a": 1, "b": 1}, None),
        ((2, 2), {"a": 4, "b": 3}, ["b", "a"]),
        ((3, 3, 2), {"a": 5, "b": 3}, ["b", "a", "a"]),
        ((1, 1, 1), {"a": 1, "b": 1}, None),
        # what fits best at first is in the way later
        ((3, 2, 2, 2), {"a": 5, "b": 4}, ["a", "a", "b", "b"]),
        ((), {"a": 1}, []),
    ],
)
def test_pieces_come_from_one_instance_each(sizes, free, want):
    assert pack(sizes, free) == want


def test_pieces_wait_until_an_instance_has_enough():
    pool = pool_of(gpus={"0": 2, "1": 2})
    one, two = Request.of([entry("gpus", 1)]), Request.of([entry("gpus", 2, together=True)])
    first, second = pool.checkout(one), pool.checkout(two)
    assert {e["id"] for e in first["gpus"]} != {e["id"] for e in second["gpus"]}
    assert second["gpus"][0]["slots"] == 2
    assert not pool.can_hold(two)
    pool.checkin(second)
    third = pool.checkout(two)
    assert third["gpus"][0]["slots"] == 2
    pool.checkin(first)
    pool.checkin(third)
    assert pool.idle


def test_pieces_that_no_instance_can_hold_are_refused():
    pool = pool_of(gpus={"0": 2, "1": 2})
    assert pool.refusal(Request.of([entry("gpus", 3)])) is None
    assert "one instance" in pool.refusal(Request.of([entry("gpus", 3, together=True)]))
