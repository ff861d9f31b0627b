"""The one loop that runs jobs: what is ready and fits is dispatched, what ends is judged, recorded
and given back.

It drives any `BaseJob` through that contract alone. All state of jobs and of the pool changes here,
in one thread; launchers and staging threads only send messages (`Prepared`, `Started`, `Exit`),
signals only interrupts. Which job is next is for `canary.ready` to say.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, InitVar, asdict, dataclass, field
from functools import partial
from typing import Final

from canary.clock import Timekeeper
from canary.errors import CanaryError, LaunchError, PluginStop
from canary.events import Event, JobFinished, JobStarted, JobSubmitted, Notice
from canary.job import BaseJob, JobServices, MissingSourceError
from canary.launch import Exit, ExitReason, Launch, Launcher, Message, News, Started
from canary.loop import Loop, Timer
from canary.ready import Node, ReadyQueue, Running, wire
from canary.resources import ResourcePool
from canary.status import Category, Outcome

ABANDON: Final = 15.0  # seconds for what was killed to be gone
UNSTAGED: Final = 0.25  # and for a shell that sources files

Prepared = Launch | BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to run: at most `workers` at once, retries, and what ends the session early; seconds."""

    workers: int | None = None
    fail_fast: bool = False
    until_pass: int = 0
    after_timeout: int = 0
    until_fail: int = 0
    session_timeout: float | None = None
    grace: float = 2.0
    staging_threads: int = 4


@dataclass(eq=False)
class Scheduler:
    """Runs a set of jobs to the end. `emit` takes every event, `choose` names the launcher of a
    job, `trouble` is told (text, job ID) what could not be written down; without it, `emit`."""

    jobs: InitVar[Sequence[BaseJob]]
    pool: ResourcePool
    _: KW_ONLY
    loop: Loop
    choose: Callable[[BaseJob], Launcher]
    emit: Callable[[Event], None]
    services: JobServices = field(default_factory=JobServices)
    policy: Policy = field(default_factory=Policy)
    now: Callable[[], float] = time.time
    trouble: Callable[[str, str], None] | None = None

    def __post_init__(self, jobs: Sequence[BaseJob]) -> None:
        self.services.policy = asdict(self.policy)
        self.interrupted = 0
        self._nodes = wire(jobs)
        self._running: dict[str, Running] = {}
        self._ready = ReadyQueue(self.pool)
        self._exclusive: Running | None = None
        self._left = len(self._nodes)
        self._stopping: str | None = None
        self._fatal: PluginStop | None = None
        self._staging = threading.Semaphore(self.policy.staging_threads)
        self._opened: dict[int, Launcher] = {}
        self._over: deque[Node] = deque()
        self._folding = False
        self._dispatching = False
        self._abandoned = False
        self._paused_at = 0.0
        self._limit: Timer | None = None

    # the walk

    def run(self) -> None:
        """Run until every job is over; what is raised meanwhile ends what runs, and is then
        raised."""
        try:
            self._begin()
            if self._left:
                self.loop.run()
        except BaseException:
            self._abandon()
            raise
        finally:
            for launcher in self._opened.values():
                launcher.close()
        if self._fatal is not None:
            raise self._fatal

    def _begin(self) -> None:
        roots = [node for node in self._nodes.values() if not node.waits]
        oversized = []
        for node in self._nodes.values():
            refusal = self.pool.refusal(node.request)
            if refusal is not None:
                node.job.set_status(outcome=Outcome.OVERSIZED, reason=refusal)
            if node.job.status.outcome is Outcome.OVERSIZED:  # or whoever grouped it has said so
                node.job.on_finished()
                oversized.append(node)
        # all are over before any is told of: they may wait for each other
        for node in oversized:
            self._finished(node)
        for node in roots:
            if not node.job.state.is_done():
                self._settle(node)
        if self.policy.session_timeout:
            self._limit = self.loop.call_later(self.policy.session_timeout, self._session_timeout)
        self._dispatch()

    def _abandon(self) -> None:
        """Kill what runs, and wait until it is dead; nothing is judged or recorded any more."""
        self._abandoned = True
        self._cancel(Outcome.INTERRUPTED, 0.0)
        threads = [r.staging for r in self._running.values() if r.staging is not None]
        self._cancel_staging()
        if any(running.launcher for running in self._running.values()):
            self.loop.call_later(ABANDON, self.loop.stop)
            self.loop.run()
        end = time.monotonic() + UNSTAGED
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _settle(self, node: Node) -> None:
        """All it waited for is over: it is ready, or it never will be."""
        job = node.job
        job.refresh_readiness()
        if job.state.is_done():
            self._finished(node)
        elif self._stopping is not None:
            self._end_unrun(node, Outcome.CANCELLED, self._stopping)
        elif job.is_ready():
            self._ready.push(node)
        else:
            self._end_unrun(node, Outcome.BLOCKED, "it cannot become ready")

    def _dispatch(self) -> None:
        """Start all that may start now; what ends while it is started makes room for more."""
        if self._dispatching:
            return
        self._dispatching = True
        while True:
            batches: dict[int, list[Launch]] = {}
            while self._room():
                node = self._ready.next(self._running.values(), self.loop.monotonic())
                if node is None:
                    break
                self._submit(node, batches)
            if not batches:
                break
            for key, launches in batches.items():
                self._opened[key].start(launches)
        self._dispatching = False

    def _room(self) -> bool:
        workers = self.policy.workers
        return self._exclusive is None and (workers is None or len(self._running) < workers)

    def _submit(self, node: Node, batches: dict[int, list[Launch]]) -> None:
        job = node.job
        assigned = self.pool.checkout(node.request)
        if assigned is None:  # `_fits` said otherwise in this very thread
            raise RuntimeError(f"the pool refused {job.display_name()} after accepting it")
        job.assign_resources({type: list(entries) for type, entries in assigned.items()})
        if node.attempt == node.first:
            job.validate_enqueuable()
        job.on_submitted()
        job.timekeeper.submitted = self.now()
        began = self.loop.monotonic()
        running = Running(node, assigned, began, began + job.expected_runtime)
        self._running[job.id] = running
        if job.exclusive:
            self._exclusive = running
        at, name = job.timekeeper.submitted, job.display_name()
        self._tell(job, JobSubmitted(at, job.id, name, node.attempt, assigned))
        if job.stages_quickly():
            launch = self._staged(running, self._stage(node))
            if launch is not None:
                batches.setdefault(id(running.launcher), []).append(launch)
            return

        def work() -> None:
            with self._staging:
                prepared = None if running.reason else self._stage(node)
            self.loop.post(partial(self._start_late, running, prepared))

        # not an executor's: one that hangs must not hold up the end of the program
        running.staging = threading.Thread(target=work, name="canary-staging", daemon=True)
        try:
            running.staging.start()
        except RuntimeError as e:  # the system has no room for another thread
            running.staging = None
            self._broken(running, LaunchError(f"cannot be set up: {e}"))

    def _stage(self, node: Node) -> Prepared:
        """What `prepare` gives or raises: it breaks this job alone, and a thread would lose it."""
        try:
            return node.job.prepare(self.services, node.attempt)
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # noqa: BLE001 - it is told as the job's reason
            return e

    def _start_late(self, running: Running, prepared: Prepared) -> None:
        if not self._abandoned and self._running.get(running.node.job.id) is running:
            launch = self._staged(running, prepared)
            if launch is not None and running.launcher is not None:
                running.launcher.start([launch])

    def _staged(self, running: Running, prepared: Prepared) -> Launch | None:
        """What its launcher is to start; None if the job is over already."""
        job = running.node.job
        if self._stopping is not None and running.reason is None:
            running.reason = Outcome.CANCELLED  # nothing more is started
        if running.reason is not None:  # cancelled while it was staged
            self._conclude(running, Exit(job.id, self.now(), None, ExitReason.CANCELLED))
        elif isinstance(prepared, BaseException):
            self._broken(running, prepared)
        elif prepared is None:
            job.on_started()
            self._conclude(running, None)
        else:
            try:
                running.launcher = self._launcher(job, prepared)
                return prepared
            except Exception as e:  # noqa: BLE001 - no launcher for it: the others may have one
                self._broken(running, e)
        return None

    def _launcher(self, job: BaseJob, launch: Launch) -> Launcher:
        if launch.id != job.id:
            raise ValueError(f"its launch has the ID {launch.id}, not {job.id}")
        launcher = self.choose(job)
        if id(launcher) not in self._opened:
            launcher.open(self.loop, self.receive)
            self._opened[id(launcher)] = launcher
        return launcher

    def _broken(self, running: Running, error: BaseException) -> None:
        job = running.node.job
        # ours is what nobody can foresee; anything else is a job that cannot be set up
        foreseen = isinstance(error, (CanaryError, OSError, MissingSourceError))
        broken = foreseen and not isinstance(error, LaunchError)
        kind = Outcome.BROKEN if broken else Outcome.ERROR
        if self._gives_up(error):
            kind = Outcome.CANCELLED
        job.set_status(outcome=kind, reason=str(error) or repr(error))
        if not foreseen:
            self.emit(Notice(self.now(), "error", f"{job.display_name()}: {error!r}", job.id))
        self._over_with(running)

    # messages

    def receive(self, message: Message) -> None:
        """What launchers post, in the loop's thread."""
        if self._abandoned:
            if isinstance(message, Exit):
                self._running.pop(message.id, None)
            if not any(running.launcher for running in self._running.values()):
                self.loop.stop()
            return
        running = self._running.get(message.id)
        if running is None:
            return
        job, attempt = running.node.job, running.node.attempt
        if isinstance(message, Started):
            job.on_started()
            job.timekeeper.started = at = message.at
            self._tell(job, JobStarted(at, job.id, job.display_name(), message.ticket, attempt))
        elif isinstance(message, News):
            self._tell(job)
        else:
            self._conclude(running, message)

    def _conclude(self, running: Running, exit: Exit | None) -> None:
        job = running.node.job
        try:
            job.conclude(exit, self.services)
        except Exception as e:  # noqa: BLE001 - a judge that fails is this job's error
            why = e if isinstance(e, CanaryError) else repr(e)
            job.set_status(outcome=Outcome.ERROR, reason=f"the result could not be judged: {why}")
            self._gives_up(e)
        if running.reason is not None and exit is not None and exit.reason is ExitReason.CANCELLED:
            said = exit.detail if exit.detail != "cancelled" else ""
            reason = "; ".join(filter(None, (self._stopping, said)))
            job.set_status(outcome=running.reason, reason=reason)
        self._over_with(running, retry=self._retry(running.node))

    def _over_with(self, running: Running, *, retry: bool = False) -> None:
        """It has its status: write it down, give back what it held, tell, and start others."""
        job = running.node.job
        job.on_finished()
        job.timekeeper.finished = self.now()
        self._save(job)
        self._running.pop(job.id, None)
        if self._exclusive is running:
            self._exclusive = None
        job.free_resources()
        self.pool.checkin(running.assigned)
        self._finished(running.node, retry=retry)
        # several ends of one turn find the pool as it is after each
        if self._ready and self._stopping is None:
            self._dispatch()

    def _save(self, job: BaseJob) -> None:
        try:
            job.save()
        except FileNotFoundError as e:
            if job.timekeeper.started > 0:  # the test has removed its directory
                self._warn(f"{job.display_name()}: lock not written: {e}", job.id)
        except Exception as e:  # noqa: BLE001 - the record has the result
            (self.trouble or self._warn)(f"{job.display_name()}: lock not written: {e}", job.id)

    def _warn(self, text: str, id: str) -> None:
        self.emit(Notice(self.now(), "warning", text, id))

    def _retry(self, node: Node) -> bool:
        if self._stopping is not None or node.job.composite:
            return False
        policy, status = self.policy, node.job.status
        done = node.attempt - node.first + 1
        if status.category is Category.PASS:
            return done < policy.until_fail
        if policy.until_fail:
            return False
        if status.outcome is Outcome.TIMEOUT and done <= policy.after_timeout:
            return True
        return status.category is Category.FAIL and done <= policy.until_pass

    def _tell(self, job: BaseJob, *events: Event) -> None:
        """Emit events of a job; of one that holds others, those of the others."""
        for event in job.news() if job.composite else events:
            self.emit(event)
            if (
                self.policy.fail_fast
                and isinstance(event, JobFinished)
                and not event.retry
                and event.status.category is Category.FAIL
            ):
                self._stop(f"stopped after the failure of {event.name}")

    def _finished(self, node: Node, *, retry: bool = False) -> None:
        job = node.job
        self._tell(job, JobFinished.of(job, self.now(), node.attempt, retry))
        if retry:
            node.attempt += 1
            job.state.reset()
            job.set_status()
            job.timekeeper = Timekeeper()
            job.measurements.reset()
            self._ready.push(node)
            return
        self._left -= 1
        if not self._left:
            self.loop.stop()
        self._over.append(node)
        if self._folding:
            return  # the outer call goes on: a chain of 10,000 blocked jobs needs no stack
        self._folding = True
        while self._over:
            for child in self._over.popleft().children:
                child.waits -= 1
                if not child.waits and not child.job.state.is_done():
                    self._settle(child)
        self._folding = False

    def _end_unrun(self, node: Node, outcome: Outcome, reason: str) -> None:
        node.job.set_status(outcome=outcome, reason=reason)
        node.job.on_finished()
        self._finished(node)

    # ends that come from outside

    def interrupt(self, signal: int) -> None:
        """First: cancel what runs, start nothing more. Again: kill at once."""
        again = self.interrupted != 0
        self.interrupted = self.interrupted or signal
        if not again:
            self._stop(f"interrupted by signal {signal}")
        self._cancel(Outcome.INTERRUPTED, 0.0 if again else self.policy.grace)

    def _session_timeout(self) -> None:
        limit = self.policy.session_timeout
        self._stop(f"the session's time of {limit:g} s was over")
        self._cancel(Outcome.TIMEOUT, self.policy.grace)

    def _gives_up(self, error: BaseException) -> bool:
        """Is it of a plugin whose errors stop the session? Then jobs that run are cancelled after
        this turn, and `run` raises it at its end."""
        if isinstance(error, PluginStop) and self._fatal is None:
            self._fatal = error
            self._stop(str(error))
            self.loop.soon(lambda: self._cancel(Outcome.INTERRUPTED, self.policy.grace))
        return isinstance(error, PluginStop)

    def _cancel(self, reason: Outcome, grace: float) -> None:
        by_launcher: dict[int, list[str]] = {}
        for job_id, running in list(self._running.items()):
            running.reason = reason
            if running.launcher is not None:
                by_launcher.setdefault(id(running.launcher), []).append(job_id)
        for key, ids in by_launcher.items():
            self._opened[key].cancel(ids, grace)
        self.loop.call_later(grace, self._cancel_staging)

    def _cancel_staging(self) -> None:
        """Ask what is staged still to end, and soon wait for it no longer: a copy may take hours,
        and a file system may hang."""
        for running in self._running.values():
            if running.launcher is None:
                running.node.job.cancel_prepare()
                self.loop.call_later(UNSTAGED, partial(self._start_late, running, None))

    def _stop(self, reason: str) -> None:
        """Start nothing more: all that is ready or waiting ends unrun, once what it waits for is
        over."""
        if self._stopping is not None:
            return
        self._stopping = reason
        self._ready.clear()
        for node in list(self._nodes.values()):
            if node.job.state.is_pending() and node.job.id not in self._running:
                node.waits = 0
                self._end_unrun(node, Outcome.CANCELLED, reason)

    def pause(self) -> None:
        """Stop all that runs, and its clocks."""
        self._paused_at = self.loop.monotonic()
        for launcher in self._opened.values():
            launcher.pause()

    def resume(self) -> None:
        """Go on."""
        gap = self.loop.monotonic() - self._paused_at
        if self._limit is not None:
            self._limit.cancel()
            self._limit = self.loop.call_at(self._limit.at + gap, self._session_timeout)
        for running in self._running.values():
            running.began += gap
            times = running.node.job.timekeeper
            if times.started > 0:
                times.paused += gap
        for launcher in self._opened.values():
            launcher.resume()

    def running(self) -> Iterable[tuple[BaseJob, float]]:
        """What runs now, and for how many seconds."""
        now = self.loop.monotonic()
        return [(r.node.job, now - r.began) for r in self._running.values()]
