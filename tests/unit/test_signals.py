"""Signals as calls."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from canary.signals import heard, telling


@pytest.fixture(autouse=True)
def _as_before():
    """What is tested changes what the whole process does at these."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT)
    before = {n: signal.getsignal(n) for n in numbers}
    yield
    for n, handler in before.items():
        signal.signal(n, handler)


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def test_each_is_a_call_and_what_was_there_comes_back():
    seen, before = [], signal.getsignal(signal.SIGTERM)
    with heard({signal.SIGTERM: seen.append, signal.SIGINT: lambda n: seen.append(-n)}):
        send(signal.SIGTERM, signal.SIGINT)
    assert seen == [signal.SIGTERM, -signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_ignored_stays_so_but_for_an_interrupt():
    seen = []
    for n in (signal.SIGTERM, signal.SIGINT):
        signal.signal(n, signal.SIG_IGN)
    with heard(dict.fromkeys((signal.SIGTERM, signal.SIGINT), seen.append)):
        send(signal.SIGTERM, signal.SIGINT)
    assert seen == [signal.SIGINT]


def test_what_is_asked_is_told_and_nothing_comes_of_it():
    seen = []

    def tell():
        seen.append(1)
        raise RuntimeError("reentrant call inside a print")

    with telling(tell):
        send(signal.SIGUSR1, signal.SIGQUIT)
    assert seen == [1, 1]


def test_another_thread_hears_nothing():
    seen = []

    def work():
        with telling(seen.clear):
            seen.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGUSR1)]
