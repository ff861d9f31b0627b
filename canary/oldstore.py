"""The store of the older tool: its rows in our tables, so that every question can be asked of it.

It is read and never written. What its specs say is not believed, for they hold commands of that
tool: they are counted and shown, but never run. How a workspace is taken over is not known here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from canary import fsio
from canary.history import RunHistory

# of `results`, `:sessions` being the directory that holds a directory for each session
_RESULTS: Final = """
insert into results select spec_id, spec_name, spec_fullname, file_root, file_path, session,
  :sessions || '/' || session || '/' || workspace, job_state,
  case status_category when 'SKIP' then 'NOTRUN' when 'CANCEL' then 'ABORTED'
    else status_category end,
  status_outcome, status_reason, status_code,
  json_object('submitted', json_extract(timekeeper, '$._submitted'),
    'staged', json_extract(timekeeper, '$._staged'),
    'started', json_extract(timekeeper, '$._started'),
    'stopped', json_extract(timekeeper, '$._stopped'),
    'finished', json_extract(timekeeper, '$._finished')),
  coalesce(json_extract(measurements, '$.data'), '{}'), 1, '{}', '{}', 1 from old.results
"""
_SELECTIONS: Final = (
    "insert into selections select tag, spec_id from old.selections",
    "insert into selection_meta select tag, data from old.selection_meta",
    "insert into specs_meta select spec_id, source,"
    " (select json_extract(data, '$.view_path') from old.specs s where s.spec_id=m.spec_id)"
    " from old.specs_meta m",
)
_SPECS: Final = (
    "insert into specs select spec_id, json_set(data, '$.name', coalesce("
    "(select max(spec_name) from old.results r where r.spec_id=s.spec_id),"
    " json_extract(data, '$.family'))) from old.specs s"
)
_PASSED: Final = frozenset({"success", "xdiff", "xfail"})


def copy(db: sqlite3.Connection, database: Path, uri: str, *, specs: bool) -> None:
    """Put the rows of the older `database` (opened by `uri`) into our tables, which are empty.

    Tags, results and sessions; with `specs`, specs to look at. sqlite3.Error if it is damaged.
    """
    db.execute("attach ? as old", (uri,))
    db.execute("begin")
    db.execute(_RESULTS, {"sessions": str(database.parent / "sessions")})
    for statement in (*_SELECTIONS, _SPECS) if specs else _SELECTIONS:
        db.execute(statement)
    rows = ((name, json.dumps(data)) for name, data in _sessions(database.parent))
    db.executemany("insert into sessions values(?,?)", rows)
    db.execute("commit")
    db.execute("detach old")


def _sessions(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each session's lock says that ours says, too."""
    for lock in sorted(root.glob("sessions/*/session.lock")):
        data = read_json(lock)
        times = {k: _epoch(data.get(k)) for k in ("started_on", "finished_on")}
        yield lock.parent.name, {k: data.get(k) for k in ("name", "returncode", "argv")} | times


def _epoch(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None


def histories(database: Path) -> Iterator[tuple[str, str]]:
    """ID and run history of each job, from the files in which its run times are."""
    for file in sorted(database.parent.glob("cache/jobs/*/*.jsonl")):
        history = RunHistory()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                data = json.loads(line)
                if data["what"] == "record":
                    passed = data["status"] in _PASSED
                    seconds, at = float(data["duration"]), float(data["recorded_at"])
                    history.add("PASS" if passed else "FAIL", seconds, at)
            except (ValueError, TypeError, KeyError):
                continue  # one run time less
        yield file.parent.name + file.stem, json.dumps(history.asdict())


def read_json(file: Path) -> dict[str, Any]:
    """An object in a file of the older tool, without the names of its classes; empty if it cannot
    be read."""
    try:
        data = json.loads(fsio.read_text(str(file)), object_hook=_plain)
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    data.pop("__type__", None)
    return data


def log_lines(root: Path) -> Iterator[str]:
    """What the older tool noted of all its sessions, as it shows it."""
    try:
        text = (root / "logs" / "canary.0.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            data = json.loads(line)
            yield f"[{data['time']}] {data['level']}: {data['message']}"
        except (ValueError, TypeError, KeyError):
            yield line
