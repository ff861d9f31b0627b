"""The core's own settings: what `canary.toml` may say when no plugin is installed.

Each class is a section; how a field becomes a key, a flag and a variable is in `canary.options`.
They are made at every start, so they do without what they do not need (`eq`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from canary.declare import Settings
from canary.frozen import EMPTY, FrozenDict, shared
from canary.options import Option, options_of


def _set(default: Any, help: str, **more: Any) -> Any:
    """A field: its default, what it is for, and what else is declared of it."""
    if isinstance(default, FrozenDict):
        return shared(default, metadata={"help": help, **more})
    return field(default=default, metadata={"help": help, **more})


def _unflagged(default: Any, help: str, **more: Any) -> Any:
    """A field that is set in files, with `-c` or by a variable."""
    return _set(default, help, flag=None, **more)


# which of the jobs that ran before are to run again
STRATEGIES: Final = ("not_pass", "failed", "not_run", "changed", "all")


@dataclass(frozen=True, slots=True, eq=False)
class Main(Settings):
    """Top-level settings."""

    section: ClassVar[str] = ""
    commands: ClassVar[tuple[str, ...]] = ()
    debug: bool = _set(False, "show tracebacks and more messages", short="-d")
    log_level: str = _set(
        "INFO",
        "least level of the messages shown",
        choices=("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    )
    color: str = _set("auto", "when to use colour", choices=("auto", "always", "never"))
    plain: bool = _set(False, "plain lines: no redrawing, no glyphs")
    no_pager: bool = _set(False, "never use a pager", short="-P")
    plugins: tuple[str, ...] = _unflagged(
        (), "plugins to load: modules, files, directories; no:NAME blocks one"
    )
    plugin_errors: str | None = _set(
        None,
        "what a broken plugin does (none: one of -p stops, others are left out)",
        choices=("continue", "stop"),
    )
    hook_limit: float = _set(1.0, "seconds after which a hook is named as slow", kind="duration")
    aliases: Mapping[str, str] = _unflagged(
        EMPTY, "commands of your own: a name and what it stands for"
    )
    resource_pool: Mapping[str, int] = _unflagged(
        EMPTY, "resources of each node (nodes: how many; slots_per_TYPE)"
    )
    resource_pool_file: str | None = _set(None, "file describing the machine", metavar="FILE")
    enable_hyperthreads: bool = _set(False, "count logical CPUs, not cores")
    gpu_backend: str = _set("auto", "whose GPUs to use: auto, none, or a vendor", metavar="NAME")
    scratch: Any = _unflagged(None, "free for your own use")  # noqa: RUF009 - makes a field
    system: Any = _unflagged(None, "facts about the system")  # noqa: RUF009 - makes a field


@dataclass(frozen=True, slots=True, eq=False)
class Environment(Settings):
    """What the environment of each job gets on top of canary's own."""

    section: ClassVar[str] = "environment"
    set: Mapping[str, str] = _unflagged(EMPTY, "variables to set")
    unset: tuple[str, ...] = _unflagged((), "variables to remove")
    prepend_path: Mapping[str, str] = _unflagged(EMPTY, "directories to put first in a search path")
    append_path: Mapping[str, str] = _unflagged(EMPTY, "directories to put last in a search path")

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
    name: str = _unflagged("TestResults", "its name")
    mode: str = _unflagged("symlink", "what is in it", choices=("symlink", "hardlink", "copy"))
    when: str = _unflagged(
        "always", "when it is made", choices=("always", "never", "on_success", "on_failure")
    )
    only: str = _unflagged(
        "all", "which jobs it shows", choices=("all", "failed", "not_pass", "passed")
    )


@dataclass(frozen=True, slots=True, eq=False)
class Run(Settings):
    """How jobs are run."""

    section: ClassVar[str] = "run"
    default_tag: str = _unflagged(":all:", "what `canary run` without paths runs again")
    timeout: Mapping[str, float] = _set(
        FrozenDict({"default": 300.0, "fast": 120.0, "long": 900.0, "ctest": 1500.0}),
        "time limit: of the session, of reading a file (collect), of jobs with a keyword,"
        " default, all, or a multiplier",
        flag="--timeout",
        metavar="TYPE=T",
        commands=("run", "find"),
    )
    grace: float = _set(
        2.0, "time between asking a job to end and killing it", flag="--grace", kind="duration"
    )
    workers: int | None = _set(
        None, "jobs at once at most", flag="--workers", commands=("run", "find", "collect")
    )
    launcher: str | None = _set(None, "launcher for jobs that name none", flag="--launcher")
    parsing_policy: str = _set(
        "pedantic",
        "whether one bad test file stops the run",
        flag="--parsing-policy",
        short="-P",
        choices=("pedantic", "permissive"),
    )
    shared_workspace: bool = _set(
        False,
        "use a workspace and configuration that others own or may write to",
        flag="--shared-workspace",
        commands=("run", "collect"),
    )
    no_output_timeout: float | None = _set(
        None,
        "end a job that writes nothing for that long",
        flag="--no-output-timeout",
        kind="duration",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Output(Settings):
    """What jobs may write to their output."""

    section: ClassVar[str] = "run.output"
    limit: int | None = _set(
        1 << 30, "most bytes of output a job, or none", flag="--output-limit", kind="size"
    )
    policy: str = _set(
        "end",
        "at the limit, end the job or keep only the head and the tail of its output",
        flag="--output-policy",
        choices=("end", "trim"),
    )


CORE: Final = (Main, Environment, View, Run, Output)


def core_options() -> list[Option]:
    """The options of the core."""
    return [option for cls in CORE for option in options_of(cls)]
