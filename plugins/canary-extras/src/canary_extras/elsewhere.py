"""`canary run --exec-prefix PATH`: jobs run on another disk, and their results come back.

While the session runs, a job's directory is a link to one below PATH; when it is over, the link is
replaced by a copy of what is there. What cannot be copied stays where it is, and that is said.
A class, because a job's setup is not told the configuration: it is remembered from the session's
start.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import canary
from canary.errors import UsageError
from canary.fsio import explain
from canary.table import counted, say

if TYPE_CHECKING:
    from canary.events import Summary
    from canary.job import Job
    from canary.session import Session


@dataclass(frozen=True, slots=True)
class Exec(canary.Settings):
    """Section `exec`."""

    section = "exec"
    prefix: str | None = field(
        default=None,
        metadata={
            "help": "run jobs below this directory, a disk in memory say, and copy results back;"
            " $NAME in it is a variable",
            "metavar": "PATH",
        },
    )


class Elsewhere:
    """The hooks; `base` is this session's directory below the prefix, None if none was given."""

    def __init__(self) -> None:
        self.base: Path | None = None

    @canary.hookimpl
    def canary_settings(self) -> type[canary.Settings]:
        """Offer `--exec-prefix`."""
        return Exec

    @canary.hookimpl
    def canary_session_start(self, session: Session) -> None:
        """Make a directory that nobody else has."""
        prefix = session.config.settings(Exec).prefix
        if prefix is None:
            return
        path = os.path.expandvars(prefix)
        if "$" in path:
            raise UsageError(f"--exec-prefix {prefix}: {path} names a variable that is not set")
        place = Path(session.config.cwd, path)
        try:
            place.mkdir(parents=True, exist_ok=True)
            self.base = Path(tempfile.mkdtemp(prefix=f"canary-{session.name}-", dir=place))
        except OSError as e:
            raise explain(e, place, "run jobs there") from None

    @canary.hookimpl
    def canary_job_setup(self, job: Job) -> None:
        """Move the directory, as it was staged, and leave a link."""
        if self.base is None:
            return
        here, there = job.workspace.dir, self.base / job.workspace.path
        if there.exists():  # of an attempt before
            shutil.rmtree(there)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(here, there)
        here.symlink_to(there)

    @canary.hookimpl
    def canary_session_finish(self, session: Session, summary: Summary) -> None:  # noqa: ARG002 - the hook's
        """Bring everything back."""
        if self.base is None:
            return
        # the inner ones first: a job's directory may lie in another's
        left = 0
        for job in sorted(session.jobs, key=lambda job: str(job.workspace.path), reverse=True):
            try:
                _bring_back(job.workspace.dir)
            except OSError as e:
                left += 1
                say("warning", f"{job.name}: {explain(e, job.workspace.dir, 'copy results back')}")
        if left:
            say("warning", f"results of {counted(left, 'job')} are still in {self.base}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)


def _bring_back(here: Path) -> None:
    """Replace a link by a copy of the directory it leads to, all at once."""
    if not here.is_symlink():
        return
    part = here.with_name(f".{here.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(here, part, symlinks=True)
    except (OSError, shutil.Error) as e:
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(getattr(e, "errno", None), str(e)) from None
    here.unlink()
    part.rename(here)
