"""Signals as calls, for as long as they are wanted; what was there before comes back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ASKING: Final = (signal.SIGUSR1, signal.SIGQUIT)  # Ctrl-\ sends the latter


@contextmanager
def heard(calls: Mapping[int, Callable[[int], object]]) -> Iterator[None]:
    """Call `calls[number](number)` at each signal; only in the main thread, to which they come.

    What whoever started us ignores (under `nohup`, say) stays ignored, but for SIGINT.
    """
    old: dict[int, Any] = {}

    def hear(number: int, _: object) -> None:
        with suppress(RuntimeError, OSError):  # it came in the middle of a print, or nobody reads
            calls[number](number)

    if threading.current_thread() is threading.main_thread():
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
