"""The launcher `dask`: each launch is a task of a Dask cluster, which runs it as real processes.

Dask's threads call back; what they say is brought to the loop, where everything is decided. The
verdict is the job's record in its directory: neither the death of a worker nor Dask's silence is
taken for an end.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from canary.launch import Exit, ExitReason, Launch, Launcher, Post, Started
from canary.loop import Loop
from canary_dask import record, worker

ALL = "all"  # the topic in which Dask's scheduler says that a worker is gone


class Task:
    """One launch on its way; `worker` is where it runs, once it does."""

    __slots__ = ("future", "key", "launch", "worker")

    def __init__(self, launch: Launch, key: str) -> None:
        self.launch = launch
        self.key = key
        self.future: Any = None
        self.worker = ""


class DaskLauncher(Launcher):
    """Launches as tasks; `connect` gives the client."""

    name: ClassVar[str] = "dask"

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    def open(self, loop: Loop, post: Post) -> None:
        """See `Launcher.open`; the cluster is asked here, if nobody has asked it before."""
        super().open(loop, post)
        self._tasks: dict[str, Task] = {}
        self._topic = f"canary-{uuid.uuid4()}"
        self._client = self._connect()
        self._client.subscribe_topic(self._topic, self._bring(self._started))
        self._client.subscribe_topic(ALL, self._bring(self._heard))

    def close(self) -> None:
        """See `Launcher.close`; what an exception has left running is killed."""
        self._stop(list(self._tasks.values()), 0.0)
        self._client.close()

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Launcher.start`."""
        for launch in launches:
            task = Task(launch, f"canary-{uuid.uuid4()}")
            self._tasks[launch.id] = task
            place = _place(launch)
            task.future = self._client.submit(
                worker.execute,
                json.dumps(launch.asdict(), default=dict),
                self._topic,
                task.key,
                key=task.key,
                pure=False,
                workers=place,
                allow_other_workers=place is not None,  # if that one is gone
            )
            task.future.add_done_callback(
                lambda _, task=task: self.loop.post(partial(self._done, task))
            )

    def cancel(self, ids: Collection[str], grace: float) -> None:
        """See `Launcher.cancel`; asked in a thread, because the cluster may take its time."""
        tasks = [self._tasks[id] for id in ids if id in self._tasks]
        threading.Thread(target=self._stop, args=(tasks, grace), daemon=True).start()

    def _stop(self, tasks: Sequence[Task], grace: float) -> None:
        for task in tasks:
            try:
                answers = self._client.run(worker.stop, task.key, grace, on_error="ignore")
            except Exception as e:  # noqa: BLE001 - Dask raises what it likes
                answers = {}
                why = f"cancelled; the cluster does not answer: {e!r}"
            else:
                why = "cancelled"
            if not any(answers.values()):  # it runs nowhere, and will not
                self.loop.post(partial(self._give_up, task, ExitReason.CANCELLED, why))

    # what comes back, in the loop's thread

    def _bring(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """`call`, from any thread, with the message of an event (a stamp and a dict)."""

        def take(event: Any) -> None:
            _, message = event
            self.loop.post(partial(call, message))

        return take

    def _started(self, message: Mapping[str, Any]) -> None:
        task = self._tasks.get(message["id"])
        if task is not None and not task.worker:
            task.worker = message["worker"]
            self.post(Started(task.launch.id, message["at"], f"{task.worker} {task.key}"))

    def _heard(self, message: Any) -> None:
        """If a worker is gone, so are its jobs, unless they have ended before."""
        if isinstance(message, dict) and message.get("action") == "remove-worker":
            gone = message.get("worker")
            for task in [t for t in self._tasks.values() if t.worker == gone]:
                self._give_up(task, ExitReason.LOST, f"worker {gone} died")

    def _done(self, task: Task) -> None:
        if self._tasks.get(task.launch.id) is not task:
            return
        if task.future.status == "finished":
            self._finish(task, Exit.fromdict(task.future.result()))
            return
        error = task.future.exception() if task.future.status == "error" else task.future.status
        reason = ExitReason.LOST if task.worker else ExitReason.NOT_STARTED
        self._give_up(task, reason, f"Dask: {error}")

    def _give_up(self, task: Task, reason: ExitReason, detail: str) -> None:
        """Nobody will say how it ended, unless its record does."""
        known = record.read(record.path_of(task.launch), task.key)
        if known is not None and "end" in known:
            self._finish(task, Exit.fromdict(known["end"]))
            return
        self._finish(task, Exit(task.launch.id, self.now(), None, reason, detail))

    def _finish(self, task: Task, end: Exit) -> None:
        if self._tasks.get(task.launch.id) is task:
            del self._tasks[task.launch.id]
            task.future.release()
            self.post(end)


def _place(launch: Launch) -> list[str] | None:
    """The worker whose CPUs the launch was given."""
    nodes = {str(entry["node"]) for entry in launch.resources.get("cpus", ())}
    return sorted(nodes) if nodes and all("://" in node for node in nodes) else None
