"""What the tests of these commands share: a world of their own, and the installed command line."""

from __future__ import annotations

import os
import subprocess

import pytest

from canary.again import program


@pytest.fixture(autouse=True)
def _own_world(tmp_path, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("CANARY_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("EDITOR", "VISUAL", "PAGER", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def here(tmp_path):
    """An empty directory to work in."""
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


@pytest.fixture
def canary(here):
    def run(*words, expect=0, cwd=here, env=None):
        done = subprocess.run(
            [*program(), *map(str, words)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )
        assert expect in (None, done.returncode), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def editor(tmp_path):
    """A program that writes down what it was given, and ends with 3 if told so."""
    program = tmp_path / "an editor"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit ${CODE:-0}\n')
    program.chmod(0o755)
    return f'"{program}" --wait'
