"""The launcher `sge`: submits each launch as a task, and hears of its end from its record.

What is believed is the record that the guard leaves where the job ran. Grid Engine is asked, one
call for all, when records say nothing new: which tasks are still there, and which could not be
started. A task that is in no answer any more and has left no record is lost, never a success.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from canary.again import program
from canary.launch import Exit, ExitReason, Launch, Message, PollingLauncher, Started
from canary_sge.engine import Engine, Refused, Seen, limits
from canary_sge.record import Submission, Task

FOUND: Final = "sge_found"  # the option of a launch that was submitted before: its task's place
SPACING: Final = 2.0  # seconds between two calls that ask for states, at least
MISSES: Final = 3  # answers without a task before it is gone
TRIES: Final = 3  # to submit, where nobody answers
LEAVING: Final = 15.0  # seconds that Grid Engine has to see that a task is over
SPARE: Final = 60.0  # seconds that a job's limit is above its time: the guard is to be first
# what the Python that runs the guard may need to be the one that runs here
KEPT: Final = ("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What all jobs ask of Grid Engine; `pe` is a parallel environment whose slots are on one
    host."""

    queue: str | None = None
    project: str | None = None
    pe: str | None = None
    args: tuple[str, ...] = ()
    python: str = sys.executable

    def words(self, launch: Launch) -> tuple[str, ...]:
        """Words of `qsub` for this launch; ValueError if Grid Engine cannot be asked for that."""
        if launch.nodes > 1:
            raise ValueError(f"it needs {launch.nodes} nodes, and a job of this launcher has one")
        own = launch.options
        names = ("queue", "project", "pe")
        queue, project, pe = (own.get(f"sge_{name}") or getattr(self, name) for name in names)
        words = ["-q", str(queue)] if queue else []
        words += ["-P", str(project)] if project else []
        slots = sum(int(entry["slots"]) for entry in launch.resources.get("cpus", ()))
        if slots > 1:
            if pe is None:
                raise ValueError(f"it needs {slots} slots: set sge.pe to a parallel environment")
            words += ["-pe", str(pe), str(slots)]
        if launch.timeout is not None:
            asked = limits(launch.timeout + launch.grace + SPARE)
            words += ["-l", ",".join(f"{k}={v}" for k, v in asked.items())]
        return (*words, *self.args, *str(own.get("sge_args", "")).split())


@dataclass(slots=True)
class Watch:
    """What is known of a launch that was submitted; `gone_at` is when it was first missed."""

    task: Task
    name: str
    began: bool = False
    killed_at: float | None = None
    misses: int = 0
    gone_at: float = 0.0


class SgeLauncher(PollingLauncher):
    """Submits launches with `qsub`; `place()` is where submissions are kept, `settle` the seconds
    that a record may be later than Grid Engine's word, `give_up` those after which a cancellation
    that nobody takes is given up."""

    name: ClassVar[str] = "sge"
    first_interval = 0.3

    def __init__(
        self,
        engine: Engine,
        place: Callable[[], Path],
        ask: Ask,
        *,
        longest: float = 5.0,
        settle: float = 5.0,
        give_up: float = 60.0,
    ) -> None:
        self.engine = engine
        self.place = place
        self.ask = ask
        self.interval = longest
        self.spacing = min(SPACING, longest)
        self.settle = settle
        self.give_up = give_up
        self._watched: dict[str, Watch] = {}
        self._asked = 0.0
        # over for us, perhaps not for Grid Engine: the names of their jobs
        self._leaving: dict[str, str] = {}

    def close(self) -> None:
        """See `Launcher.close`; what is over for us is over for Grid Engine too, or is
        cancelled."""
        super().close()
        end = time.monotonic() + LEAVING
        try:
            while left := self._still_there(self.engine.states()):
                if time.monotonic() > end:
                    self.engine.cancel(left)
                    return
                time.sleep(0.2)
        except OSError:
            pass  # nobody answers: there is nothing left to say to them

    def _still_there(self, states: Mapping[str, Seen]) -> list[str]:
        leaving = self._leaving.items()
        return [t for t, name in leaving if t in states and states[t].name == name]

    # submitting

    def submit(self, launches: Sequence[Launch]) -> Mapping[str, str | Exit]:
        """See `PollingLauncher.submit`: one call for all that ask for the same."""
        out: dict[str, str | Exit] = {}
        alike: dict[tuple[str, ...], list[Launch]] = {}
        for launch in launches:
            try:
                if FOUND in launch.options:
                    out[launch.id] = self._take_up(launch)
                else:
                    alike.setdefault(self.ask.words(launch), []).append(launch)
            except ValueError as e:
                out[launch.id] = self._refused(launch, str(e))
        for words, group in alike.items():
            out |= self._submit_all(words, group)
        return out

    def _refused(self, launch: Launch, why: str) -> Exit:
        return Exit(launch.id, time.time(), None, ExitReason.NOT_STARTED, why)

    def _submit_all(
        self, words: Sequence[str], launches: Sequence[Launch]
    ) -> Mapping[str, str | Exit]:
        unique = f"{os.getpid():x}-{time.time_ns() & 0xFFFFFFFFF:x}"
        first = re.sub(r"[^\w.=+-]", "_", launches[0].name)[:40]
        try:
            directory = self.place() / f"canary-{first}-{unique}"
            script = script_of(directory, self.ask.python)
            made = Submission.write(directory, launches, script)
            job = self._send(made, words, len(launches))
            made.numbered(job)
        except (OSError, Refused) as e:
            if isinstance(e, Refused):  # else nobody knows: a later run looks for it by its name
                for task in made.open_tasks():
                    task.told()
            return {launch.id: self._refused(launch, str(e)) for launch in launches}
        out: dict[str, str | Exit] = {}
        for number, launch in enumerate(launches, 1):
            self._watched[launch.id] = Watch(Task(directory, number), made.name)
            out[launch.id] = f"{job}.{number}"
        return out

    def _send(self, made: Submission, words: Sequence[str], tasks: int) -> str:
        """The number of its job; a submission whose answer was lost is looked for by its name, and
        sent again only if it is known not to be there."""
        place = str(made.directory)
        own = ("-N", made.name, "-wd", place, "-S", "/bin/sh", "-o", "/dev/null", "-j", "y")
        script = f"{place}/job.sh"
        for attempt in range(1, TRIES + 1):
            try:
                return self.engine.submit((*own, "-notify", "-r", "n", *words), script, tasks)
            except Refused:
                # where no queue is open to the user, it is submitted all the same
                states = self.engine.states()
                self.engine.cancel([t for t, seen in states.items() if seen.name == made.name])
                raise
            except OSError:
                if attempt == TRIES:
                    raise
                time.sleep(attempt)  # a master that is started again takes a moment
                found = number_of(self.engine.states(), made.name)
                if found is not None:
                    return found
        raise AssertionError("unreachable")

    def _take_up(self, launch: Launch) -> str | Exit:
        """One that a runner before this one has submitted, or was about to."""
        task = Task.at(launch.options[FOUND])
        made = Submission.read(task.directory)
        try:
            job = made.job or number_of(self.engine.states(), made.name)
        except OSError as e:
            return self._refused(launch, str(e))
        if job is None and not task.read():
            task.told()
            why = "it was never submitted: the runner was killed before"
            return Exit(launch.id, time.time(), None, ExitReason.CANCELLED, why)
        self._watched[launch.id] = Watch(task, made.name)
        return f"{job}.{task.number}"

    # watching

    def query(self, tickets: Mapping[str, str]) -> Iterable[Message]:
        """See `PollingLauncher.query`; Grid Engine is asked only if no record has news."""
        news: list[Message] = []
        silent: dict[str, str] = {}
        for id, ticket in tickets.items():
            watch = self._watched[id]
            record = watch.task.read()
            if record.get("began") and not watch.began:
                watch.began = True
                news.append(Started(id, record["began"], ticket))
            if "end" in record:
                news.append(self._over(id, ticket, Exit.fromdict(record["end"])))
            else:
                silent[id] = ticket
        now = time.monotonic()
        if silent and not news and now >= self._asked + self.spacing:
            self._asked = now
            news += self._ask_engine(silent, now)
        return news

    def _ask_engine(self, tickets: Mapping[str, str], now: float) -> Iterable[Message]:
        try:
            states = self.engine.states()
        except OSError:
            ends = (self._abandoned(id, now) for id in tickets)
        else:
            ends = (self._judge(id, t, states.get(t), now) for id, t in tickets.items())
        return [end for end in ends if end is not None]

    def _judge(self, id: str, ticket: str, seen: Seen | None, now: float) -> Exit | None:
        watch = self._watched[id]
        if seen is not None and seen.name == watch.name:
            watch.misses = 0
            if not seen.failed or watch.began:
                return None
            why = self.engine.error_of(ticket)
            try:
                self.engine.cancel([ticket])
            except OSError:
                pass  # it is tried again at the end
            return self._end(id, ticket, ExitReason.NOT_STARTED, f"{seen.state}: {why}")
        watch.misses += 1
        watch.gone_at = now if watch.misses == 1 else watch.gone_at
        if watch.task.read():
            watch.began = True
        if watch.killed_at is not None and not watch.began:
            return self._end(id, ticket, ExitReason.CANCELLED, "cancelled before it began")
        if watch.misses < MISSES or now - watch.gone_at < self.settle:
            return None
        said = self.engine.accounted(ticket)
        what = "has ended and left no record" if watch.began else "is not there and left no record"
        reason = ExitReason.LOST if watch.killed_at is None else ExitReason.CANCELLED
        return self._end(id, ticket, reason, f"{what}{said and f' ({said})'}")

    def _abandoned(self, id: str, now: float) -> Exit | None:
        """The end of one that was cancelled while Grid Engine does not answer."""
        killed_at = self._watched[id].killed_at
        if killed_at is None or now - killed_at < self.give_up:
            return None
        del self._watched[id]  # it stays open: the next run looks for it
        why = "Grid Engine did not take its cancellation: it may still run"
        return Exit(id, time.time(), None, ExitReason.LOST, why)

    def _end(self, id: str, ticket: str, reason: ExitReason, what: str) -> Exit:
        """The end of one that has no record of it."""
        return self._over(
            id, ticket, Exit(id, time.time(), None, reason, f"Grid Engine job {ticket}: {what}")
        )

    def _over(self, id: str, ticket: str, end: Exit) -> Exit:
        watch = self._watched.pop(id)
        self._leaving[ticket] = watch.name
        watch.task.told()
        return end

    # cancelling

    def kill(self, tickets: Mapping[str, str], grace: float) -> None:
        """See `PollingLauncher.kill`: the job is told, and has its grace before it is killed."""
        now = time.monotonic()
        for id in tickets:
            watch = self._watched.get(id)
            if watch is not None:
                watch.task.order_end(grace)
                watch.killed_at = watch.killed_at or now
        self._asked = now - self.spacing
        self.engine.cancel(tickets.values())


def number_of(states: Mapping[str, Seen], name: str) -> str | None:
    """The number of the job of that name, if it is there."""
    return next((t.partition(".")[0] for t, seen in states.items() if seen.name == name), None)


def script_of(directory: Path, python: str) -> str:
    """What is submitted: the guard of the task whose number it finds."""
    known = ((name, os.environ.get(name)) for name in KEPT)
    exports = "".join(f"export {n}={shlex.quote(v)}\n" for n, v in known if v)
    place = shlex.quote(str(directory))
    return f"""#!/bin/sh
exec >>{place}/"$SGE_TASK_ID.txt" 2>&1 </dev/null
{exports}exec {shlex.join(program("canary_sge.guard", python))} {place} "$SGE_TASK_ID"
"""


def cancel_all(engine: Engine, left: Collection[tuple[Submission, Task]]) -> None:
    """End tasks that nobody wants any more; OSError if Grid Engine does not answer."""
    states = engine.states() if left else {}
    tickets = []
    for made, task in left:
        ticket = f"{made.job or number_of(states, made.name)}.{task.number}"
        if ticket in states and states[ticket].name == made.name:
            task.order_end(0.0)
            tickets.append(ticket)
    engine.cancel(tickets)
    for _, task in left:
        task.told()
