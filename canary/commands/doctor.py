"""`canary doctor`: look at the workspace and this machine, and mend what can be mended."""

from __future__ import annotations

import argparse
import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing

from canary import fsio, home, mending, procfs, recovery, view
from canary.catalog import Catalog
from canary.commands import options
from canary.config import Config
from canary.errors import CanaryError, ExitCode
from canary.results import refresh_view
from canary.table import counted, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary doctor`."""
    help = "make store and view anew from the event logs"
    parser.add_argument("--rebuild", action="store_true", help=help)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    workspace = home.find(config.cwd, config.workspace)
    bad = 0
    for fine, text in _machine():
        print(f"{'ok  ' if fine else 'note'}  {text}")
    if workspace is None:
        print("ok    no workspace here")
        return ExitCode.OK
    settings = options.view_settings(config)
    shown = workspace.home / settings.name
    if args.rebuild:
        home.refuse_foreign(workspace)
        with recovery.run_lock(workspace, lambda text: say("info", text)):
            with home.tag_locked(workspace.root, fcntl.LOCK_EX):
                n = mending.rebuild(workspace, lambda text: say("warning", text))
            if n and (settings.when == "always" or view.is_view(shown)):
                try:
                    refresh_view(workspace, settings)
                except CanaryError as e:
                    say("warning", str(e))
        print(f"ok    the store was made anew from {counted(n, 'session')}")
    for fine, text in _workspace(workspace):
        bad += not fine
        print(f"{'ok  ' if fine else 'BAD '}  {text}")
    if workspace.latest and settings.when == "always" and not view.is_view(shown):
        print(f"note  there is no {shown}: canary view refresh makes it")
    return ExitCode.GENERIC if bad else ExitCode.OK


def _machine() -> Iterator[tuple[bool, str]]:
    yield True, f"Python {sys.version.split()[0]} at {sys.executable}"
    if sys.platform == "linux":
        yield True, "process trees are owned by subreaper and pidfd"
    else:
        yield False, "not Linux: a process that leaves its group may survive its job"
    yield procfs.HAS_BOOT_CLOCK, "survivors of a killed run can be told by their start time"


def _workspace(workspace: home.Workspace) -> Iterator[tuple[bool, str]]:
    yield True, f"workspace {workspace.root}"
    writable = os.access(workspace.root, os.W_OK)
    yield writable, "it can be written" if writable else "it cannot be written: runs will fail"
    if fsio.is_network(workspace.root):
        yield True, "it is on a network file system: one host at a time"
    for name in recovery.unfinished(workspace):
        text = f"session {name} was cut off or still runs; the next run takes care of it"
        yield False, text
    fine, text = _database(workspace)
    yield fine, text
    if fine and workspace.database.exists():
        yield from _records(workspace)


def _database(workspace: home.Workspace) -> tuple[bool, str]:
    if not workspace.database.exists():
        n = len(mending.sessions_of(workspace))
        text = f"no store, {counted(n, 'session')}"
        return not n, text + (": canary doctor --rebuild" if n else "")
    try:
        with closing(Catalog(workspace.database)) as book:
            answer = book.query("pragma quick_check")[0][0]
    except (CanaryError, sqlite3.Error) as e:
        return False, f"{e}"
    if answer != "ok":
        return False, f"the store is damaged ({answer}): canary doctor --rebuild makes it anew"
    return True, "the store is sound"


def _records(workspace: home.Workspace) -> Iterator[tuple[bool, str]]:
    """Does the store say what the logs say?"""
    with closing(Catalog(workspace.database)) as book:
        try:
            for text in mending.differences(workspace, book):
                yield False, text
            started = [r for r in book.results() if r.had_directory]
            gone = sum(not os.path.isdir(r.workspace) for r in started)
            if gone:
                yield True, f"{counted(gone, 'job')} without a directory, run again if needed"
        except CanaryError as e:
            yield False, str(e)


EXAMPLES = ("canary doctor", "canary doctor --rebuild")
