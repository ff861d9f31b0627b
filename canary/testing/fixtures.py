"""Fixtures for the tests of plugins: `pytest_plugins = ["canary.testing.fixtures"]` in conftest.py.

`canary("run", ".")` runs the command line in a process of its own, in the test's directory, with no
configuration and no cache but the test's. `start_canary` and `until` are for tests that do
something to it while it runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from canary.again import program

T = TypeVar("T")


@pytest.fixture
def canary_environment(tmp_path: Path) -> dict[str, str]:
    """This process's environment, less what canary reads, with a home of the test's own."""
    dropped = ("CANARY_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    home = tmp_path / "home"
    kinds = ("CONFIG_HOME", "CONFIG_DIRS", "CACHE_HOME", "DATA_HOME", "STATE_HOME")
    return {**environ, "HOME": str(home), **{f"XDG_{k}": f"{home}/{k.lower()}" for k in kinds}}


@pytest.fixture
def canary(
    tmp_path: Path, canary_environment: Mapping[str, str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`canary(*words, cwd=None, env={}, expect=None)`: the finished process.

    `expect` asserts its exit code; the standard error is in the message if that fails.
    """

    def run(
        *words: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        expect: int | None = None,
        timeout: float = 25.0,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*program(), *map(str, words)],
            cwd=cwd or tmp_path,
            env={**canary_environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def start_canary(
    *words: str | Path, cwd: Path, env: Mapping[str, str], output: Path
) -> subprocess.Popen[bytes]:
    """The command line, begun in a session of its own; what it prints is appended to `output`."""
    command = [*program(), *map(str, words)]
    with open(output, "ab") as out:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            # a child of this shell may have been started with interrupts ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def until(check: Callable[[], T], what: str = "it", seconds: float = 100.0) -> T:
    """What `check` returns once that is true; `seconds` are what a busy machine may take."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"{what} did not come about in {seconds:g} s"
        time.sleep(0.05)
    return found
