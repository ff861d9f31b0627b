"""The JSON shapes of jobs and sessions, as scripts know them; made from rows of the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary import home, lockfile, lookup, oldstore
from canary.clock import stamp as stamp
from canary.config import Config
from canary.errors import RecordError, UsageError
from canary.lookup import select_job as select_job
from canary.lookup import select_session as select_session
from canary.store import Store
from canary.store import job_record as job_record
from canary.table import say

LONG: Final = 500


def open_store(config: Config) -> tuple[home.Workspace, Store]:
    """The workspace around and its store, for reading."""
    return lookup.open_store(Path(config.cwd), config.workspace)


def warn_of_unended(workspace: home.Workspace) -> None:
    """A line on the error stream for each session that was cut off, or still runs."""
    if not lookup.is_over(workspace):
        from canary.results import unended  # it loads much, and most sessions have an end

        try:
            for session in unended(workspace):
                say("warning", session.line())
        except RecordError as e:  # what is in the store can be shown all the same
            say("warning", str(e))


def session_record(name: str, store: Store) -> dict[str, Any]:
    """A session as `canary query sessions` gives it."""
    data = store.session(name) or {}
    sql = "select status_outcome, count(*) from results where session=? group by status_outcome"
    counts: dict[str, int] = dict(store.query(sql, (name,)))
    return {
        "name": name,
        "started_on": stamp(data.get("started_on")),
        "finished_on": stamp(data.get("finished_on")),
        "returncode": data.get("returncode"),
        "argv": data.get("argv", []),
        "job_count": sum(counts.values()),
        "outcomes": counts,
    }


def names_of(ids: Sequence[str], store: Store) -> dict[str, str]:
    """The names of jobs by ID, as `canary info --tag` gives them."""
    known = dict(store.query("select spec_id, json_extract(data, '$.name') from specs"))
    return {id: known.get(id) or "" for id in ids}


def excluded_records(rows: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Jobs that were left out, as `canary query jobs --excluded` gives them."""
    return [{"id": id, "fullname": name, "reason": reason} for id, name, reason in rows]


def dig(data: Any, path: str) -> Any:
    """The value at `a.b.0` (or `a/b/0`); UsageError names the keys there are."""
    for part in path.replace("/", ".").strip(".").split("."):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, (list, tuple)) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            keys = f"0 to {len(data) - 1}" if isinstance(data, list) else "none"
            known = ", ".join(data) if isinstance(data, Mapping) else keys
            raise UsageError(f"no key {part!r} on the way to {path!r}", hint=f"there are: {known}")
    return data


def lock_of(directory: str) -> dict[str, Any]:
    """The lock in a job's directory, also one of the older tool; empty if it cannot be read."""
    try:
        return lockfile.read(directory)
    except RecordError:
        data = oldstore.read_json(Path(directory, lockfile.FILE_NAME))
        return {} if "schema" in data else data


def as_json(data: Any) -> str:
    """JSON that any terminal and reader takes: indented, a long list an entry a line (in C, so ten
    times as fast)."""
    if isinstance(data, list) and len(data) > LONG:
        return "[\n" + ",\n".join(json.dumps(entry, default=str) for entry in data) + "\n]"
    return json.dumps(data, indent=2, default=str)
