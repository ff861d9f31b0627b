"""What is known of a job that runs elsewhere: a file in its directory, written where it runs.

It is the truth: a worker may die after the job has ended and before Dask has heard of it. Also how
launches and ends travel, as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from canary.fsio import write_atomic
from canary.launch import Exit, ExitReason, Launch, Usage

FILE = ".canary-dask.json"


def path_of(launch: Launch) -> Path:
    """Where its record is."""
    return Path(launch.stdout).with_name(FILE)


def read(path: Path, key: str) -> dict[str, Any] | None:
    """The record of the task with that key; None if there is none."""
    try:
        data = dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    return data if data["key"] == key else None


def write(path: Path, data: Mapping[str, Any]) -> None:
    """Replace the record."""
    write_atomic(os.fspath(path), json.dumps(data).encode())


def pack_launch(launch: Launch) -> str:
    """A launch as text. CPUs to bind to are those of another machine, and stay here."""
    values = {f.name: getattr(launch, f.name) for f in fields(launch)}
    return json.dumps({**values, "affinity": ()}, default=dict)


def unpack_launch(text: str) -> Launch:
    """The reverse."""
    data = json.loads(text)
    return Launch(**{**data, "argv": tuple(data["argv"]), "affinity": ()})


def pack_end(end: Exit) -> dict[str, Any]:
    """An end as JSON."""
    return asdict(end)


def unpack_end(data: Mapping[str, Any]) -> Exit:
    """The reverse."""
    return Exit(
        data["id"],
        data["at"],
        data["code"],
        ExitReason(data["reason"]),
        data["detail"],
        Usage(**data["usage"]),
        tuple(data["leaked"]),
    )
