"""What canary calls: settings, the launcher `sge`, the cluster as the machine, and what a killed
runner has left.

Grid Engine is asked only in runs whose launcher is `sge`, and where tasks of a killed run are open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import BaseJob, Job
    from canary.launch import Launcher
    from canary.resources import Machine
    from canary.session import Session


@dataclass(frozen=True, slots=True)
class SgeSettings(Settings):
    """Jobs on a Grid Engine cluster."""

    section = "sge"

    queue: str | None = field(
        default=None, metadata={"help": "queue of the jobs (qsub -q)", "flag": "--sge-queue"}
    )
    project: str | None = field(
        default=None, metadata={"help": "project of the jobs (qsub -P)", "flag": None}
    )
    pe: str | None = field(
        default=None,
        metadata={"help": "parallel environment with all slots on one host", "flag": "--sge-pe"},
    )
    submit_args: tuple[str, ...] = field(
        default=(), metadata={"help": "further arguments of qsub", "flag": None}
    )
    python: str | None = field(
        default=None, metadata={"help": "Python with canary-sge on the hosts", "flag": None}
    )
    interval: float = field(
        default=5.0,
        metadata={"help": "longest time between two looks", "flag": None, "kind": "duration"},
    )
    call_limit: float = field(
        default=10.0,
        metadata={"help": "time after which a call is given up", "flag": None, "kind": "duration"},
    )
    settle: float = field(
        default=5.0,
        metadata={
            "help": "how long a job's record may be later than Grid Engine's word",
            "flag": None,
            "kind": "duration",
        },
    )
    give_up: float = field(
        default=60.0,
        metadata={
            "help": "time after which a cancellation that nobody takes is given up",
            "flag": None,
            "kind": "duration",
        },
    )


class Plugin:
    """The hooks. Keeps the directory of the session, once there is one, for the launcher."""

    def __init__(self) -> None:
        self._session: Path | None = None

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return SgeSettings

    @hookimpl(tryfirst=True)  # before those that describe this machine
    def canary_machine(self, config: Config) -> Machine | None:
        """The hosts of the cluster, if jobs run there."""
        if config.get("run.launcher") != "sge":
            return None
        from canary_sge import cluster

        settings = config.settings(SgeSettings)
        return cluster.machine(settings.call_limit, settings.queue)

    @hookimpl
    def canary_launchers(self, config: Config) -> Iterable[Launcher]:
        """The launcher."""
        from canary_sge.engine import Engine
        from canary_sge.launcher import Ask, SgeLauncher

        settings = config.settings(SgeSettings)
        ask = Ask(
            queue=settings.queue,
            project=settings.project,
            pe=settings.pe,
            args=tuple(word for arg in settings.submit_args for word in arg.split()),
            python=settings.python or sys.executable,
        )
        engine = Engine(settings.call_limit)
        return [
            SgeLauncher(
                engine,
                self._place,
                ask,
                longest=settings.interval,
                settle=settings.settle,
                give_up=settings.give_up,
            )
        ]

    @hookimpl
    def canary_group(self, jobs: Sequence[Job], config: Config) -> Sequence[BaseJob] | None:
        """What a killed runner has left in the queue: jobs wanted now are taken up."""
        if not jobs:
            return None
        root = Path(jobs[0].workspace.root)
        from canary_sge import record

        left = record.left_over(root.parent, root.name)
        if not left:
            return None
        from canary_sge import attach
        from canary_sge.engine import Engine

        return attach.take_up(jobs, left, Engine(config.settings(SgeSettings).call_limit))

    @hookimpl
    def canary_session_start(self, session: Session) -> None:
        """Remember where submissions are kept."""
        self._session = Path(session.directory)

    def _place(self) -> Path:
        from canary_sge.record import DIRECTORY

        assert self._session is not None  # nothing is launched before it has begun
        return self._session / DIRECTORY
