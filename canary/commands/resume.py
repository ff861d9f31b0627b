"""`canary resume`: run what the last session left undone."""

from __future__ import annotations

import argparse

from canary import home, recovery
from canary.commands import run as run_command
from canary.commands import running
from canary.config import Config
from canary.errors import NothingToRun, UsageError
from canary.events import JobFinished
from canary.status import Category


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary resume`: those of `canary run`."""
    run_command.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.words:
        raise UsageError("canary resume takes no paths", hint="canary run PATH")
    workspace = home.require(config.cwd, config.workspace)
    home.refuse_foreign(workspace)
    last = workspace.latest
    if last is None:
        raise NothingToRun("there is no session yet", hint="canary run PATH")
    folded = recovery.fold_session(workspace.sessions / last)
    left = [id for id in folded.specs if not _done(folded.ends.get(id))]
    if not left:
        raise NothingToRun(f"session {last} left nothing undone", hint="canary run")
    return running.run(args, config, left)


def _done(end: JobFinished | None) -> bool:
    """It has a result of its own: not cancelled, not interrupted."""
    return end is not None and end.status.category not in (Category.ABORTED, Category.NONE)


EXAMPLES = ("canary resume",)
