"""`canary log`: the output of a job, or what happened in a session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from canary import home, lockfile, oldstore
from canary.commands import shapes
from canary.config import Config
from canary.errors import ExitCode, UsageError
from canary.fsio import read_text
from canary.options import near
from canary.spec import OUTPUT_FILE
from canary.store import Result
from canary.table import safe_write


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `canary log`."""
    parser.add_argument("job", nargs="?", metavar="JOB", help="a job; none: the latest session")
    which = parser.add_mutually_exclusive_group().add_argument
    which("-e", "--error", action="store_true", help="its error file")
    which("-l", "--lock", action="store_true", help="its lock file")
    which("-f", "--file", metavar="PATH", help="a file in its directory")
    parser.add_argument("--tail", type=int, metavar="N", help="only the last N lines")
    text = "the bytes alone, without the path before them"
    parser.add_argument("--raw", action="store_true", help=text)


def run(args: argparse.Namespace, config: Config) -> int:
    """Do it."""
    if args.job is None:
        text = "\n".join(_session_lines(config))
        safe_write(sys.stdout, _tail(text, args.tail) + "\n")
        return ExitCode.OK
    _, book = shapes.open_store(config)
    file = lockfile.FILE_NAME if args.lock else args.file
    path = log_path(shapes.select_job(args.job, book), errors=args.error, file=file)
    text = read_text(str(path))
    head = "" if args.raw else f"{path}:\n"
    safe_write(sys.stdout, head + _tail(text, args.tail))
    sys.stdout.flush()
    return ExitCode.OK


def log_path(result: Result, *, errors: bool = False, file: str | None = None) -> Path:
    """The output or the errors of a job, or a file of its directory by name."""
    directory = Path(result.workspace)
    if file is not None:
        path = (directory / file).resolve()
        if not (path.is_relative_to(directory.resolve()) and path.exists()):
            raise UsageError(f"{file}: not in {directory}", hint=near(file, str(directory), ()))
        return path
    spec = shapes.lock_of(result.workspace).get("spec", {})
    name = spec.get("stderr") if errors else spec.get("stdout", OUTPUT_FILE)
    if name is None:
        raise UsageError("this job's errors are in its output", hint="leave out -e")
    return directory / str(name)


def _tail(text: str, lines: int | None) -> str:
    return text if lines is None else "".join(text.splitlines(keepends=True)[-max(lines, 0) :])


def _session_lines(config: Config) -> Iterator[str]:
    workspace = home.require(Path(config.cwd), config.workspace)
    name = workspace.latest
    if name is None:
        raise UsageError("there is no session yet", hint="canary run PATH")
    if home.is_foreign(workspace):
        yield from oldstore.log_lines(workspace.root)
        return
    from canary.journal import LOG, WRONG, read_lines  # a job's output needs no record

    for line in read_lines(workspace.sessions / name / LOG):
        kind = line.pop("e", None)
        with suppress(*WRONG):  # doctor counts such lines
            if kind != "job":
                yield _event_line(kind, line)


def _event_line(kind: str, line: dict[str, Any]) -> str:
    at = shapes.stamp(line.get("at") or line.get("started_on")) or " " * 26
    if kind == "job_finished":
        status = line["status"]
        words = (line["name"], status["category"], status.get("reason") or "")
        return f"{at} {kind:16} {' '.join(words)}".rstrip()
    parts = map(line.get, ("name", "text", "fullname", "reason", "exit_code"))
    return f"{at} {kind:16} " + " ".join(str(w) for w in parts if w is not None)


EXAMPLES = ("canary log 7316cd5", "canary log solve.np=4 --tail 20", "canary log")
