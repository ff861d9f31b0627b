"""What the cluster has, and what an allocation has been given: as `Machine`s.

The first is asked of `sinfo` before a run is packed; the second stands in the environment of
whatever runs inside an allocation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from canary.errors import ResourceError
from canary.resources import Instance, Machine, Node
from canary_slurm.slurm import Refused, expand

if TYPE_CHECKING:
    from canary_slurm.slurm import Slurm


def _instances(n: int) -> tuple[Instance, ...]:
    return tuple(Instance(str(i)) for i in range(n))


def _node(name: str, cpus: int, gpus: int) -> Node:
    return Node(name, {"cpus": _instances(cpus), "gpus": _instances(gpus)})


def gpus_of(gres: str) -> int:
    """The number of GPUs in a node's generic resources: `gpu:a100:4(S:0-1),nic:2` has 4."""
    found = re.findall(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)", gres)
    return sum(map(int, found))


def cluster(slurm: Slurm, *, partition: str | None = None, threads: bool = False) -> Machine:
    """The nodes of the cluster, or of a partition; `threads` counts hyperthreads as CPUs."""
    which = ["-p", partition] if partition else []
    try:
        text = slurm.call("sinfo", "-h", "-N", "-e", "-o", "%N|%c|%Z|%G", *which)
    except FileNotFoundError:
        raise ResourceError("there is no Slurm here: sinfo is not on the path") from None
    except (Refused, OSError) as e:
        raise ResourceError(f"Slurm does not say what nodes it has: {e}") from None
    nodes = {}
    for line in text.splitlines():
        names, cpus, each, gres = line.strip().split("|")
        count = int(cpus.rstrip("+")) // (1 if threads else max(1, int(each.rstrip("+"))))
        for name in expand(names):
            nodes[name] = _node(name, count, gpus_of(gres))
    if not nodes:
        where = f" in partition {partition}" if partition else ""
        raise ResourceError(f"Slurm has no node{where}")
    return Machine(tuple(nodes.values()))


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
    given = environ.get("SLURM_GPUS_ON_NODE") or ""
    visible = [x for x in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if x]
    gpus = int(given) if given.isdecimal() else len(visible)
    return Machine(tuple(_node(name, n, gpus) for name, n in zip(names, counts, strict=True)))
