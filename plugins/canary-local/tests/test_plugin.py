"""What canary sees of the plugin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from canary.errors import UsageError
from canary.launch import Launch
from canary.process import run_blocking
from canary.settings import Main
from canary_local import plugin
from canary_local.launcher import LocalLauncher


class Values:
    """A configuration that has read nothing: each section has its defaults, or what is given."""

    def __init__(self, **values):
        self.values = values
        self.main = Main()

    def settings(self, kind):
        return kind(**self.values)


def test_hook_canary_settings():
    assert plugin.canary_settings() is plugin.LocalSettings
    assert plugin.LocalSettings.section == "local"
    assert all(f.metadata["help"] for f in plugin.LocalSettings.__dataclass_fields__.values())


def test_hook_canary_machine():
    """The CPUs that we may use by their numbers, and memory if that is asked for."""
    (node,) = plugin.canary_machine(Values()).nodes
    assert {i.id for i in node.resources["cpus"]} <= set(map(str, os.sched_getaffinity(0)))
    assert set(node.resources) == {"cpus", "gpus"}
    (node,) = plugin.canary_machine(Values(memory=True)).nodes
    (memory,) = node.resources["memory"]
    assert memory.slots > 10


def test_numbers_that_the_environment_gives(monkeypatch):
    monkeypatch.setenv("CANARY_TESTING_CPUS", "64")
    monkeypatch.setenv("CANARY_TESTING_GPUS", "2")
    machine = plugin.canary_machine(Values())
    assert (machine.count("cpus"), machine.count("gpus")) == (64, 2)
    monkeypatch.setenv("CANARY_TESTING_CPUS", "many")
    with pytest.raises(UsageError, match="CANARY_TESTING_CPUS='many' is no number"):
        plugin.canary_machine(Values())


LIMITS = """
[local]
memory = true
enforce_memory = true
affinity = true
"""


def test_what_the_settings_do(canary, tmp_path):
    """From the command line to the verdict: a job is ended, one cannot fit, one runs."""
    (tmp_path / "canary.toml").write_text(LIMITS)
    body = 'import canary\ncanary.directives.parameterize("memory", [{}])\n{}'
    main = "if __name__ == '__main__':\n    import os\n    {}\n"
    hog = main.format("x = bytearray(300 << 20); __import__('time').sleep(300)")
    show = main.format("print(os.environ['CANARY_CPU_IDS'], *os.sched_getaffinity(0))")
    for name, amount, text in (("hog", 60, hog), ("big", 10**9, ""), ("ok", 60, show)):
        (tmp_path / f"{name}.pyt").write_text(body.format(amount, text))
    done = canary("run", "-s", "live=no", ".", expect=8 + 32)
    assert "used more than its 60 MiB of memory" in done.stdout
    assert "needs 1000000000 MiB of memory, the machine has " in done.stdout
    assert "1 pass, 1 oversized, 1 failed" in done.stdout
    id, *places = (tmp_path / "TestResults/ok.memory=60/canary-out.txt").read_text().split()
    assert id in places
    for words in (("status",), ("status", "--json"), ("query", "jobs")):
        assert "OVERSIZED" in canary(*words, expect=0).stdout


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
