"""What every test of the core shares: a world of its own, and the real command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

# Whoever runs the tests may ignore these, as nohup and a shell's background do; what they ignore is
# ignored by every process that is started from here.
for _number, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture(scope="session", autouse=True)
def _own_world(tmp_path_factory):
    """No test sees, or changes, what the person running the tests has configured or cached."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("CANARY_", "XDG_", "SNL"))]:
            patch.delenv(name)
        for name in ("PYTHONPATH", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CONFIG_DIRS", str(home / "site"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        yield


@pytest.fixture(autouse=True)
def _scratch_directory(tmp_path, monkeypatch):
    """Each test starts in an empty directory, so that nothing is written into the tree."""
    monkeypatch.chdir(tmp_path)


class Canary(Protocol):
    """`canary(*words)` runs the command line in a process of its own."""

    def __call__(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        env: dict[str, str | None] | None = None,
        expect: int | None = None,
        timeout: float = 25.0,
    ) -> subprocess.CompletedProcess[str]:
        """Return the finished process; `expect` asserts its exit code, None in `env` unsets."""


@pytest.fixture
def canary(tmp_path) -> Canary:
    """Run `python -m canary` as a user would, in the test's own directory unless told otherwise."""

    def run(*words, cwd=None, env=None, expect=None, timeout=25.0):
        environ = dict(os.environ)
        for name, value in (env or {}).items():
            environ.pop(name, None)
            if value is not None:
                environ[name] = value
        done = subprocess.run(
            [sys.executable, "-m", "canary", *map(str, words)],
            cwd=cwd or tmp_path,
            env=environ,
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
