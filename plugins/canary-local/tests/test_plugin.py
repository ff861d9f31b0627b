"""What canary sees of the plugin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from canary.launch import Launch
from canary.process import run_blocking
from canary_local import plugin
from canary_local.launcher import LocalLauncher


class Values:
    """A configuration that has read nothing: each section has its defaults, or what is given."""

    def __init__(self, **values):
        self.values = values

    def settings(self, kind):
        return kind(**self.values)


def test_hook_canary_settings():
    assert plugin.canary_settings() is plugin.LocalSettings
    assert plugin.LocalSettings.section == "local"
    assert all(f.metadata["help"] for f in plugin.LocalSettings.__dataclass_fields__.values())


@pytest.mark.parametrize("warm", [True, False])
def test_hook_canary_launchers(tmp_path, warm):
    """What is set reaches the launcher: its scripts run in forks of a server, or do not."""
    (launcher,) = plugin.canary_launchers(Values(warm_python=warm, cgroups=False))
    assert isinstance(launcher, LocalLauncher)
    assert launcher.name == "local"
    script = tmp_path / "script.py"
    script.write_text("with open('/proc/self/cmdline') as f: print('server.py' in f.read())\n")
    launch = Launch(
        id="a",
        name="a",
        argv=(sys.executable, str(script)),
        cwd=str(tmp_path),
        env=dict(os.environ),
        stdout=str(tmp_path / "out"),
    )
    assert run_blocking(launch, launcher).code == 0
    assert (tmp_path / "out").read_text() == f"{warm}\n"


def test_canary_finds_the_plugin(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "canary", "plugins"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(x for x in done.stdout.splitlines() if x.startswith("canary_local"))
    assert "active" in line


def test_loading_the_plugin_loads_neither_launcher_nor_sockets():
    """Questions that run nothing do not pay for it."""
    check = "import sys, canary_local.plugin; print('canary_local.launcher' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
