"""What canary calls: the format, the machine of a resource specification file, and what a CTest
job's properties ask for before, while and after it runs.

Hooks of jobs look at `spec.generator` first: the jobs of other formats cost them nothing. This is
imported by every command that loads plugins, and what jobs need by their first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canary import fsio
from canary.errors import ResourceError, SpecError, UsageError
from canary.hookspecs import hookimpl
from canary.status import Category, Outcome, Status
from canary_ctest.generator import CTestGenerator
from canary_ctest.names import COUNT, NAME
from canary_ctest.settings import CMake, CTest, test_timeout

if TYPE_CHECKING:
    from canary.config import Config
    from canary.declare import Settings
    from canary.job import Job
    from canary.launch import Exit
    from canary.spec import SpecGenerator

MARK = "ctest-timeout.txt"


class CTestPlugin:
    """The hooks; it keeps what the configuration says for the generator."""

    def __init__(self) -> None:
        self.generator = CTestGenerator()
        self.resource_spec_file: str | None = None

    @hookimpl
    def canary_settings(self) -> Iterable[type[Settings]]:
        """Options that begin with `--ctest`, and the facts of a build."""
        return [CTest, CMake]

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Take over settings; UsageError for two descriptions of the machine."""
        settings = config.settings(CTest)
        if settings.resource_spec_file and config.main.resource_pool_file:
            raise UsageError(
                "--ctest-resource-spec-file and a resource pool file both describe the machine",
                hint="give one of them",
            )
        path = settings.resource_spec_file
        self.resource_spec_file = str(Path(config.cwd, path)) if path else None
        limit = test_timeout(settings, os.environ)
        self.generator = CTestGenerator(
            settings.config, limit, ask_always=settings.reader == "ctest"
        )

    @hookimpl
    def canary_spec_generators(self) -> Iterable[SpecGenerator]:
        """The format."""
        return [self.generator]

    @hookimpl
    def canary_resources(self, config: Config) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """What the resource specification file says of this machine."""
        path = config.settings(CTest).resource_spec_file
        if not path:
            return None
        from canary_ctest import groups

        return groups.read_spec(str(Path(config.cwd, path)))

    @hookimpl
    def canary_job_setup(self, job: Job) -> None:
        """Refuse a test that has no program, whose required files are absent, that wants resources
        which are not there, or whose properties make no sense."""
        spec = job.spec
        if spec.generator != NAME:
            return
        attributes = spec.attributes
        if not spec.command:
            raise SpecError(
                f"{spec.name} was not run: ctest found no program for it",
                hint="build it, or say with --ctest-config what was built",
                file=attributes["ctestfile"],
            )
        for path in attributes["required_files"]:
            if not os.path.exists(os.path.join(spec.cwd, path)):
                raise SpecError(
                    f"{spec.name} was not run: its required file {path} does not exist",
                    file=attributes["ctestfile"],
                )
        if "fault" in attributes:
            raise SpecError(
                f"{spec.name} was not run: {attributes['fault']}", file=attributes["ctestfile"]
            )
        _changes(job)
        file = attributes.get("resource_spec_file") or self.resource_spec_file
        if file and attributes["resource_groups"] and not _groups(job, file):
            raise ResourceError(f"{spec.name} was not run: it wants more than there is", file=file)

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str | None] | None:
        """Modifications of the environment, and the slots of resource groups."""
        spec = job.spec
        if spec.generator != NAME:
            return None
        out: dict[str, str | None] = {**_changes(job), **_groups(job, self.resource_spec_file)}
        if self.resource_spec_file is not None:
            out.setdefault(COUNT, "0")
        if spec.attributes.get("watched"):
            from canary_ctest import watch

            mark = f"{job.workspace.text}/{MARK}"
            out[watch.VARIABLE] = watch.given(mark, job.timeout_multiplier)
        return out or None

    @hookimpl
    def canary_job_status(self, job: Job, exit: Exit) -> Status | None:
        """Judge by exit code, output and properties."""
        spec = job.spec
        if spec.generator != NAME or exit.code is None:
            return None
        from canary_ctest import verdict

        attributes = spec.attributes
        if attributes.get("watched"):
            said = _read(f"{job.workspace.text}/{MARK}")
            if said:
                return Status.make(outcome=Outcome.TIMEOUT, reason=said, code=exit.code)
        return verdict.judge(attributes, exit.code, job.read_output)

    @hookimpl
    def canary_job_finish(self, job: Job, exit: Exit) -> Mapping[str, Any] | None:  # noqa: ARG002 - by contract
        """Measurements that the test printed or was given; its attached files are copied."""
        spec = job.spec
        if spec.generator != NAME:
            return None
        from canary_ctest import measures

        attached: Mapping[str, Sequence[str]] = spec.attributes.get("attached_files") or {}
        if attached:
            names = measures.names(path for paths in attached.values() for path in paths)
            if job.status.category is not Category.FAIL:
                names = {path: names[path] for path in attached.get("always", ())}
            measures.attach(names, spec.cwd, job.workspace.text)
        found = measures.read(f"{job.workspace.text}/{spec.stdout}")
        return {**spec.attributes.get("measurement", {}), **found} or None


def _changes(job: Job) -> dict[str, str | None]:
    """What ENVIRONMENT_MODIFICATION makes of the environment that the job would have."""
    entries = job.spec.attributes.get("environment_modification")
    if not entries:
        return {}
    from canary_ctest import environment

    base = os.environ if job.settings.environment is None else job.settings.environment
    own = {k: v for k, v in job.spec.environment.items() if v is not None}
    return environment.modified(entries, {**base, **own})


def _groups(job: Job, machine: str | None) -> dict[str, str]:
    """The variables of RESOURCE_GROUPS; none if the pool did not assign what they ask for.
    `machine` is the file that describes it, if there is one."""
    attributes = job.spec.attributes
    wanted = attributes["resource_groups"]
    if not wanted:
        return {}
    from canary_ctest import groups

    generated = attributes.get("resource_spec_file")
    given = groups.read_spec(generated) if generated else job.resources
    if machine and not generated and not all(groups.totals(wanted).values()):
        # who wants no slot of a type is assigned none, and told of an instance
        given = {**groups.read_spec(machine), **{t: x for t, x in given.items() if x}}
    return groups.variables(wanted, given)


def _read(path: str) -> str:
    try:
        return fsio.read_ends(path)
    except OSError:
        return ""
