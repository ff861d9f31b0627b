"""Jobs: what a scheduler drives (`BaseJob`) and the one kind that is a test of a user's (`Job`).

A scheduler needs nothing but `BaseJob`: needs, readiness, cost, phases, and a `Launch` to hand to a
launcher. A `Job` is a façade over pure functions of lower modules: its spec says what it is, its
`ExecutionSpace` where it runs. Only `on_*`, `refresh_readiness`, `set_status` and `setstate` write
phase or status. Nothing here asks for a global configuration, changes the process's directory or
its environment.
"""

from __future__ import annotations

import abc
import enum
import math
import os
import time
from collections.abc import Generator, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary import faults, fsio, history, lockfile, staging
from canary.clock import Timekeeper
from canary.errors import RecordError
from canary.expression import compile_condition
from canary.frozen import EMPTY
from canary.history import RunHistory
from canary.home import TAG
from canary.launch import Exit, ExitReason, Launch, Launcher
from canary.process import Cancellation, SubprocessLauncher, run_blocking, sourced_environment
from canary.resources import AMOUNTS, LOCK, Capacity
from canary.spec import JobSpec, Mask
from canary.staging import InvalidTypeError, MissingSourceError
from canary.status import Category, Outcome, Status, judge_exit_code
from canary.workspace import ExecutionSpace

if TYPE_CHECKING:
    from canary.events import Event

__all__ = [
    "AnyMatcher",
    "BaseJob",
    "Dependency",
    "InvalidTypeError",
    "Job",
    "JobPhase",
    "JobServices",
    "JobState",
    "LaunchSettings",
    "Measurements",
    "MissingSourceError",
    "ceil_div",
    "find_cache_dir",
    "load_job_from_file",
    "load_job_from_state",
    "load_jobs",
]

HEAD_AND_TAIL: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """How a session launches its jobs: seconds, bytes, and the environment they start from."""

    environment: Mapping[str, str] | None = None
    grace: float = 2.0
    no_output_timeout: float | None = None
    output_limit: int | None = 1 << 30
    trim_output: bool = False
    copy_all: bool = False
    pin: bool = False


_DEFAULT_SETTINGS: Final = LaunchSettings()


class JobPhase(str, enum.Enum):
    """Where a job is in its life."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    DONE = "DONE"


@dataclass
class AnyMatcher:
    """Is a name one of `choices`, ignoring case?"""

    choices: set[str]

    def __call__(self, name: str) -> bool:
        """Is `name` one of them?"""
        folded = name.casefold()
        return any(folded == choice.casefold() for choice in self.choices)


@dataclass
class JobState:
    """The phase, with its questions; a phase given as text is coerced."""

    phase: JobPhase = JobPhase.PENDING

    def __post_init__(self) -> None:
        self.phase = JobPhase(self.phase)

    def reset(self) -> None:
        """Back to PENDING."""
        self.phase = JobPhase.PENDING

    def is_pending(self) -> bool:
        """Not handed to anyone yet."""
        return self.phase is JobPhase.PENDING

    def is_submitted(self) -> bool:
        """Handed over, not yet running."""
        return self.phase is JobPhase.SUBMITTED

    def is_running(self) -> bool:
        """Its command runs."""
        return self.phase is JobPhase.RUNNING

    def is_done(self) -> bool:
        """It is over, however it ended."""
        return self.phase is JobPhase.DONE


@dataclass
class Measurements:
    """Named JSON values taken from a run."""

    data: dict[str, Any] = field(default_factory=dict)

    def add_measurement(self, name: str, value: Any) -> None:
        """Set one."""
        self.data[name] = value

    def update(self, arg: dict[str, Any] | Measurements) -> None:
        """Set those of `arg`."""
        self.data.update(arg.data if isinstance(arg, Measurements) else arg)

    def reset(self) -> None:
        """Forget all."""
        self.data.clear()

    def items(self) -> Generator[tuple[str, Any], None, None]:
        """Pairs of name and value."""
        yield from self.data.items()


@dataclass(frozen=True)
class Dependency:
    """A job waited for, and the condition on its end: see `expression.compile_condition`."""

    job: BaseJob
    when: str | None

    def is_done(self) -> bool:
        """Upstream is over."""
        return self.job.state.is_done()

    def is_satisfied(self) -> bool:
        """Upstream is over and the condition holds."""
        end = (self.job.status.category.value, self.job.status.outcome.name)
        return self.is_done() and compile_condition(self.when).holds(*end)


class JobServices:
    """What a session lends to its jobs: hooks of plugins, and its policy. This base lends none."""

    policy: Mapping[str, Any] = EMPTY

    def environment(self, job: Job) -> Mapping[str, str | None]:
        """Variables that plugins add to the job's environment."""
        return EMPTY

    def setup(self, job: Job) -> None:
        """Plugins add to the job's directory."""

    def judge(self, job: Job, exit: Exit) -> Status | None:
        """A plugin's verdict, or None for the usual one."""
        return None

    def measure(self, job: Job, exit: Exit) -> Mapping[str, Any]:
        """Measurements that plugins took."""
        return EMPTY


class BaseJob(abc.ABC):
    """What a scheduler drives."""

    def __init__(self) -> None:
        self.status = Status()
        self.state = JobState()
        self.measurements = Measurements()
        self.timekeeper = Timekeeper()
        self.attributes_set: dict[str, Any] = {}

    @property
    @abc.abstractmethod
    def id(self) -> str:
        """Stable identity."""

    @property
    def exclusive(self) -> bool:
        """Needs its node for itself."""
        return False

    @abc.abstractmethod
    def cost(self) -> float:
        """Scheduling weight: what is dearer starts earlier."""

    @abc.abstractmethod
    def required_resources(self) -> list[dict[str, Any]]:
        """One `{"type": str, "slots": int}` per slot wanted; type `nodes`: over how many nodes."""

    @abc.abstractmethod
    def assign_resources(self, arg: dict[str, list[dict[str, Any]]]) -> None:
        """Take `{type: [{"id": str, "slots": int}]}`."""

    @abc.abstractmethod
    def free_resources(self) -> dict[str, list[dict[str, Any]]]:
        """Give back what was assigned and forget it."""

    @abc.abstractmethod
    def refresh_readiness(self) -> None:
        """Become DONE and BLOCKED if a dependency ended in a way that breaks its condition."""

    @abc.abstractmethod
    def is_runnable(self) -> bool:
        """Could it still run in the future?"""

    @abc.abstractmethod
    def is_ready(self) -> bool:
        """Can it be dispatched now?"""

    @abc.abstractmethod
    def total_timeout(self) -> float:
        """Seconds, multipliers included; not positive for none."""

    @abc.abstractmethod
    def refresh(self) -> None:
        """Read the persistent state."""

    @abc.abstractmethod
    def save(self) -> None:
        """Write the persistent state."""

    @abc.abstractmethod
    def display_name(self, **kwargs: Any) -> str:
        """The name for people."""

    # what follows is concrete: a scheduler may rely on it, an author need not write it

    dependencies: Sequence[Dependency] = ()

    # it holds jobs that run where it runs; what becomes of them is told by `news`
    composite: bool = False

    def news(self) -> Sequence[Event]:
        """Events of the jobs it holds since the last call; once it is over, so are all of them."""
        return ()

    def validate_enqueuable(self) -> None:
        """ValueError unless PENDING."""
        if not self.state.is_pending():
            phase = self.state.phase.value
            raise ValueError(f"{self.display_name()} is {phase}; it must be PENDING")

    def on_submitted(self) -> None:
        """The queue took it."""
        self.state.phase = JobPhase.SUBMITTED
        self.timekeeper.submitted = time.time()

    def on_started(self) -> None:
        """Its command runs."""
        self.state.phase = JobPhase.RUNNING
        self.timekeeper.started = time.time()

    def on_finished(self) -> None:
        """It is over."""
        self.state.phase = JobPhase.DONE
        self.timekeeper.finished = time.time()

    def set_status(
        self,
        category: Category | str | None = None,
        outcome: Outcome | str | int | None = None,
        reason: str | None = None,
        code: int = -1,
    ) -> None:
        """Replace the status; the category follows from the outcome."""
        self.status = Status.make(category, outcome, reason, code)

    def add_measurement(self, name: str, value: Any) -> None:
        """Record a measurement."""
        self.measurements.add_measurement(name, value)

    @property
    def launcher_name(self) -> str | None:
        """The launcher it asks for, or None for the session's."""
        return None

    @property
    def first_attempt(self) -> int:
        """The number of its next attempt: above 1 if one before was cut off."""
        return 1

    @property
    def expected_runtime(self) -> float:
        """Seconds it will probably take, infinity if nobody can say; for planning only."""
        timeout = self.total_timeout()
        return timeout if timeout > 0 else math.inf

    def stages_quickly(self) -> bool:
        """Can `prepare` be called in the scheduler's own thread (no large copies, no processes)?"""
        return True

    def prepare(self, services: JobServices, attempt: int = 1) -> Launch | None:
        """Stage it and say what to launch; None if there is nothing, and it is over at once."""
        return None

    def cancel_prepare(self) -> None:
        """Called from another thread while `prepare` is at work in vain: kill what it waits for."""

    def conclude(self, exit: Exit | None, services: JobServices) -> None:
        """Set the status from how its launch ended (None: there was none)."""
        if exit is None or (exit.reason is ExitReason.EXITED and exit.code == 0):
            self.set_status(outcome=Outcome.SUCCESS)
        else:
            self.status = judge_reason(exit) or _ended(Outcome.FAILED, None, exit)


def judge_reason(exit: Exit) -> Status | None:
    """The status of a launch that did not end by itself; None if it did."""
    outcome = {
        ExitReason.TIMEOUT: Outcome.TIMEOUT,
        ExitReason.NO_OUTPUT: Outcome.TIMEOUT,
        ExitReason.OUTPUT_LIMIT: Outcome.FAILED,
        ExitReason.MEMORY_LIMIT: Outcome.FAILED,
        ExitReason.CANCELLED: Outcome.INTERRUPTED,
        ExitReason.LOST: Outcome.ERROR,
        ExitReason.NOT_STARTED: Outcome.ERROR,
    }.get(exit.reason)
    return None if outcome is None else _ended(outcome, exit.detail or exit.reason.value, exit)


def _ended(outcome: Outcome, reason: str | None, exit: Exit) -> Status:
    # how a job that was ended dies says nothing: its code is the outcome's
    if exit.code is None or outcome is Outcome.TIMEOUT:
        return Status(outcome, reason, int(outcome))
    return Status(outcome, reason, exit.code)


class Job(BaseJob):
    """One test with one set of parameters, in one directory."""

    def __init__(
        self, spec: JobSpec, workspace: ExecutionSpace, dependencies: list[Dependency] | None = None
    ) -> None:
        super().__init__()
        self.spec = spec
        self.workspace = workspace
        self.dependencies: list[Dependency] = dependencies or []
        self._launcher: Launcher | None = None
        self.variables: dict[str, str | None] = dict(spec.environment)
        self._attributes: dict[str, Any] = dict(spec.attributes)
        self.history: RunHistory | None = None
        self.guess: float | None = None
        self.timeout_multiplier: float = 1.0
        self.script_args: tuple[str, ...] = ()
        self.settings: LaunchSettings = _DEFAULT_SETTINGS
        self.attempt: int = 1
        self._mask: Mask | None = None
        self._assigned: dict[str, list[dict[str, Any]]] = {}
        self._cancellation = Cancellation()
        self._templates: dict[str, str] = {}
        self._needs: dict[str, int] | None = None
        self._fixed: tuple[str, list[dict[str, Any]]] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.spec.id)

    def __repr__(self) -> str:
        return f"Job({self.spec.fullname!r}, {self.state.phase.value}, {self.status.text})"

    # what the spec says

    @property
    def id(self) -> str:
        """Stable identity."""
        return self.spec.id

    @property
    def exclusive(self) -> bool:
        """Must run alone."""
        return self.spec.exclusive

    @property
    def stdout(self) -> str:
        """Name of the output file."""
        return self.spec.stdout

    @property
    def stderr(self) -> str | None:
        """Name of the error file; None: merged into the output."""
        return self.spec.stderr

    @property
    def file(self) -> Path:
        """The test file."""
        return Path(self.spec.file)

    @property
    def name(self) -> str:
        """`family.k=v…`."""
        return self.spec.name

    @property
    def timeout(self) -> float:
        """Seconds, without multipliers."""
        return self.spec.timeout

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the spec, and those set since."""
        return self._attributes

    @property
    def mask(self) -> Mask:
        """Why it is not to be run; one set at run time goes before the spec's."""
        return self._mask if self._mask is not None else self.spec.mask

    @mask.setter
    def mask(self, mask: Mask) -> None:
        self._mask = mask

    @property
    def view_path(self) -> Path:
        """Where the view shows it."""
        return Path(self.spec.result_path)

    @property
    def upstreams(self) -> list[Job]:
        """The jobs it depends on."""
        return [d.job for d in self.dependencies if isinstance(d.job, Job)]

    @property
    def launcher(self) -> Launcher:
        """What runs its command when it is run on its own; if none was set, the core's own."""
        if self._launcher is None:
            self._launcher = SubprocessLauncher()
        return self._launcher

    @launcher.setter
    def launcher(self, launcher: Launcher) -> None:
        self._launcher = launcher

    @property
    def launcher_name(self) -> str | None:
        """The launcher its spec asks for."""
        return self.spec.options.get("launcher")

    # resources

    def get_resource_parameters_from_spec(self) -> dict[str, int]:
        """Every resource parameter with its default; InvalidTypeError for one that is no int."""
        if self._needs is None:
            self._needs = staging.resource_needs(self.spec, self.workspace.capacity)
        return dict(self._needs)

    def fit(self, capacity: Capacity) -> None:
        """State its needs for nodes of that capacity."""
        self.workspace, self._needs = replace(self.workspace, capacity=capacity), None

    @property
    def cpus(self) -> int:
        """CPUs wanted in all."""
        return self.get_resource_parameters_from_spec()["cpus"]

    @property
    def gpus(self) -> int:
        """GPUs wanted in all."""
        return self.get_resource_parameters_from_spec()["gpus"]

    @property
    def nodes(self) -> int:
        """Nodes wanted."""
        return self.get_resource_parameters_from_spec()["nodes"]

    @property
    def cpu_ids(self) -> list[str]:
        """CPUs assigned."""
        return [str(x["id"]) for x in self._assigned.get("cpus", ())]

    @property
    def gpu_ids(self) -> list[str]:
        """GPUs assigned."""
        return [str(x["id"]) for x in self._assigned.get("gpus", ())]

    @property
    def resources(self) -> dict[str, list[dict[str, Any]]]:
        """What is assigned now."""
        return self._assigned

    def required_resources(self) -> list[dict[str, Any]]:
        """See `BaseJob.required_resources`."""
        needs = self.get_resource_parameters_from_spec()
        entries: list[dict[str, Any]] = []
        for t, n in needs.items():
            pieces = self.spec.pieces.get(t, ())
            if pieces and sum(pieces) == n:
                entries += [{"type": t, "slots": size, "together": True} for size in pieces]
            elif t in AMOUNTS:
                entries.append({"type": t, "slots": n})
            elif t != "nodes":
                entries += [{"type": t, "slots": 1} for _ in range(n)]
        if needs["nodes"] > 1:
            entries.append({"type": "nodes", "slots": needs["nodes"]})
        entries += [{"type": LOCK + name, "slots": 1} for name in self.spec.locks]
        return entries

    def assign_resources(self, arg: dict[str, list[dict[str, Any]]]) -> None:
        """Set `CANARY_<TYPE>_IDS` and expand `%(<type>_ids)s` in the variables; over several nodes
        also `<TYPE>_NODE_IDS` (`NODE:ID`) and `NODE_IDS`."""
        self._assigned = arg
        counted = {t.removesuffix("s"): x for t, x in arg.items() if not t.startswith(LOCK)}
        ids = {f"{t}_ids": ",".join(str(x["id"]) for x in found) for t, found in counted.items()}
        if self.nodes > 1:
            nodes: dict[str, None] = {}
            for t, found in counted.items():
                places = [(str(x.get("node", "")), x["id"]) for x in found]
                nodes.update(dict.fromkeys(node for node, _ in places))
                ids[f"{t}_node_ids"] = ",".join(f"{node}:{id}" for node, id in places)
            ids["node_ids"] = ",".join(nodes)
        for name, value in {**self.variables, **self._templates}.items():
            if value and "%(" in value:
                self._templates[name] = value  # another attempt may get others
                for key, text in ids.items():
                    value = value.replace(f"%({key})s", text)
                self.variables[name] = value
        for key, text in ids.items():
            self.variables[f"CANARY_{key.upper()}"] = text

    def free_resources(self) -> dict[str, list[dict[str, Any]]]:
        """See `BaseJob.free_resources`."""
        assigned, self._assigned = self._assigned, {}
        return assigned

    # weight

    @property
    def runtime(self) -> float:
        """Mean of earlier passing runs if known, else what was guessed from those of other jobs,
        else the timeout; seconds."""
        known = self.load_cached_runs()
        if known.count:
            return known.mean
        return max(0.0, self.timeout) if self.guess is None else self.guess

    @property
    def first_attempt(self) -> int:
        """See `BaseJob.first_attempt`."""
        return self.attempt

    @property
    def expected_runtime(self) -> float:
        """See `BaseJob.expected_runtime`."""
        return self.runtime if self.is_foreseen else super().expected_runtime

    @property
    def is_foreseen(self) -> bool:
        """Is its run time known, or guessed from others?"""
        return self.guess is not None or self.load_cached_runs().count > 0

    def cost(self) -> float:
        """Euclidean norm of cpus and runtime, unless the spec gives a weight."""
        if self.spec.weight is not None:
            return self.spec.weight
        return math.hypot(self.cpus, self.runtime)

    def size(self) -> float:
        """Euclidean norm of the timeout and all resource parameters but nodes."""
        needs = self.get_resource_parameters_from_spec()
        return math.hypot(self.timeout, *(n for t, n in needs.items() if t != "nodes"))

    def total_timeout(self) -> float:
        """Seconds, multiplier included."""
        return self.timeout * self.timeout_multiplier

    # readiness

    def refresh_readiness(self) -> None:
        """See `BaseJob.refresh_readiness`."""
        if not self.state.is_pending():
            return
        for dependency in self.dependencies:
            if dependency.is_done() and not dependency.is_satisfied():
                upstream = dependency.job
                reason = (
                    f"{upstream.display_name()} came to {upstream.status.outcome.name}; "
                    f"needed {dependency.when or 'always'}"
                )
                self.set_status(outcome=Outcome.BLOCKED, reason=reason)
                self.on_finished()
                return

    def is_runnable(self) -> bool:
        """PENDING, not masked, and no dependency rules it out."""
        if not self.state.is_pending() or self.mask:
            return False
        return all(not d.is_done() or d.is_satisfied() for d in self.dependencies)

    def is_ready(self) -> bool:
        """PENDING, not masked, and every dependency is satisfied."""
        return self.is_runnable() and all(d.is_satisfied() for d in self.dependencies)

    def is_done(self) -> bool:
        """It is over."""
        return self.state.is_done()

    def dropped(self) -> bool:
        """Ended without having been run."""
        return self.status.category is Category.NOTRUN and self.timekeeper.started < 0

    # status

    def update_status_from_exit_code(self, *, code: int | str) -> None:
        """0 pass, 64 diffed, a skip code skipped, anything else failed; the reverse where that is
        expected."""
        spec = self.spec
        try:
            number = int(code)
        except ValueError:
            self.set_status(outcome=Outcome.FAILED, reason=str(code), code=1)
            return
        self.status = judge_exit_code(
            number, xstatus=spec.xstatus, skip_codes=spec.skip_codes, name=spec.name
        )

    def display_name(self, **kwargs: Any) -> str:
        """`style="none"|"rich"|"html"`; `resolve=True` for the full path form."""
        name = self.spec.fullname if kwargs.get("resolve") else self.spec.name
        return styled(name, kwargs.get("style", "none"), self.status.category.colour)

    def statline(self, style: str = "none") -> str:
        """`name  id  CATEGORY (OUTCOME)  reason` on one line."""
        reason = f"  {self.status.reason}" if self.status.reason else ""
        return f"{self.display_name(style=style)}  {self.id[:7]}  {self.status.text}{reason}"

    def set_attribute(self, /, *pair: Any, **kwds: Any) -> None:
        """Set attributes by keyword, or one by name and value; reports tell whose they are."""
        kwds.update([pair] if pair else ())
        self.attributes.update(kwds)
        self.attributes_set.update(kwds)

    set_attributes = set_attribute

    def get_attribute(self, name: str, default: Any = None, /) -> Any:
        """An attribute, or the default."""
        return self.attributes.get(name, default)

    # environment

    def add_variables(self, **kwds: str | None) -> None:
        """Add to the job's variables; None unsets."""
        self.variables.update(kwds)
        for name in kwds:
            self._templates.pop(name, None)

    def get_environ_from_spec(self) -> dict[str, str | None]:
        """The spec's variables, and `PATH` and `PYTHONPATH` with the job's directory first."""
        base = os.environ if self.settings.environment is None else self.settings.environment
        spec = self.spec.environment
        return {**spec, **staging.search_paths(self.workspace.text, spec, base)}

    def set_runtime_env(self, env: MutableMapping[str, str]) -> None:
        """Apply the job's variables to `env`: set those with a value, unset those with None; its
        directory comes first on `PATH` and `PYTHONPATH`, whoever set them."""
        own = {**self.spec.environment, **self.variables}
        own.update(staging.search_paths(self.workspace.text, own, env))
        for name, value in own.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value

    # life

    @property
    def lockfile(self) -> Path:
        """Its `testcase.lock`."""
        return self.workspace.joinpath(lockfile.FILE_NAME)

    def create_workspace(self) -> None:
        """Make the directory."""
        self.workspace.create()

    def restore_workspace(self) -> None:
        """Remove the directory and make it again."""
        self.workspace.restore()

    def setup(self) -> None:
        """A clean directory with test file and assets; MissingSourceError if one is absent."""
        if self.attempt > 1:  # what an earlier one said of itself goes with its directory
            self._attributes, self.attributes_set = dict(self.spec.attributes), {}
        self.timekeeper.staged = time.time()
        self.workspace.fresh()
        staging.stage(self.spec, self.workspace.text, copy_all=self.settings.copy_all)

    def stages_quickly(self) -> bool:
        """See `BaseJob.stages_quickly`."""
        return staging.is_light(self.spec) and not self.settings.copy_all

    def prepare(self, services: JobServices, attempt: int = 1) -> Launch:
        """See `BaseJob.prepare`: directory, files, environment, lock."""
        self.attempt = attempt
        self.setup()
        services.setup(self)
        launch = self.describe_launch(services)
        self.save()
        return launch

    def cancel_prepare(self) -> None:
        """See `BaseJob.cancel_prepare`: a shell that sources files."""
        self._cancellation.cancel()

    def describe_launch(self, services: JobServices) -> Launch:
        """All that its launcher needs to know."""
        spec, settings, directory = self.spec, self.settings, self.workspace.text
        env = dict(os.environ if settings.environment is None else settings.environment)
        if spec.rcfiles or spec.modules:
            names, own = (spec.rcfiles, spec.modules), (spec.id, self.attempt)
            cancel = self._cancellation
            env = sourced_environment(*names, env, directory, mark=own, cancellation=cancel)
        self.variables.update(services.environment(self))
        self.set_runtime_env(env)
        env["CANARY_LEVEL"] = "0"
        env.pop(faults.VARIABLE, None)  # it is the runner that is put to the test
        timeout = self.total_timeout()
        words = (*self.script_args, *map(str, self.attributes.get("script_args", ())))
        if not spec.takes_args:
            words = ()
        return Launch(
            id=spec.id,
            name=spec.name,
            argv=(*spec.command, *words),
            cwd=spec.cwd or directory,
            env=env,
            stdout=f"{directory}/{spec.stdout}",
            stderr=f"{directory}/{spec.stderr}" if spec.stderr else None,
            timeout=timeout if timeout > 0 else None,
            grace=settings.grace,
            no_output_timeout=settings.no_output_timeout,
            output_limit=settings.output_limit,
            trim_output=settings.trim_output,
            affinity=self._affinity() if settings.pin or spec.options.get("affinity") else (),
            nodes=self.nodes,
            exclusive=spec.exclusive,
            attempt=self.attempt,
            resources=self._assigned,
            options=spec.options,
        )

    def _affinity(self) -> tuple[int, ...]:
        wanted = [int(id) for id in self.cpu_ids if id.isdecimal()]
        if not hasattr(os, "sched_getaffinity"):
            return ()
        usable = sorted(os.sched_getaffinity(0))
        # the pool counts from 0 the CPUs that we may use, which may be others of the machine's
        return tuple(
            wanted if set(wanted) <= set(usable) else {usable[i % len(usable)] for i in wanted}
        )

    def conclude(self, exit: Exit | None, services: JobServices) -> None:
        """See `BaseJob.conclude`."""
        if exit is None:
            return
        usage = exit.usage
        self.timekeeper.stopped = exit.at
        status = judge_reason(exit) or services.judge(self, exit)
        if status is None:
            code = "no exit code" if exit.code is None else exit.code
            self.update_status_from_exit_code(code=code)
        else:
            self.status = status
        measured = {
            "duration": self.timekeeper.running(),
            "expected": self.runtime if self.is_foreseen else -1.0,
            "user": usage.user,
            "system": usage.system,
            "max_rss": usage.max_rss,
        }
        self.measurements.update({k: v for k, v in measured.items() if v >= 0})
        if exit.leaked:
            self.add_measurement("leaked", list(exit.leaked))
        self.measurements.update(dict(services.measure(self, exit)))

    def run(self, services: JobServices | None = None) -> None:
        """Run its command in its directory, as set up, and wait: a session's walk for one job."""
        if self.state.is_pending():
            self.on_submitted()
        services = services or _NO_SERVICES
        services.setup(self)
        launch = self.describe_launch(services)
        self.save()
        self.on_started()
        self.conclude(run_blocking(launch, self.launcher), services)
        self.on_finished()
        self.save()

    def teardown(self) -> None:
        """Nothing is left to do for a job without plugins; its directory stays."""

    def finish(self) -> None:
        """Remember how long this run took."""
        self.cache_last_run()

    def do_baseline(self) -> list[Path]:
        """Copy each baseline source over its reference in the test's tree; the paths written."""
        return staging.rebaseline(self.spec, self.workspace.text)

    # state

    def getstate(self) -> dict[str, Any]:
        """What the process that runs the job hands to the one that asked for it."""
        return {
            "state": {"phase": self.state.phase.value},
            "status": self.status.asdict(),
            "timekeeper": self.timekeeper.asdict(),
            "measurements": {"data": self.measurements.data},
        }

    def setstate(self, data: Mapping[str, Any]) -> None:
        """Take over what `getstate` gave."""
        try:
            self.state = JobState(data["state"]["phase"])
            self.status = Status.fromdict(data["status"])
            self.timekeeper = Timekeeper.fromdict(data["timekeeper"])
            self.measurements = Measurements(dict(data["measurements"]["data"]))
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise RecordError(f"not a job's state: {e!r}", file=str(self.lockfile)) from None

    def record(self) -> dict[str, Any]:
        """All that `load_jobs` needs; the content of the lock."""
        return {**self.getstate(), "attempt": self.attempt, **self._fixed_part()}

    def save(self) -> None:
        """Write the lock; what a run cannot change is encoded once, at its start."""
        known = [dict(self.attributes), dict(self.variables)]
        if self._fixed is None or not self.is_done() or self._fixed[1] != known:
            self._fixed = (lockfile.dump(self._fixed_part()), known)
        changing = {**self.getstate(), "attempt": self.attempt}
        lockfile.write(self.workspace.text, changing, self._fixed[0])

    def _fixed_part(self, alone: bool = False) -> dict[str, Any]:
        space, root = self.workspace, str(self.workspace.root)
        return {
            "workspace": {"root": root, "path": str(space.path), "session": space.session},
            "dependencies": [_reference(d, root) for d in self.dependencies if not alone],
            "variables": lockfile.public_environment(self.variables),
            "allocation": {"resources": self._assigned},
            "rparameters": self.get_resource_parameters_from_spec(),
            "mask": {"value": self.mask.value, "reason": self.mask.reason} if self._mask else None,
            "spec": {**self.spec.full(), "attributes": self.attributes},
        }

    def refresh(self) -> None:
        """Read the lock."""
        self.setstate(lockfile.read(self.workspace.text))

    # results

    def get_artifacts(self) -> list[Path]:
        """Paths relative to the directory of what is worth keeping."""
        return staging.artifacts(self.spec.artifacts, self.workspace.text, self.status.category)

    def read_output(self, compress: bool = False) -> str:
        """Its output as text; a short head and tail when compressed."""
        return fsio.read_text(
            f"{self.workspace.text}/{self.stdout}", HEAD_AND_TAIL if compress else None
        )

    def load_cached_runs(self) -> RunHistory:
        """What is known of earlier runs."""
        if self.history is None:
            cache = find_cache_dir(Path(self.workspace.root))
            self.history = history.load(cache, self.id) if cache else RunHistory()
        return self.history

    def remember(self) -> RunHistory:
        """Add this run to what is known of earlier ones, which is returned."""
        known, times = self.load_cached_runs(), self.timekeeper
        known.add(self.status.category.value, times.running(), times.finished)
        return known

    def cache_last_run(self) -> None:
        """Add this run to what is known, in the cache directory if there is one."""
        known = self.remember()
        cache = find_cache_dir(Path(self.workspace.root))
        if cache:
            history.store(cache, self.id, known)


_NO_SERVICES: Final = JobServices()


def _reference(dependency: Dependency, root: str) -> dict[str, Any]:
    """A dependency in a lock: by ID, name, condition and directory relative to the session's."""
    job = dependency.job
    where = getattr(job, "workspace", None)
    path = os.path.relpath(where.text, root) if where is not None else None
    row = {"id": job.id, "name": job.display_name(), "when": dependency.when, "path": path}
    if isinstance(job, Job) and job.is_done() and job.timekeeper.staged < 0:  # it has no lock
        return row | {"record": {"schema": 1, **job.getstate(), **job._fixed_part(alone=True)}}
    return row


def styled(name: str, style: str, colour: str) -> str:
    """`name` for a plain text, a rich or an HTML reader."""
    if style == "rich":
        escaped = name.replace("[", "\\[")
        return escaped if colour == "default" else f"[{colour}]{escaped}[/{colour}]"
    if style == "html":
        text = name.translate(_HTML)
        return text if colour == "default" else f'<span style="color:{colour}">{text}</span>'
    return name


_HTML: Final[Mapping[int, str]] = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
)


def ceil_div(a: int, b: int) -> int:
    """The smallest integer not below a / b; ZeroDivisionError if b is 0."""
    return -(-a // b)


def find_cache_dir(start: Path) -> Path | None:
    """`$CANARY_CACHE_DIR`, else `cache` at the nearest workspace tag from `start` up, or None."""
    named = os.environ.get("CANARY_CACHE_DIR")
    if named:
        return Path(named)
    absolute = Path(start).absolute()
    for directory in (absolute, *absolute.parents):
        if (directory / TAG).is_file():
            return directory / "cache"
    return None


def load_job_from_file(arg: Path | str | None) -> Job:
    """The job of a job directory (None: this one) or of its lock file; RecordError without one."""
    return load_job_from_state(lockfile.read(arg if arg is not None else Path.cwd()))


def load_job_from_state(lock_data: dict[str, Any]) -> Job:
    """The job that a lock describes, its dependencies as their own locks describe them."""
    return load_jobs([lock_data])[0]


def load_jobs(records: Iterable[dict[str, Any]]) -> list[Job]:
    """The jobs that `records` describe, tied to each other; other dependencies by their locks."""
    jobs = [(_job_of(data), data.get("dependencies", ())) for data in records]
    known = {job.id: job for job, _ in jobs}
    for job, entries in jobs:
        try:
            for entry in entries:
                if entry["path"] is not None:  # else it is no `Job` and has no directory
                    upstream = known.get(entry["id"])
                    if upstream is None:
                        place = job.workspace.root / str(entry["path"])
                        upstream = _job_of(entry.get("record") or lockfile.read(place))
                    job.dependencies.append(Dependency(upstream, entry["when"]))
        except (KeyError, TypeError) as e:
            raise RecordError(f"the lock has a dependency that cannot be read: {e!r}") from None
    return [job for job, _ in jobs]


def _job_of(data: dict[str, Any]) -> Job:
    try:
        where = data["workspace"]
        space = ExecutionSpace(Path(where["root"]), Path(where["path"]), where["session"])
        job = Job(JobSpec.fromdict(data["spec"]), space)
        job.variables = dict(data["variables"])
        job.attempt = int(data.get("attempt", 1))
        job._assigned = dict(data["allocation"]["resources"])
        # as on the machine of the session, which may be another
        job._needs = {str(k): int(v) for k, v in data["rparameters"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise RecordError(f"the lock lacks what describes its job: {e!r}") from None
    job.setstate(data)
    return job
