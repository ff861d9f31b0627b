"""The one loop that runs jobs: what is ready and fits is dispatched, what ends is judged, recorded
and given back.

It drives any `BaseJob` through that contract alone. All state of jobs and of the pool changes here,
in one thread; launchers and staging threads only send messages (`Prepared`, `Started`, `Exit`),
signals only interrupts. Ready jobs wait in one heap per shape of request. The dearest ready job
goes first (cost along its longest chain of dependents); if it does not fit, the resources it needs
are kept for it, and others may start only where they cannot delay it.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import Final

from canary.clock import Timekeeper
from canary.errors import CanaryError, LaunchError
from canary.events import Event, JobFinished, JobStarted, JobSubmitted, Notice
from canary.job import BaseJob, JobServices, MissingSourceError
from canary.launch import Exit, ExitReason, Launch, Launcher, Message, Started
from canary.loop import Loop
from canary.resources import Assigned, Request, ResourcePool
from canary.status import Category, Outcome

ABANDON: Final = 15.0  # seconds for what was killed to be gone


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


@dataclass(slots=True)
class _Running:
    job: BaseJob
    assigned: Assigned
    request: Request
    attempt: int
    began: float
    expected_end: float
    launcher: Launcher | None = None
    reason: Outcome | None = None


@dataclass(slots=True)
class _Node:
    """What the loop knows of one job."""

    job: BaseJob
    order: int
    request: Request
    rank: float = 0.0
    waits: int = 0
    children: list[_Node] = field(default_factory=list)
    attempt: int = 1

    def __lt__(self, other: _Node) -> bool:
        return (-self.rank, self.order) < (-other.rank, other.order)


class Scheduler:
    """Runs a set of jobs to the end. `emit` takes every event, `choose` names the launcher of a
    job."""

    def __init__(
        self,
        jobs: Sequence[BaseJob],
        pool: ResourcePool,
        *,
        loop: Loop,
        choose: Callable[[BaseJob], Launcher],
        emit: Callable[[Event], None],
        services: JobServices | None = None,
        policy: Policy | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.pool = pool
        self.loop = loop
        self.choose = choose
        self.emit = emit
        self.services = services or JobServices()
        self.policy = policy or Policy()
        self.now = now
        self.interrupted = 0
        self._nodes: dict[str, _Node] = {}
        self._running: dict[str, _Running] = {}
        self._ready: dict[Request, list[_Node]] = {}
        self._exclusive: _Running | None = None
        self._left = 0
        self._stopping: Outcome | None = None
        self._stop_reason = ""
        self._staging: ThreadPoolExecutor | None = None
        self._opened: dict[int, Launcher] = {}
        self._over: deque[_Node] = deque()
        self._folding = False
        self._dispatching = False
        self._abandoned = False
        self._add(jobs)

    # the graph

    def _add(self, jobs: Sequence[BaseJob]) -> None:
        for order, job in enumerate(jobs):
            if not job.state.is_done():
                self._nodes[job.id] = _Node(job, order, Request.of(job.required_resources()))
        for node in self._nodes.values():
            for dependency in node.job.dependencies:
                upstream = self._nodes.get(dependency.job.id)
                if upstream is not None:
                    upstream.children.append(node)
                    node.waits += 1
        self._left = len(self._nodes)
        self._rank()

    def _rank(self) -> None:
        """Cost of the dearest chain that begins with a job: leaves first, iteratively."""
        parents: dict[str, list[_Node]] = {}
        missing: dict[str, int] = {}
        todo: list[_Node] = []
        for id, node in self._nodes.items():
            node.rank = node.job.cost()
            missing[id] = len(node.children)
            if not node.children:
                todo.append(node)
            for child in node.children:
                parents.setdefault(child.job.id, []).append(node)
        best: dict[str, float] = {}
        while todo:
            node = todo.pop()
            node.rank += best.get(node.job.id, 0.0)
            for parent in parents.get(node.job.id, ()):
                id = parent.job.id
                best[id] = max(best.get(id, 0.0), node.rank)
                missing[id] -= 1
                if not missing[id]:
                    todo.append(parent)

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
            if self._staging is not None:
                self._staging.shutdown(wait=True, cancel_futures=True)
            for launcher in self._opened.values():
                launcher.close()

    def _begin(self) -> None:
        roots = [node for node in self._nodes.values() if not node.waits]
        for node in list(self._nodes.values()):
            refusal = self.pool.refusal(node.request)
            if refusal is not None:
                self._end_unrun(node, Outcome.OVERSIZED, refusal)
        for node in roots:
            if not node.job.state.is_done():
                self._settle(node)
        if self.policy.session_timeout:
            self.loop.call_later(self.policy.session_timeout, self._session_timeout)
        self._dispatch()

    def _abandon(self) -> None:
        """Kill what runs, and wait until it is dead; nothing is judged or recorded any more."""
        self._abandoned = True
        self._cancel(Outcome.INTERRUPTED, 0.0)
        if any(running.launcher for running in self._running.values()):
            self.loop.call_later(ABANDON, self.loop.stop)
            self.loop.run()

    def _settle(self, node: _Node) -> None:
        """All it waited for is over: it is ready, or it never will be."""
        job = node.job
        job.refresh_readiness()
        if job.state.is_done():
            self._finished(node, None)
        elif self._stopping is not None:
            self._end_unrun(node, Outcome.CANCELLED, self._stop_reason)
        elif job.is_ready():
            heapq.heappush(self._ready.setdefault(node.request, []), node)
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
                node = self._next()
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

    def _next(self) -> _Node | None:
        """The dearest ready job that fits; the dearest of all keeps what it waits for."""
        # a job that waits for a lock takes nothing from the others meanwhile
        locked = self.pool.is_locked
        heads = [heap[0] for heap in self._ready.values() if heap and not locked(heap[0].request)]
        if not heads:
            return None
        first = min(heads)
        if self._fits(first):
            return self._take(first)
        if first.job.exclusive or len(heads) == 1:
            return None  # let the machine run empty for it
        limit = self._reservation(first)
        for node in sorted(heads)[1:]:
            if not node.job.exclusive and self._fits(node) and self._harmless(node, first, limit):
                return self._take(node)
        return None

    def _take(self, node: _Node) -> _Node:
        heapq.heappop(self._ready[node.request])
        if not self._ready[node.request]:
            del self._ready[node.request]
        return node

    def _fits(self, node: _Node) -> bool:
        if node.job.exclusive:
            return not self._running
        return self.pool.can_hold(node.request)

    def _reservation(self, wide: _Node) -> float:
        """When `wide` can start if nothing else starts: running jobs end in order of their expected
        ends."""
        running = sorted(self._running.values(), key=lambda r: r.expected_end)
        return self.pool.free_at(wide.request, [(r.expected_end, r.assigned) for r in running])

    def _harmless(self, node: _Node, wide: _Node, start: float) -> bool:
        """Ends before `wide` can start (infinity: nobody knows when), or shares nothing with it."""
        if self.loop.monotonic() + node.job.expected_runtime <= start < inf:
            return True
        return wide.request.nodes == 1 and {t for t, n in node.request.slots if n}.isdisjoint(
            t for t, n in wide.request.slots if n
        )

    def _submit(self, node: _Node, batches: dict[int, list[Launch]]) -> None:
        job = node.job
        assigned = self.pool.checkout(node.request)
        if assigned is None:  # `_fits` said otherwise in this very thread
            raise RuntimeError(f"the pool refused {job.display_name()} after accepting it")
        job.assign_resources({type: list(entries) for type, entries in assigned.items()})
        if node.attempt == 1:
            job.validate_enqueuable()
        job.on_submitted()
        job.timekeeper.submitted = self.now()
        began = self.loop.monotonic()
        running = _Running(
            job, assigned, node.request, node.attempt, began, began + job.expected_runtime
        )
        self._running[job.id] = running
        if job.exclusive:
            self._exclusive = running
        self.emit(JobSubmitted(job.timekeeper.submitted, job.id, job.display_name(), node.attempt))
        if job.stages_quickly():
            launch = self._prepare(node, running)
            if launch is not None:
                batches.setdefault(id(running.launcher), []).append(launch)
        else:
            self._stage_apart(node, running)

    def _prepare(self, node: _Node, running: _Running) -> Launch | None:
        """Stage in this thread; None if the job is over already."""
        try:
            launch = running.job.prepare(self.services, node.attempt)
        except Exception as e:  # noqa: BLE001 - whatever staging raises breaks this job alone
            self._broken(node, running, e)
            return None
        return self._prepared(node, running, launch)

    def _stage_apart(self, node: _Node, running: _Running) -> None:
        if self._staging is None:
            self._staging = ThreadPoolExecutor(self.policy.staging_threads, "canary-staging")

        def work() -> None:
            launch = error = None
            try:
                launch = running.job.prepare(self.services, node.attempt)
            except BaseException as e:  # noqa: BLE001 - as in _prepare; lost in a thread otherwise
                error = e
            self.loop.post(lambda: self._staged(node, running, launch, error))

        self._staging.submit(work)

    def _staged(
        self, node: _Node, running: _Running, launch: Launch | None, error: BaseException | None
    ) -> None:
        if self._abandoned:
            return
        if error is not None:
            self._broken(node, running, error)
            return
        ready = self._prepared(node, running, launch)
        if ready is not None and running.launcher is not None:
            running.launcher.start([ready])

    def _prepared(self, node: _Node, running: _Running, launch: Launch | None) -> Launch | None:
        if running.reason is not None:  # cancelled while it was staged
            self._conclude(
                node, running, Exit(running.job.id, self.now(), None, ExitReason.CANCELLED)
            )
            return None
        if launch is None:
            running.job.on_started()
            self._conclude(node, running, None)
            return None
        try:
            running.launcher = self._launcher(running.job, launch)
        except Exception as e:  # noqa: BLE001 - no launcher for it: the others may have one
            self._broken(node, running, e)
            return None
        return launch

    def _launcher(self, job: BaseJob, launch: Launch) -> Launcher:
        if launch.id != job.id:
            raise ValueError(f"its launch has the ID {launch.id}, not {job.id}")
        launcher = self.choose(job)
        if id(launcher) not in self._opened:
            launcher.open(self.loop, self.receive)
            self._opened[id(launcher)] = launcher
        return launcher

    def _broken(self, node: _Node, running: _Running, error: BaseException) -> None:
        job = running.job
        # ours is what nobody can foresee; anything else is a job that cannot be set up
        foreseen = isinstance(error, (CanaryError, OSError, MissingSourceError))
        broken = foreseen and not isinstance(error, LaunchError)
        kind = Outcome.BROKEN if broken else Outcome.ERROR
        job.set_status(outcome=kind, reason=str(error) or repr(error))
        if not foreseen:
            self.emit(Notice(self.now(), "error", f"{job.display_name()}: {error!r}", job.id))
        job.on_finished()
        self._save(job)
        self._release(running)
        self._finished(node, running)
        self._dispatch_soon()

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
        node = self._nodes.get(message.id)
        if running is None or node is None:
            return
        if isinstance(message, Started):
            running.job.on_started()
            running.job.timekeeper.started = message.at
            name = running.job.display_name()
            self.emit(JobStarted(message.at, message.id, name, message.ticket, running.attempt))
        else:
            self._conclude(node, running, message)

    def _conclude(self, node: _Node, running: _Running, exit: Exit | None) -> None:
        job = running.job
        try:
            job.conclude(exit, self.services)
        except Exception as e:  # noqa: BLE001 - a judge that fails is this job's error
            job.set_status(outcome=Outcome.ERROR, reason=f"the result could not be judged: {e!r}")
        if running.reason is not None and exit is not None and exit.reason is ExitReason.CANCELLED:
            job.set_status(outcome=running.reason, reason=self._stop_reason)
        retry = self._retry(node)
        job.on_finished()
        job.timekeeper.finished = self.now()
        self._save(job)
        self._release(running)
        self._finished(node, running, retry=retry)
        self._dispatch_soon()

    def _save(self, job: BaseJob) -> None:
        try:
            job.save()
        except Exception as e:  # noqa: BLE001 - the record has the result
            # the directory may have been removed by the test itself
            self.emit(
                Notice(
                    self.now(), "warning", f"{job.display_name()}: lock not written: {e}", job.id
                )
            )

    def _release(self, running: _Running) -> None:
        self._running.pop(running.job.id, None)
        if self._exclusive is running:
            self._exclusive = None
        running.job.free_resources()
        self.pool.checkin(running.assigned)

    def _retry(self, node: _Node) -> bool:
        if self._stopping is not None:
            return False
        policy, status = self.policy, node.job.status
        done = node.attempt
        if status.category is Category.PASS:
            return done < policy.until_fail
        if policy.until_fail:
            return False
        if status.outcome is Outcome.TIMEOUT and done <= policy.after_timeout:
            return True
        return status.category is Category.FAIL and done <= policy.until_pass

    def _finished(self, node: _Node, running: _Running | None, *, retry: bool = False) -> None:
        job = node.job
        times = job.timekeeper.asdict()
        attempt = running.attempt if running else node.attempt
        self.emit(
            JobFinished(
                self.now(),
                job.id,
                job.display_name(),
                job.status,
                times,
                dict(job.measurements.data),
                attempt,
                retry,
            )
        )
        if retry:
            node.attempt += 1
            job.state.reset()
            job.set_status()
            job.timekeeper = Timekeeper()
            job.measurements.reset()
            heapq.heappush(self._ready.setdefault(node.request, []), node)
            return
        self._left -= 1
        if not self._left:
            self.loop.stop()
        if (
            self.policy.fail_fast
            and job.status.category is Category.FAIL
            and self._stopping is None
        ):
            self._stop(Outcome.CANCELLED, f"stopped after the failure of {job.display_name()}")
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

    def _end_unrun(self, node: _Node, outcome: Outcome, reason: str) -> None:
        node.job.set_status(outcome=outcome, reason=reason)
        node.job.on_finished()
        self._finished(node, None)

    def _dispatch_soon(self) -> None:
        """Dispatch now: several ends of one turn find the pool as it is after each."""
        if self._ready and self._stopping is None:
            self._dispatch()

    # ends that come from outside

    def interrupt(self, signal: int) -> None:
        """First: cancel what runs, start nothing more. Again: kill at once."""
        again = self.interrupted != 0
        self.interrupted = self.interrupted or signal
        if not again:
            self._stop(Outcome.CANCELLED, f"interrupted by signal {signal}")
        self._cancel(Outcome.INTERRUPTED, 0.0 if again else self.policy.grace)

    def _session_timeout(self) -> None:
        limit = self.policy.session_timeout
        self._stop(Outcome.CANCELLED, f"the session's time of {limit:g} s was over")
        self._cancel(Outcome.TIMEOUT, self.policy.grace)

    def _cancel(self, reason: Outcome, grace: float) -> None:
        by_launcher: dict[int, list[str]] = {}
        for job_id, running in list(self._running.items()):
            running.reason = reason
            if running.launcher is not None:
                by_launcher.setdefault(id(running.launcher), []).append(job_id)
        for key, ids in by_launcher.items():
            self._opened[key].cancel(ids, grace)

    def _stop(self, outcome: Outcome, reason: str) -> None:
        """Start nothing more: all that is ready or waiting ends unrun, once what it waits for is
        over."""
        if self._stopping is not None:
            return
        self._stopping, self._stop_reason = outcome, reason
        self._ready.clear()
        for node in list(self._nodes.values()):
            if node.job.state.is_pending() and node.job.id not in self._running:
                node.waits = 0
                self._end_unrun(node, outcome, reason)

    def pause(self) -> None:
        """Stop all that runs, and its clocks."""
        for launcher in self._opened.values():
            launcher.pause()

    def resume(self) -> None:
        """Go on."""
        for launcher in self._opened.values():
            launcher.resume()

    def running(self) -> Iterable[tuple[BaseJob, float]]:
        """What runs now, and for how many seconds."""
        now = self.loop.monotonic()
        return [(r.job, now - r.began) for r in self._running.values()]
