"""What is known of a job that runs elsewhere: a file in its directory, written where it runs.

It is the truth: a worker may die after the job has ended and before Dask has heard of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canary.fsio import write_atomic
from canary.launch import Launch

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
