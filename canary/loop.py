"""One event loop: file descriptors, deadlines and messages from other threads, without a poll or a
sleep.

The scheduler owns the loop; launchers add what they wait for (a pidfd, a socket, a timer) to it,
and threads hand values over with `post`. Everything registered here is called in the loop's thread,
so its owner needs no lock. The module knows nothing of jobs.
"""

from __future__ import annotations

import heapq
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class HasFileno(Protocol):
    """What a selector can watch."""

    def fileno(self) -> int:
        """The descriptor."""


class Timer:
    """A deadline; `cancel` makes it never fire. Of two with one time, the lower `order` is
    first."""

    __slots__ = ("at", "call", "order")

    def __init__(self, at: float, call: Callable[[], None], order: int = 0) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call
        self.order = order

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.order) < (other.at, other.order)

    def cancel(self) -> None:
        """Forget the call; the heap drops the entry when its time comes."""
        self.call = None


class Loop:
    """`run` until `stop`: callbacks of ready descriptors, due timers, posted calls, in that
    order."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        self._made = 0
        self._dropped: set[int] = set()
        self._posted: deque[Callable[[], None]] = deque()
        self._wake_r, self._wake_w = os.pipe()
        for fd in (self._wake_r, self._wake_w):
            os.set_blocking(fd, False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, self._drain)
        self._running = False
        self._closing = threading.RLock()  # a signal handler may post, too

    def watch(self, fd: int | HasFileno, call: Callable[[], None]) -> None:
        """Call `call` whenever `fd` is readable."""
        self._selector.register(fd, selectors.EVENT_READ, call)

    def unwatch(self, fd: int | HasFileno) -> None:
        """Stop watching `fd`; before it is closed."""
        self._dropped.add(self._selector.unregister(fd).fd)

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        """Call `call` once the monotonic clock has reached `at` (seconds)."""
        self._made += 1
        timer = Timer(at, call, self._made)
        heapq.heappush(self._timers, timer)
        return timer

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Call `call` after `delay` seconds."""
        return self.call_at(self.monotonic() + delay, call)

    def post(self, call: Callable[[], None]) -> None:
        """Call `call` in the loop's thread soon; from any thread or signal handler."""
        self._posted.append(call)
        with self._closing:  # after `close` the descriptor may be another file's
            try:
                if self._wake_w >= 0:
                    os.write(self._wake_w, b"\0")
            except BlockingIOError:
                pass  # the pipe is full of wake-ups already

    def soon(self, call: Callable[[], None]) -> None:
        """Call `call` after the callbacks of this turn; in the loop's own thread, and not from a
        signal handler."""
        self._posted.append(call)

    def stop(self) -> None:
        """Return from `run` after the callbacks of this turn."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop` is called from a callback."""
        self._running = True
        select, timers, posted = self._selector.select, self._timers, self._posted
        dropped = self._dropped
        while self._running:
            dropped.clear()
            for key, _ in select(self._timeout()):
                if key.fd not in dropped:  # by a call before it in this turn
                    key.data()
            if timers:
                self._fire()
            while posted:
                posted.popleft()()

    def close(self) -> None:
        """Give back the loop's own descriptors; what is posted from now on is never called."""
        self._selector.close()
        with self._closing:
            fds = self._wake_r, self._wake_w
            self._wake_r = self._wake_w = -1  # before a signal handler can write there
            for fd in fds:
                os.close(fd)

    def _timeout(self) -> float | None:
        if self._posted:
            return 0.0
        timers = self._timers
        while timers and timers[0].call is None:
            heapq.heappop(timers)
        return max(0.0, timers[0].at - self.monotonic()) if timers else None

    def _fire(self) -> None:
        now = self.monotonic()
        timers = self._timers
        while timers and timers[0].at <= now:
            call = heapq.heappop(timers).call
            if call is not None:
                call()

    def _drain(self) -> None:
        try:
            os.read(self._wake_r, 4096)
        except BlockingIOError:
            pass
