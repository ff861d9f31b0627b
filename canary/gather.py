"""All that a walk needs from plugins and configuration: formats, the machine, launchers, and the
hooks lent to jobs.

Each hook is called from one place, and these are most of those places. What is gathered here is
handed to the session as plain values; nothing is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from canary import collect
from canary.config import Config
from canary.errors import PluginError, ResourceError, UsageError
from canary.expression import platform_names
from canary.job import BaseJob, Job, JobServices
from canary.launch import Exit, Launcher
from canary.process import SubprocessLauncher
from canary.request import RunRequest
from canary.resources import Instance, Machine, Node, plural
from canary.spec import ExpandContext, JobSpec, Mask, SpecGenerator
from canary.status import Status
from canary.workspace import usable_cpus

DEFAULT_LAUNCHER: Final = "local"


def spec_generators(config: Config) -> dict[str, SpecGenerator]:
    """All test formats by name."""
    kind: type[Any] = SpecGenerator  # abstract: only for isinstance
    return config.plugins.offered("canary_spec_generators", kind, {})


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
    hook = "canary_select"
    for info, answer in config.plugins.call(hook, specs=tuple(specs.values()), config=config):
        masks.update({id: mask for id, mask in _mapping(hook, info, answer).items() if mask})
    return masks


def _mapping(hook: str, info: object, answer: Any) -> Mapping[str, Any]:
    """The answer of a plugin, if it is what the hook asks for."""
    if not isinstance(answer, Mapping):
        raise PluginError(f"{info}: {hook} must return a mapping, not {answer!r:.80}")
    return answer


def find_machine(request: RunRequest, config: Config) -> Machine:
    """The pool file, else what plugins say, else this host; then detected resources and the
    request's changes."""
    machine = request.machine
    if machine is None:
        machine = config.plugins.first("canary_machine", config=config) or _this_host()
        owners: dict[str, str] = {}
        hook = "canary_resources"
        for info, answer in config.plugins.call(hook, config=config):
            for type, instances in _mapping(hook, info, answer).items():
                if type in owners:
                    raise PluginError(
                        f"{owners[type]} and {info} both detect {type}",
                        hint="block one: -p no:NAME",
                    )
                owners[type] = str(info)
                try:
                    machine = _with_instances(machine, type, instances)
                except ResourceError as e:
                    raise PluginError(f"{info}: {hook}: {type}: {e.message}", hint=e.hint) from None
    for type, n in request.counts:
        machine = machine.with_count(plural(type), n)
    for type, n in request.oversubscribe:
        machine = machine.with_slots(plural(type), n)
    return machine


def _this_host() -> Machine:
    cpus = tuple(Instance(str(n)) for n in usable_cpus())
    return Machine((Node(os.uname().nodename, {"cpus": cpus, "gpus": ()}),))


def _with_instances(machine: Machine, type: str, instances: Sequence[Mapping[str, Any]]) -> Machine:
    pool = {"nodes": [{"id": "x", "resources": {type: instances}}]}
    made = Machine.fromdict(pool).nodes[0].resources[type]
    first, *rest = machine.nodes
    return replace(machine, nodes=(Node(first.id, {**first.resources, type: made}), *rest))


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
        hook = "canary_job_env"
        out: dict[str, str | None] = {}
        for info, answer in self._plugins.call(hook, job=job):
            out.update(_mapping(hook, info, answer))
        return out

    def setup(self, job: Job) -> None:
        """See `JobServices.setup`."""
        self._plugins.call("canary_job_setup", job=job, reraise=True)

    def judge(self, job: Job, exit: Exit) -> Status | None:
        """See `JobServices.judge`."""
        status = self._plugins.first("canary_job_status", job=job, exit=exit)
        if status is not None and not isinstance(status, Status):
            raise PluginError(f"canary_job_status must return a Status, not {status!r:.80}")
        return status

    def measure(self, job: Job, exit: Exit) -> Mapping[str, Any]:
        """See `JobServices.measure`."""
        hook = "canary_job_finish"
        out: dict[str, Any] = {}
        for info, answer in self._plugins.call(hook, lenient=True, job=job, exit=exit):
            try:
                out.update(_mapping(hook, info, answer))
            except PluginError as e:
                self._plugins.say("WARNING", str(e))
        return out
