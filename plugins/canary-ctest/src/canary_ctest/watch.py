"""Runs one test whose time limit depends on its output, or which wants a signal of its own.

    python watch.py '{"timeout": 10, "after": 2, "match": ["ready"], ...}' COMMAND...

Started in place of the command, it passes on output, exit code and signal. Once a line matches,
`after` seconds from then replace `timeout`. At the limit the command gets `signal` (TERM), and KILL
`grace` seconds later, and the file that `CANARY_CTEST_WATCH` names says that this was so. Stands on
its own: nothing of canary is imported.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

VARIABLE = "CANARY_CTEST_WATCH"
PIPE = 1 << 20  # bytes; no pipe holds more


def given(mark: str, scale: float) -> str:
    """The value of the variable: the file to write at the limit, the multiplier of limits."""
    return json.dumps({"mark": mark, "scale": scale})


class Watch:
    """One run: limits, and what was seen of the output so far."""

    def __init__(self, limits: dict[str, Any], scale: float, mark: str) -> None:
        self.limits = limits
        self.scale = scale
        self.mark = mark
        self.patterns = [re.compile(os.fsencode(p)) for p in limits.get("match", ())]
        self.rest = b""
        self.deadline = self._from_now(limits.get("timeout"))
        self.limit: float = limits.get("timeout") or 0.0

    def _from_now(self, seconds: float | None) -> float | None:
        return time.monotonic() + seconds * self.scale if seconds else None

    def take(self, data: bytes) -> None:
        """Look for a match in the lines that are complete now."""
        if not self.patterns:
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        if any(p.search(line) for line in lines for p in self.patterns):
            self.limit = self.limits["after"]
            self.deadline = self._from_now(self.limit)
            self.patterns = []

    def left(self) -> float | None:
        """Seconds until the limit; None: there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def run(self, command: list[str]) -> int:
        """Run the command; return its exit code, negative for a signal."""
        pipe = subprocess.PIPE if self.patterns else None
        error = subprocess.STDOUT if self.patterns else None
        # the descriptor is read as it is: nobody may buffer between the test and its output
        child = subprocess.Popen(command, stdout=pipe, stderr=error, bufsize=0)
        try:
            return self._wait(child)
        except subprocess.TimeoutExpired:
            self._warn(child)
        try:
            return self._wait(child)
        except subprocess.TimeoutExpired:
            child.kill()
        self.deadline = None
        return self._wait(child)

    def _warn(self, child: subprocess.Popen[bytes]) -> None:
        """Note that its time is over, and ask it to end."""
        with open(self.mark, "w") as f:
            f.write(f"timed out after {self.limit * self.scale:g} s")
        child.send_signal(getattr(signal, self.limits.get("signal") or "SIGTERM"))
        self.patterns = []  # a match would begin its time anew
        self.deadline = time.monotonic() + float(self.limits.get("grace", 1.0))

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """Its exit code; TimeoutExpired at the limit."""
        if child.stdout is not None:
            self._pass_on(child, child.stdout.fileno())
        return child.wait(self.left())

    def _pass_on(self, child: subprocess.Popen[bytes], out: int) -> None:
        """Output, until the test or its time is over, whoever else may still write."""
        os.set_blocking(out, False)
        over = os.pidfd_open(child.pid) if hasattr(os, "pidfd_open") else None
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if over is not None:
                selector.register(over, selectors.EVENT_READ)
            while self.left() != 0.0:
                selector.select(self.left())
                ended = child.poll() is not None  # what it wrote is in the pipe then
                try:
                    data = os.read(out, PIPE)
                except BlockingIOError:
                    data = None
                if data:
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
                    self.take(data)
                if ended or data == b"":
                    break
        if over is not None:
            os.close(over)


def main(words: list[str]) -> int:
    """Do it, and end as the command did."""
    orders = json.loads(os.environ.pop(VARIABLE))
    watch = Watch(json.loads(words[0]), orders["scale"], orders["mark"])
    try:
        code = watch.run(words[1:])
    except OSError as e:
        sys.stderr.write(f"{words[1]}: {e.strerror}\n")
        return 127
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
