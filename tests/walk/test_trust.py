"""What is not obeyed, not kept and not copied, whoever asks for it."""

from __future__ import annotations

import os

import pytest

EVIL = "from pathlib import Path\nPath('evil').touch()\n"


@pytest.fixture
def world(tmp_path, canary, monkeypatch):
    """A workspace, a test, and a plugin that would leave a file behind; not in CI."""
    monkeypatch.delenv("CI", raising=False)
    canary("init", ".", expect=0)
    (tmp_path / "a.pyt").write_text("")
    (tmp_path / "evil.py").write_text(EVIL)
    return tmp_path


# files that others may write


@pytest.mark.parametrize(
    "words", ["run .", "collect .", "find .", "resume", "select x", "again", "run --help", "exec a"]
)
def test_nothing_is_loaded_from_a_workspace_that_anybody_may_write(canary, world, words):
    said = "plugins = ['../evil.py']\naliases = {again = 'run .'}\nrun.shared_workspace = true\n"
    (world / ".canary" / "config.toml").write_text(said)
    (world / ".canary").chmod(0o777)
    done = canary(*words.split())
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ERROR: {world / '.canary'}: anybody may write to it [chmod o-w")
    assert not (world / "evil").exists()


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        ("run --shared-workspace .", {}),
        ("--shared-workspace find .", {}),
        ("find .", {"CANARY_RUN_SHARED_WORKSPACE": "1"}),
    ],
)
def test_it_is_used_where_that_is_allowed(canary, world, words, environ):
    (world / ".canary" / "config.toml").write_text("plugins = ['../evil.py']\n")
    (world / ".canary").chmod(0o777)
    canary(*words.split(), env=environ, expect=0)
    assert (world / "evil").exists()


@pytest.mark.parametrize(
    ("open_to_all", "mode"),
    [
        ("canary.toml", 0o666),
        (".canary/config.toml", 0o666),
        (".canary/sessions", 0o777),
        ("canary-hooks", 0o777),
        ("canary-hooks/h.py", 0o666),
    ],
)
def test_the_file_that_anybody_may_write_is_named(canary, world, open_to_all, mode):
    (world / "canary-hooks").mkdir()
    for name in ("canary.toml", ".canary/config.toml", "canary-hooks/h.py"):
        (world / name).touch()
    canary("run", ".", expect=0)
    (world / open_to_all).chmod(mode)
    done = canary("run", ".")
    assert done.returncode != 0
    assert f"ERROR: {world / open_to_all}: anybody may write to it" in done.stderr
    canary("status", expect=0)  # it runs no code


def test_what_a_ci_system_has_checked_out_for_all_is_taken(canary, world):
    (world / "canary.toml").touch()
    for path in (world / "canary.toml", world / ".canary", world / ".canary" / "sessions"):
        path.chmod(0o777)
    canary("run", ".", env={"CI": "true"}, expect=0)


def test_without_a_umask_our_own_directories_are_not_for_all(canary, world):
    old = os.umask(0)
    try:
        canary("run", "-w", ".", expect=0)
        canary("run", ".", "--only", "all", expect=0)
    finally:
        os.umask(old)


def test_what_is_shared_with_a_group_is_fine(canary, world):
    (world / "canary.toml").touch()
    for path in (world / "canary.toml", world / ".canary", world / ".canary" / "sessions"):
        path.chmod(0o775)
    canary("run", ".", expect=0)


# secrets


def test_what_is_called_a_secret_is_nowhere_in_the_record(canary, world):
    (world / "a.pyt").write_text("import sys\n")
    environ = {
        "CANARY_ADDOPTS": "-e A_TOKEN=hidden",
        "CANARY_ENVIRONMENT_SET": "A=1,X_TOKEN=hidden",
        "CI_REPOSITORY_URL": "https://ci:hidden@host/x.git",
        "SSHPASS": "hidden",
        "DOCKER_AUTH_CONFIG": "hidden",
    }
    given = ("-c", "environment:set:Q=1,C_TOKEN=hidden", "-c", 'scratch={"token":"hidden"}')
    canary(*given, "run", ".", "--", "--password", "hidden", env=environ, expect=0)
    files = [path for path in (world / ".canary").rglob("*") if path.is_file()]
    assert [path for path in files if b"hidden" in path.read_bytes()] == []
