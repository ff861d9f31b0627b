"""The walk of `canary run PATH`: the one place where the steps meet.

    words -> files -> specs -> graph -> plan -> jobs -> results -> summary

Each step takes frozen values and gives frozen values; `run` reads from top to bottom. Plugins are
called from here and nowhere else in the engine. From here on nobody sees a command line: a
`RunRequest` says all that was asked.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from canary import (
    collect,
    fsio,
    gather,
    home,
    planning,
    record,
    recovery,
    targets,
    view,
)
from canary.catalog import Catalog
from canary.clock import Clock
from canary.config import Config
from canary.declare import Display
from canary.errors import CanaryError, CanaryErrors, ExitCode, NothingToRun, UsageError
from canary.events import Event, JobFinished, Notice, SessionFinished, SessionStarted, Summary
from canary.home import Workspace
from canary.job import BaseJob, Job
from canary.launch import Launcher, News
from canary.lockfile import dump, public, public_environment
from canary.loop import Loop, Timer
from canary.planning import Choice
from canary.reaper import sweeping
from canary.request import RunRequest
from canary.resources import Machine, ResourcePool
from canary.schedule import Scheduler
from canary.select import PASSED, Plan
from canary.signals import ASKING, ENDING, heard, pausing, telling
from canary.status import Category, Outcome
from canary.store import tag_rows


@dataclass(frozen=True, slots=True)
class Session:
    """A session as plugins see it."""

    name: str
    directory: Path
    workspace: Workspace
    jobs: Sequence[Job]
    request: RunRequest
    config: Config


def run(
    request: RunRequest,
    config: Config,
    display: Display,
    show: Callable[[Workspace, Summary], None] | None = None,
) -> Summary:
    """Collect, choose, run, record, `show`; return what it came to.

    Nobody else runs in the workspace, or removes it, before all that is over.
    """
    told = partial(display.say, "test files are read, nothing runs yet")
    with telling(told), ExitStack() as stack:
        workspace = recovery.insist(partial(_held_workspace, request, display.say), stack)
        book = stack.enter_context(closing(Catalog(workspace.database, writable=True)))
        recovery.recover(workspace, book, display.say)
        choice = choose(request, config, book)
        for error in choice.collected.errors:
            display.say(str(error), "error")
        _check(choice, book, display)
        summary = _execute(choice, config, display, workspace, book)
        with telling(partial(display.say, "all has run, results are reported")):
            if show is not None:
                show(workspace, summary)
        return summary


def _held_workspace(
    request: RunRequest, say: Callable[[str], None]
) -> AbstractContextManager[Workspace]:
    """The workspace around, or a new one, held for a run; wiped first if that was asked for."""
    found = home.find(Path(request.cwd), request.canary_dir) if request.wipe else None
    hold = recovery.renewed if request.wipe else recovery.run_lock
    return hold(found or targets.open_workspace(request), say)


def choose(request: RunRequest, config: Config, book: Catalog | None) -> Choice:
    """Collect and choose; without a store, among what is at the paths that are named."""
    if book is None:
        words = collect.classify(request.words, request.cwd)
        if words.names:
            raise UsageError(f"{words.names[0]!r}: no such file or directory")
        request = replace(request, words=(), roots=(*request.roots, *words.roots))
    else:
        if request.resume:
            request = _undone(request, Workspace(book.path.parent))
        request = targets.resolve_names(request, book)
    collected = planning.find_specs(request, config, book)
    if collected.errors and not request.permissive:
        raise CanaryErrors(collected.errors)
    earlier = {} if book is None else planning.earlier_results(book)
    plan = planning.make_plan(collected.graph, request, config, earlier)
    return Choice(request, collected, plan, earlier)


def _undone(request: RunRequest, workspace: Workspace) -> RunRequest:
    """Ask for what the newest session has not brought to an end of its own."""
    last = request.resume
    if last != workspace.latest:
        raise UsageError("another session has begun meanwhile", hint="canary resume")
    folded = recovery.fold_session(workspace.sessions / last)
    unrun = (Category.ABORTED, Category.NONE)
    done = {id for id, end in folded.ends.items() if end.status.category not in unrun}
    left = frozenset(folded.specs.keys() - done)
    if not left:
        raise NothingToRun(f"session {last} left nothing undone", hint="canary run")
    return replace(request, criteria=replace(request.criteria, named=left, only="all"))


def _check(choice: Choice, book: Catalog, display: Display) -> None:
    """NothingToRun if that is so; a warning where what passed, or is run, is not what is in the
    files now."""
    plan, collected = choice.plan, choice.collected
    edits = planning.edited_since(choice)
    told = f"edited since it passed: {_some(edits)}; --only changed runs it" if edits else None
    if not plan.run and not collected.bad_files:
        planning.save_specs(book, collected)
        book.write(record.excluded_rows("", planning.left_out(choice)))
        usual = "canary run --only changed runs what was edited, --only all everything"
        hint = usual if PASSED in plan.reasons() else None
        raise NothingToRun(planning.nothing(plan), hint=told or hint)
    if told:
        display.say(told, "warning")
    if again := planning.run_again(choice):
        display.say(f"run again, as others need what is gone: {_some(again)}")
    if choice.request.roots:
        return
    files = planning.edited(book, {collected.graph.specs[i].file for i in plan.run})
    if files:  # what is run is what was collected: directives that were written since are not known
        text = f"edited since it was collected: {_some(files)}; canary run PATH reads it again"
        display.say(text, "warning")


def _some(names: Sequence[str]) -> str:
    return home.relative(names[0]) + (f" and {len(names) - 1} more" if names[1:] else "")


def dry_run(request: RunRequest, config: Config) -> tuple[list[Job], Machine]:
    """The jobs that `run` would run, in order, and on what; nothing is written, nothing is run."""
    here = home.find(Path(request.cwd), request.canary_dir)
    histories: Mapping[str, str] = {}
    if here and here.database.exists() and not request.wipe:
        with closing(Catalog(here.database)) as book:
            choice, histories = choose(request, config, book), book.histories()
    else:
        choice = choose(request, config, None)
    machine = gather.find_machine(request, config)
    return planning.build_jobs(choice, machine, ("", Path(request.cwd)), histories), machine


def _execute(
    choice: Choice, config: Config, display: Display, workspace: Workspace, book: Catalog
) -> Summary:
    request, plan = choice.request, choice.plan
    machine = gather.find_machine(request, config)
    launcher_of = gather.choose_launcher(request, config)
    texts = planning.save_specs(book, choice.collected)
    if request.tag is not None:
        collect.valid_tag(request.tag)
        book.write(tag_rows(request.tag, plan.run))
    name, directory = workspace.new_session()
    jobs = planning.build_jobs(choice, machine, (name, directory), book.histories())
    faults = planning.faults_of(jobs, choice.collected)
    errors = [e for e in faults.values() if isinstance(e, CanaryError)]
    if errors and not request.permissive:
        directory.rmdir()
        raise CanaryErrors(errors)
    for error in errors:
        display.say(str(error), "error")
    jobs += planning.invalid_jobs(choice, config, (name, directory))
    session = Session(name, directory, workspace, tuple(jobs), request, config)
    ledger = record.Record(workspace, book, name, directory)
    left_out = planning.left_out(choice)
    walk = _Walk(session, ledger, ResourcePool(machine), launcher_of, plan, display)
    return walk.go(texts, faults, left_out)


@dataclass(eq=False)
class _Walk:
    """One session from its first event to its last: loop, scheduler, record, plugins and signals
    meet here."""

    session: Session
    ledger: record.Record
    pool: ResourcePool
    launcher_of: Callable[[BaseJob], Launcher]
    plan: Plan
    display: Display

    def __post_init__(self) -> None:
        self.config = self.session.config
        self.loop = Loop()
        self.clock = Clock()
        self.finished: dict[str, JobFinished] = {}
        self.watched = self.config.plugins.has("canary_event")
        self.scheduler: Scheduler | None = None
        self.interrupted = 0  # by this signal, before the scheduler hears any or after
        self._flush: Timer | None = None
        self._unseen = False
        self.ledger.on_trouble = lambda text: self.emit(Notice(self.clock.now(), "warning", text))

    def go(
        self,
        texts: Mapping[str, str],
        faults: Mapping[str, CanaryError | str],
        left_out: Sequence[tuple[str, str, str]],
    ) -> Summary:
        session, request = self.session, self.session.request
        began = self.clock.monotonic()
        header = {"argv": list(request.argv), "config": public(self.config.asdict())}
        header["asked"] = list(request.asked)
        header["runner"] = recovery.Runner.this()._asdict()
        header["environment"] = public_environment(os.environ)
        texts = {job.id: texts.get(job.id) or dump(job.spec.asdict()) for job in session.jobs}
        self.ledger.begin(session.jobs, texts, header)
        self.ledger.exclude(left_out)
        try:
            jobs = self._doom(faults)
            self.config.plugins.call("canary_session_start", session=session)
            self._show_on(self.display.start, session)
            where, jobs_in_all = str(session.directory), len(session.jobs)
            how = (request.argv, jobs_in_all, self.plan.reasons(), self.pool.machine.slots())
            self.emit(SessionStarted(self.clock.now(), session.name, where, *how))
            for job in session.jobs:
                if job.status.outcome is Outcome.INVALID:
                    self._finish_unrun(job)
            self._run([job for job in jobs if job.status.outcome is not Outcome.INVALID])
        except KeyboardInterrupt as e:
            self.interrupted = getattr(e, "number", signal.SIGINT)
        finally:
            # what is known is written down, whatever comes
            say, told = self.display.say, "the session is recorded: plugins are told"
            with telling(lambda: say("the session is being recorded"), (*ENDING, *ASKING)):
                summary = self._close(began)
            with telling(lambda: say(told)):
                self._tell_of_end(summary)
        return summary

    def _doom(self, faults: Mapping[str, CanaryError | str]) -> Sequence[BaseJob]:
        """Unsound jobs are over before anything starts; the others are grouped, if a plugin does
        that."""
        for job in self.session.jobs:
            if job.id in faults:
                job.set_status(outcome=Outcome.INVALID, reason=str(faults[job.id]))
        sound = [job for job in self.session.jobs if job.status.outcome is not Outcome.INVALID]
        return gather.group(sound, self.pool.machine, self.config)

    def _run(self, jobs: Sequence[BaseJob]) -> None:
        scheduler = self.scheduler = Scheduler(
            jobs,
            self.pool,
            loop=self.loop,
            choose=self.launcher_of,
            emit=self.emit,
            services=gather.HookServices(self.config),
            policy=self.session.request.policy,
            now=self.clock.now,
            trouble=lambda text, _: self.ledger.trouble(text),
        )
        self._beat()
        suspend = partial(self._suspend, scheduler)
        with sweeping(), self._signals(scheduler), pausing(self.loop.post, suspend):
            scheduler.run()

    def _finish_unrun(self, job: Job) -> None:
        job.on_finished()
        self.emit(JobFinished.of(job, self.clock.now()))

    def _show_on(self, show: Callable[..., None], *what: Any) -> None:
        """Let the display show something; the run goes on where nobody can see it any more."""
        if not self._unseen:
            try:
                show(*what)
            except OSError:  # `canary run | head`, a terminal that was closed, a full disk
                self._unseen = True
                fsio.drop_output()

    def emit(self, event: Event) -> None:
        """Record an event, then show it to whoever watches."""
        self.ledger.event(event)
        if isinstance(event, JobFinished) and not event.retry:
            self.finished[event.id] = event
        self._show_event(event)
        if self.ledger.pending >= record.BATCH_ROWS:
            self.ledger.commit()
        if self._flush is None:
            self._flush = self.loop.call_later(record.BATCH_SECONDS, self._commit)

    def _show_event(self, event: Event) -> None:
        self._show_on(self.display.event, event)
        if self.watched:
            self.config.plugins.call("canary_event", event=event)

    def _commit(self) -> None:
        self._flush = None
        self.ledger.commit()
        self._show_on(self.display.flush)

    def _close(self, began: float) -> Summary:
        session = self.session
        sent = (self.scheduler.interrupted if self.scheduler else 0) or self.interrupted
        ended = f"interrupted by signal {sent}" if sent else "the session ended before it"
        for job in session.jobs:
            if job.id not in self.finished:
                why = str(self.config.plugins.fatal or ended)
                job.set_status(outcome=Outcome.CANCELLED, reason=why)
                self._finish_unrun(job)
        counts = Counter(event.status.outcome.name for event in self.finished.values())
        code = 0
        for event in self.finished.values():
            code |= event.status.exit_bit
        final = ExitCode.SIGNAL + sent if sent else code
        if session.request.teardown:
            self._tear_down(session)
        self.emit(SessionFinished(self.clock.now(), final, dict(counts)))
        summary = Summary(session.name, dict(counts), self.clock.monotonic() - began, final, sent)
        self.ledger.close(final, {"sum": code, "duration": summary.duration})
        return summary

    def _tell_of_end(self, summary: Summary) -> None:
        """What follows from the record; an interrupt here costs nothing of that."""
        session = self.session
        try:
            self._show(session)
            self.config.plugins.call(
                "canary_session_finish", lenient=True, session=session, summary=summary
            )
        finally:
            self._show_on(self.display.finish, session, summary)
            self.loop.close()

    def _tear_down(self, session: Session) -> None:
        """Remove the directories of jobs that passed."""
        for job in session.jobs:
            if job.status.category is Category.PASS:
                job.workspace.remove()

    def _show(self, session: Session) -> None:
        settings = session.request.view
        failed = any(e.status.exit_bit for e in self.finished.values())
        if settings.when == "never" or settings.when == ("on_success" if failed else "on_failure"):
            return
        entries = []
        for job in session.jobs:
            times, status = job.timekeeper, job.status
            if times.submitted > 0 and view.wanted(settings.only, status.category.value):
                what = (job.id, job.spec.result_path, job.workspace.text, session.name)
                entries.append(view.Entry(*what, status.outcome.name, times.finished))
        try:
            view.update(session.workspace.home / settings.name, entries, mode=settings.mode)
        except CanaryError as e:
            if self.ledger.broken is None:  # nothing of the record has to be made up for later
                text = f"the view is not up to date: {e}"
                self._show_event(Notice(self.clock.now(), "warning", text))

    def _signals(self, scheduler: Scheduler) -> AbstractContextManager[None]:
        """Signals become calls in the loop."""
        calls: dict[int, Callable[[], None]] = {
            **dict.fromkeys(ASKING, self._tell),
            **{number: partial(scheduler.interrupt, number) for number in ENDING},
        }
        return heard({n: lambda number: self.loop.post(calls[number]) for n in calls})

    def _tell(self) -> None:
        if self.scheduler is not None:
            for job, seconds in self.scheduler.running():
                if job.composite:  # what its jobs have left since
                    self.scheduler.receive(News(job.id))
                held: Sequence[BaseJob] = getattr(job, "jobs", ())
                inside = [j for j in held if j.timekeeper.started > 0 and not j.state.is_done()]
                for one in inside or [job]:
                    now = self.clock.now()
                    ran = min(seconds, now - one.timekeeper.started) if inside else seconds
                    text = f"{one.display_name()} ({one.id[:7]}) runs for {ran:.1f} s"
                    self.emit(Notice(now, "info", text, one.id))

    def _suspend(self, scheduler: Scheduler, stop: Callable[[], None]) -> None:
        """Pause the jobs, then ourselves; go on with both once continued."""
        scheduler.pause()
        self._show_on(self.display.pause)
        stop()
        scheduler.resume()
        self._show_on(self.display.resume)

    def _beat(self) -> None:
        """Let the display move while nothing happens."""
        self._show_on(self.display.flush)
        if self.display.beat is not None:
            self.loop.call_later(self.display.beat, self._beat)
