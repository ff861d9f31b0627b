"""Real CMake projects, not of ours: ctest and canary run them in turn, and must agree on each test.

The sources are Debian's, fetched with `apt-get source` from where this system gets its packages,
built in a scratch directory and thrown away; apt's own state is left alone. Where they cannot be
fetched or built the project is skipped. Times are printed and never fail anything. One round before
those that count fills the caches, Python's among them: both are measured as on the second day.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CANARY = Path(sys.executable).with_name("canary")
ROUNDS = 5


@dataclass(frozen=True)
class Project:
    """A source package: how it is configured, what is built of it, and what has to be installed
    before."""

    name: str
    options: tuple[str, ...] = ()
    before: tuple[Project, ...] = ()
    target: str = "all"


GOOGLETEST = Project("googletest", ("-DBUILD_GMOCK=OFF", "-DCMAKE_CXX_FLAGS=-O0"))
PROJECTS = (
    # 170 tests that `gtest_discover_tests` finds
    Project(
        "highway",
        (
            "-DHWY_SYSTEM_GTEST=ON",
            "-DHWY_ENABLE_CONTRIB=OFF",
            "-DHWY_ENABLE_EXAMPLES=OFF",
            "-DCMAKE_CXX_FLAGS=-O0 -DHWY_COMPILE_ONLY_SCALAR",
        ),
        (GOOGLETEST,),
    ),
    # 50 that `gtest_discover_tests` finds, of some seconds in all; wants BLAS and LAPACK, as from
    # libblas-dev and liblapack-dev
    Project(
        "faiss",
        (
            "-DFAISS_USE_SYSTEM_GTEST=ON",
            "-DFAISS_ENABLE_GPU=OFF",
            "-DFAISS_ENABLE_PYTHON=OFF",
            # what Debian's build leaves out, too
            "-DFAISS_GTEST_FILTER=-MEM_LEAK.*:TEST_CPPCONTRIB_*",
            "-DCMAKE_CXX_FLAGS=-O1",
        ),
        (GOOGLETEST,),
        "faiss_test",
    ),
    # 310 plain `add_test`, of which most depend on another
    Project("libjpeg-turbo", ("-DCMAKE_C_FLAGS=-O2",)),
    # so small that most of the time goes into starting: 23 plain `add_test` of scripts
    Project("json-c", ("-DCMAKE_C_FLAGS=-O0",)),
    Project("brotli", ("-DCMAKE_C_FLAGS=-O1",)),
)
PASSED = {"run": True, "fail": False}


class Sources:
    """Debian's sources, with lists and cache of their own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        parts = place / "parts"
        for directory in (parts, place / "lists/partial", place / "cache/archives/partial"):
            directory.mkdir(parents=True)
        for file in Path("/etc/apt").glob("sources.list.d/*.sources"):
            text = file.read_text()
            if "debian-archive-keyring" in text:
                # without security updates: mirrors keep few of their sources
                kept = [part for part in text.split("\n\n") if "-security" not in part]
                text = "\n\n".join(kept).replace("Types: deb\n", "Types: deb-src\n")
                (parts / file.name).write_text(text)
        self.options = [
            *("-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}"),
            *("-o", f"Dir::State::lists={place}/lists", "-o", f"Dir::Cache={place}/cache"),
        ]
        self.call("update")

    def call(self, *words: str) -> None:
        """Run apt-get; the test is skipped if it fails."""
        done = subprocess.run(
            ["apt-get", "-q", *self.options, *words], cwd=self.place, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"apt-get {' '.join(words)}: {done.stderr.strip().splitlines()[-1]}")

    def fetch(self, name: str) -> Path:
        """The unpacked source of a package."""
        self.call("source", name)
        (found,) = self.place.glob(f"{name}-*/CMakeLists.txt")
        return found.parent


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    for program in ("apt-get", "dpkg-source", "cmake", "ctest", "make", "c++"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    return Sources(tmp_path_factory.mktemp("sources"))


def build(project: Project, sources: Sources, prefix: Path) -> Path:
    """The build directory, all built."""
    for needed in project.before:
        run(["cmake", "--install", build(needed, sources, prefix)])
    directory = prefix / "build" / project.name
    places = (f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    source = sources.fetch(project.name)
    for words in (
        ["-S", source, "-B", directory, "-DBUILD_TESTING=ON", *places, *project.options],
        ["--build", directory, "-j", "2", "--target", project.target],
    ):
        done = subprocess.run(["cmake", *words], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{project.name} cannot be built here: {done.stderr[-300:]}")
    return directory


def run(
    words: Sequence[str | Path], cwd: Path | None = None, codes: Sequence[int] = (0,), **more: str
) -> str:
    # what is set for development, such as not to keep compiled modules, is not for measuring
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CANARY", "PYTHON"))}
    # tests of json-c take minutes where they find valgrind; two at once are to be two processors
    environ |= {"USE_VALGRIND": "0", "OMP_NUM_THREADS": "1", **more}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=environ, capture_output=True)
    assert done.returncode in codes, (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout.decode(errors="replace")


def used() -> tuple[float, float]:
    """Wall time, and CPU time of all that was waited for; seconds since whenever."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), children.ru_utime + children.ru_stime


def by_ctest(directory: Path) -> dict[str, bool]:
    """Which tests pass."""
    report = directory / "report.xml"
    run(["ctest", "-j2", "-Q", "--output-junit", report], directory, (0, 8))
    cases = ET.parse(report).iterfind(".//testcase")
    return {c.get("name", ""): PASSED[c.get("status", "")] for c in cases}


def by_canary(directory: Path, scratch: Path) -> None:
    """Run them in a workspace that is made anew."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    run([CANARY, "-r", "cpus=2", "run", directory], scratch, (0, 8))


def specs(directory: Path, scratch: Path, reader: str) -> list[object]:
    """What there is to run, as canary's own reader or ctest says."""
    words = [CANARY, "find", "--json", directory]
    found: list[object] = json.loads(run(words, scratch, CANARY_CTEST_READER=reader))
    return found


def verdicts(scratch: Path) -> dict[str, bool]:
    """Which tests passed in that workspace."""
    jobs = json.loads(run([CANARY, "query", "jobs"], scratch))
    return {job["fullname"]: job["status"]["category"] == "PASS" for job in jobs}


@pytest.mark.bench
@pytest.mark.timeout(0)
@pytest.mark.parametrize("project", PROJECTS, ids=lambda p: p.name)
def test_project(project, sources, tmp_path):
    directory = build(project, sources, tmp_path)
    scratch = tmp_path / "scratch"
    theirs, ours = [], []
    by_canary(directory, scratch)
    assert specs(directory, scratch, "auto") == specs(directory, scratch, "ctest")
    for _ in range(ROUNDS):
        before = used()
        want = by_ctest(directory)
        between = used()
        by_canary(directory, scratch)
        theirs.append([b - a for a, b in zip(before, between, strict=True)])
        ours.append([b - a for a, b in zip(between, used(), strict=True)])
    have = verdicts(scratch)
    # ours are named with their directory
    named = {n: p for name, p in have.items() for n in want if name == n or name.endswith(f"/{n}")}
    assert named == want
    assert len(have) == len(want) > 10
    print(f"\n{project.name}: {len(want)} tests, 2 at once")
    for i, what in enumerate(("wall", "cpu")):
        ctest, canary = (statistics.median(row[i] for row in rows) for rows in (theirs, ours))
        ratios = [b[i] / a[i] for a, b in zip(theirs, ours, strict=True)]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"  {what:4}  ctest {ctest:.2f} s, canary {canary:.2f} s,", end=" ")
        print(f"canary / ctest = {middle:.2f} ({low:.2f} to {high:.2f})")
