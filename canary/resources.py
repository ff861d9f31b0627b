"""What a machine has and who holds it: frozen `Machine`, and the one `ResourcePool` that hands out
and takes back.

A resource is any named type (`cpus`, `gpus`, `licences`, …) with instances on nodes, each of some
slots. The pool has one writer, the scheduler. Nothing here looks at the real machine: detectors do,
and hand a `Machine` in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import Any, Final

from canary.errors import ResourceError
from canary.frozen import shared

Assigned = dict[str, list[dict[str, Any]]]

# A type that begins so is a lock: nobody declares it, and there is one slot of it for all nodes
LOCK: Final = "lock:"
# A type that is measured, not counted, has one instance of many slots: MiB of memory
AMOUNTS: Final = frozenset({"memory"})
_LACKING: Final[Mapping[str, str]] = {"nodes": "it", "resources": "a node"}


def plural(type: str) -> str:
    """The name of a type that people may give in the singular."""
    return type if type.endswith("s") or type in AMOUNTS else f"{type}s"


@dataclass(frozen=True, slots=True)
class Instance:
    """One CPU, GPU, licence, …: its ID on its node, and how many slots it can hand out."""

    id: str
    slots: int = 1
    properties: Mapping[str, Any] = shared()


@dataclass(frozen=True, slots=True)
class Node:
    """A host: `{type: instances}`."""

    id: str
    resources: Mapping[str, tuple[Instance, ...]]


@dataclass(frozen=True)
class Machine:
    """All that a session may use. `here` is the ID of the node that this process is on, empty if
    it is on none of them; None: nobody has said."""

    nodes: tuple[Node, ...]
    allow_multinode: bool = True
    here: str | None = None

    @classmethod
    def single(cls, host: str, **counts: int) -> Machine:
        """A machine of one node with `counts` one-slot instances of each type."""
        return cls((Node(host, {t: _instances(t, n) for t, n in counts.items()}),))

    @cached_property
    def types(self) -> frozenset[str]:
        """The names of all resource types."""
        return frozenset(t for node in self.nodes for t in node.resources)

    def count(self, type: str) -> int:
        """Slots of `type` on all nodes."""
        return sum(i.slots for node in self.nodes for i in node.resources.get(type, ()))

    @cached_property
    def capacity(self) -> Capacity:
        """What a job has to know to state its needs: the slots on the node that has most."""
        nodes = self.slots().values()
        return Capacity({t: max(node.get(t, 0) for node in nodes) for t in sorted(self.types)})

    def slots(self) -> dict[str, dict[str, int]]:
        """How many of each type each node has: `{node: {type: slots}}`."""
        return {
            node.id: {t: sum(i.slots for i in x) for t, x in node.resources.items()}
            for node in self.nodes
        }

    def with_count(self, type: str, n: int) -> Machine:
        """Give each node `n` one-slot instances of `type`, those it has first (an amount: one of
        `n` slots); `nodes` clones the first node `n` times."""
        if n < 0 or (type == "nodes" and n < 1):
            raise ResourceError(
                f"{type}={n}: a count cannot be negative", hint="use -r TYPE=N with N >= 0"
            )
        if type == "nodes":
            first = self.nodes[0]
            rest = (Node(f"{first.id}-{i}", first.resources) for i in range(1, n))
            return replace(self, nodes=(first, *rest))
        return self._map(lambda r: {**r, type: _instances(type, n, r.get(type, ()))})

    def with_slots(self, type: str, n: int) -> Machine:
        """Multiply the slots of each instance of `type` by `n` (oversubscription)."""
        if type not in self.types:
            raise ResourceError(
                f"no resource type {type!r}", hint=f"there are: {', '.join(sorted(self.types))}"
            )
        if n < 1:
            raise ResourceError(f"{type}={n}: must be at least 1")
        return self._map(
            lambda r: {**r, type: tuple(replace(i, slots=i.slots * n) for i in r.get(type, ()))}
        )

    def with_instances(self, node: str, more: Mapping[str, tuple[Instance, ...]]) -> Machine:
        """Let the node have these, in place of those of the same types."""
        nodes = (Node(n.id, {**n.resources, **more}) if n.id == node else n for n in self.nodes)
        return replace(self, nodes=tuple(nodes))

    def _map(self, change: Any) -> Machine:
        return replace(self, nodes=tuple(Node(n.id, change(n.resources)) for n in self.nodes))

    @classmethod
    def fromdict(cls, data: Mapping[str, Any], *, file: str | None = None) -> Machine:
        """Read the content of a resource pool file (its `resource_pool` key is optional)."""
        try:
            inner = data.get("resource_pool", data)
            nodes = tuple(
                Node(
                    str(n["id"]),
                    {str(t): tuple(map(_instance, x)) for t, x in n["resources"].items()},
                )
                for n in inner["nodes"]
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            problem = f"{e}" if isinstance(e, ValueError) else "a part of it has another form"
            if isinstance(e, KeyError):
                problem = f"{_LACKING.get(e.args[0], 'a node or resource')} lacks {e}"
            raise ResourceError(
                f"not a resource pool: {problem}",
                hint='want {"nodes": [{"id": NAME, "resources": {TYPE: [{"id": "0"}]}}]}',
                file=file,
            ) from None
        if not nodes:
            raise ResourceError("a resource pool needs at least one node", file=file)
        if len({n.id for n in nodes}) != len(nodes):
            raise ResourceError("two nodes of the resource pool have the same id", file=file)
        for node in nodes:
            for type, instances in node.resources.items():
                if len({i.id for i in instances}) != len(instances):
                    text = f"two of {type} on node {node.id} have the same id"
                    raise ResourceError(text, file=file)
        return cls(nodes, bool(inner.get("allow_multinode", True)))


def _instance(data: Mapping[str, Any]) -> Instance:
    slots = data.get("slots", 1)
    if isinstance(slots, bool) or not isinstance(slots, int) or slots < 0:
        raise ValueError(f"slots = {slots!r}")
    return Instance(str(data["id"]), slots, dict(data.get("properties", {})))


def _instances(type: str, n: int, known: Sequence[Instance] = ()) -> tuple[Instance, ...]:
    if type in AMOUNTS:
        return (Instance("0", n),)
    ids = dict.fromkeys([*(i.id for i in known), *map(str, range(n))])
    return tuple(Instance(id) for id in list(ids)[:n])


@dataclass(frozen=True, slots=True)
class Capacity:
    """Resource types and how many slots of each a node has; handed to jobs with their directory."""

    per_node: Mapping[str, int]

    def nodes_for(self, wanted: Mapping[str, int]) -> int:
        """Fewest nodes that hold `{type: slots}`; at least 1."""
        each = {t: n for t, n in self.per_node.items() if n > 0}
        return max([1, *(-(-n // each[t]) for t, n in wanted.items() if t in each)])


@dataclass(frozen=True, slots=True)
class Request:
    """What one job wants: slots by type in all, on how many nodes; hashable, so that it names a
    shape.

    `pieces` has the types whose slots come in pieces, each from one instance: `(type, sizes)`.
    """

    slots: tuple[tuple[str, int], ...]
    nodes: int = 1
    locks: tuple[str, ...] = ()
    pieces: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]]) -> Request:
        """Sum the entries of `BaseJob.required_resources`; the type `nodes` says on how many
        nodes, and the slots of an entry with `together` come from one instance."""
        wanted: dict[str, int] = {}
        sizes: dict[str, list[int]] = {}
        for entry in entries:
            type, n = entry["type"], int(entry["slots"])
            wanted[type] = wanted.get(type, 0) + n
            if entry.get("together"):
                sizes.setdefault(type, []).append(n)
        nodes = wanted.pop("nodes", 1)
        locks = tuple(sorted(t for t in wanted if t.startswith(LOCK)))
        for lock in locks:
            del wanted[lock]
        pieces = tuple((t, tuple(sorted(x, reverse=True))) for t, x in sorted(sizes.items()))
        return cls(tuple(sorted(wanted.items())), max(1, nodes), locks, pieces)


class ResourcePool:
    """Who holds what. `checkout` gives a whole request or nothing; what is given comes back with
    `checkin`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._nodes = [_NodePool(node) for node in machine.nodes]
        self._by_id = {node.id: node for node in self._nodes}
        self._never: dict[Request, str | None] = {}
        self._locked: set[str] = set()

    def refusal(self, request: Request) -> str | None:
        """Why this can never fit, even on the idle machine; None if it can."""
        if request not in self._never:
            self._never[request] = self._refusal(request)
        return self._never[request]

    def _refusal(self, request: Request) -> str | None:
        wanted = _amounts(request.slots)
        if request.nodes > len(self._nodes):
            what = f"{request.nodes} nodes{' for ' * bool(wanted)}{wanted}"
            return f"needs {what}, the machine has {len(self._nodes)}"
        if request.nodes > 1 and not self.machine.allow_multinode:
            return f"needs {request.nodes} nodes, and jobs over several nodes are not allowed here"
        for type, n in request.slots:
            count = self.machine.count(type)
            if n > count:
                return f"needs {_amounts([(type, n)])}, the machine has {count or f'no {type}'}"
        if request.nodes == 1:
            if not any(node.could_hold(request.slots) for node in self._nodes):
                return f"no single node has {wanted}"
            if not any(node.could_pack(request.pieces) for node in self._nodes):
                wanted = " and ".join(f"{'+'.join(map(str, x))} {t}" for t, x in request.pieces)
                return f"needs {wanted}, each number of one instance, and no node has them so"
            return None
        shares = _shares(request)
        if sum(node.could_hold(shares) for node in self._nodes) < request.nodes:
            return f"fewer than {request.nodes} nodes have {_amounts(shares)}"
        return None

    def checkout(self, request: Request) -> Assigned | None:
        """Hand out `{type: [{"id", "slots", "node"}]}`, or None if it does not fit now.

        One node: the slots asked for, instances with the fewest free slots first. Several nodes:
        each is taken whole. A lock comes as `{"lock:NAME": [{"id": NAME, "slots": 1,
        "node": ""}]}`.
        """
        nodes = () if self.is_locked(request) else _placed(request, self._nodes)
        if not nodes:
            return None
        assigned: Assigned = {}
        for node in nodes:
            for type, got in node.take(request).items():
                assigned.setdefault(type, []).extend(got)
        for lock in request.locks:
            self._locked.add(lock)
            assigned[lock] = [{"id": lock.removeprefix(LOCK), "slots": 1, "node": ""}]
        return assigned

    def is_locked(self, request: Request) -> bool:
        """Does somebody hold a lock that it wants?"""
        return bool(request.locks) and not self._locked.isdisjoint(request.locks)

    def can_hold(self, request: Request) -> bool:
        """Would `checkout` succeed now? Locks are left out of account: see `is_locked`."""
        return bool(_placed(request, self._nodes))

    def free_at(
        self, request: Request, ends: Iterable[tuple[float, Assigned]]
    ) -> tuple[float, list[dict[str, int]]]:
        """The first of the `ends` (time, what comes back) after which it fits, and what each node
        has free then."""
        shadow = [node.copy(whole=bool(request.pieces)) for node in self._nodes]
        by_id = {node.id: node for node in shadow}
        free = [node.free for node in shadow]
        at = 0.0
        for at, assigned in sorted(ends, key=itemgetter(0)):
            _give_back(assigned, by_id)
            if _placed(request, shadow):
                return at, free
        return at, free

    def checkin(self, assigned: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Take back what `checkout` gave."""
        self._locked.difference_update(assigned)
        _give_back(assigned, self._by_id)

    @property
    def idle(self) -> bool:
        """Nothing is handed out."""
        return not self._locked and all(node.idle for node in self._nodes)

    def in_use(self, type: str) -> int:
        """Slots of `type` that are handed out now."""
        return self.machine.count(type) - sum(node.free.get(type, 0) for node in self._nodes)


def _placed(request: Request, nodes: Sequence[_NodePool]) -> Sequence[_NodePool]:
    """The nodes that it can have now, as many as it wants, or none."""
    if request.nodes == 1:
        for node in nodes:  # asked many times for every job
            if node.holds(request):
                return (node,)
        return ()
    shares = _shares(request)
    found = [node for node in nodes if node.idle and node.could_hold(shares)]
    return found[: request.nodes] if len(found) >= request.nodes else ()


def _give_back(
    assigned: Mapping[str, Sequence[Mapping[str, Any]]], nodes: Mapping[str, _NodePool]
) -> None:
    for type, entries in assigned.items():
        if not type.startswith(LOCK):
            for entry in entries:
                nodes[entry["node"]].give_back(type, entry["id"], entry["slots"])


def _amounts(slots: Iterable[tuple[str, int]]) -> str:
    unit = {type: f"MiB of {type}" for type in AMOUNTS}
    return " and ".join(f"{n} {unit.get(type, type)}" for type, n in slots if n)


def _shares(request: Request) -> tuple[tuple[str, int], ...]:
    """What each of several nodes must at least have."""
    return tuple((t, -(-n // request.nodes)) for t, n in request.slots)


Packed = dict[str, dict[str, int]]


def pack(sizes: Sequence[int], free: Mapping[str, int]) -> list[str] | None:
    """For each of the `sizes`, the largest first, the ID of an instance that it comes from; None
    if that cannot be."""
    left = dict(free)
    chosen: list[str] = []

    def place(at: int) -> bool:
        if at == len(sizes):
            return True
        size = sizes[at]
        tried = set()
        for n, id in sorted((n, id) for id, n in left.items() if n >= size):
            if n not in tried:
                tried.add(n)
                left[id] -= size
                chosen.append(id)
                if place(at + 1):
                    return True
                left[id] += size
                chosen.pop()
        return False

    return chosen if sum(sizes) <= sum(left.values()) and place(0) else None


class _NodePool:
    __slots__ = ("free", "id", "instances", "taken", "total", "whole")

    def __init__(self, node: Node) -> None:
        self.id = node.id
        self.instances: dict[str, dict[str, int]] = {
            t: {i.id: i.slots for i in x} for t, x in node.resources.items()
        }
        self.whole = {t: dict(x) for t, x in self.instances.items()}
        self.total = {t: sum(x.values()) for t, x in self.instances.items()}
        self.free = dict(self.total)
        self.taken = 0

    def copy(self, *, whole: bool) -> _NodePool:
        """One that can be given back to; with its instances, or numbers alone."""
        new = _NodePool.__new__(_NodePool)
        new.id, new.total, new.free, new.taken = self.id, self.total, dict(self.free), self.taken
        new.whole = self.whole
        new.instances = {t: dict(x) for t, x in self.instances.items()} if whole else {}
        return new

    @property
    def idle(self) -> bool:
        return self.taken == 0

    def could_hold(self, slots: Iterable[tuple[str, int]]) -> bool:
        return all(n <= self.total.get(t, 0) for t, n in slots)

    def has(self, slots: Iterable[tuple[str, int]]) -> bool:
        free = self.free
        for t, n in slots:  # noqa: SIM110 - asked for every job; a generator costs more
            if n and n > free.get(t, 0):
                return False
        return True

    def holds(self, request: Request) -> bool:
        return self.has(request.slots) and (
            not request.pieces or self.packed(request.pieces) is not None
        )

    def could_pack(self, pieces: Iterable[tuple[str, tuple[int, ...]]]) -> bool:
        return all(pack(sizes, self.whole.get(type, {})) is not None for type, sizes in pieces)

    def packed(self, pieces: Iterable[tuple[str, tuple[int, ...]]]) -> Packed | None:
        out: Packed = {}
        for type, sizes in pieces:
            found = pack(sizes, self.instances.get(type, {}))
            if found is None:
                return None
            out[type] = {}
            for id, n in zip(found, sizes, strict=True):
                out[type][id] = out[type].get(id, 0) + n
        return out

    def take(self, request: Request) -> Assigned:
        """What it wants of one node; of several, each is taken whole."""
        whole = request.nodes > 1
        packed = None if whole else self.packed(request.pieces)
        slots = tuple(self.free.items()) if whole else request.slots
        pieces = {t: (packed or {}).get(t) or self._scraps(t, n) for t, n in slots if n}
        return {type: self._cut(type, sizes) for type, sizes in pieces.items()}

    def _scraps(self, type: str, n: int) -> dict[str, int]:
        """`n` slots, of the instances with the fewest free ones."""
        chosen: dict[str, int] = {}
        for id, free in sorted(self.instances[type].items(), key=lambda i: i[1]):
            if free > 0:
                chosen[id] = min(free, n)
                n -= chosen[id]
                if n == 0:
                    break
        return chosen

    def _cut(self, type: str, pieces: Mapping[str, int]) -> list[dict[str, Any]]:
        for id, n in pieces.items():
            self.instances[type][id] -= n
            self.free[type] -= n
            self.taken += n
        return [{"id": id, "slots": n, "node": self.id} for id, n in pieces.items()]

    def give_back(self, type: str, id: str, slots: int) -> None:
        if self.instances:
            self.instances[type][id] += slots
        self.free[type] += slots
        self.taken -= slots
