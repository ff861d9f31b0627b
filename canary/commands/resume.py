"""`canary resume`: run what the last session left undone."""

from __future__ import annotations

import argparse

from canary import home
from canary.commands import run as run_command
from canary.commands import running
from canary.config import Config
from canary.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary resume`: those of `canary run`."""
    run_command.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.words or args.wipe:
        what = "paths" if args.words else "-w, as that would remove what is to be resumed"
        raise UsageError(f"canary resume takes no {what}", hint="canary run PATH")
    home.refuse_foreign(home.require(config.cwd, config.workspace))
    return running.run(args, config, resume=True)


EXAMPLES = ("canary resume",)
