"""`canary.shell`: take over what a shell script exports."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path


def run_and_read_environment(script: str, *args: str) -> dict[str, str]:
    """The environment after bash has run `script` with these arguments, or RuntimeError."""
    text = f"{script} || exit\nexec 1>&3\nenv -0"
    reader, writer = os.pipe()
    try:
        # what the script prints belongs to the test's output, not to what is read here
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", f"exec 3>&{writer}\n{text}", "bash", *args],
            pass_fds=(writer,),
        )
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as f:
        raw = f.read()
    if process.wait() != 0:
        raise RuntimeError(f"bash failed with {process.returncode}: {script} {' '.join(args)}")
    pairs = (
        entry.decode(errors="surrogateescape").partition("=") for entry in raw.split(b"\0") if entry
    )
    return {name: value for name, _, value in pairs}


def apply(environment: Mapping[str, str]) -> None:
    """Make the environment of this process equal to `environment`, but for bash's own variables."""
    own = ("_", "SHLVL", "PWD", "OLDPWD")
    for name in [n for n in os.environ if n not in environment and n not in own]:
        del os.environ[name]
    for name, value in environment.items():
        if name not in own and os.environ.get(name) != value:
            os.environ[name] = value


def source_rcfile(file: str) -> None:
    """Source a file with bash and keep what it exports."""
    apply(run_and_read_environment('source "$1"', str(Path(file).absolute())))


@contextmanager
def source(file: str) -> Generator[None, None, None]:
    """Source a file with bash; at the end the environment is as it was."""
    before = dict(os.environ)
    source_rcfile(file)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
