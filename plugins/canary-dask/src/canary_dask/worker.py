"""What is called in a Dask worker: run a job, end a job. Both know the worker that they are in.

A job is never run twice: if a worker dies, Dask gives its tasks to others, and one whose job had
begun finds that in the job's directory.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from canary.again import program
from canary.launch import Exit, ExitReason, Launch
from canary_dask import record


def execute(text: str, topic: str, key: str) -> dict[str, Any]:
    """Run the launch and wait; how it ended, as JSON."""
    from distributed import get_worker

    worker = get_worker()
    launch = Launch.fromdict(json.loads(text))
    path = record.path_of(launch)

    def refuse(reason: ExitReason, detail: str) -> dict[str, Any]:
        return Exit(launch.id, time.time(), None, reason, detail).asdict()

    if not path.parent.is_dir():
        detail = f"worker {worker.address} does not see {path.parent}: is it on a shared disk?"
        return refuse(ExitReason.NOT_STARTED, detail)
    known = record.read(path, key)
    if known is not None:
        return dict(known.get("end") or refuse(ExitReason.LOST, f"worker {known['worker']} died"))
    guards = _guards(worker)
    if key in guards:
        return refuse(ExitReason.CANCELLED, "cancelled")
    guard = subprocess.Popen(
        program("canary_dask.guard"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    assert guard.stdin is not None
    order = {"launch": text, "worker": worker.address, "key": key}
    guard.stdin.write(f"{json.dumps(order)}\n".encode())
    guard.stdin.flush()
    if guards.setdefault(key, guard) is not guard:  # cancelled in this moment
        _tell(guard, 0.0)
    worker.log_event(topic, {"id": launch.id, "at": time.time(), "worker": worker.address})
    try:
        said = guard.stdout.read() if guard.stdout is not None else b""
        guard.wait()
    finally:
        guards.pop(key, None)
    return dict(json.loads(said)) if said else refuse(ExitReason.LOST, "its guard died")


def stop(key: str, grace: float, dask_worker: Any) -> bool:
    """End the job of that key; False if it does not run here, in which case it never will."""
    guard = _guards(dask_worker).setdefault(key, None)
    if guard is not None:
        _tell(guard, grace)
    return guard is not None


def _guards(worker: Any) -> dict[str, subprocess.Popen[bytes] | None]:
    """Guards by key, kept with the worker; None for one that must not begin."""
    if not hasattr(worker, "canary_guards"):
        worker.canary_guards = {}
    found: dict[str, subprocess.Popen[bytes] | None] = worker.canary_guards
    return found


def _tell(guard: subprocess.Popen[bytes], grace: float) -> None:
    if guard.stdin is not None:
        try:
            guard.stdin.write(f"{grace}\n".encode())
            guard.stdin.flush()
        except OSError:
            pass  # it is over
