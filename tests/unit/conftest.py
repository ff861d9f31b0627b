"""What tests of single modules share: jobs that are shell scripts, in a session's directory; and
`hostile`, values for their properties."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from canary.job import Dependency, Job
from canary.resources import Capacity
from canary.spec import JobSpec, job_id
from canary.workspace import ExecutionSpace

# files are written and processes wait: how long an example takes says nothing
settings.register_profile("canary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("canary")


def _load(name: str) -> None:
    """A file beside this one as a module: tests are imported without a package here."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_load("hostile")


class NewJob(Protocol):
    """`new_job(name, script, depends=[(job, when)], **spec)` makes a job that runs `script`."""

    def __call__(
        self,
        name: str = "t",
        script: str = "",
        *,
        depends: Iterable[tuple[Any, str | None]] = (),
        capacity: Capacity | None = None,
        **spec: Any,
    ) -> Job: ...


@pytest.fixture
def new_job(tmp_path) -> NewJob:
    """Test files are below `src`, work directories below `session`."""

    def make(name="t", script="", *, depends=(), capacity=None, **more):
        source = tmp_path / "src"
        source.mkdir(exist_ok=True)
        file = f"{name.partition('.')[0]}.sh"
        (source / file).write_text(script + "\n")
        parameters = more.get("parameters", {})
        values = {
            "file_root": str(source),
            "file_path": file,
            "id": job_id(name, file, parameters),
            "family": name.partition(".")[0],
            "name": name,
            "command": ("/bin/sh", file),
            "timeout": 20.0,
            **more,
        }
        space = ExecutionSpace(
            tmp_path / "session", Path(name), "s1", capacity or Capacity({"cpus": 4, "gpus": 2})
        )
        return Job(JobSpec(**values), space, [Dependency(*d) for d in depends])

    return make


@pytest.fixture
def no_child_is_left():
    """Fails if there is a child that was not there before the test: the process is a subreaper,
    so that orphans of earlier tests may be among its children."""

    def children():
        found = set()
        for task in Path("/proc/self/task").iterdir():
            found.update((task / "children").read_text().split())
        return found

    before = children()

    def check():
        assert children() <= before

    return check
