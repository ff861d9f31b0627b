"""What the cluster has, and what an allocation has been given.

The first is asked of `sinfo` before a run is packed; the second stands in the environment of
whatever runs inside an allocation.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from canary.errors import ResourceError
from canary.resources import Instance, Machine, Node
from canary_slurm.slurm import Refused, expand, time_limit

if TYPE_CHECKING:
    from canary_slurm.slurm import Slurm


# how many CPUs of Slurm's each of ours is, said to what runs in a batch
THREADS: Final = "CANARY_HPC_THREADS"


def here(environ: Mapping[str, str]) -> str:
    """The name that Slurm has for the node this process is on."""
    return environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]


def _instances(n: int) -> tuple[Instance, ...]:
    return tuple(Instance(str(i)) for i in range(n))


def _node(name: str, cpus: int, gpus: int, memory: int = 0) -> Node:
    known = {"memory": (Instance("0", memory),)} if memory else {}
    return Node(name, {"cpus": _instances(cpus), "gpus": _instances(gpus), **known})


def gpus_of(gres: str) -> int:
    """The number of GPUs in a node's generic resources: `gpu:a100:4(S:0-1),nic:2` has 4."""
    found = re.findall(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)", gres)
    return sum(map(int, found))


@dataclass(frozen=True, slots=True)
class Place:
    """A node as one of its partitions offers it: `threads`, how many CPUs of Slurm's each of the
    node's is, `limit` in seconds."""

    node: Node
    partition: str
    is_default: bool
    threads: int
    limit: float | None
    features: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """All nodes that take jobs, once for each partition."""

    places: tuple[Place, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Each node once."""
        return tuple({place.node.id: place.node for place in self.places}.values())

    def machine(self) -> Machine:
        """The nodes, none of which this process is on."""
        return Machine(self.nodes, here="")

    def offered(self, partition: str | None, constraint: str | None = None) -> tuple[Place, ...]:
        """What Slurm chooses from for these words of `sbatch`: without a partition the default
        one. Only constraints of plain names are understood; with others it may be fewer."""
        names = set(partition.split(",")) if partition else None
        found = [p for p in self.places if (p.partition in names if names else p.is_default)]
        wanted = set(constraint.split("&")) if constraint else set()
        if all(re.fullmatch(r"[\w.-]+", word) for word in wanted):
            found = [place for place in found if wanted <= place.features]
        return tuple(found)


def cluster(slurm: Slurm, *, threads: bool = False, memory: bool = False) -> Cluster:
    """What Slurm says of its nodes and partitions; `threads` counts hyperthreads as CPUs, with
    `memory` nodes have that too, in MiB."""
    try:
        text = slurm.call("sinfo", "-h", "-N", "-e", "-o", "%N|%c|%Z|%m|%G|%P|%l|%f")
    except FileNotFoundError:
        raise ResourceError("there is no Slurm here: sinfo is not on the path") from None
    except (Refused, OSError) as e:
        raise ResourceError(f"Slurm does not say what nodes it has: {e}") from None
    try:
        places = [p for line in text.splitlines() for p in _places(line, threads, memory)]
    except ValueError:
        raise ResourceError(f"sinfo says what cannot be read: {text[:80]!r}") from None
    if not places:
        raise ResourceError("Slurm has no node")
    return Cluster(tuple(places))


def _places(line: str, threads: bool, memory: bool) -> Iterator[Place]:
    names, cpus, each, size, gres, partition, limit, features = line.strip().split("|", 7)
    factor = 1 if threads else max(1, int(each.rstrip("+")))
    count = int(cpus.rstrip("+")) // factor
    for name in expand(names):
        yield Place(
            _node(name, count, gpus_of(gres), int(size.rstrip("+")) if memory else 0),
            partition.rstrip("*"),
            partition.endswith("*"),
            factor,
            time_limit(limit),
            frozenset(features.split(",")),
        )


def allocation(environ: Mapping[str, str]) -> Machine | None:
    """The nodes of the allocation that this process is in; None if it is in none."""
    names = expand(environ.get("SLURM_JOB_NODELIST", ""))
    counts = []
    for count, times in re.findall(
        r"(\d+)(?:\(x(\d+)\))?", environ.get("SLURM_JOB_CPUS_PER_NODE", "")
    ):
        counts += [int(count)] * int(times or 1)
    if not names or len(names) != len(counts):
        return None
    threads = int(environ.get(THREADS) or 1)
    counts = [max(1, count // threads) for count in counts]
    given = environ.get("SLURM_GPUS_ON_NODE") or ""
    visible = [x for x in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if x]
    gpus = int(given) if given.isdecimal() else len(visible)
    size = environ.get("SLURM_MEM_PER_NODE") or ""
    memory = int(size) if size.isdecimal() else 0
    nodes = tuple(_node(name, n, gpus, memory) for name, n in zip(names, counts, strict=True))
    return Machine(nodes, here=own if (own := here(environ)) in names else "")
