"""`canary run --archive NAME`: what is worth keeping of each job, in one file.

It is made when the session is over, from the directories that are there; results are not touched.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import canary
from canary.fsio import explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canary.job import Job


@dataclass(frozen=True, slots=True)
class Archive(canary.Settings):
    """Section `archive`."""

    section = "archive"
    name: str | None = field(
        default=None,
        metadata={
            "help": "put the artifacts of all jobs into this file (tar and gzip)",
            "flag": "--archive",
            "metavar": "NAME",
        },
    )


def write(file: Path, jobs: Iterable[Job]) -> int:
    """Write the archive whole or not at all; return how many files are in it.

    A file is called as it is below the session's directory; of a link, what it leads to is kept.
    """
    part = file.with_name(f".{file.name}.part")
    count = 0
    try:
        with tarfile.open(part, "w:gz", dereference=True) as tar:
            for job in jobs:
                for path in job.get_artifacts():
                    tar.add(job.workspace.dir / path, f"{job.workspace.path}/{path}")
                    count += 1
        part.replace(file)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise explain(e, file, "write the archive") from None
    return count
