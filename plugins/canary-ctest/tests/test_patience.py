"""A limit for what cannot be asked to stop."""

from __future__ import annotations

import re
import signal
import threading

import pytest

from canary_ctest.patience import time_limit


def test_a_regular_expression_without_end_is_ended():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match=r"0\.1 s"), time_limit(0.1):
        re.match(r"(a+)+$", "a" * 64 + "b")
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_is_done_in_time_is_left_alone():
    with time_limit(60.0):
        assert re.match("a", "a")


def test_other_threads_have_no_limit():
    done = []

    def work():
        with time_limit(0.001):
            done.append(sum(range(1_000_000)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
