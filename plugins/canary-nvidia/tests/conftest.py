"""A stand-in for the driver's library, compiled here: the real binding is what is tested."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest_plugins = ["canary.testing.fixtures"]
CASES = Path(__file__).parent / "cases"


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The directory of the stand-in."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for NVML with")
    directory = tmp_path_factory.mktemp("nvml")
    target = directory / "libnvidia-ml.so.1"
    words = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", target, CASES / "nvml.c"]
    subprocess.run(words, check=True)
    return directory


class Standin:
    """`standin(GPUS=8)`: processes started from now on, with its `environment`, find such GPUs."""

    def __init__(self, library, patch):
        self.environment = {"LD_LIBRARY_PATH": str(library)}
        self._patch = patch

    def __call__(self, **values):
        self.environment |= {f"STANDIN_{name}": str(value) for name, value in values.items()}
        for name, value in self.environment.items():
            self._patch.setenv(name, value)


@pytest.fixture
def standin(library, monkeypatch):
    """A machine with the GPUs that the test asks for."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Standin(library, monkeypatch)
