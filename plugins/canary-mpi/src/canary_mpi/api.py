"""`canary.mpi`, for test files: run an MPI program and wait, with the ranks that the job has.

    import canary
    canary.mpi.run("./solver", "input.txt")

Loaded by tests that use it and by nothing else.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from canary_mpi import start

GRACE: Final = 3.0  # Open MPI needs about a second to end its ranks


class MPIError(Exception):
    """An MPI program failed, took too long, or could not be started."""


def command(
    *program: str | os.PathLike[str], ranks: int | None = None, env: Mapping[str, str] | None = None
) -> list[str]:
    """The words that start `program`, for those who run it by themselves."""
    return _prepare(program, ranks, env)[0]


def run(
    *program: str | os.PathLike[str],
    ranks: int | None = None,
    timeout: float | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run `program` on `ranks` ranks (default: the job's CPUs) and wait.

    `env` replaces the environment, `options` are those of `subprocess.Popen` (`stdout`, `text`, …).
    An exit code other than 0 is an MPIError unless `check` is false. So is taking more than
    `timeout` seconds; no rank is left then.
    """
    words, environ = _prepare(program, ranks, env)
    sys.stdout.flush()
    sys.stderr.flush()
    options.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(words, env=environ, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise MPIError(f"{_name(program)}: took more than {timeout:g} s") from None
        except BaseException:
            _end(process)
            raise
    if check and process.returncode:
        raise MPIError(f"{_name(program)}: exit code {process.returncode}")
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _prepare(
    program: tuple[str | os.PathLike[str], ...],
    ranks: int | None,
    env: Mapping[str, str] | None,
) -> tuple[list[str], dict[str, str]]:
    if not program:
        raise TypeError("no program to run")
    environ = os.environ if env is None else env
    try:
        return start.prepare([os.fspath(word) for word in program], environ, ranks)
    except start.CannotStart as e:
        raise MPIError(str(e)) from None


def _name(program: tuple[str | os.PathLike[str], ...]) -> str:
    return shlex.join(os.fspath(word) for word in program)


def _end(process: subprocess.Popen[Any]) -> None:
    """Ask the ranks to end through who started them, then kill whatever is left of them."""
    import psutil

    try:
        tree = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        tree = []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
    for child in tree:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass
