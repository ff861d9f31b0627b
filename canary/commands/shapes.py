"""The JSON shapes of jobs and sessions, as scripts know them; made from rows of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from canary import home
from canary.config import Config
from canary.errors import UsageError
from canary.store import Result, Store
from canary.store import job_record as job_record


def open_store(config: Config) -> tuple[home.Workspace, Store]:
    """The workspace around and its store, for reading."""
    workspace = home.require(Path(config.cwd), config.workspace)
    return workspace, Store(workspace.database)


def session_record(name: str, store: Store) -> dict[str, Any]:
    """A session as `canary query sessions` gives it."""
    data = store.session(name) or {}
    counts: dict[str, int] = dict(
        store.query(
            "select status_outcome, count(*) from results where session=? group by status_outcome",
            (name,),
        )
    )
    return {
        "name": name,
        "started_on": stamp(data.get("started_on")),
        "finished_on": stamp(data.get("finished_on")),
        "returncode": data.get("returncode"),
        "argv": data.get("argv", []),
        "job_count": sum(counts.values()),
        "outcomes": counts,
    }


def stamp(at: float | None) -> str | None:
    """A local time as ISO 8601."""
    return None if at is None else datetime.fromtimestamp(at).isoformat()


def select_session(name: str, workspace: home.Workspace, store: Store) -> str:
    """A session by name, beginning of a name, or `latest`."""
    names = store.sessions()
    if name == "latest":
        latest = workspace.latest
        if latest is None and not names:
            raise UsageError("there is no session yet", hint="canary run PATH")
        return latest or names[-1]
    found = [n for n in names if n == name] or [n for n in names if n.startswith(name)]
    if len(found) != 1:
        known = ", ".join(names[-3:]) or "none"
        raise UsageError(f"{name!r} names {len(found)} sessions", hint=f"newest: {known}")
    return found[0]


def select_job(spec: str, store: Store) -> Result:
    """The latest result of the one job that `spec` names: exact name or ID first, then ID prefix,
    then parts of names."""
    results = store.results()
    wanted = spec.strip()
    path = wanted.lstrip("/")
    rules = (
        [r for r in results if wanted in (r.id, r.fullname, r.name, r.workspace)],
        [r for r in results if len(path) >= 3 and r.id.startswith(path)],
        [r for r in results if r.fullname.endswith("/" + wanted) or r.file_path == wanted],
        [r for r in results if wanted in r.fullname],
    )
    for found in rules:
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{r.fullname} ({r.id[:7]})" for r in found[:4])
            raise UsageError(f"{spec!r} could be {len(found)} jobs: {names}", hint="give an ID")
    raise UsageError(f"no job {spec!r} in this workspace", hint="canary status -rA lists all")


def dig(data: Any, path: str) -> Any:
    """The value at `a.b.0` (or `a/b/0`); UsageError names the keys there are."""
    for part in path.replace("/", ".").strip(".").split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif (
            isinstance(data, Sequence)
            and not isinstance(data, str)
            and part.isdecimal()
            and int(part) < len(data)
        ):
            data = data[int(part)]
        else:
            keys = (
                ", ".join(data)
                if isinstance(data, Mapping)
                else f"0 to {len(data) - 1}"
                if isinstance(data, list)
                else "none"
            )
            raise UsageError(f"no key {part!r} on the way to {path!r}", hint=f"there are: {keys}")
    return data


def as_json(data: Any) -> str:
    """Indented JSON that any terminal and reader takes."""
    return json.dumps(data, indent=2, default=str)
