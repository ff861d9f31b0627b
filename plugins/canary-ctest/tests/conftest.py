"""What the tests of this distribution share: build trees from a few lines, and what became of them.

The trees are read by the real ctest, and where they are generated, by the real cmake.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from canary.spec import SpecFile
from canary.testing.fixtures import canary, canary_environment  # noqa: F401 - fixtures
from canary.testing.generators import context
from canary_ctest import query, testfiles
from canary_ctest.generator import CTestGenerator


@pytest.fixture(autouse=True)
def _needs_ctest():
    if shutil.which("ctest") is None:
        pytest.skip("ctest is not on this machine")


@pytest.fixture(autouse=True)
def trees():
    """The build trees of a test. When it is over, what is read of them without ctest must be what
    ctest says."""
    roots = []
    yield roots
    for root in roots:
        compared(root)


def compared(root, config=None):
    try:
        rows = testfiles.read(str(root))
    except testfiles.NotPlain:
        return None
    rows = query.without_implied(rows)
    assert rows == query.read(str(root), config, ask_always=True)
    return rows


@pytest.fixture
def own_rows():
    """`own_rows(root, config=None)`: what is read of a tree without ctest, which must be what ctest
    says; None if nothing is."""
    return compared


@pytest.fixture(autouse=True)
def _scratch_directory(tmp_path, trees, monkeypatch):
    """Each test starts in an empty directory, with no variable that ctest reads. (The trees are
    compared once that is undone.)"""
    for name in ("CTEST_TEST_TIMEOUT", "CTEST_PARALLEL_LEVEL", "CTEST_OUTPUT_ON_FAILURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tree(tmp_path, trees):
    """`tree(text, **{"sub/x": text})` writes a build tree by hand; its directory."""

    def write(text, files=(), name="build"):
        root = tmp_path / name
        for path, content in {"CTestTestfile.cmake": text, **dict(files)}.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        trees.append(root)
        return root

    return write


@pytest.fixture
def built(tmp_path, trees):
    """`built(text, files, build=False)` configures a project; its build directory."""

    def make(text, files=(), *, build=False, options=()):
        source = tmp_path / "source"
        for path, content in {"CMakeLists.txt": text, **dict(files)}.items():
            file = source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        directory = tmp_path / "build"
        call("cmake", "-S", source, "-B", directory, *options)
        if build:
            call("cmake", "--build", directory)
        trees.append(directory)
        return directory

    return make


def call(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def specs():
    """`specs(directory)` is `{full name: JobSpec}` of a build tree, with canary's generator."""

    def read(directory, generator=None, root=None):
        made = generator or CTestGenerator()
        root = root or directory
        path = (directory / "CTestTestfile.cmake").relative_to(root)
        file = SpecFile(str(root), str(path), made.name)
        return {s.fullname: s for s in made.expand(file, made.load(file).data, context())}

    return read


@pytest.fixture
def by_ctest():
    """`by_ctest(directory)` is `{name: "passed" | "failed" | "skipped" | ...}`, as ctest judges."""

    def run(directory, *options):
        done = subprocess.run(
            ["ctest", "-j4", *options], cwd=directory, capture_output=True, text=True, check=False
        )
        line = re.compile(r"Test +#\d+: (.*?) \.*(?:\.|\*\*\*| {3})(\w[\w ]*?)(?:: | \(|  | +\d)")
        found = {}
        for text in done.stdout.splitlines():
            match = line.search(text)
            if match:
                found[match[1]] = match[2].strip().lower()
        assert found, done.stdout + done.stderr
        return found

    return run


@pytest.fixture
def by_canary(canary, tmp_path):  # noqa: F811 - a fixture
    """`by_canary(directory, *options)` is `{full name: "CATEGORY (OUTCOME)"}`."""

    def run(directory, *options, expect=None, main=()):
        run.done = canary(*main, "run", *options, directory, expect=expect)
        run.jobs = {j["fullname"]: j for j in json.loads(canary("query", "jobs").stdout)}
        return {
            name: f"{j['status']['category']} ({j['status']['outcome']})"
            for name, j in run.jobs.items()
        }

    run.results = tmp_path / "TestResults"
    return run
