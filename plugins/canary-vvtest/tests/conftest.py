"""What the tests of this distribution share: from the text of a test file to its jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.spec import ExpandContext, SpecFile
from canary.testing.fixtures import canary, canary_environment  # noqa: F401 - fixtures
from canary_vvtest.generator import VvtGenerator


@pytest.fixture(autouse=True)
def _scratch_directory(tmp_path, monkeypatch):
    for name in ("SNLSYSTEM", "SNLCLUSTER", "SNLOS", "CANARY_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def make_context(options=(), platforms=("linux",), config=None):
    return ExpandContext(
        frozenset(options),
        frozenset(platforms),
        lambda keywords: 120.0 if "fast" in keywords else 300.0,
        lambda file: Path(file).name,
        config or {},
    )


@pytest.fixture
def load(tmp_path):
    """Write a file and load it: its SpecFile, and what was found."""

    def make(text, name="a.vvt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        file = SpecFile(str(tmp_path), name, "vvt")
        return file, VvtGenerator().load(file)

    return make


@pytest.fixture
def context():
    return make_context


@pytest.fixture
def jobs(load):
    """`jobs(line, …)`: the jobs of a file that consists of these directives."""

    def make(*lines, name="a.vvt", **context):
        file, loaded = load("".join(f"#VVT: {line}\n" for line in lines), name)
        return VvtGenerator().expand(file, loaded.data, make_context(**context))

    return make


@pytest.fixture
def job(jobs):
    def make(*lines, **kwargs):
        (one,) = jobs(*lines, **kwargs)
        return one

    return make
