"""The Dask cluster that the user has: finding its scheduler, and what its workers offer.

Nothing is started here: without an address there is no cluster.
"""

from __future__ import annotations

import os
from typing import Any

from canary.errors import LaunchError
from canary.resources import Instance, Machine, Node


def connect(address: str | None, file: str | None, seconds: float) -> Any:
    """A client; LaunchError if no address is known or nobody answers."""
    import dask
    from distributed import Client

    address = address or dask.config.get("scheduler-address", None)
    hint = "set dask.scheduler to its address, or dask.scheduler_file"
    if address is None and file is None:
        raise LaunchError("no Dask scheduler is known", hint=hint)
    options = {"address": address} if address else {"scheduler_file": file}
    where = address or os.fspath(file or "")
    make: Any = Client  # it has no types
    try:
        return make(**options, timeout=seconds, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise LaunchError(f"no Dask scheduler answers at {where}: {reason}", hint=hint) from None


def machine(client: Any) -> Machine:
    """Each worker is a node, each of its threads a CPU; LaunchError if there is none."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise LaunchError("the Dask cluster has no workers")
    nodes = tuple(
        Node(address, {"cpus": _cpus(info["nthreads"]), "gpus": ()})
        for address, info in sorted(workers.items())
    )
    return Machine(nodes, allow_multinode=False, here="")


def _cpus(count: int) -> tuple[Instance, ...]:
    return tuple(Instance(str(n)) for n in range(count))
