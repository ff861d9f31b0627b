"""Fixtures for the tests of plugins: `pytest_plugins = ["canary.testing.fixtures"]` in conftest.py.

`canary("run", ".")` runs the command line in a process of its own, in the test's directory, with no
configuration and no cache but the test's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def canary_environment(tmp_path: Path) -> dict[str, str]:
    """This process's environment, less what canary reads, with a home of the test's own."""
    dropped = ("CANARY_", "XDG_", "NO_COLOR", "FORCE_COLOR")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    home = tmp_path / "home"
    names = (
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CONFIG_DIRS", "site"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
    )
    return {**environ, "HOME": str(home), **{name: str(home / part) for name, part in names}}


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
            [sys.executable, "-m", "canary", *map(str, words)],
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
