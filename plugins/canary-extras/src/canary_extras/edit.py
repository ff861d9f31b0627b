"""`canary edit`: the test file of a job, or any file, in the person's editor.

It knows which file and which editor; what the editor does is not looked at.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from canary import lookup
from canary.catalog import Catalog
from canary.config import Config
from canary.declare import Command
from canary.errors import RecordError, UsageError, WorkspaceError

VARIABLES = ("CANARY_EDITOR", "VISUAL", "EDITOR")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary edit`."""
    parser.add_argument("what", metavar="JOB|FILE", help="a job, or a file")


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it; the exit code is the editor's."""
    file = find_file(args.what, config)
    command = editor(os.environ)
    try:
        done = subprocess.run([*command, str(file)], cwd=config.cwd, check=False)
    except OSError as e:
        raise UsageError(
            f"the editor {command[0]} cannot be started: {e.strerror}",
            hint=f"it comes from {', '.join(VARIABLES)}",
        ) from None
    # as shells have it: a process ended by signal N
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def find_file(what: str, config: Config) -> Path:
    """The file of that name, else the test file of that job; UsageError if there is neither."""
    path = Path(config.cwd, what)
    if path.is_file():
        return path
    try:
        _, store = lookup.open_store(Path(config.cwd), config.workspace)
    except WorkspaceError as e:
        raise UsageError(
            f"{what}: no such file, and no workspace to look for a job of that name", hint=e.hint
        ) from None
    file = _of_collected(what, store.path)
    if file is None:
        job = lookup.select_job(what, store)
        file = Path(job.file_root, job.file_path)
    if not file.is_file():
        raise UsageError(f"the test file of {what} is gone: {file}")
    return file


def _of_collected(what: str, database: Path) -> Path | None:
    """The one file of the jobs of that name, which need not have run; None if there is none."""
    catalog = Catalog(database)
    try:
        specs = catalog.specs().values()
    except RecordError:
        return None  # of the older tool: its results say it
    finally:
        catalog.close()
    files = {spec.file for spec in specs if what in (spec.name, spec.fullname, spec.id)}
    return Path(files.pop()) if len(files) == 1 else None


def editor(environ: Mapping[str, str]) -> list[str]:
    """The words that start the editor; UsageError if none is named."""
    for name in VARIABLES:
        if not environ.get(name, "").strip():
            continue
        try:
            words = shlex.split(environ[name])
        except ValueError as e:
            raise UsageError(f"{name}={environ[name]!r} cannot be read: {e}") from None
        if words and words[0]:
            return words
    raise UsageError("no editor is named", hint=f"set {', '.join(VARIABLES[:-1])} or EDITOR")


COMMAND = Command(
    name="edit",
    help="open the test file of a job in an editor",
    run=run,
    arguments=arguments,
    examples=("canary edit 7316cd5", "canary edit solve.np=4", "canary edit tests/solve.pyt"),
)
