"""`canary resume`: run what the last session left undone."""

from __future__ import annotations

import argparse

from canary import home
from canary.commands import asked, running
from canary.commands import run as run_command
from canary.config import Config
from canary.errors import NothingToRun, UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary run`; None where one that is taken over is not given."""
    run_command.arguments(parser)
    group = parser.add_argument_group("not as that session was asked to")
    for flag, kind in asked.OPTIONS.items():
        if kind is bool:
            no, name = f"--no-{flag[2:]}", asked.option_name(flag)
            group.add_argument(no, dest=name, action="store_false", help=f"no {flag}")
    names = {asked.option_name(flag) for flag in asked.OPTIONS} - {"script_args"}
    parser.set_defaults(**dict.fromkeys(names))
    parser.description = (
        f"{parser.description}\n\nAs that session was asked to, unless options are given again:"
        " repeats, limits, resources,\nlauncher, words after --, settings of plugins. What shows"
        " results, -p and secrets are\nnot taken over."
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.words or args.wipe:
        what = "paths" if args.words else "-w, as that would remove what is to be resumed"
        raise UsageError(f"canary resume takes no {what}", hint="canary run PATH")
    home.refuse_foreign(home.require(config.cwd, config.workspace))
    if not args.resumed:
        raise NothingToRun("there is no session yet", hint="canary run PATH")
    asked.tell(args, config)
    return running.run(args, config, resume=args.resumed)


EXAMPLES = ("canary resume", "canary resume --repeat-until-fail 0")
