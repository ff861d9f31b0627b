"""Runs one job on a worker's machine, in a process of its own that owns all that the job starts.

It reads the launch as the first line of its input, and then orders: a number means "end it, and
kill it after so many seconds", the end of input that the worker is gone; the job is then killed,
because nobody would hear of it. The record in the job's directory says when it began and how it
ended; the last line of output is the end as JSON. Nothing here knows of Dask.
"""

from __future__ import annotations

import json
import os
import sys
import time

from canary.launch import Exit, ExitReason, Launch, Message, Started
from canary.loop import Loop
from canary.process import SubprocessLauncher
from canary_dask import record


class Guard:
    """One job from its start to its end."""

    def __init__(self, launch: Launch, worker: str, key: str) -> None:
        self.launch = launch
        self.worker = worker
        self.key = key
        self.path = record.path_of(launch)
        self.loop = Loop()
        self.launcher = SubprocessLauncher()
        self.end: Exit | None = None
        self.abandoned = False

    def run(self) -> Exit:
        """Do it."""
        self.launcher.open(self.loop, self._take)
        try:
            self.loop.watch(sys.stdin.fileno(), self._hear)
            self.launcher.start([self.launch])
            self.loop.run()
        finally:
            self.launcher.close()
        assert self.end is not None
        return self.end

    def _take(self, message: Message) -> None:
        if isinstance(message, Started):
            self._note({})
        elif isinstance(message, Exit):
            if self.abandoned and message.reason is ExitReason.CANCELLED:
                detail = f"worker {self.worker} died"
                message = Exit(message.id, message.at, None, ExitReason.LOST, detail)
            self._note({"end": message.asdict()})
            self.end = message
            self.loop.stop()

    def _note(self, more: dict[str, object]) -> None:
        record.write(self.path, {"key": self.key, "worker": self.worker, "at": time.time(), **more})

    def _hear(self) -> None:
        order = os.read(sys.stdin.fileno(), 100)
        if not order:
            self.loop.unwatch(sys.stdin.fileno())
            self.abandoned = True
        grace = float(order.split()[-1]) if order.strip() else 0.0
        self.launcher.cancel([self.launch.id], grace)


def main() -> None:
    """Read, run, tell."""
    # byte by byte: what follows the first line is for the loop
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return
        line += byte
    order = json.loads(line)
    end = Guard(Launch.fromdict(json.loads(order["launch"])), order["worker"], order["key"]).run()
    sys.stdout.write(json.dumps(end.asdict()))


if __name__ == "__main__":
    main()
