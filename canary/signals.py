"""Signals as calls, for as long as they are wanted; what was there before comes back."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ASKING: Final = (signal.SIGUSR1, signal.SIGQUIT)  # Ctrl-\ sends the latter
AT_ONCE: Final = 0.05  # seconds within which a SIGCONT takes back a SIGTSTP


class Interrupted(KeyboardInterrupt):
    """We are to end, says signal `number`; a plain KeyboardInterrupt is SIGINT."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def in_main_thread() -> bool:
    """Is this the thread that signals come to?"""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def heard(calls: Mapping[int, Callable[[int], object]]) -> Iterator[None]:
    """Call `calls[number](number)` at each signal; only in the main thread, to which they come.

    What whoever started us ignores (under `nohup`, say) stays ignored, but for SIGINT.
    """
    old: dict[int, Any] = {}

    def hear(number: int, _: object) -> None:
        with suppress(RuntimeError, OSError):  # it came in the middle of a print, or nobody reads
            calls[number](number)

    if in_main_thread():
        for n in calls:
            if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN:
                old[n] = signal.signal(n, hear)
    try:
        yield
    finally:
        for n, handler in old.items():
            if signal.getsignal(n) is hear:  # and not of somebody who wants it to the very end
                signal.signal(n, handler)


def telling(
    tell: Callable[[], object], numbers: tuple[int, ...] = ASKING
) -> AbstractContextManager[None]:
    """Answer signals that ask what is done now; nothing else comes of them."""
    return heard({n: lambda _: tell() for n in numbers})


@contextmanager
def pausing(
    post: Callable[[Callable[[], None]], None], suspend: Callable[[Callable[[], None]], None]
) -> Iterator[None]:
    """At SIGTSTP, `post` is given a call of `suspend(stop)`, whose `stop()` lasts until SIGCONT; if
    that has come meanwhile, nothing is suspended, or `stop()` returns at once.

    Only in the main thread, as `heard`.
    """
    if not in_main_thread():
        yield
        return
    # Python calls handlers late, and by their numbers; here it writes which came, in that order
    came, noted = os.pipe()
    for fd in (came, noted):
        os.set_blocking(fd, False)
    before = signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    us, wished = os.getpid(), False

    def is_wished() -> bool:
        nonlocal wished
        with suppress(BlockingIOError):
            for number in os.read(came, 1 << 16):
                if number in (signal.SIGTSTP, signal.SIGCONT):
                    wished = number == signal.SIGTSTP
        return wished

    def stop() -> None:
        nonlocal wished
        # no system stops a process unless it is to go on: what comes just between is lost, so that
        # a SIGCONT that follows at once is waited for
        select.select([came], [], [], AT_ONCE)
        if is_wished():
            wished = False
            os.kill(us, signal.SIGSTOP)

    def obey() -> None:
        if is_wished():
            suspend(stop)

    try:
        with heard({signal.SIGTSTP: lambda _: post(obey), signal.SIGCONT: lambda _: None}):
            yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(came)
        os.close(noted)
