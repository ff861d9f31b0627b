"""What the cluster has, as a `Machine`: its hosts, and their slots as CPUs."""

from __future__ import annotations

from canary.errors import ResourceError
from canary.resources import Instance, Machine, Node
from canary_sge.engine import Engine, Refused


def machine(limit: float, queue: str | None = None) -> Machine:
    """The hosts of all queues that take jobs, or of one queue; `limit` seconds to say so."""
    try:
        hosts = Engine(limit).hosts(queue)
    except FileNotFoundError:
        raise ResourceError("there is no Grid Engine here: qstat is not on the path") from None
    except (Refused, OSError) as e:
        raise ResourceError(f"Grid Engine does not say what hosts it has: {e}") from None
    if not hosts:
        where = f"queue {queue}" if queue else "queue"
        raise ResourceError(f"Grid Engine has no {where} that takes jobs now")
    slots = {host: tuple(Instance(str(i)) for i in range(n)) for host, n in hosts.items()}
    nodes = (Node(host, {"cpus": cpus, "gpus": ()}) for host, cpus in slots.items())
    return Machine(tuple(nodes), here="")
