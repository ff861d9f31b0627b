"""A Grid Engine for the session, and canary on it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["canary.testing.fixtures"]

SCRIPT = Path(__file__).parents[3] / "contrib" / "sge-cluster" / "sge_cluster.py"
LIMIT = 100.0  # seconds that anything on the cluster may take on a busy machine
NEEDED = ("qsub", "qstat", "qdel", "sge_qmaster", "sge_execd")


class Grid:
    """The Grid Engine of contrib/sge-cluster."""

    def __init__(self, directory):
        self.directory = directory

    def do(self, *words):
        command = [sys.executable, str(SCRIPT), "--dir", str(self.directory), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def variables(self):
        """What makes clients find it."""
        lines = (line.removeprefix("export ") for line in self.do("env").splitlines())
        values = {name: value for name, _, value in (line.partition("=") for line in lines)}
        path = values.pop("PATH").removesuffix(":$PATH")
        found = {name: shlex.split(value)[0] for name, value in values.items()}
        return {**found, "PATH": f"{shlex.split(path)[0]}:{os.environ['PATH']}"}


def path_of_root():
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


@pytest.fixture(scope="session")
def grid(tmp_path_factory):
    missing = [name for name in NEEDED if shutil.which(name, path=path_of_root()) is None]
    if missing:
        pytest.skip(f"Grid Engine is not installed: no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Grid Engine")
    made = Grid(tmp_path_factory.mktemp("sge") / "cluster")
    try:
        made.do("up", "--slots", "64")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in made.variables().items():
                patch.setenv(name, value)
            yield made
    finally:
        made.do("down")
