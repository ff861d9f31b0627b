"""The process seam: a frozen `Launch` goes in, `Started` and `Exit` come out; a launcher never sees
a job.

Three ways to write one: `Launcher` itself for something that lives in the scheduler's event loop,
`BlockingLauncher` when "run it and wait" is all there is, `PollingLauncher` for a batch system that
is asked now and then about all its tickets at once.
"""

from __future__ import annotations

import abc
import enum
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from canary.clock import Clock
from canary.frozen import shared
from canary.loop import Loop


class ExitReason(str, enum.Enum):
    """Why a launch is over."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    NO_OUTPUT = "no-output"
    OUTPUT_LIMIT = "output-limit"
    MEMORY_LIMIT = "memory-limit"
    CANCELLED = "cancelled"
    LOST = "lost"
    NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that is needed to run one job's command; times in seconds, sizes in bytes, paths
    absolute.

    `stderr` None merges it into `stdout`. `affinity` are logical CPU numbers, empty for no pinning.
    `resources` is `{type: ({"id", "slots", "node"}, …)}` as assigned. `options` are for the
    launcher alone (`partition`, …). `pauses_itself`: the command runs jobs of its own, and pauses
    these and itself at SIGTSTP, until SIGCONT.
    """

    id: str
    name: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    stdout: str
    stderr: str | None = None
    timeout: float | None = None
    grace: float = 2.0
    no_output_timeout: float | None = None
    output_limit: int | None = None
    trim_output: bool = False
    memory_limit: int | None = None
    affinity: tuple[int, ...] = ()
    nodes: int = 1
    exclusive: bool = False
    pauses_itself: bool = False
    attempt: int = 1
    resources: Mapping[str, Sequence[Mapping[str, Any]]] = shared()
    options: Mapping[str, Any] = shared()

    def asdict(self) -> dict[str, Any]:
        """For JSON (with `default=dict`), to be run on another machine: `affinity` stays here."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "affinity"}

    @classmethod
    def fromdict(cls, data: Mapping[str, Any]) -> Launch:
        """The reverse of `asdict`."""
        return cls(**{**data, "argv": tuple(data["argv"])})


@dataclass(frozen=True, slots=True)
class Usage:
    """What the whole process tree used: seconds and bytes; -1 where it is not known."""

    user: float = -1.0
    system: float = -1.0
    max_rss: int = -1


@dataclass(frozen=True, slots=True)
class Started:
    """The command runs; `at` epoch seconds, `ticket` finds it again (`pid:start-time`, a batch
    ID)."""

    id: str
    at: float
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """The command and everything it started is over.

    `code` is the exit code, negative for a signal, None if nobody can know it. `detail` is one line
    for people. `leaked` names processes that outlived the command and were killed.
    """

    id: str
    at: float
    code: int | None
    reason: ExitReason = ExitReason.EXITED
    detail: str = ""
    usage: Usage = field(default_factory=Usage)
    leaked: tuple[str, ...] = ()

    def asdict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def fromdict(cls, data: Mapping[str, Any]) -> Exit:
        """The reverse of `asdict`."""
        made = {"reason": ExitReason(data["reason"]), "usage": Usage(**data["usage"])}
        return cls(**{**data, **made, "leaked": tuple(data["leaked"])})


@dataclass(frozen=True, slots=True)
class News:
    """A launch that runs jobs of its own has more to tell: see `BaseJob.news`."""

    id: str


Message = Started | News | Exit
Post = Callable[[Message], None]


class Launcher(abc.ABC):
    """Runs commands. All methods are called in the loop's thread; none may block.

    For each launch given to `start` exactly one `Exit` is posted, after at most one `Started`;
    `News` may come before either.
    """

    name: ClassVar[str]

    def open(self, loop: Loop, post: Post) -> None:
        """Get ready; `post` is to be called in the loop's thread (`loop.post` brings a call
        there)."""
        self.loop = loop
        self.post = post
        self.now = Clock().now  # for messages: epoch seconds, whatever is done to the date

    @abc.abstractmethod
    def start(self, launches: Sequence[Launch]) -> None:
        """Run them; a launch that cannot be started ends with `ExitReason.NOT_STARTED`."""

    @abc.abstractmethod
    def cancel(self, ids: Collection[str], grace: float) -> None:
        """End these: asked to stop first, killed after `grace` seconds (0: at once); their `Exit`
        follows."""

    def pause(self) -> None:
        """Stop the clocks and the processes of all that runs, as far as possible."""

    def resume(self) -> None:
        """Undo `pause`."""

    def close(self) -> None:
        """Called once, when nothing runs any more."""

    def hand_over(self, message: Message) -> None:
        """Post a message from another thread."""
        self.loop.post(lambda: self.post(message))

    def failed(self, id: str, reason: ExitReason, problem: object) -> Exit:
        """The end of a launch with which it is the launcher that has a problem."""
        return Exit(id, self.now(), None, reason, f"launcher {self.name}: {problem}")


class BlockingLauncher(Launcher):
    """For an author who writes `run`: called in a thread of its own for each launch."""

    @abc.abstractmethod
    def run(self, launch: Launch, cancelled: threading.Event) -> Exit:
        """Run it, wait for it, say how it ended; leave early once `cancelled` is set."""

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        self._events: dict[str, threading.Event] = {}

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        for launch in launches:
            event = self._events[launch.id] = threading.Event()
            thread = threading.Thread(
                target=self._serve, args=(launch, event), name=f"{self.name}:{launch.name}"
            )
            try:
                thread.start()
            except RuntimeError as e:  # the system has no more
                del self._events[launch.id]
                self.hand_over(self.failed(launch.id, ExitReason.NOT_STARTED, e))

    def cancel(self, ids: Collection[str], grace: float) -> None:  # noqa: ARG002 - `run` has its own
        """See `Launcher.cancel`."""
        for id in ids:
            event = self._events.get(id)
            if event is not None:
                event.set()

    def _serve(self, launch: Launch, event: threading.Event) -> None:
        self.hand_over(Started(launch.id, self.now()))
        try:
            end = self.run(launch, event)
        except BaseException as e:  # noqa: BLE001 - an author's error ends this launch; without an Exit the session would wait for ever
            end = self.failed(launch.id, ExitReason.LOST, repr(e))
        self._events.pop(launch.id, None)
        self.hand_over(end)


class PollingLauncher(Launcher):
    """For a batch system: the author writes `submit`, `query` and `kill`, each for many launches at
    once.

    The base has one thread: it submits what has come, asks about all tickets in one `query` per
    interval (seconds, from `first_interval`, growing by half up to `interval` while nothing
    changes) and turns answers into messages. A query that raises `OSError` means "unknown", never
    "gone", and backs off.
    """

    first_interval: float = 0.25
    interval: float = 5.0

    @abc.abstractmethod
    def submit(self, launches: Sequence[Launch]) -> Mapping[str, str | Exit]:
        """Submit them; `{launch id: ticket}`, or an `Exit` for one that was refused."""

    @abc.abstractmethod
    def query(self, tickets: Mapping[str, str]) -> Iterable[Message]:
        """What is new of `{launch id: ticket}`, in order: of one launch a start and an end may
        come at once."""

    @abc.abstractmethod
    def kill(self, tickets: Mapping[str, str], grace: float) -> None:
        """Cancel these; their end is seen by `query`."""

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`."""
        super().open(loop, post)
        # no SimpleQueue: that waits for ever if a signal comes to its thread after the timeout
        self._orders: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, name=f"{self.name}:poll", daemon=True)
        self._thread.start()

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        self._orders.put(("start", tuple(launches)))

    def cancel(self, ids: Collection[str], grace: float) -> None:
        """See `Launcher.cancel`."""
        self._orders.put(("cancel", (frozenset(ids), grace)))

    def close(self) -> None:
        """See `Launcher.close`."""
        self._orders.put(("close", None))
        self._thread.join()

    def _serve(self) -> None:
        tickets: dict[str, str] = {}
        started: set[str] = set()
        kills: list[tuple[Collection[str], float]] = []
        wait, due = self.first_interval, 0.0
        while True:
            now = time.monotonic()
            if tickets and now >= due:
                kills = [kill for kill in kills if not self._killed(kill, tickets)]
                news = self._ask(tickets)
                for message in news:
                    if isinstance(message, Exit):
                        tickets.pop(message.id, None)
                        started.discard(message.id)
                    elif isinstance(message, Started):
                        if message.id in started:
                            continue
                        started.add(message.id)
                    self.hand_over(message)
                wait = self.first_interval if news else min(wait * 1.5, self.interval)
                due = now + wait
                continue
            order = self._next(due - now if tickets else None)
            if order is None:
                continue
            kind, what = order
            if kind == "close":
                return
            wait = self.first_interval
            soon = time.monotonic() + wait
            due = min(due, soon) if tickets else soon
            if kind == "start":
                self._submit(what, tickets)
            elif not self._killed(what, tickets):
                kills.append(what)

    def _next(self, wait: float | None) -> tuple[str, Any] | None:
        try:
            return self._orders.get(timeout=wait)
        except queue.Empty:
            return None

    def _submit(self, launches: Sequence[Launch], tickets: dict[str, str]) -> None:
        answers: Mapping[str, str | Exit] = {}
        problem = "no ticket was given"
        try:
            answers = self.submit(launches)
        except Exception as e:  # noqa: BLE001 - an author's error ends these launches, not the session
            problem = str(e) if isinstance(e, OSError) else repr(e)
        for id in (launch.id for launch in launches):
            answer = answers.get(id) or self.failed(id, ExitReason.NOT_STARTED, problem)
            if isinstance(answer, Exit):
                self.hand_over(answer)
            else:
                tickets[id] = answer

    def _killed(self, kill: tuple[Collection[str], float], tickets: Mapping[str, str]) -> bool:
        """Was it passed on? If not, it is tried again before the next query."""
        ids, grace = kill
        wanted = {id: ticket for id, ticket in tickets.items() if id in ids}
        try:
            if wanted:
                self.kill(wanted, grace)
        except Exception:  # noqa: BLE001 - what is still there is seen by `query`
            return False
        return True

    def _ask(self, tickets: Mapping[str, str]) -> Collection[Message]:
        news: list[Message] = []
        try:
            for message in self.query(dict(tickets)):
                news.append(message)
        except OSError:
            pass  # of the others nothing is known
        except Exception as e:  # noqa: BLE001 - an author's error: nobody will ever know more
            over = {message.id for message in news if isinstance(message, Exit)}
            lost = (id for id in tickets if id not in over)
            news += [self.failed(id, ExitReason.LOST, repr(e)) for id in lost]
        return news
