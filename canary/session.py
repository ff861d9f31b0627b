"""The walk of `canary run PATH`: the one place where the steps meet.

    words -> files -> specs -> graph -> plan -> jobs -> results -> summary

Each step takes frozen values and gives frozen values; `run` reads from top to bottom. Plugins are
called from here and nowhere else in the engine. From here on nobody sees a command line: a
`RunRequest` says all that was asked.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

from canary import collect, gather, generate, graph, home, record, recovery, select, view
from canary.catalog import Catalog, spec_rows
from canary.clock import Clock
from canary.config import Config
from canary.declare import Display
from canary.errors import CanaryError, CanaryErrors, ExitCode, NothingToRun, SpecError, UsageError
from canary.events import Event, JobFinished, Notice, SessionFinished, SessionStarted, Summary
from canary.frozen import EMPTY
from canary.history import RunHistory
from canary.home import Workspace
from canary.job import BaseJob, Dependency, InvalidTypeError, Job
from canary.launch import Launcher
from canary.lockfile import dump
from canary.loop import Loop, Timer
from canary.request import RunRequest
from canary.resources import Machine, ResourcePool
from canary.schedule import Scheduler
from canary.select import Earlier, Plan
from canary.spec import ExpandContext, JobSpec, SpecFile, job_id
from canary.status import Category, Outcome
from canary.store import tag_rows
from canary.workspace import ExecutionSpace

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found: the graph, every error, the files that are wrong, and the loads worth
    keeping."""

    graph: graph.SpecGraph
    errors: tuple[CanaryError, ...]
    bad_files: tuple[SpecFile, ...]
    cache: generate.Cache


@dataclass(frozen=True, slots=True)
class Session:
    """A session as plugins see it."""

    name: str
    directory: Path
    workspace: Workspace
    jobs: Sequence[Job]
    request: RunRequest
    config: Config


def resume(request: RunRequest, config: Config, display: Display, ids: frozenset[str]) -> Summary:
    """Run these jobs of the store again, whatever is known of them."""
    criteria = replace(request.criteria, named=ids, only="all")
    return run(replace(request, criteria=criteria), config, display)


def run(request: RunRequest, config: Config, display: Display) -> Summary:
    """Collect, choose, run, record; return what it came to."""
    workspace = open_workspace(request)
    with recovery.run_lock(workspace, display.say):
        book = Catalog(workspace.database, writable=True)
        try:
            recovery.recover(workspace, book, display.say)
            return _run(request, config, display, workspace, book)
        finally:
            book.close()


def _run(
    request: RunRequest, config: Config, display: Display, workspace: Workspace, book: Catalog
) -> Summary:
    request = resolve_names(request, book)
    collected = find_specs(request, config, book)
    if collected.errors and not request.permissive:
        raise CanaryErrors(collected.errors)
    for error in collected.errors:
        display.say(str(error), "error")
    earlier = earlier_results(book)
    plan = make_plan(collected.graph, request, config, earlier)
    if not plan.run and not collected.bad_files:
        save_specs(book, collected)
        raise NothingToRun(_nothing(plan), hint="canary run --only all runs what passed before")
    return _execute(request, config, display, workspace, book, collected, plan, earlier)


def preview(request: RunRequest, config: Config) -> tuple[Collected, Plan]:
    """Collect and choose, without a workspace."""
    words = collect.classify(request.words, request.cwd)
    if words.names:
        raise UsageError(f"{words.names[0]!r}: no such file or directory")
    collected = find_specs(
        replace(request, words=(), roots=(*request.roots, *words.roots)), config, None
    )
    return collected, make_plan(collected.graph, request, config, {})


def dry_run(request: RunRequest, config: Config) -> list[Job]:
    """The jobs that `run` would run, in order; nothing is written and nothing is run."""
    here = home.find(Path(request.cwd), request.canary_dir)
    book = Catalog(here.database) if here and here.database.exists() and not request.wipe else None
    try:
        if book is not None:
            request = resolve_names(request, book)
            collected = find_specs(request, config, book)
            earlier, histories = earlier_results(book), book.histories()
            plan = make_plan(collected.graph, request, config, earlier)
        else:
            collected, plan = preview(request, config)
            earlier, histories = {}, {}
    finally:
        if book is not None:
            book.close()
    if collected.errors and not request.permissive:
        raise CanaryErrors(collected.errors)
    machine = gather.find_machine(request, config)
    nowhere = ("", Path(request.cwd))
    return build_jobs(request, collected, plan, earlier, machine, nowhere, histories)


def open_workspace(request: RunRequest) -> Workspace:
    """The workspace around, or a new one here; wiped first if that was asked for."""
    here = Path(request.cwd)
    found = home.find(here, request.canary_dir)
    if found is not None and request.wipe:
        place = found.home
        home.remove(found)
        return home.create(place)
    if found is not None:
        if home.is_foreign(found):
            raise UsageError(
                f"{found.root} was made by the older canary and is read-only here",
                hint="canary init --import takes its results over, canary run -w wipes it",
            )
        return found
    if not request.words and not request.roots:
        raise UsageError("there is no workspace here and no path to run", hint="canary run PATH")
    if request.canary_dir is not None:
        directory = request.canary_dir
        return home.create(directory.parent if directory.name == home.DIRECTORY else directory)
    return home.create(here)


def resolve_names(request: RunRequest, book: Catalog) -> RunRequest:
    """Turn the words of a command line into scan roots, or into an explicit choice of jobs."""
    shown = _shown(request, book)
    if shown is not None:
        return _explicit(request, shown)
    words = collect.classify(request.words, request.cwd)
    if words.roots or request.roots:
        return replace(request, words=(), roots=(*request.roots, *words.roots))
    if not words.names:
        return _default(replace(request, words=()), book)
    ids: set[str] = set()
    stored = book.query("select spec_id, spec_fullname, spec_name from results")
    stored += [(i, s.fullname, s.name) for i, s in book.specs().items()]
    for name in words.names:
        found = _named(name, book, stored)
        if not found:
            raise UsageError(
                f"{name!r} is no path, and no job or tag of this workspace",
                hint="canary status lists jobs",
            )
        ids |= found
    return _explicit(request, ids)


def _explicit(request: RunRequest, ids: Collection[str]) -> RunRequest:
    only = request.criteria.only if request.only_given else "all"
    criteria = replace(request.criteria, named=frozenset(ids), only=only)
    return replace(request, words=(), criteria=criteria)


def _shown(request: RunRequest, book: Catalog) -> set[str] | None:
    """The jobs at the paths of a view, if the words are such paths."""
    directory = book.path.parent.parent / request.view.name
    if not request.words or not view.is_view(directory):
        return None
    paths = [Path(os.path.normpath(Path(request.cwd, word))) for word in request.words]
    if not all(path == directory or directory in path.parents for path in paths):
        return None
    ids: set[str] = set()
    for word, path in zip(request.words, paths, strict=True):
        found = view.entry_at(directory, path)
        if not found:
            raise UsageError(f"{word!r}: no job of the view is there")
        ids.update(found)
    return ids


def _default(request: RunRequest, book: Catalog) -> RunRequest:
    """Without words: the default tag, or (`:all:`) everything the workspace knows."""
    tag = request.default_tag
    if tag in (":all:", "") or request.criteria.named is not None:
        return request
    ids = book.tag(tag)
    if ids is None:
        raise UsageError(f"run.default_tag names no tag of this workspace: {tag!r}")
    return replace(request, criteria=replace(request.criteria, named=frozenset(ids)))


def _named(name: str, book: Catalog, stored: Sequence[tuple[str, str, str]]) -> set[str]:
    tagged = book.tag(name)
    if tagged is not None:
        return set(tagged)
    exact = {row[0] for row in stored if name in row}
    if exact:
        return exact
    prefix = name.lstrip("/")
    found = {row[0] for row in stored if row[0].startswith(prefix)}
    if len(found) > 1:
        raise UsageError(
            f"{name!r} begins the IDs of {len(found)} jobs",
            hint="give more characters, or the name",
        )
    return found


# collection


def find_specs(request: RunRequest, config: Config, book: Catalog | None) -> Collected:
    """Scan and expand the request's roots; without roots, what the store knows."""
    if not request.roots:
        if book is None:
            raise UsageError("no path to look for tests in", hint="canary find -r PATH")
        known = book.graph()
        if not known.specs:
            raise NothingToRun("no tests are known to this workspace", hint="canary run PATH")
        return Collected(known, (), (), generate.Cache())
    generators = gather.spec_generators(config)
    files = collect.find(request.roots, list(generators.values()), gather.ignore(config))
    cache = generate.Cache(_known_files(book))
    made = generate.expand(
        files,
        generators,
        gather.expand_context(request, config),
        cache=cache,
        file_seconds=request.file_seconds,
    )
    built, faults = graph.build(made.specs)
    return Collected(built, (*made.errors, *faults), tuple(made.bad_files), cache)


def _known_files(book: Catalog | None) -> dict[str, tuple[str, bytes]]:
    if book is None:
        return {}
    known = {p: (k, d) for p, k, d in book.query("select path, key, data from files")}
    return known


def save_specs(book: Catalog, collected: Collected) -> dict[str, str]:
    """Put specs, dependencies and cached loads into the store; return the specs' JSON by ID."""
    specs, edges = collected.graph.specs, collected.graph.edges
    texts = {id: dump(spec.asdict()) for id, spec in specs.items()}
    known = dict(book.query("select spec_id, data from specs"))
    changed = {id: spec for id, spec in specs.items() if known.get(id) != texts[id] or id in edges}
    files = [(path, key, data) for path, (key, data) in collected.cache.fresh.items()]
    batch = spec_rows(changed, edges, texts)
    batch.append(("insert or replace into files values(?,?,?)", files))
    book.write(batch)
    return texts


# choice


def earlier_results(book: Catalog) -> dict[str, Earlier]:
    """The last result of every job."""
    return {
        r.id: Earlier(r.status, r.times.get("started", -1.0), r.session, r.workspace)
        for r in book.results()
    }


def make_plan(
    specs: graph.SpecGraph, request: RunRequest, config: Config, earlier: Mapping[str, Earlier]
) -> Plan:
    """Filters of the request, then masks of plugins, then the rerun strategy."""
    criteria = request.criteria
    if request.policy.session_timeout:
        criteria = replace(criteria, limit=request.policy.session_timeout)
    return select.choose(specs, criteria, earlier, gather.plugin_masks(specs.specs, config))


def _nothing(plan: Plan) -> str:
    reasons = "; ".join(f"{n} left out: {reason}" for reason, n in sorted(plan.reasons().items()))
    return "no jobs to run" + (f" ({reasons})" if reasons else "")


# jobs


def build_jobs(
    request: RunRequest,
    collected: Collected,
    plan: Plan,
    earlier: Mapping[str, Earlier],
    machine: Machine,
    session: tuple[str, Path],
    histories: Mapping[str, str],
) -> list[Job]:
    """The plan's jobs in order, wired to each other and to earlier results that stand in for jobs
    not run again."""
    name, directory = session
    capacity = machine.capacity
    specs, edges = collected.graph.specs, collected.graph.edges
    known: dict[str, Job] = {}
    for id in plan.standing:
        known[id] = _standing(specs[id], earlier[id])
    jobs: list[Job] = []
    environment = dict(os.environ)
    settings = replace(request.launch, environment=environment)
    for id in plan.run:
        spec = specs[id]
        upstream = edges.get(id)
        dependencies = (
            [Dependency(known[e.id], e.when) for e in upstream if e.id in known]
            if upstream
            else None
        )
        job = Job(
            spec, ExecutionSpace(directory, Path(spec.work_path), name, capacity), dependencies
        )
        job.settings = settings
        job.timeout_multiplier = request.multiplier
        job.script_args = request.script_args
        job.history = _history(histories.get(id))
        known[id] = job
        jobs.append(job)
    return jobs


def _standing(spec: JobSpec, last: Earlier) -> Job:
    directory = Path(last.directory)
    root = directory
    for _ in Path(spec.work_path).parts:
        root = root.parent
    job = Job(spec, ExecutionSpace(root, Path(os.path.relpath(directory, root)), last.session))
    job.status = last.status
    job.on_finished()
    return job


def _history(text: str | None) -> RunHistory:
    if text is None:
        return RunHistory()
    return RunHistory.fromdict(json.loads(text))


def invalid_specs(collected: Collected, context: ExpandContext) -> list[tuple[JobSpec, str]]:
    """Under the permissive policy a bad file is a job that fails: INVALID, with the file's error as
    reason."""
    reasons: dict[str, str] = {}
    for error in collected.errors:
        if error.file:
            reasons.setdefault(error.file, str(error))
    out = []
    seen: set[str] = set()
    for file in collected.bad_files:
        if file.file in seen:
            continue
        seen.add(file.file)
        family = file.path.rpartition("/")[2].rpartition(".")[0] or file.path
        spec = JobSpec(
            file_root=file.root,
            file_path=file.path,
            id=job_id(family, context.repository(file.file), EMPTY),
            family=family,
            name=family,
            command=(),
            generator=file.generator,
        )
        out.append((spec, reasons.get(file.file, "cannot be read")))
    return out


# execution


def _execute(
    request: RunRequest,
    config: Config,
    display: Display,
    workspace: Workspace,
    book: Catalog,
    collected: Collected,
    plan: Plan,
    earlier: Mapping[str, Earlier],
) -> Summary:
    machine = gather.find_machine(request, config)
    choose = gather.choose_launcher(request, config)
    texts = save_specs(book, collected)
    if request.tag is not None:
        collect.valid_tag(request.tag)
        book.write(tag_rows(request.tag, plan.run))
    name, directory = workspace.new_session()
    jobs = build_jobs(
        request, collected, plan, earlier, machine, (name, directory), book.histories()
    )
    faults = _faults(jobs, collected)
    errors = [e for e in faults.values() if isinstance(e, CanaryError)]
    if errors and not request.permissive:
        directory.rmdir()
        raise CanaryErrors(errors)
    for error in errors:
        display.say(str(error), "error")
    jobs += _invalid_jobs(request, config, collected, texts, (name, directory))
    session = Session(name, directory, workspace, tuple(jobs), request, config)
    ledger = record.Record(workspace, book, name, directory)
    return _Walk(session, ledger, ResourcePool(machine), choose, plan, display).go(texts, faults)


def _faults(jobs: Sequence[Job], collected: Collected) -> dict[str, CanaryError | str]:
    """What makes jobs unsound: a resource request that is no int, an unresolved dependency."""
    faults: dict[str, CanaryError | str] = dict(collected.graph.invalid)
    for job in jobs:
        try:
            job.get_resource_parameters_from_spec()
        except InvalidTypeError as e:
            faults[job.id] = SpecError(f"{job.name}: {e}", file=job.spec.file, key=e.name)
    return faults


def _invalid_jobs(
    request: RunRequest,
    config: Config,
    collected: Collected,
    texts: dict[str, str],
    session: tuple[str, Path],
) -> list[Job]:
    """A job for each bad file, over already."""
    out = []
    name, directory = session
    for spec, reason in invalid_specs(collected, gather.expand_context(request, config)):
        if spec.id in texts:
            continue
        texts[spec.id] = dump(spec.asdict())
        job = Job(spec, ExecutionSpace(directory, Path(spec.work_path), name))
        job.set_status(outcome=Outcome.INVALID, reason=reason)
        out.append(job)
    return out


class _Walk:
    """One session from its first event to its last: loop, scheduler, record, plugins and signals
    meet here."""

    def __init__(
        self,
        session: Session,
        ledger: record.Record,
        pool: ResourcePool,
        choose: Callable[[BaseJob], Launcher],
        plan: Plan,
        display: Display,
    ) -> None:
        self.display = display
        self.session = session
        self.ledger = ledger
        self.pool = pool
        self.choose = choose
        self.plan = plan
        self.config = session.config
        self.loop = Loop()
        self.clock = Clock()
        self.finished: dict[str, JobFinished] = {}
        self.watched = self.config.plugins.has("canary_event")
        self.scheduler: Scheduler | None = None
        self._flush: Timer | None = None
        ledger.on_trouble = lambda text: self.emit(Notice(self.clock.now(), "warning", text))

    def go(self, texts: Mapping[str, str], faults: Mapping[str, CanaryError | str]) -> Summary:
        session, request = self.session, self.session.request
        began = self.clock.monotonic()
        header = {"argv": list(request.argv), "config": self.config.asdict()}
        header["runner"] = recovery.Runner.this().asdict()
        header["environment"] = record.public_environment(os.environ)
        self.ledger.begin(session.jobs, texts, header)
        self._exclude()
        try:
            jobs = self._doom(faults)
            self.config.plugins.call("canary_session_start", session=session)
            self.display.start(session)
            self.emit(
                SessionStarted(
                    self.clock.now(),
                    session.name,
                    str(session.directory),
                    request.argv,
                    len(session.jobs),
                    self.plan.reasons(),
                )
            )
            for job in session.jobs:
                if job.status.outcome is Outcome.INVALID:
                    self._finish_unrun(job)
            self._run([job for job in jobs if job.status.outcome is not Outcome.INVALID])
        finally:
            summary = self._close(began)
        return summary

    def _doom(self, faults: Mapping[str, CanaryError | str]) -> Sequence[BaseJob]:
        """Unsound jobs are over before anything starts; the others are grouped, if a plugin does
        that."""
        for job in self.session.jobs:
            if job.id in faults:
                job.set_status(outcome=Outcome.INVALID, reason=str(faults[job.id]))
        sound = [job for job in self.session.jobs if job.status.outcome is not Outcome.INVALID]
        grouped: Sequence[BaseJob] | None = self.config.plugins.first(
            "canary_group", jobs=sound, config=self.config
        )
        return sound if grouped is None else grouped

    def _run(self, jobs: Sequence[BaseJob]) -> None:
        scheduler = self.scheduler = Scheduler(
            jobs,
            self.pool,
            loop=self.loop,
            choose=self.choose,
            emit=self.emit,
            services=gather.HookServices(self.config),
            policy=self.session.request.policy,
            now=self.clock.now,
        )
        self._beat()
        with self._signals(scheduler):
            scheduler.run()

    def _finish_unrun(self, job: Job) -> None:
        job.on_finished()
        self.emit(
            JobFinished(self.clock.now(), job.id, job.name, job.status, job.timekeeper.asdict(), {})
        )

    def _exclude(self) -> None:
        book = self.ledger.store
        names = {
            id: name
            for id, name in book.query("select spec_id, json_extract(data, '$.name') from specs")
            if id in self.plan.masks
        }
        rows = [
            (id, names.get(id, ""), mask.reason or "masked") for id, mask in self.plan.masks.items()
        ]
        self.ledger.exclude(rows)

    def emit(self, event: Event) -> None:
        """Record an event, then show it to whoever watches."""
        self.ledger.event(event)
        if isinstance(event, JobFinished) and not event.retry:
            self.finished[event.id] = event
        self.display.event(event)
        if self.watched:
            self.config.plugins.call("canary_event", event=event)
        if self.ledger.pending >= record.BATCH_ROWS:
            self.ledger.commit()
        if self._flush is None:
            self._flush = self.loop.call_later(record.BATCH_SECONDS, self._commit)

    def _commit(self) -> None:
        self._flush = None
        self.ledger.commit()
        self.display.flush()

    def _close(self, began: float) -> Summary:
        session = self.session
        for job in session.jobs:
            if job.id not in self.finished:
                job.set_status(outcome=Outcome.CANCELLED, reason="the session ended before it")
                self._finish_unrun(job)
        counts = Counter(event.status.outcome.name for event in self.finished.values())
        code = 0
        for event in self.finished.values():
            code |= event.status.exit_bit
        sent = self.scheduler.interrupted if self.scheduler else 0
        final = ExitCode.SIGNAL + sent if sent else code
        if session.request.teardown:
            self._tear_down(session)
        self.emit(SessionFinished(self.clock.now(), final, dict(counts)))
        summary = Summary(session.name, dict(counts), self.clock.monotonic() - began, final, sent)
        self._show(session)
        self.config.plugins.call("canary_session_finish", session=session, summary=summary)
        self.ledger.close(final, {"sum": code, "duration": summary.duration})
        self.display.finish(session, summary)
        self.loop.close()
        return summary

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
        entries = [
            view.Entry(
                job.id,
                job.spec.result_path,
                job.workspace.text,
                session.name,
                job.status.outcome.name,
                job.timekeeper.finished,
            )
            for job in session.jobs
            if job.timekeeper.submitted > 0
            and view.wanted(settings.only, job.status.category.value)
        ]
        try:
            view.update(session.workspace.home / settings.name, entries, mode=settings.mode)
        except CanaryError as e:
            self.emit(Notice(self.clock.now(), "warning", str(e)))

    @contextmanager
    def _signals(self, scheduler: Scheduler) -> Iterator[None]:
        """Signals become calls in the loop; what was there before comes back."""
        loop = self.loop

        def interrupt(number: int, _: FrameType | None) -> None:
            loop.post(lambda: scheduler.interrupt(number))

        def stop(_: int, __: FrameType | None) -> None:
            loop.post(lambda: self._suspend(scheduler))

        def tell(_: int, __: FrameType | None) -> None:
            loop.post(self._tell)

        old: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in _ENDING:
                if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    old[number] = signal.signal(number, interrupt)
            old[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, stop)
            old[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, tell)
        try:
            yield
        finally:
            for n, handler in old.items():
                signal.signal(n, handler)

    def _tell(self) -> None:
        if self.scheduler is not None:
            for job, seconds in self.scheduler.running():
                text = f"{job.display_name()} ({job.id[:7]}) runs for {seconds:.1f} s"
                self.emit(Notice(self.clock.now(), "info", text, job.id))

    def _suspend(self, scheduler: Scheduler) -> None:
        """Pause the jobs, then ourselves; go on with both once continued."""
        scheduler.pause()
        self.display.pause()
        os.kill(os.getpid(), signal.SIGSTOP)
        scheduler.resume()
        self.display.resume()

    def _beat(self) -> None:
        """Let the display move while nothing happens."""
        self.display.flush()
        if self.display.beat is not None:
            self.loop.call_later(self.display.beat, self._beat)
