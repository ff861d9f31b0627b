"""The core's own settings: what `canary.toml` may say when no plugin is installed.

Each class is a section; how a field becomes a key, a flag and a variable is in `canary.options`.
They are made at every start, so they do without what they do not need (`eq`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from canary.declare import Settings
from canary.frozen import FrozenDict, shared
from canary.options import Option, options_of


def _doc(text: str, **more: Any) -> Mapping[str, Any]:
    return {"help": text, **more}


# which of the jobs that ran before are to run again
STRATEGIES: Final = ("not_pass", "failed", "not_run", "changed", "all")


@dataclass(frozen=True, slots=True, eq=False)
class Main(Settings):
    """Top-level settings."""

    section: ClassVar[str] = ""
    commands: ClassVar[tuple[str, ...]] = ()
    debug: bool = field(
        default=False, metadata=_doc("show tracebacks and more messages", short="-d")
    )
    log_level: str = field(
        default="INFO",
        metadata=_doc(
            "least level of the messages shown",
            choices=("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        ),
    )
    color: str = field(
        default="auto", metadata=_doc("when to use colour", choices=("auto", "always", "never"))
    )
    plain: bool = field(default=False, metadata=_doc("plain lines: no redrawing, no glyphs"))
    no_pager: bool = field(default=False, metadata=_doc("never use a pager", short="-P"))
    plugins: tuple[str, ...] = field(
        default=(),
        metadata=_doc(
            "plugins to load: modules, files, directories; no:NAME blocks one", flag=None
        ),
    )
    plugin_errors: str | None = field(
        default=None,
        metadata=_doc(
            "what a broken plugin does (none: one of -p stops, others are left out)",
            choices=("continue", "stop"),
        ),
    )
    hook_limit: float = field(
        default=1.0, metadata=_doc("seconds after which a hook is named as slow", kind="duration")
    )
    aliases: Mapping[str, str] = shared(
        metadata=_doc("commands of your own: a name and what it stands for", flag=None),
    )
    resource_pool: Mapping[str, int] = shared(
        metadata=_doc("resources of each node (nodes: how many; slots_per_TYPE)", flag=None),
    )
    resource_pool_file: str | None = field(
        default=None, metadata=_doc("file describing the machine", metavar="FILE")
    )
    enable_hyperthreads: bool = field(default=False, metadata=_doc("count logical CPUs, not cores"))
    gpu_backend: str = field(
        default="auto", metadata=_doc("whose GPUs to use: auto, none, or a vendor", metavar="NAME")
    )
    scratch: Any = field(default=None, metadata=_doc("free for your own use", flag=None))
    system: Any = field(default=None, metadata=_doc("facts about the system, free", flag=None))


@dataclass(frozen=True, slots=True, eq=False)
class Environment(Settings):
    """What the environment of each job gets on top of canary's own."""

    section: ClassVar[str] = "environment"
    commands: ClassVar[tuple[str, ...]] = ()
    set: Mapping[str, str] = shared(metadata=_doc("variables to set", flag=None))
    unset: tuple[str, ...] = field(default=(), metadata=_doc("variables to remove", flag=None))
    prepend_path: Mapping[str, str] = shared(
        metadata=_doc("directories to put first in a search path", flag=None)
    )
    append_path: Mapping[str, str] = shared(
        metadata=_doc("directories to put last in a search path", flag=None)
    )

    def apply(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with these changes."""
        env = {k: v for k, v in base.items() if k not in self.unset}
        env.update(self.set)
        for name, value in self.prepend_path.items():
            env[name] = f"{value}:{env[name]}" if env.get(name) else value
        for name, value in self.append_path.items():
            env[name] = f"{env[name]}:{value}" if env.get(name) else value
        return env


@dataclass(frozen=True, slots=True, eq=False)
class View(Settings):
    """The directory of links to the latest results."""

    section: ClassVar[str] = "workspace.view"
    commands: ClassVar[tuple[str, ...]] = ()
    name: str = field(default="TestResults", metadata=_doc("its name", flag=None))
    mode: str = field(
        default="symlink",
        metadata=_doc("what is in it", flag=None, choices=("symlink", "hardlink", "copy")),
    )
    when: str = field(
        default="always",
        metadata=_doc(
            "when it is made", flag=None, choices=("always", "never", "on_success", "on_failure")
        ),
    )
    only: str = field(
        default="all",
        metadata=_doc(
            "which jobs it shows", flag=None, choices=("all", "failed", "not_pass", "passed")
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Run(Settings):
    """How jobs are run."""

    section: ClassVar[str] = "run"
    commands: ClassVar[tuple[str, ...]] = ("run",)
    default_tag: str = field(
        default=":all:", metadata=_doc("what `canary run` without paths runs again", flag=None)
    )
    timeout: Mapping[str, float] = shared(
        FrozenDict({"default": 300.0, "fast": 120.0, "long": 900.0, "ctest": 1500.0}),
        metadata=_doc(
            "time limit: of the session, of reading a file (collect), of jobs with a keyword,"
            " default, all, or a multiplier",
            flag="--timeout",
            metavar="TYPE=T",
            commands=("run", "find"),
        ),
    )
    grace: float = field(
        default=2.0,
        metadata=_doc(
            "time between asking a job to end and killing it", flag="--grace", kind="duration"
        ),
    )
    workers: int | None = field(
        default=None,
        metadata=_doc(
            "jobs at once at most", flag="--workers", commands=("run", "find", "collect")
        ),
    )
    launcher: str | None = field(
        default=None, metadata=_doc("launcher for jobs that name none", flag="--launcher")
    )
    parsing_policy: str = field(
        default="pedantic",
        metadata=_doc(
            "whether one bad test file stops the run",
            flag="--parsing-policy",
            short="-P",
            choices=("pedantic", "permissive"),
        ),
    )
    shared_workspace: bool = field(
        default=False,
        metadata=_doc(
            "use a workspace that anybody may write to",
            flag="--shared-workspace",
            commands=("run", "collect"),
        ),
    )
    no_output_timeout: float | None = field(
        default=None,
        metadata=_doc(
            "end a job that writes nothing for that long",
            flag="--no-output-timeout",
            kind="duration",
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Output(Settings):
    """What jobs may write to their output."""

    section: ClassVar[str] = "run.output"
    limit: int | None = field(
        default=None,
        metadata=_doc("most bytes of output a job", flag="--output-limit", kind="size"),
    )
    policy: str = field(
        default="end",
        metadata=_doc(
            "at the limit, end the job or keep only the head and the tail of its output",
            flag="--output-policy",
            choices=("end", "trim"),
        ),
    )


CORE: Final = (Main, Environment, View, Run, Output)


def core_options() -> list[Option]:
    """The options of the core."""
    return [option for cls in CORE for option in options_of(cls)]
