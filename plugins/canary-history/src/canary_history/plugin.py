"""The hooks: commands `history` and `compare`, which source a session ran, and measurements by
patterns.

This is imported by every command that loads plugins; what the commands do is imported by them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import canary
from canary.declare import Command, Settings
from canary.frozen import shared

if TYPE_CHECKING:
    from canary.config import Config
    from canary.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementSettings(Settings):
    """Numbers to take from what jobs write."""

    section: ClassVar[str] = "measurements"
    patterns: Mapping[str, str] = shared(
        metadata={
            "help": "measurement NAME is the last number that REGEX finds in a job's output",
            "flag": "--measure",
            "metavar": "NAME=REGEX",
        },
    )


@canary.hookimpl
def canary_settings() -> type[Settings]:
    """Section `measurements`."""
    return MeasurementSettings


@canary.hookimpl
def canary_configure(config: Config) -> None:
    """Read the patterns; without any, no job's output is looked at."""
    patterns = config.settings(MeasurementSettings).patterns
    if patterns:
        from canary_history.patterns import Patterns

        config.plugins.add(Patterns(patterns), "canary_history.patterns")


@canary.hookimpl
def canary_session_start(session: Session) -> None:
    """Note which branch and commit the session runs."""
    from canary_history import source

    source.note(session.directory, session.request.cwd)


@canary.hookimpl
def canary_commands() -> list[Command]:
    """Add `history` and `compare`."""
    return [
        Command(
            name="history",
            help="what became of a job over sessions, or of all jobs",
            run=_history,
            arguments=_history_arguments,
            examples=(
                "canary history solver.np=4",
                "canary history solver.np=4 -m residual",
                "canary history --sessions 30",
            ),
        ),
        Command(
            name="compare",
            help="what differs between sessions, tags, branches or files",
            run=_compare,
            arguments=_compare_arguments,
            examples=(
                "canary compare latest~1 latest",
                "canary compare main my-branch",
                "canary compare reference.json latest --exit-code",
            ),
        ),
    ]


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "job", nargs="?", metavar="JOB", help="ID, beginning of it, or name; none: all jobs"
    )
    parser.add_argument(
        "-m",
        "--measurement",
        action="append",
        default=[],
        metavar="NAME",
        help="show this measurement, also among those that canary takes itself",
    )
    parser.add_argument(
        "--sessions",
        type=int,
        default=20,
        metavar="N",
        help="the newest N (default: %(default)s; 0: all)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    what = "session (name, latest, latest~N), tag, branch or commit, or file of `report json`"
    parser.add_argument("a", metavar="A", help=f"what was before: a {what}")
    parser.add_argument("b", metavar="B", help="what is now, named in the same ways")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.2,
        metavar="X",
        help="show run times and measurements that changed by more than this part"
        " (default: %(default)s)",
    )
    parser.add_argument("--all", action="store_true", help="all rows of each table, not ten")
    parser.add_argument(
        "--exit-code", action="store_true", help="exit with 1 if a job fails that did not before"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def _history(args: argparse.Namespace, config: Config) -> int:
    from canary_history import trends

    return trends.run(args, config)


def _compare(args: argparse.Namespace, config: Config) -> int:
    from canary_history import compare

    return compare.run(args, config)
