"""Signals as calls."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading

import pytest

from canary.signals import heard, pausing, telling


@pytest.fixture(autouse=True)
def _as_before():
    """What is tested changes what the whole process does at these."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT, signal.SIGTSTP)
    before = {n: signal.getsignal(n) for n in numbers}
    for n in (n for n in numbers if before[n] is signal.SIG_IGN):
        signal.signal(n, signal.SIG_DFL)  # as in the background of a script
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


def test_a_stop_that_is_taken_back_is_none():
    """Whatever Python has heard of both: its handlers are called once the shell is over."""
    posted, suspended = [], []
    wait = "while grep -q '^ShdPnd:.*[1-9a-f]' /proc/$0/status; do :; done"
    words = f"kill -TSTP $0; {wait}; kill -CONT $0; {wait}"
    with pausing(posted.append, suspended.append):
        os.system(shlex.join(["sh", "-c", words, str(os.getpid())]))
        for call in posted:
            call()
    assert suspended == []
    assert signal.set_wakeup_fd(-1) == -1


def test_a_stop_after_that_is_one():
    posted, suspended = [], []
    with pausing(posted.append, suspended.append):
        send(signal.SIGCONT, signal.SIGTSTP)
        (call,) = posted
        call()
        send(signal.SIGCONT)
        call()
    assert len(suspended) == 1


STOPS = """
import os, signal, sys
from canary.signals import pausing

posted = []
def suspend(stop):
    if "at once" in sys.argv:
        os.kill(os.getpid(), signal.SIGCONT)
    stop()

with pausing(posted.append, suspend):
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTSTP)
    for call in posted:
        call()
"""


@pytest.mark.parametrize("goes_on", ["later", "at once"])
def test_two_stops_need_one_to_go_on(goes_on):
    child = subprocess.Popen([sys.executable, "-c", STOPS, goes_on])
    _, state = os.waitpid(child.pid, os.WUNTRACED)
    if goes_on == "later":
        assert os.WIFSTOPPED(state)
        child.send_signal(signal.SIGCONT)
        _, state = os.waitpid(child.pid, os.WUNTRACED)
    stopped = os.WIFSTOPPED(state)
    if stopped:
        child.kill()
        child.wait()
    else:
        child.returncode = os.waitstatus_to_exitcode(state)
    assert not stopped
    assert child.returncode == 0


def test_another_thread_is_not_stopped():
    seen = []

    def work():
        with pausing(seen.append, seen.append):
            seen.append(signal.getsignal(signal.SIGTSTP))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTSTP)]
