"""One job's directory: where it is, how it is made clean, and that nothing leaves it.

An `ExecutionSpace` is a place, not a job: the session's root, a relative path below it, and what
the machine offers per node (so that a job can state its needs without asking the world). It does
not know what is put in there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from canary import fsio
from canary.errors import WorkspaceError
from canary.faults import fault
from canary.resources import Capacity


def usable_cpus() -> list[int]:
    """The logical CPUs that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def this_machine() -> Capacity:
    """One node with the CPUs that this process may use and no GPU."""
    return Capacity({"cpus": len(usable_cpus()), "gpus": 0})


@dataclass(frozen=True, slots=True)
class ExecutionSpace:
    """`root` is the session's directory, `path` the job's below it; `session` the session's
    name."""

    root: Path
    path: Path
    session: str | None = None
    capacity: Capacity = field(default_factory=this_machine)

    def __post_init__(self) -> None:
        path = os.fspath(self.path)
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise WorkspaceError(f"the work directory {path!r} would leave the session's directory")

    @property
    def dir(self) -> Path:
        """The job's directory."""
        return Path(self.text)

    @property
    def text(self) -> str:
        """The job's directory as text: cheap where there are many."""
        return f"{self.root}/{self.path}"

    def create(self) -> None:
        """Make the directory and its parents; it may be there."""
        os.makedirs(self.text, exist_ok=True)

    def remove(self) -> None:
        """Remove the directory and all in it; links are removed, never followed."""
        fsio.remove(self.text)

    def restore(self) -> None:
        """An empty directory, whatever was there."""
        self.remove()
        self.create()

    def fresh(self) -> None:
        """An empty directory; cheapest where there was none."""
        fault("mkdir")
        try:
            os.mkdir(self.text)
        except (FileExistsError, FileNotFoundError):
            self.restore()

    def joinpath(self, *names: str) -> Path:
        """A path in the directory."""
        return self.dir.joinpath(*names)
