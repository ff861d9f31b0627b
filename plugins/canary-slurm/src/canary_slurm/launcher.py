"""The launcher `slurm`: submits batches, and hears of their ends from what they leave.

A launch becomes a script that runs its command and then writes its exit code beside it; that file
and the batch's own log are what is believed. Slurm is asked, all tickets in one call, when a launch
began and what became of one that has left nothing. Each submission has a file `batch.lock`, written
before it, so that whoever comes after a killed runner finds it again.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from canary import fsio
from canary.journal import LOG
from canary.launch import Exit, ExitReason, Launch, Message, News, PollingLauncher, Started
from canary_slurm.batch import OPEN, OUTPUT, read_json
from canary_slurm.slurm import HELD, NEVER, STARTED, Pace, Refused, Seen, Slurm, minutes

SCRIPT: Final = "canary.sh"
CODE: Final = "exit"
SIGNALLED: Final = 128
TRIES: Final = 3  # of a call that nobody answers
MISSES: Final = 3  # answers without a ticket before it is gone
LEAVING: Final = 10.0  # seconds that Slurm has to see that a script has ended
GIVEN_UP: Final = 60.0  # seconds after which a cancellation that nobody takes is given up


@dataclass(slots=True)
class Watch:
    """What is known of a launch that was submitted; `since` it is in the queue."""

    directory: Path
    since: float
    size: int = 0
    seen: Seen | None = None
    changed: float = 0.0
    misses: int = 0
    started: bool = False
    killed: float | None = None
    released: bool = False

    def take(self, seen: Seen | None, now: float) -> bool:
        """Slurm was asked, and says this, None: nothing; True if it says something else than
        before."""
        self.misses = 0 if seen else self.misses + 1
        if seen is None or seen == self.seen:
            return False
        if self.started and seen.waits and not (self.seen and self.seen.waits):
            self.since = now  # it was queued again
        self.seen, self.changed = seen, now
        return True


class SlurmLauncher(PollingLauncher):
    """Submits launches with `sbatch`; `options` of a launch: `submit`, words for it, `array`, may
    it be part of one, and `queue_timeout`, seconds."""

    name: ClassVar[str] = "slurm"
    first_interval = 0.2
    interval = 0.5

    def __init__(
        self, slurm: Slurm, *, longest: float = 10.0, per_minute: int = 30, settle: float = 5.0
    ) -> None:
        self.slurm = slurm
        self.settle = settle
        self._pace = Pace(longest, per_minute)
        self._watched: dict[str, Watch] = {}
        self._limits: dict[str, float] = {}
        # tickets that squeue does not name, and that sacct is still to be asked for
        self._unnamed: list[str] = []
        # launches that have left their exit code, and that Slurm may still hold for alive
        self._leaving: dict[str, Path] = {}

    def close(self) -> None:
        """See `Launcher.close`; what is over for us is over for Slurm too, or is cancelled."""
        super().close()
        deadline = time.monotonic() + LEAVING
        while self._leaving:
            if self._pace.due(time.monotonic()):
                self._ask_slurm({})
                if time.monotonic() > deadline:
                    break
            time.sleep(0.1)
        if self._leaving:
            self._cancel_quietly(list(self._leaving))

    # submitting

    def submit(self, launches: Sequence[Launch]) -> Mapping[str, str | Exit]:
        """See `PollingLauncher.submit`."""
        out: dict[str, str | Exit] = {}
        arrays: dict[tuple[str, ...], list[Launch]] = {}
        for launch in launches:
            if "ticket" in (read_json(Path(launch.cwd, OPEN)) or {}):
                out[launch.id] = self._found(launch)
            elif launch.options.get("array"):
                arrays.setdefault(self._words(launch), []).append(launch)
            else:
                out |= self._submit_all([launch])
        for alike in arrays.values():
            out |= self._submit_all(alike)
        for launch in launches:
            if isinstance(out[launch.id], str):
                self._watched[launch.id] = Watch(Path(launch.cwd), time.monotonic())
                if limit := launch.options.get("queue_timeout"):
                    self._limits[launch.id] = limit
        self._pace.hurry(time.monotonic())
        return out

    def _found(self, launch: Launch) -> str | Exit:
        """One that a runner before this one has submitted, or was about to."""
        lock = read_json(Path(launch.cwd, OPEN))
        if lock["ticket"]:
            return str(lock["ticket"])
        found = self.slurm.named(lock["name"])
        if found is None:
            detail = "it was never submitted: the runner was killed before"
            return Exit(launch.id, time.time(), None, ExitReason.CANCELLED, detail)
        if lock["task"] is not None:
            found = f"{found.partition('_')[0]}_{lock['task']}"
        self._lock(launch, lock["name"], found)
        return found

    def _submit_all(self, launches: Sequence[Launch]) -> dict[str, str | Exit]:
        """One submission, an array if there are several."""
        first = launches[0]
        name = f"{first.name}-{os.getpid():x}{time.time_ns() & 0xFFFFF:x}"
        words = [f"--job-name={name}", *self._words(first)]
        if len(launches) > 1:
            words.append(f"--array=0-{len(launches) - 1}")
        try:
            for n, launch in enumerate(launches):
                self._lock(launch, name, None, n if len(launches) > 1 else None)
                self._script(launch)
            script = Path(first.cwd, SCRIPT)
            if len(launches) > 1:
                script = Path(first.cwd, f"array-{name}.sh")
                _write(script, array_script(launches))
            ticket = self._send(name, words, str(script), first.env)
        except (Refused, OSError) as e:
            if isinstance(e, Refused):  # else nobody knows: a later run looks for it by its name
                for launch in launches:
                    Path(launch.cwd, OPEN).unlink(missing_ok=True)
            end = (time.time(), None, ExitReason.NOT_STARTED, str(e))
            return {launch.id: Exit(launch.id, *end) for launch in launches}
        out: dict[str, str | Exit] = {}
        for n, launch in enumerate(launches):
            out[launch.id] = own = f"{ticket}_{n}" if len(launches) > 1 else ticket
            self._lock(launch, name, own)
        return out

    def _send(self, name: str, words: Sequence[str], script: str, env: Mapping[str, str]) -> str:
        """The ticket of a submission; one whose answer was lost is looked for by its name, and
        sent again only if it is known not to be there."""
        for _ in range(TRIES - 1):
            try:
                return self.slurm.submit(words, script, env)
            except OSError:
                found = self._look(name)
                if found is not None:
                    return found
        return self.slurm.submit(words, script, env)

    def _look(self, name: str) -> str | None:
        for _ in range(TRIES - 1):
            try:
                return self.slurm.named(name)
            except OSError:
                continue
        return self.slurm.named(name)

    def _words(self, launch: Launch) -> tuple[str, ...]:
        limit = (f"--time={minutes(launch.timeout)}",) if launch.timeout else ()
        return (
            *limit,
            "--output=/dev/null",
            "--open-mode=append",
            *launch.options.get("submit", ()),
        )

    def _script(self, launch: Launch) -> None:
        Path(launch.cwd, CODE).unlink(missing_ok=True)
        _write(Path(launch.cwd, SCRIPT), script(launch))

    def _lock(self, launch: Launch, name: str, ticket: str | None, task: int | None = None) -> None:
        data = {"schema": 1, "id": launch.id, "backend": self.name}
        _write(
            Path(launch.cwd, OPEN),
            json.dumps({**data, "name": name, "ticket": ticket, "task": task}),
        )

    # watching

    def query(self, tickets: Mapping[str, str]) -> Iterable[Message]:
        """See `PollingLauncher.query`; what batches have left is looked at each time, Slurm is
        asked when it is time to."""
        news: dict[str, Message] = {}
        open_ones = {}
        for id, ticket in tickets.items():
            code = self._code(id)
            if code is not None and code < SIGNALLED:
                self._leaving[ticket] = self._watched[id].directory
                news[id] = self._over(id, code, ExitReason.EXITED, "")
                self._pace.hurry(time.monotonic())
            else:
                open_ones[id] = ticket
        if open_ones and self._pace.due(time.monotonic()):
            news |= self._ask_slurm(open_ones)
        for id in open_ones:
            if id not in news and self._grew(id):
                news[id] = News(id)
        return news.values()

    def _code(self, id: str) -> int | None:
        """The exit code that the launch's script has left."""
        try:
            text = fsio.read_ends(f"{self._watched[id].directory}/{CODE}")
            return int(text) if text.endswith("\n") else None
        except (OSError, ValueError):
            return None

    def _grew(self, id: str) -> bool:
        watch = self._watched[id]
        try:
            size = (watch.directory / LOG).stat().st_size
        except OSError:
            return False
        grew = size > watch.size
        watch.size = size
        return grew

    def _ask_slurm(self, tickets: Mapping[str, str]) -> dict[str, Message]:
        now = time.monotonic()
        try:
            found = self._states(tickets.values(), now)
        except OSError:
            self._pace.asked(time.monotonic(), failed=True)
            return {id: end for id in tickets if (end := self._abandoned(id)) is not None}
        changed = False
        news: dict[str, Message] = {}
        for id, ticket in tickets.items():
            if ticket not in found:
                continue
            changed = self._watched[id].take(found[ticket], now) or changed
            message = self._judge(id, ticket, now)
            if message is not None:
                news[id] = message
        self._pace.asked(time.monotonic(), changed=changed or bool(news))
        return news

    def _states(self, tickets: Collection[str], now: float) -> dict[str, Seen | None]:
        """What Slurm says of tickets, None: it knows nothing of it. Where the budget has no room
        for a second call, those that squeue does not name are left out, and are what is asked for
        the next time."""
        found: dict[str, Seen | None] = {}
        self._unnamed = [t for t in self._unnamed if t in tickets]
        if not self._unnamed:
            self._pace.count(now)
            said = self.slurm.states([*tickets, *self._leaving])
            self._let_go(said)
            found.update(said)
            self._unnamed = [t for t in tickets if t not in said]
        if self._unnamed and self._pace.has_room(now):
            self._pace.count(now)
            found |= dict.fromkeys(self._unnamed) | self._accounted(self._unnamed)
            self._unnamed = []
        return found

    def _let_go(self, found: Mapping[str, Seen]) -> None:
        """Forget what has left Slurm too; cancel what it has queued again."""
        queued = []
        for ticket, directory in list(self._leaving.items()):
            seen = found.get(ticket)
            if seen is not None and seen.end is None and not seen.waits:
                continue
            if seen is not None and seen.end is None:
                queued.append(ticket)
            del self._leaving[ticket]
            (directory / OPEN).unlink(missing_ok=True)
        self._cancel_quietly(queued)

    def _accounted(self, tickets: Sequence[str]) -> dict[str, Seen]:
        try:
            found = self.slurm.accounted(tickets)
        except OSError:
            return {}  # no accounting here, or it does not answer
        # it may be late, but never early: only an end is news
        return {ticket: seen for ticket, seen in found.items() if seen.end is not None}

    def _judge(self, id: str, ticket: str, now: float) -> Message | None:
        watch = self._watched[id]
        seen = watch.seen
        if watch.misses:
            if watch.misses >= MISSES and now - watch.changed >= self.settle:
                detail = f"Slurm knows nothing of job {ticket}"
                return self._over(id, self._code(id), ExitReason.LOST, detail)
            return None
        if seen is None:
            return None
        if seen.end is not None:
            code = self._code(id)
            if code is None and now - watch.changed < self.settle:
                return None  # its record may be on the way; or it is queued again
            reason = seen.end if seen.end is not ExitReason.EXITED else ExitReason.LOST
            self._cancel_quietly([ticket])  # what is over for us must not begin again
            return self._over(id, code, reason, f"job {ticket}: {seen}")
        if not watch.started and seen.state in STARTED:
            watch.started = True
            return Started(id, time.time(), ticket)
        if seen.waits:
            return self._waiting(id, ticket, now)
        return None

    def _waiting(self, id: str, ticket: str, now: float) -> Exit | None:
        """The end of one that waits longer than it may, or for what will never be."""
        watch = self._watched[id]
        assert watch.seen is not None
        limit = self._limits.get(id)
        if watch.seen.reason == HELD:
            return self._held(id, ticket)
        never = watch.seen.reason in NEVER and now - watch.changed > max(self.settle, 5.0)
        if not never and (limit is None or now - watch.since < limit):
            return None
        why = "it can never start" if never else f"it waited longer than {limit:g} s"
        # one that had begun was cut off: its tests are to run again
        cut = watch.started and not never
        reason = ExitReason.CANCELLED if cut else ExitReason.NOT_STARTED
        self._cancel_quietly([ticket])
        return self._over(id, None, reason, f"job {ticket}: {why}: {watch.seen}")

    def _held(self, id: str, ticket: str) -> Exit | None:
        """A node has failed to start it: it is let go once, and given up the second time."""
        watch = self._watched[id]
        if not watch.released:
            watch.released = True
            try:
                self.slurm.release(ticket)
            except (Refused, OSError):
                pass  # not ours to say; it may wait as long as any
            return None
        if time.monotonic() - watch.changed < max(self.settle, 5.0):
            return None
        self._cancel_quietly([ticket])
        return self._over(id, None, ExitReason.CANCELLED, f"job {ticket}: {watch.seen}")

    def _cancel_quietly(self, tickets: Sequence[str]) -> None:
        try:
            self.slurm.cancel(tickets)
        except OSError:
            pass

    def _abandoned(self, id: str) -> Exit | None:
        """The end of one that was cancelled while Slurm does not answer."""
        killed = self._watched[id].killed
        if killed is None or time.monotonic() - killed < GIVEN_UP:
            return None
        detail = "Slurm did not take its cancellation: it may still run"
        return Exit(id, time.time(), None, ExitReason.CANCELLED, detail)

    def _over(self, id: str, code: int | None, reason: ExitReason, detail: str) -> Exit:
        watch = self._watched.pop(id)
        self._limits.pop(id, None)
        if reason is ExitReason.LOST and watch.killed is not None:
            reason = ExitReason.CANCELLED
        if reason is not ExitReason.EXITED:
            (watch.directory / OPEN).unlink(missing_ok=True)
        return Exit(id, time.time(), code, reason, detail)

    # cancelling

    def kill(self, tickets: Mapping[str, str], grace: float) -> None:  # noqa: ARG002 - Slurm has its own
        """See `PollingLauncher.kill`; the grace is KillWait of its configuration."""
        now = time.monotonic()
        for id in tickets:
            watch = self._watched.get(id)
            if watch is not None and watch.killed is None:
                watch.killed = now
        self.slurm.cancel(list(tickets.values()))
        self._pace.hurry(now)


def _write(path: Path, text: str) -> None:
    fsio.write_atomic(path, text.encode("utf-8", "surrogateescape"))


def script(launch: Launch) -> str:
    """Run the command, then leave its exit code; a signal waits for the command's own end."""
    directory = shlex.quote(launch.cwd)
    output = shlex.quote(str(Path(launch.cwd, OUTPUT)))
    return f"""#!/bin/bash
cd {directory} || exit 1
rm -f {CODE}
trap : TERM INT
{shlex.join(launch.argv)} >>{output} 2>&1 </dev/null
code=$?
echo $code >{CODE}.new && mv -f {CODE}.new {CODE}
exit $code
"""


def array_script(launches: Sequence[Launch]) -> str:
    """Run the script of the launch that has the task's number."""
    names = " ".join(shlex.quote(str(Path(launch.cwd, SCRIPT))) for launch in launches)
    return f'#!/bin/bash\nscripts=({names})\nexec bash "${{scripts[$SLURM_ARRAY_TASK_ID]}}"\n'
