"""What was asked of batches: by `-b KEY=VALUE`, by the settings `hpc.*`, by tests of themselves.

All of it becomes one frozen `Batching` for the run and one `Ask` for each job. Nothing here knows
how a batch is made or what a scheduler does with it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from canary.clock import parse_duration
from canary.declare import Settings
from canary.errors import ExpressionError, SpecError, UsageError
from canary.options import closest
from canary_slurm.slurm import time_limit

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job

BACKENDS: Final = ("slurm", "local")
PREFIX: Final = "slurm_"
_HINT: Final = "canary hpc help lists them"
_SPEC_KEYS: Final = ("count", "duration", "nodes", "layout", "atomic", "by")
_SAME: Final = (
    ("scheduler", "backend"),
    ("type", "backend"),
    ("options", "option"),
    ("args", "option"),
    ("with", "option"),
)


def _doc(text: str, **more: Any) -> Mapping[str, Any]:
    return {"help": text, **more}


@dataclass(frozen=True, slots=True)
class HpcSettings(Settings):
    """Batches of jobs on a cluster."""

    section: ClassVar[str] = "hpc"
    commands: ClassVar[tuple[str, ...]] = ("run",)

    backend: str | None = field(
        default=None,
        metadata=_doc("where batches run", metavar="NAME", choices=BACKENDS, short="--scheduler"),
    )
    batch: tuple[str, ...] = field(
        default=(),
        metadata=_doc("how batches are made (canary hpc help)", short="-b", metavar="K=V"),
    )
    batch_spec: str | None = field(
        default=None, metadata=_doc("the same as -b spec=SPEC", metavar="SPEC")
    )
    batch_workers: int | None = field(
        default=None, metadata=_doc("the same as -b workers=N", metavar="N")
    )
    batch_exact_estimate: bool = field(
        default=False, metadata=_doc("no effect: estimates are made once batches are formed")
    )
    submit_args: tuple[str, ...] = field(
        default=(), metadata=_doc("further arguments of sbatch", metavar="ARGS")
    )
    submit_arg: tuple[str, ...] = field(
        default=(),
        metadata=_doc("the same, with commas between", metavar="ARGS", short="--scheduler-args"),
    )
    allow_hyperthreading: bool = field(
        default=False, metadata=_doc("count logical CPUs of nodes, not cores")
    )
    memory: bool = field(
        default=False,
        metadata=_doc("ask Slurm for the memory that tests ask for, in MiB", flag=None),
    )
    detach: bool = field(
        default=False,
        metadata=_doc("go on in the background once the session began", flag="--detach"),
    )
    partition: str | None = field(default=None, metadata=_doc("Slurm partition", flag=None))
    account: str | None = field(default=None, metadata=_doc("Slurm account", flag=None))
    qos: str | None = field(default=None, metadata=_doc("Slurm quality of service", flag=None))
    constraint: str | None = field(default=None, metadata=_doc("node features", flag=None))
    interval: float = field(
        default=10.0,
        metadata=_doc("longest time between two status calls", flag=None, kind="duration"),
    )
    calls_per_minute: int = field(
        default=30, metadata=_doc("most calls of Slurm a minute that ask for status", flag=None)
    )
    call_limit: float = field(
        default=10.0,
        metadata=_doc("time after which a call of Slurm is given up", flag=None, kind="duration"),
    )
    settle: float = field(
        default=5.0,
        metadata=_doc(
            "how long a batch's own record may be later than Slurm's word",
            flag=None,
            kind="duration",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one job, or all of a batch, ask of Slurm; `walltime` in seconds."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    walltime: float | None = None
    args: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Words of `sbatch`, the time apart."""
        named = ("partition", "account", "qos", "constraint")
        words = [f"--{n}={v}" for n in named if (v := getattr(self, n)) is not None]
        return [*words, *self.args]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How the jobs of a run are packed: `count` 0 is a batch each, None as many as `duration`
    (seconds) makes; `nodes` are those of an enclosing allocation; `threads` counts hyperthreads as
    CPUs."""

    backend: str = "slurm"
    layout: str = "flat"
    count: int | None = None
    duration: float = 1800.0
    same_nodes: bool = True
    nodes: int = 1
    by: str | None = None
    workers: int | None = None
    array: bool = False
    queue_timeout: float | None = None
    threads: bool = False
    exec: tuple[str, ...] = ()
    ask: Ask = field(default_factory=Ask)


def batching_of(config: Config, *, named: bool = False) -> Batching | None:
    """What the configuration and the command line ask for; None if no batches are wanted. `named`:
    there are tests that name Slurm as their launcher, each of which is a batch then."""
    settings = config.settings(HpcSettings)
    given = _pairs(settings.batch)
    usual = {"spec": settings.batch_spec, "workers": settings.batch_workers}
    given = {**{k: str(v) for k, v in usual.items() if v is not None}, **given}
    backend = given.pop("backend", settings.backend)
    if backend is None:
        if config.run.launcher != "slurm" and not named:
            if given:
                raise UsageError("-b needs a backend", hint="-b backend=slurm")
            return None
        backend, given = "slurm", {"spec": "count:max", **given}
    if backend in ("shell", "none"):
        backend = "local" if backend == "shell" else None
    if backend is None:
        return None
    if backend not in BACKENDS:
        raise UsageError(f"-b backend={backend}", hint=f"there are: {', '.join(BACKENDS)}")
    queue = config.run.timeout.get("queue")
    out = Batching(
        backend=backend,
        queue_timeout=queue if queue and queue > 0 else None,
        ask=Ask(
            partition=settings.partition,
            account=settings.account,
            qos=settings.qos,
            constraint=settings.constraint,
            args=(
                *(w for arg in settings.submit_args for w in _split("submit_args", arg)),
                *(w for arg in settings.submit_arg for w in arg.split(",") if w),
            ),
        ),
        threads=settings.allow_hyperthreading,
    )
    for key, text in given.items():
        out = _with(out, key, text)
    return _sound(out, {p.partition(":")[0] for p in _parts(given.get("spec", ""))})


def _pairs(items: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` each; what has no key of ours goes on with the value before it."""
    known = {"spec", "workers", "array", "queue_timeout", "timeout", "exec", "option", "backend"}
    known |= {"allow_hyperthreading", *(old for old, _ in _SAME)}
    out: dict[str, str] = {}
    last = ""
    for item in items:
        key, sep, value = item.partition("=")
        if key in known:
            last = dict(_SAME).get(key, key)
            value = value if sep else "true"
            out[last] = f"{out[last]},{value}" if last == "option" and last in out else value
        elif last == "option" or (
            last == "spec" and item.split(":")[0].split("=")[0] in _SPEC_KEYS
        ):
            out[last] += f",{item}"
        else:
            raise UsageError(f"-b {item}: no such option", hint=_HINT)
    return out


def _with(old: Batching, key: str, text: str) -> Batching:
    if key == "spec":
        for part in _parts(text):
            old = _with_spec(old, *part.partition(":")[::2])
        return old
    if key == "workers":
        return replace(old, workers=_number(key, text))
    if key == "array":
        return replace(old, array=_flag(key, text))
    if key == "option":
        more = tuple(word for word in text.split(",") if word)
        return replace(old, ask=replace(old.ask, args=(*old.ask.args, *more)))
    if key == "queue_timeout":
        return replace(old, queue_timeout=_seconds(key, text))
    if key == "exec":
        return replace(old, exec=tuple(_split(key, text)))
    if key == "allow_hyperthreading":
        return replace(old, threads=_flag(key, text))
    return old  # `timeout` has no effect


def _parts(text: str) -> list[str]:
    return [part.replace("=", ":", 1) for part in text.split(",") if part]


def _with_spec(old: Batching, key: str, text: str) -> Batching:
    if key == "count":
        return replace(old, count=0 if text == "max" else _number(key, text))
    if key == "duration":
        return replace(old, duration=_seconds(key, text))
    if key == "nodes" and text.isdecimal():
        return replace(old, nodes=_number(key, text))
    if key == "nodes" and text in ("same", "any"):
        return replace(old, same_nodes=text == "same")
    if key == "atomic":
        return replace(old, layout="atomic" if _flag(key, text or "true") else "flat")
    if key == "layout" and text in ("flat", "atomic", "allocation"):
        return replace(old, layout=text)
    if key == "by" and text:
        return replace(old, by=text)
    raise UsageError(f"-b spec={key}:{text}", hint=_HINT)


def _sound(out: Batching, given: set[str]) -> Batching:
    if out.layout == "atomic":
        if "duration" in given:
            raise UsageError("-b spec=atomic takes no duration", hint=_HINT)
        if "nodes" in given and out.same_nodes:
            raise UsageError("-b spec=atomic needs nodes:any", hint=_HINT)
    if out.layout != "flat" and out.by is not None:
        raise UsageError(f"-b spec=by:{out.by} is for flat batches, not {out.layout}", hint=_HINT)
    return replace(out, same_nodes=False) if out.layout != "flat" else out


def _number(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"-b {key}={text}: must be a number from 1", hint=_HINT)
    return int(text)


def _split(key: str, text: str) -> list[str]:
    """Words, as a shell takes them."""
    try:
        return shlex.split(text)
    except ValueError as e:
        raise UsageError(f"{key}: {text!r}: {e}") from None


def _flag(key: str, text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise UsageError(f"-b {key}={text}: must be true or false", hint=_HINT)
    return words[text.lower()]


def _seconds(key: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ExpressionError as e:
        raise UsageError(f"-b {key}={text}: {e.message}", hint=e.hint) from None


def ask_of(job: Job, usual: Ask) -> Ask:
    """What the job asks for: `slurm_partition` and so on, among its attributes or options, before
    what is usual. SpecError for a word that looks like one of these and is none, and for a time
    that is none."""
    said = {**job.spec.attributes, **job.spec.options}
    given: dict[str, Any] = {}
    for key in said:
        if key.startswith(PREFIX) and said[key] is not None:
            name = key.removeprefix(PREFIX)
            if name in _NAMES:
                given[name] = _asked(job, key, said[key], usual)
            elif key in job.spec.options or closest(name, _NAMES):
                hint = f"there are: {', '.join(PREFIX + known for known in _NAMES)}"
                raise SpecError(f"{job.name}: no such word", file=job.spec.file, key=key, hint=hint)
    return replace(usual, **given) if given else usual


_NAMES: Final = tuple(f.name for f in fields(Ask))


def _asked(job: Job, key: str, value: Any, usual: Ask) -> Any:
    if key == f"{PREFIX}args":
        words = _split(key, value) if isinstance(value, str) else map(str, value)
        return (*usual.args, *words)
    if key != f"{PREFIX}walltime":
        return str(value)
    if isinstance(value, str) and "-" in value and (seconds := time_limit(value)) is not None:
        return seconds  # days, as Slurm writes them
    try:
        return parse_duration(value)
    except ExpressionError as e:
        raise SpecError(
            f"{job.name}: {e.message}", file=job.spec.file, key=key, hint=e.hint
        ) from None
