"""`canary run`: its options. What they do is in `running`, which loads the engine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from canary.commands import selection
from canary.settings import STRATEGIES

if TYPE_CHECKING:
    from canary.config import Config

_WITHOUT_EFFECT = ("--no-incremental", "--no-banner", "--banner")
_VALUE_IGNORED = ("-e", "--mail-to", "--mail-from", "--history-mode", "--capture", "--format")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary run`."""
    help = "what to run; nothing: the default tag again"
    parser.add_argument("words", nargs="*", metavar="PATH|JOB|TAG", help=help)
    selection.add_path_file(parser)
    parser.add_argument("-w", dest="wipe", action="store_true", help="remove the workspace first")
    parser.set_defaults(script_args=())
    selection.add_selection(parser)
    _add_choice(parser)
    _add_old(parser)
    _add_running(parser)
    _add_showing(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    add, switch, _ = selection.options_of(parser.add_argument_group("reruns"))
    add("--only", choices=STRATEGIES, help="which of the jobs that ran before (default: not_pass)")
    switch("-R", dest="rerun_all", help="the same as --only all")
    add("--tag", metavar="NAME", help="name the selection, to run it again by that name")
    switch("--no-deps", help="do not pull in what a named job depends on")
    switch("--empty-ok", help="exit 0 if there is nothing to run")
    for until, help in (
        ("until-pass", "again up to N times if it fails"),
        ("after-timeout", "again up to N times on timeout"),
        ("until-fail", "up to N times, until it fails"),
    ):
        add(f"--repeat-{until}", type=_count, default=0, metavar="N", help=help)
    switch("--dry-run", help="show what would run, and run nothing")
    switch("--json", help="with --dry-run: as JSON")


def _add_running(parser: argparse.ArgumentParser) -> None:
    _, switch, several = selection.options_of(parser.add_argument_group("running"))
    switch("--fail-fast", help="start nothing more after the first failure")
    switch("--copy-all-resources", help="copy files into work directories, link none")
    teardown = "remove the work directories of jobs that passed"
    switch("--teardown", "--post-clean", dest="teardown", help=teardown)
    switch("-a", "--analyze", help="run only the analysis sections of scripts")
    several("--oversubscribe", metavar="TYPE=N", help="N jobs a slot of TYPE")


def _add_showing(parser: argparse.ArgumentParser) -> None:
    add, switch, several = selection.options_of(parser.add_argument_group("showing"))
    add("-s", "--style", default="", metavar="live=,name=", help="live=yes|no, name=short|long")
    add("--view", metavar="K=V,...", help="mode=, only=, when=, name= of the view")
    switch("--show-excluded-tests", help="list what is left out, and why")
    add("--durations", nargs="?", type=int, const=10, metavar="N", help="show the N slowest jobs")
    add(
        "--show-capture",
        nargs="?",
        const="oe",
        choices=("o", "e", "oe", "no"),
        default="no",
        metavar="o|e|oe|no",
        help="show the output of jobs that fail",
    )
    several("--report", metavar="TYPE", help="write this report at the end")
    same = {"action": "store_const", "const": "oe", "dest": "show_capture"}
    add("--output-on-failure", help="the same as --show-capture oe", **same)


def _add_old(parser: argparse.ArgumentParser) -> None:
    """Options of the older tool: those that still do something, and those that do nothing."""
    hidden = argparse.SUPPRESS
    parser.add_argument("--session-timeout", metavar="T", help=hidden)
    parser.add_argument("--test-timeout", metavar="T", help=hidden)
    parser.add_argument("--timeout-multiplier", metavar="X", help=hidden)
    parser.add_argument("-d", "--work-tree", dest="work_tree", metavar="PATH", help=hidden)
    for flag in _WITHOUT_EFFECT:
        parser.add_argument(flag, action="append_const", const=flag, dest="ignored", help=hidden)
    for flag in _VALUE_IGNORED:
        parser.add_argument(flag, action=_Ignored, metavar="X", help=hidden)


class _Ignored(argparse.Action):
    """Take a value and note that it does nothing."""

    def __call__(self, parser: object, namespace: argparse.Namespace, *rest: object) -> None:  # noqa: ARG002 - argparse's
        namespace.ignored = [*(namespace.ignored or ()), self.option_strings[0]]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
    return int(text)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    from canary.commands import running  # the engine; `run --help` needs none of it

    return running.run(args, config)


EXAMPLES = (
    "canary run path/to/tests",
    "canary run -k 'fast and not gpu' tests",
    "canary run --only failed",
    "canary run tests -- --verbose",
)
