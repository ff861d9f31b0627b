"""What the tests of this distribution share: from the text of a test file to its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from canary.spec import ExpandContext, SpecFile
from canary_pyt.generator import PytGenerator


@pytest.fixture(autouse=True)
def _scratch_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's directory; its SpecFile."""

    def make(text, name="f.pyt", generator="pyt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        stat = path.stat()
        return SpecFile(str(tmp_path), name, generator, stat.st_mtime_ns, stat.st_size, stat.st_ino)

    return make


def make_context(options=(), platforms=("linux",), repository=None, timeout=300.0):
    def timeout_for(keywords):
        return 120.0 if "fast" in keywords else timeout

    def path(file):
        return repository or file.lstrip("/")

    return ExpandContext(frozenset(options), frozenset(platforms), timeout_for, path)


@pytest.fixture
def context():
    return make_context


@pytest.fixture
def jobs(write):
    """`jobs(text, options=…)`: the jobs of a file that consists of an import and this text."""

    def make(text, name="f.pyt", **context):
        file = write(f"import canary\nd = canary.directives\n{text}\n", name)
        generator = PytGenerator()
        return generator.expand(file, generator.load(file).data, make_context(**context))

    return make


@pytest.fixture
def job(jobs):
    def make(text, **kwargs):
        (one,) = jobs(text, **kwargs)
        return one

    return make


@pytest.fixture
def python(tmp_path):
    """Run Python with a program text or arguments; the finished process."""

    def run(*args, cwd=None, env=None, **kwargs):
        environ = {k: v for k, v in os.environ.items() if not k.startswith("CANARY_")}
        environ.update(env or {})
        done = subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=cwd or tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
            **kwargs,
        )
        return done

    return run


@pytest.fixture
def in_job(tmp_path, write, context):
    """Make the directory of a job as the core makes it, with its lock; the directory."""
    from canary.job import Job
    from canary.workspace import ExecutionSpace

    def make(text, which=0, results=None):
        file = write(text, "src/t.pyt")
        generator = PytGenerator()
        specs = generator.expand(file, generator.load(file).data, context())
        made = []
        for spec in specs:
            job = Job(spec, ExecutionSpace(tmp_path / "session", Path(spec.work_path), "session"))
            job.setup()
            made.append(job)
        by_id = {job.id: job for job in made}
        for job in made:
            from canary.job import Dependency

            for dependency in job.spec.dependencies:
                job.dependencies += [Dependency(by_id[i], dependency.when) for i in dependency.ids]
            job.assign_resources({"cpus": [{"id": str(i), "slots": 1} for i in range(job.cpus)]})
            job.save()
        return made[which].workspace.dir

    return make
