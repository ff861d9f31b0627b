"""All that a walk needs from plugins and configuration: formats, the machine, launchers, and the
hooks lent to jobs.

Each hook is called from one place, and these are most of those places. What is gathered here is
handed to the session as plain values; nothing is kept.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from canary import collect
from canary.config import Config
from canary.errors import PluginError, ResourceError, UsageError
from canary.expression import platform_names
from canary.job import BaseJob, Job, JobServices
from canary.launch import Exit, Launcher
from canary.loader import PluginInfo
from canary.plugins import LIST, shape
from canary.process import SubprocessLauncher
from canary.request import RunRequest
from canary.resources import Instance, Machine, Node, plural
from canary.spec import ExpandContext, JobSpec, Mask, SpecGenerator
from canary.status import Status
from canary.workspace import usable_cpus

DEFAULT_LAUNCHER: Final = "local"
_GENERATORS: Final = "canary_spec_generators"


def spec_generators(config: Config) -> dict[str, SpecGenerator]:
    """All test formats by name."""
    kind: type[Any] = SpecGenerator  # abstract: only for isinstance
    return config.plugins.offered(_GENERATORS, kind, {})


def clash(config: Config) -> collect.Clash:
    """What becomes of two formats that claim one file is the policy for plugins."""
    return partial(config.plugins.clash, _GENERATORS)


def ignore(config: Config) -> collect.Ignore | None:
    """What plugins leave out of a scan; None if none of them says."""
    plugins = config.plugins
    if not plugins.has("canary_ignore_path"):
        return None
    return lambda path: bool(plugins.first("canary_ignore_path", path=Path(path), config=config))


def expand_context(request: RunRequest, config: Config) -> ExpandContext:
    """What specs may depend on besides their file."""
    marks: dict[str, str] = {}
    configured: Mapping[str, Any] = config.get("run.timeout")
    return ExpandContext(
        options=request.options,
        platforms=platform_names(os.environ),
        timeout_for=lambda keywords: timeout_of(keywords, request.timeouts, configured),
        repository=lambda file: collect.repository_path(marks, file),
        config=config.asdict(),
    )


def timeout_of(
    keywords: Sequence[str], given: Mapping[str, float], configured: Mapping[str, float]
) -> float:
    """Command line before configuration; in each the job's first keyword, then `all`, then
    `default`."""
    words = (*keywords, "*", "all", "default")
    known = (float(table[w]) for table in (given, configured) for w in words if w in table)
    return next(known)


def plugin_masks(specs: Mapping[str, JobSpec], config: Config) -> dict[str, Mask]:
    """What plugins mask."""
    masks: dict[str, Mask] = {}
    fit, among = shape((Mapping,), Mask), tuple(specs.values())
    for _, answer in config.plugins.call("canary_select", fit=fit, specs=among, config=config):
        masks.update({id: mask for id, mask in answer.items() if mask})
    return masks


def find_machine(request: RunRequest, config: Config) -> Machine:
    """The pool file, else what plugins say, else this host; then detected resources and the
    request's changes."""
    machine = request.machine
    if machine is None:
        fit = shape((Machine,))
        machine = config.plugins.first("canary_machine", fit=fit, config=config) or _this_host()
        machine = with_detected(replace(machine, here=_own_node(machine)), config)
    for type, n in request.counts:
        machine = machine.with_count(plural(type), n)
    for type, n in request.oversubscribe:
        machine = machine.with_slots(plural(type), n)
    return machine


def with_detected(machine: Machine, config: Config) -> Machine:
    """The machine with what plugins detect; of two that detect one type, the first is heard."""
    owners: dict[str, PluginInfo] = {}
    hook, fit = "canary_resources", shape((Mapping,), list, tuple)
    for info, answer in config.plugins.call(hook, fit=fit, config=config, machine=machine):
        for type, instances in answer.items():
            try:
                if type in owners:
                    raise ResourceError(f"{owners[type]} detects them already")
                machine = _with_instances(machine, type, instances)
                owners[type] = info
            except ResourceError as e:
                config.plugins.failed(info, f"{hook}: {type}: {e.message}", f"its {type}")
    return machine


def _this_host() -> Machine:
    cpus = tuple(Instance(str(n)) for n in usable_cpus())
    return Machine((Node(os.uname().nodename, {"cpus": cpus, "gpus": ()}),))


def _own_node(machine: Machine) -> str:
    """The ID of the node that this process is on, empty if it is on none: as was said, else the
    only one, else the one that is called as this host."""
    if machine.here is not None:
        return machine.here
    if len(machine.nodes) == 1:
        return machine.nodes[0].id
    name = os.uname().nodename
    ids = {node.id for node in machine.nodes}
    return next((id for id in (name, name.partition(".")[0]) if id in ids), "")


def _with_instances(machine: Machine, type: str, instances: Sequence[Mapping[str, Any]]) -> Machine:
    pool = {"nodes": [{"id": "x", "resources": {type: instances}}]}
    made = Machine.fromdict(pool).nodes[0].resources
    return machine.with_instances(machine.here or machine.nodes[0].id, made)


def group(jobs: Sequence[Job], machine: Machine, config: Config) -> Sequence[BaseJob]:
    """The jobs as plugins pack them, each once, for a scheduler; as they are if none does."""
    wanted = Counter(job.id for job in jobs)

    def fit(answer: Any) -> str:
        if problem := shape(LIST, BaseJob)(answer):
            return problem
        held = Counter(job.id for top in answer for job in getattr(top, "jobs", (top,)))
        return "" if held == wanted else "each job once, itself or in the `jobs` of another"

    asked = {"jobs": jobs, "config": config, "machine": machine}
    grouped: Sequence[BaseJob] | None = config.plugins.first("canary_group", fit=fit, **asked)
    return jobs if grouped is None else grouped


def choose_launcher(request: RunRequest, config: Config) -> Callable[[BaseJob | None], Launcher]:
    """By name: the spec's, else the request's, the configuration's, `local` if there is one, the
    core's own. None stands for a job whose spec names none."""
    own = SubprocessLauncher.name
    kind: type[Any] = Launcher  # abstract: only for isinstance
    launchers: dict[str, Launcher] = {own: SubprocessLauncher()}
    taken = {own: "canary itself"}
    launchers |= config.plugins.offered("canary_launchers", kind, taken, config=config)
    hint = f"there are: {', '.join(sorted(launchers))}"
    if request.launcher is not None and request.launcher not in launchers:
        raise UsageError(f"no launcher {request.launcher!r}", hint=hint)
    usual = request.launcher or config.get("run.launcher")
    if usual is None:
        usual = DEFAULT_LAUNCHER if DEFAULT_LAUNCHER in launchers else own

    def choose(job: BaseJob | None) -> Launcher:
        name = (job and job.launcher_name) or usual
        if name not in launchers:
            raise PluginError(f"no launcher {name!r}", hint=hint)
        return launchers[name]

    return choose


class HookServices(JobServices):
    """The hooks of plugins, lent to jobs."""

    def __init__(self, config: Config) -> None:
        self._plugins = config.plugins

    def environment(self, job: Job) -> Mapping[str, str | None]:
        """See `JobServices.environment`."""
        hook, fit = "canary_job_env", shape((Mapping,), str, type(None))
        answers = self._plugins.call(hook, fit=fit, job=job)
        self._miss(hook)
        return {name: value for _, answer in answers for name, value in answer.items()}

    def setup(self, job: Job) -> None:
        """See `JobServices.setup`."""
        # what it raises is meant for this job, unless every broken plugin is to stop the session
        reraise = self._plugins.policy != "stop"
        self._plugins.call("canary_job_setup", job=job, reraise=reraise)
        self._miss("canary_job_setup")

    def judge(self, job: Job, exit: Exit) -> Status | None:
        """See `JobServices.judge`."""
        hook, fit = "canary_job_status", shape((Status,))
        status: Status | None = self._plugins.first(hook, fit=fit, job=job, exit=exit)
        self._miss(hook)
        return status

    def measure(self, job: Job, exit: Exit) -> Mapping[str, Any]:
        """See `JobServices.measure`."""
        hook, fit = "canary_job_finish", shape((Mapping,), object)
        answers = self._plugins.call(hook, fit=fit, lenient=True, job=job, exit=exit)
        return {name: value for _, answer in answers for name, value in answer.items()}

    def _miss(self, hook: str) -> None:
        """Once a plugin has stopped the session, no job goes on without what it would have said."""
        fatal = self._plugins.fatal
        if fatal is not None and hook in fatal.hooks:
            raise fatal
