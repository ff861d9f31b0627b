"""The MPIs of this machine, each with a program that is linked with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from canary.testing.launchers import alive

pytest_plugins = ["canary.testing.fixtures"]
CASES = Path(__file__).parent / "cases"
PACKAGES = {
    "openmpi": "openmpi-bin and libopenmpi-dev",
    "mpich": "mpich and libmpich-dev",
}
RANK = re.compile(r"rank (\d+) of (\d+)")


class Installed:
    """One MPI: its programs by their full names, and what the environment has to be for it."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.program = str(directory / "ranks")
        self.environment = {"CANARY_MPI_EXEC": f"mpiexec.{kind}"}
        source = CASES / "ranks.c"
        subprocess.run([f"mpicc.{kind}", "-Wall", "-o", self.program, source], check=True)
        if kind == "mpich":
            # Debian gives the library a name of its own, by which mpi4py does not know it
            listed = subprocess.run(["ldd", self.program], capture_output=True, text=True).stdout
            library = re.search(r"libmpich\.so\.12 => (\S+)", listed)[1]
            (directory / "libmpi.so.12").symlink_to(library)
            self.environment["LD_LIBRARY_PATH"] = str(directory)
            self.environment["MPI4PY_MPIABI"] = "mpich"

    def python(self, *words):
        """A program of mpi4py."""
        return [sys.executable, str(CASES / "ranks.py"), *words]


@pytest.fixture(scope="session", params=PACKAGES)
def mpi(request, tmp_path_factory):
    kind = request.param
    if not all(shutil.which(f"{name}.{kind}") for name in ("mpiexec", "mpicc")):
        pytest.skip(f"needs {PACKAGES[kind]}")
    return Installed(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture
def environment(mpi, monkeypatch):
    """The tests run as if the MPI were the one of this machine."""
    for name in [n for n in os.environ if n.startswith(("CANARY_", "OMPI_", "SLURM_"))]:
        monkeypatch.delenv(name)
    for name, value in mpi.environment.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


class Ranks:
    """What ranks have said of themselves, and whether they live."""

    @staticmethod
    def of(text):
        """`(rank, size)` of all, in order."""
        return sorted((int(rank), int(size)) for rank, size in RANK.findall(text))

    def are_four(self, text):
        """Are there exactly the four ranks of one program?"""
        return self.of(text) == [(n, 4) for n in range(4)]

    @staticmethod
    def pids(text):
        return [int(pid) for pid in re.findall(r"pid (\d+)", text)]

    def are_gone(self, text, seconds=15.0):
        """Wait until none of them lives: whoever kills need not wait for the end."""
        pids = self.pids(text)
        assert pids
        end = time.monotonic() + seconds
        while any(alive(pid) for pid in pids):
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        return True


@pytest.fixture
def ranks():
    return Ranks()
