"""`canary init`: make a workspace."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from canary import fsio, home, recovery, textdata, view
from canary.commands import options, selection
from canary.config import Config, beside
from canary.options import TABLES
from canary.table import counted, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary init`."""
    add, switch, _ = selection.options_of(parser)
    add("path", nargs="?", default=".", metavar="PATH", help="where (default: here)")
    switch("-w", dest="wipe", help="wipe the one that is there")
    theirs = "take tags, results and run times over from the older canary's workspace there"
    switch("--import", dest="take_over", help=theirs)
    switch("--save", help="keep -p, -c, -e and -r of this command line in it")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    place = Path(config.cwd, args.path)
    if args.take_over:
        return _take_over(place, config)
    made = home.Workspace(place.absolute() / home.DIRECTORY)
    with ExitStack() as stack:
        recovery.insist(partial(_held, made, wipe=args.wipe), stack)
        if args.wipe:  # also where only the view is left
            view.remove_all(made.home)
        if args.save:
            text = ""
            for path, value in _given(config):
                text = textdata.set_value(text, path, value, str(made.config_file))
            fsio.write_atomic(made.config_file, text.encode())
    say("info", f"made an empty workspace at {home.relative(made.root)}")
    return 0


def _held(made: home.Workspace, *, wipe: bool) -> AbstractContextManager[home.Workspace]:
    """A new workspace that no run begins in yet."""
    anew = wipe and os.path.lexists(made.root)
    hold = recovery.renewed if anew else recovery.run_lock
    return hold(made if anew else home.create(made.home), partial(say, "info"))


def _take_over(place: Path, config: Config) -> int:
    """Put the older workspace aside and start a new one with what it knows; all or nothing."""
    from canary.results import refresh_view  # most never have an older workspace
    from canary.store import Store

    old = home.set_aside(place)
    made = home.Workspace(place.absolute() / home.DIRECTORY)
    try:
        home.create(place)
        with closing(Store(made.database, writable=True)) as store:
            store.take_over(old.database)
    except BaseException:
        shutil.rmtree(made.root, ignore_errors=True)
        old.root.rename(made.root)
        raise
    n = refresh_view(made, options.view_settings(config))
    taken = counted(n, "result")
    say("info", f"took over {taken}; the older workspace is now {home.relative(old.root)}")
    say("info", "its tests are not known yet: canary run PATH, or canary collect PATH")
    return 0


def _given(config: Config) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What the command line configured: keys and values."""
    keys = [path for path, origin in config.origins.items() if origin.startswith("-")]
    names = [path[1] for path in keys if path[0] == "plugins" and len(path) > 1]
    if names:
        yield ("plugins",), [beside(name, config.cwd) for name in names]
    for path in keys:
        option = config.schema.options.get(path)
        if path[0] != "plugins" and (option is None or option.kind not in TABLES):
            value = config.get(".".join(path))
            yield path, list(value) if isinstance(value, tuple) else value


EXAMPLES = ("canary init", "canary init -w results", "canary init --import")
