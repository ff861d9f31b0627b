"""Every hook of canary, in the order in which a run calls them. Read this page to know the system.

A hook is a leaf: it is called from one place, gets frozen values or a job it may ask but not steer,
and returns a value; it never edits what it was handed. All hooks are called in the main thread
unless their docstring says another. An exception in a hook, and an answer of another type than the
hook's, is reported as one line naming the plugin and its distribution; the run goes on without that
plugin, or stops (`plugin_errors = "stop"`). Returning None means "nothing from me".

A plugin is a module, class or object with functions of these names marked `@canary.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from canary.declare import Command as Command
from canary.declare import Display as Display
from canary.declare import Reporter as Reporter
from canary.declare import Results as Results
from canary.declare import Settings as Settings

if TYPE_CHECKING:
    from canary.config import Config
    from canary.events import Event, Summary
    from canary.job import BaseJob, Job
    from canary.launch import Exit, Launcher
    from canary.plugins import PluginManager
    from canary.resources import Machine
    from canary.session import Session
    from canary.spec import JobSpec, Mask, SpecGenerator
    from canary.status import Status

hookspec = pluggy.HookspecMarker("canary")
hookimpl = pluggy.HookimplMarker("canary")


@hookspec
def canary_addhooks(pluginmanager: PluginManager) -> None:
    """Add hook specifications of your own: `pluginmanager.add_hookspecs(module)`.

    When: right after the plugin is registered, before any other hook. Result: none.
    Example: `pluginmanager.add_hookspecs(my_plugin.hooks)`.
    """


@hookspec
def canary_settings() -> type[Settings] | Iterable[type[Settings]] | None:
    """Declare settings: each class becomes flags, TOML keys, environment variables and
    documentation.

    When: start-up, before the command line is parsed; the answer is kept in the discovery cache.
    None: no settings. Example: `return MySettings`.
    """


@hookspec
def canary_commands() -> Iterable[Command] | None:
    """Add subcommands.

    When: start-up; names and help lines are kept in the discovery cache. Two commands of one name
    are an error that names both plugins. Example: `return [Command(name="hello", help="say hello",
    run=hello)]`.
    """


@hookspec
def canary_configure(config: Config) -> None:
    """Get ready with the merged, frozen configuration.

    When: once, before the command runs. May raise ConfigError to refuse it. Example: check a
    licence file.
    """


@hookspec
def canary_unconfigure(config: Config) -> None:
    """Clean up what `canary_configure` made.

    When: at the end of the command, also after an error. Exceptions are warnings. Example:
    `self.server.close()`.
    """


@hookspec
def canary_spec_generators() -> Iterable[SpecGenerator] | None:
    """Offer test formats.

    When: at the start of collection. Two generators that claim one file are an error naming both.
    Example: `return [YamlGenerator()]`.
    """


@hookspec(firstresult=True)
def canary_ignore_path(path: Path, config: Config) -> bool | None:
    """Leave a directory out of the scan.

    When: for each directory found; first True or False wins, None leaves it to others.
    Example: `return path.name == "third_party" or None`.
    """


@hookspec
def canary_select(specs: Sequence[JobSpec], config: Config) -> Mapping[str, Mask] | None:
    """Mask jobs that must not run, with the reason shown to people: `{job id: Mask(True, "…")}`.

    When: after the filters of the command line; a job may be masked by any plugin, unmasked by
    none. None: no job. Example: `return {s.id: Mask(True, "not at night") for s in specs if "slow"
    in s.keywords}`.
    """


@hookspec(firstresult=True)
def canary_machine(config: Config) -> Machine | None:
    """Say what machine the session has (nodes, CPUs); first answer wins.

    When: before the pool is made, if no pool file was given. None: ask the next; the core falls
    back to one node with the CPUs this process may use. Example: read the nodes of an allocation.
    """


@hookspec
def canary_resources(
    config: Config, machine: Machine
) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
    """Detect resources of this node: `{type: [{"id": "0", "slots": 1, "properties": {...}}]}`.

    When: after `canary_machine`. `machine.here` is the ID of the node that this process is on, and
    empty where the session's nodes are elsewhere: what is in this host is nothing to them, and who
    looks for such has nothing to say. What is said is the node's then, else the first one's (of
    licences, for example, it does not matter whose). Two plugins answering for one
    type are an error that names both.
    Example: GPU detectors return `{"gpus": [...]}`.
    """


@hookspec
def canary_launchers(config: Config) -> Iterable[Launcher] | None:
    """Offer launchers; chosen by name: the spec's, else the command line's, the configuration's,
    the default.

    When: after the machine is known. None: no launcher. Two of one name are an error naming both.
    Example: `return [MyLauncher()]`, a `canary.launch.Launcher` whose `name` is `mine`, for
    `canary run --launcher mine`.
    """


@hookspec(firstresult=True)
def canary_plan(jobs: Sequence[Job], machine: Machine, config: Config) -> Iterable[str] | None:
    """Show what would run where, as lines of text; first answer wins.

    When: `canary run --dry-run`, in place of all that follows. None: let another show it, in the
    end the core, with a table. Example: a chart of who has which CPU when.
    """


@hookspec(firstresult=True)
def canary_group(jobs: Sequence[Job], config: Config, machine: Machine) -> Sequence[BaseJob] | None:
    """Pack jobs into others that the scheduler drives instead (batches); first answer wins.

    When: once, before the first dispatch. Each job must be in the result, itself or in one that
    holds it. One that can never run where it would have to is set OVERSIZED or INVALID, with a
    reason, and is in the result itself. One that holds others has them as its `jobs`. None: let
    another pack them, in the end each job is by itself. Example: `return [MyBatch(jobs)]`, a
    `canary.job.BaseJob` with `composite = True`.
    """


@hookspec
def canary_job_setup(job: Job) -> None:
    """Add to a job's directory, after it was staged and before its command starts.

    When: per job, in the scheduler's thread or a staging thread, where it may be called for several
    jobs at once; cwd is not the job's directory. Result: none. Raising makes the job BROKEN with
    the message as its reason, and the plugin stays; with `plugin_errors = "stop"` it ends the
    session. Example: `(job.workspace.dir / "licence").write_text(key)`.
    """


@hookspec
def canary_job_env(job: Job) -> Mapping[str, str | None] | None:
    """Environment variables for the job's command; None as a value unsets.

    When: per job, after its resources are assigned, in the scheduler's thread or a staging thread,
    where it may be called for several jobs at once. None: no variables. Two plugins setting one
    name: the later registered wins. An exception that stops the command ends the session: what is
    over stays, everything else is cancelled.
    Example: `return {"CUDA_VISIBLE_DEVICES": ",".join(job.gpu_ids)}`.
    """


@hookspec(firstresult=True)
def canary_job_status(job: Job, exit: Exit) -> Status | None:
    """Judge the end of a job's command; first answer wins.

    When: per job, after its command ended by itself. None: let another judge, in the end the core,
    by the exit code. An exception that stops the command ends the session, as in `canary_job_env`.
    Example: `if exit.code == 77: return Status.make(outcome="SKIPPED", reason="no licence")`.
    """


@hookspec
def canary_job_finish(job: Job, exit: Exit) -> Mapping[str, Any] | None:
    """Measurements to record with the job, `{name: JSON value}`.

    When: per job, after its status is known. None: nothing measured. Exceptions are warnings; the
    outcome is unchanged. Example: `return {"bytes_printed": len(job.read_output())}`.
    """


@hookspec
def canary_rebaseline(job: Job, config: Config) -> Iterable[Path] | None:
    """Update the job's reference files; return the paths written.

    When: `canary rebaseline`, per job. Nothing outside the test's own tree may be written. None:
    nothing was. Raising makes it a failure of this job, and others are gone on with. Example:
    `return job.do_baseline()`.
    """


@hookspec(firstresult=True)
def canary_display(config: Config) -> Display | None:
    """Show a running session instead of the core's plain lines; first answer wins.

    When: `canary run`, before the first job. None: let another show it, in the end the core.
    Example: `return Progress() if sys.stderr.isatty() else None`, a `canary.declare.Display`.
    """


@hookspec
def canary_session_start(session: Session) -> None:
    """A session is about to run its jobs.

    When: after selection, before the first job. `session.jobs` is complete; change nothing.
    Result: none. Example: `notify(f"{session.name}: {len(session.jobs)} jobs")`.
    """


@hookspec
def canary_event(event: Event) -> None:
    """Watch: every event of the session in order, after it was recorded.

    When: in the scheduler's thread; be quick (a slow watcher is named in a warning). Read-only.
    Result: none. Example: `if isinstance(event, JobFinished): count(event.status.outcome)`.
    """


@hookspec
def canary_session_finish(session: Session, summary: Summary) -> None:
    """A session is over and recorded.

    When: before the reporters. Result: none. Exceptions are warnings; the exit code is unchanged.
    Example: `mail(summary.line())`.
    """


@hookspec
def canary_reporters() -> Iterable[Reporter] | None:
    """Offer reporters for `canary report NAME` and `canary run --report NAME`.

    When: as one is asked for. None: no reporter. Two of one name are an error naming both.
    Example: `return [MyReporter()]`, a `canary.Reporter`.
    """
