"""The lines of an event stream: how they are made, and how they fold into the jobs of the report.

A line is a JSON object in ASCII; `kind` says what it tells. A `job` or `excluded` line has the job
as the report has it before it ran; a `job_finished` line has as `result` the keys of it that are
other then. A reader leaves out kinds and keys that it does not know. What it looks like is promised
by `events.schema.json` beside this module. Nothing of sessions is known here but events and jobs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from canary.errors import RecordError
from canary.events import Event
from canary.lockfile import dump
from canary.status import Status
from canary.table import say

SCHEMA: Final = 1
# of a job in the report, what its end says
RESULT: Final = (
    "exit_code",
    "status",
    "timings",
    "started_at",
    "stopped_at",
    "last_activity",
    "attempt",
    "measurements",
    "variables",
    "attributes_set",
    "attributes",
)


def encode(kind: str, data: Mapping[str, Any]) -> bytes:
    """One line."""
    return dump({"kind": kind, **data}).encode("ascii") + b"\n"


def encode_event(event: Event, result: Mapping[str, Any] | None = None) -> bytes:
    """The line of an event; `result` is that of a job that is over."""
    data: dict[str, Any] = {f.name: getattr(event, f.name) for f in fields(event)}
    for name, value in data.items():
        if isinstance(value, Status):
            data[name] = {
                "category": value.category.value,
                "outcome": value.outcome.name,
                "reason": value.reason or "",
                "code": value.code,
            }
    if result is not None:
        del data["measurements"], data["attributes_set"]
        data["result"] = {name: result[name] for name in RESULT}
    return encode(event.kind, data)


def decode(lines: Iterable[bytes], file: str) -> Iterator[dict[str, Any]]:
    """The lines of a stream as objects. A last line without an end is left out: it is still being
    written. RecordError for what is no such line, for a stream of a later release, and if there
    is no whole line."""
    number = 0
    for number, raw in enumerate(lines, 1):
        if not raw.endswith(b"\n"):
            number -= 1
            break
        try:
            data = json.loads(raw)
            schema = data.get("schema", 0) if data["kind"] == "stream" else 0
            if not isinstance(schema, int):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _error("this is no line of an event stream", file, number) from None
        if number == 1 and schema == 0:
            raise _error("an event stream begins with a line of kind `stream`", file, number)
        if schema > SCHEMA:
            problem = f"the stream has schema {schema}, this release reads {SCHEMA}"
            raise _error(problem, file, number)
        yield data
    if number == 0:
        raise _error("the stream is empty", file, 1)


def _error(problem: str, file: str, number: int) -> RecordError:
    hint = "canary run --events FILE makes one"
    return RecordError(problem, hint=hint, file=file, line=number)


def fold(lines: Iterable[bytes], file: str) -> list[Mapping[str, Any]]:
    """The jobs that are over, as `canary report json --session` has them, and in its order.

    RecordError for what is no stream; a warning if it ends before its session."""
    jobs: dict[str, dict[str, Any]] = {}
    done: dict[str, dict[str, Any]] = {}
    excluded: list[Mapping[str, Any]] = []
    is_over = False
    for number, line in enumerate(decode(lines, file), 1):
        kind = line["kind"]
        is_over |= kind == "session_finished"
        try:
            if kind == "job":
                job = _job(line)
                jobs[job["id"]] = job
            elif kind == "excluded":
                excluded.append(_job(line))
            elif kind == "job_finished" and not line["retry"] and line["id"] in jobs:
                job = done[line["id"]] = jobs[line["id"]]
                job.update(line["result"])
        except (KeyError, TypeError, ValueError):
            problem = f"what belongs to a line of kind {kind!r} is missing"
            raise _error(problem, file, number) from None
    if not is_over:
        say("warning", f"{file} ends before its session: jobs may be missing")
    return [*sorted(done.values(), key=lambda job: (job["fullname"], job["id"])), *excluded]


def _job(line: Mapping[str, Any]) -> dict[str, Any]:
    """The job of a line; KeyError, TypeError or ValueError if it is none."""
    job = dict(line["job"])
    if not (isinstance(job["id"], str) and isinstance(job["fullname"], str)):
        raise TypeError
    return job
