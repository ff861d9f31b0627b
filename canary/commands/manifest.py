"""`canary exec --manifest`: run a batch of jobs where a batch system has put it.

The manifest says which jobs, and all of the session that they need. What becomes of them is in
their own locks and in the log beside the manifest, which whoever asked for the batch reads. A batch
that is started again goes on where it was cut off. Nothing here knows a batch system.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from canary import gather, journal, recovery, textdata
from canary.clock import Clock
from canary.config import Config
from canary.errors import ExitCode
from canary.events import Event, JobFinished, SessionFinished
from canary.history import RunHistory
from canary.job import Job, LaunchSettings, load_jobs
from canary.launch import Exit, ExitReason, Message
from canary.loop import Loop
from canary.record import BATCH_SECONDS
from canary.recovery import Folded
from canary.request import RunRequest
from canary.resources import Instance, Machine, ResourcePool
from canary.schedule import Policy, Scheduler
from canary.signals import pausing
from canary.status import Category, Outcome, Status
from canary.table import safe_write

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
# seconds between the signals to a job and to us: usual, and where it has died of one
_MOMENT: Final = 0.02
_DOUBT: Final = 1.0


def run(manifest: Path, config: Config) -> int:
    """Run the jobs of `manifest` that are not over yet; the exit code is that of a session."""
    data = textdata.read(manifest)
    log = manifest.with_name(journal.LOG)
    jobs = _jobs(data, recovery.fold(log))
    request = RunRequest(cwd=str(config.cwd), launcher=data["launcher"])
    choose = gather.choose_launcher(request, config)
    loop, clock, book = Loop(), Clock(), journal.EventLog(log)
    ends = {job.id: job.status for job in jobs if job.is_done()}

    def emit(event: Event) -> None:
        book.append([journal.encode_event(event)])
        if isinstance(event, JobFinished) and not event.retry:
            ends[event.id] = event.status
            safe_write(sys.stdout, f"{event.name}  {event.id[:7]}  {event.status.text}\n")

    def sync() -> None:
        book.sync()  # other hosts see what has reached the disk
        if not log.exists():  # the workspace was wiped: nobody waits for us
            scheduler.interrupt(signal.SIGTERM)
        loop.call_later(BATCH_SECONDS, sync)

    def suspend(stop: Callable[[], None]) -> None:
        scheduler.pause()
        stop()
        scheduler.resume()

    scheduler = _Scheduler(
        jobs,
        ResourcePool(_machine(gather.find_machine(request, config), data.get("machine", {}))),
        loop=loop,
        choose=lambda _: choose(None),  # what a spec names has brought it here
        emit=emit,
        services=gather.HookServices(config),
        policy=Policy(**data["policy"]),
        now=clock.now,
    )
    for number in _ENDING:
        signal.signal(number, lambda n, _: loop.post(partial(scheduler.interrupt, n)))
    sync()
    with pausing(loop.post, suspend):
        scheduler.run()
    code = 0
    for status in ends.values():
        code |= status.exit_bit
    if scheduler.interrupted:
        code = ExitCode.SIGNAL + scheduler.interrupted
    emit(SessionFinished(clock.now(), code, Counter(s.outcome.name for s in ends.values())))
    book.sync()
    return code


class _Scheduler(Scheduler):
    """Whoever ends the batch signals its jobs as well: an end that came of that is none of
    theirs, be it a pass. It is believed if the batch itself is still wanted a moment later."""

    def receive(self, message: Message) -> None:
        if not isinstance(message, Exit):
            super().receive(message)
            return
        delay = _DOUBT if message.code == -signal.SIGTERM else _MOMENT
        self.loop.call_later(delay, lambda: self._believe(message))

    def _believe(self, exit: Exit) -> None:
        cut_off = self.interrupted and exit.reason is ExitReason.EXITED
        super().receive(replace(exit, reason=ExitReason.CANCELLED) if cut_off else exit)


def _machine(found: Machine, given: Mapping[str, Any]) -> Machine:
    """What there is, with `slots` for each instance, `{type: number}`, and what the session has
    lent: `lent` has `{type: instances}` for each node, from the first."""
    for type, n in given.get("slots", {}).items():
        found = found.with_slots(type, n)
    for node, more in zip(found.nodes, given.get("lent", ()), strict=False):
        lent = {t: tuple(Instance(str(x["id"]), int(x["slots"])) for x in more[t]) for t in more}
        found = found.with_instances(node.id, lent)
    return found


def _jobs(data: dict[str, Any], before: Folded) -> list[Job]:
    """The batch's jobs, as far as an earlier start of it has brought them."""
    upstream, entries = data["upstream"], data["jobs"]
    jobs = load_jobs([*upstream, *(e["record"] for e in entries)])[len(upstream) :]
    for job, entry in zip(jobs, entries, strict=True):
        job.settings = LaunchSettings(**data["launch"])
        job.timeout_multiplier = data["multiplier"]
        job.script_args = tuple(data["script_args"])
        job.history = RunHistory.fromdict(entry["history"])
        end = before.ends.get(job.id)
        status = end.status if end else Status()
        cut = before.running.get(job.id)
        if cut is not None:
            job.attempt = cut.attempt + 1
        elif end and status.outcome is Outcome.INTERRUPTED:
            job.attempt = end.attempt + 1
        elif status.category not in (Category.NONE, Category.ABORTED):
            job.status = status
            job.on_finished()
    return jobs
