"""All that is known of one job's result, as one document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canary import oldstore
from canary.catalog import Catalog
from canary.commands import shapes
from canary.store import Result, read_object


def job_document(result: Result, store: Catalog) -> dict[str, Any]:
    """All that is known of a job's result: its lock, or what the store has of it."""
    data = shapes.lock_of(result.workspace)
    try:
        data["status"]["outcome"] = int(result.status.outcome)
    except (KeyError, TypeError):
        spec, said = store.specs([result.id]).get(result.id), read_object(result.attributes_set)
        data = {"spec": {**spec.full(), "attributes": {**spec.attributes, **said}}} if spec else {}
        data["state"] = {"phase": result.phase}
        data["status"] = result.status.asdict()
        data["timekeeper"] = result.times
        data["measurements"] = {"data": result.measured}
    data["env"] = environment_of(result, store)
    return data


def environment_of(result: Result, store: Catalog) -> dict[str, str]:
    """The environment a job had: the session's, without secrets, and its own variables."""
    session = store.session(result.session) or {}
    base = session.get("environment")
    if base is None:  # the older tool wrote it beside the job
        base = oldstore.read_json(Path(result.workspace, "env.json"))
    return {**base, **read_object(result.variables)}
