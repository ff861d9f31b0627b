"""The launcher `mpi`: a job's command runs on as many ranks as the job has CPUs.

The command is started through `canary_mpi.start`, which decides in the job's environment how; from
there on it is a job as any other, whose whole tree is known and ended. Nothing here asks a program
anything: launchers must not block.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from canary.launch import ExitReason, Launch
from canary.process import SubprocessLauncher
from canary.supervisor import Run
from canary_mpi import start

GRACE: Final = 3.0  # Open MPI needs about a second to end its ranks


class MpiLauncher(SubprocessLauncher):
    """Commands on several ranks; the option `ranks` says how many, if not one for each CPU."""

    name: ClassVar[str] = "mpi"

    def spawn(self, run: Run, out: int, err: int) -> None:
        """See `Supervisor.spawn`."""
        launch = run.launch
        front = (sys.executable, "-I", "-S", str(Path(start.__file__)))
        run.launch = replace(launch, argv=(*front, "-n", str(ranks(launch)), "--", *launch.argv))
        super().spawn(run, out, err)

    def stop(self, run: Run, reason: ExitReason, detail: str, grace: float) -> None:
        """See `Supervisor.stop`; ranks have time to end, and are not strays for being elsewhere."""
        super().stop(run, reason, detail, max(grace, GRACE) if grace > 0 else grace)
        if not run.killed:
            run.leaked.clear()

    def ended(self, run: Run, code: int | None, user: float, system: float, max_rss: int) -> None:
        """See `Supervisor.ended`."""
        if code == start.CANNOT_START and run.reason is None:
            why = _last_line(run)
            if why.startswith(start.PREFIX):
                run.reason = ExitReason.NOT_STARTED
                run.say(why.removeprefix(start.PREFIX))
        super().ended(run, code, user, system, max_rss)


def ranks(launch: Launch) -> int:
    """How many ranks a launch is to have."""
    wanted = launch.options.get("ranks")
    if wanted is None:
        wanted = sum(int(entry["slots"]) for entry in launch.resources.get("cpus", ()))
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
        raise ValueError(f"ranks = {wanted!r} is no number of ranks")
    return wanted or 1


def _last_line(run: Run) -> str:
    fd = run.files[-1]
    size = os.fstat(fd).st_size
    text = os.pread(fd, 4096, max(0, size - 4096)).decode(errors="replace")
    return text.strip().rpartition("\n")[2]
