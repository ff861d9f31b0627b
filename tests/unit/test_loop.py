"""One loop for descriptors, deadlines and messages; time is the test's."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from canary.loop import Loop


class Clock:
    """Seconds that move when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loop(clock):
    made = Loop(clock)
    yield made
    made.close()


def test_posted_calls_run_in_order(loop):
    done = []
    for i in range(3):
        loop.post(lambda i=i: done.append(i))
    loop.post(loop.stop)
    loop.run()
    assert done == [0, 1, 2]


def test_what_a_posted_call_posts_runs_too(loop):
    done = []
    loop.post(lambda: loop.post(lambda: (done.append(1), loop.stop())))
    loop.run()
    assert done == [1]


def test_a_call_for_soon_comes_in_the_same_turn_before_the_loop_waits(loop):
    done = []
    loop.soon(lambda: loop.soon(lambda: (done.append("second"), loop.stop())))
    loop.post(lambda: done.append("first"))
    loop.run()
    assert done == ["first", "second"]


def test_stop_lets_the_turn_end(loop):
    done = []
    loop.post(loop.stop)
    loop.post(lambda: done.append(1))
    loop.run()
    assert done == [1]


def test_a_stopped_loop_runs_again(loop):
    for _ in range(2):
        loop.post(loop.stop)
        loop.run()


def test_timers_fire_in_order_of_their_time_once_it_has_come(loop, clock):
    done = []
    loop.call_later(2, lambda: (done.append("two"), loop.stop()))
    loop.call_at(101, lambda: done.append("one"))
    loop.call_later(3, lambda: done.append("three"))
    loop.post(lambda: setattr(clock, "now", 102.0))
    loop.run()
    assert done == ["one", "two"]


def test_timers_of_one_moment_fire_in_the_order_they_were_made(loop, clock):
    done = []
    for i in range(50):
        loop.call_at(101, lambda i=i: done.append(i))
    loop.call_at(101, loop.stop)
    clock.now = 101
    loop.run()
    assert done == list(range(50))


def test_a_cancelled_timer_never_fires(loop, clock):
    done = []
    timer = loop.call_later(1, lambda: done.append("cancelled"))
    loop.call_later(1, lambda: (done.append("kept"), loop.stop()))
    timer.cancel()
    clock.now = 102
    loop.run()
    assert done == ["kept"]


def test_a_timer_may_cancel_the_one_that_is_due_with_it(loop, clock):
    done = []
    loop.call_at(101, lambda: second.cancel())
    second = loop.call_at(102, lambda: done.append("cancelled"))
    loop.call_at(103, loop.stop)
    clock.now = 103
    loop.run()
    assert done == []


def test_real_deadlines_are_kept_without_polling():
    loop = Loop()
    began = loop.monotonic()
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert loop.monotonic() - began >= 0.05
    loop.close()


def test_a_descriptor_is_watched_until_it_is_not(loop):
    here, there = socket.socketpair()
    done = []

    def ready():
        done.append(here.recv(10))
        loop.unwatch(here)
        loop.post(loop.stop)

    loop.watch(here, ready)
    there.send(b"one")
    loop.run()
    there.send(b"two")
    loop.post(loop.stop)
    loop.run()
    assert done == [b"one"]
    here.close()
    there.close()


def test_a_call_may_unwatch_another_that_is_ready_as_well(loop):
    """Both descriptors are readable in one turn; the one that was dropped is not called."""
    pairs = [os.pipe() for _ in range(2)]
    done = []

    def ready(mine, other):
        done.append(mine)
        loop.unwatch(mine)
        loop.unwatch(other)
        loop.post(loop.stop)

    (a, x), (b, y) = pairs
    loop.watch(a, lambda: ready(a, b))
    loop.watch(b, lambda: ready(b, a))
    os.write(x, b".")
    os.write(y, b".")
    loop.run()
    assert len(done) == 1
    for fd in (a, x, b, y):
        os.close(fd)


def test_other_threads_hand_values_over(loop):
    done = []
    me = threading.get_ident()

    def work(i):
        loop.post(lambda: done.append((i, threading.get_ident() == me)))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.post(loop.stop)
    loop.run()
    assert sorted(done) == [(i, True) for i in range(10)]


def test_a_thread_wakes_a_sleeping_loop():
    loop = Loop()
    waker = threading.Timer(0.02, lambda: loop.post(loop.stop))
    waker.start()
    loop.run()
    waker.join()
    loop.close()


def test_more_wake_ups_than_a_pipe_holds_are_no_trouble(loop):
    done = []
    for i in range(70_000):
        loop.post(lambda i=i: done.append(i))
    loop.post(loop.stop)
    loop.run()
    assert len(done) == 70_000


def test_a_signal_handler_may_post(loop):
    done = []
    old = signal.signal(signal.SIGUSR2, lambda *_: loop.post(lambda: (done.append(1), loop.stop())))
    try:
        loop.post(lambda: os.kill(os.getpid(), signal.SIGUSR2))
        loop.run()
    finally:
        signal.signal(signal.SIGUSR2, old)
    assert done == [1]


def test_what_a_call_raises_comes_out_and_the_loop_can_go_on(loop):
    def fail():
        raise KeyError("x")

    done = []
    loop.post(fail)
    loop.post(lambda: done.append(1))
    with pytest.raises(KeyError):
        loop.run()
    loop.post(loop.stop)
    loop.run()
    assert done == [1]


def test_closing_gives_the_descriptors_back():
    before = set(os.listdir("/proc/self/fd"))
    Loop().close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_comes_after_the_end_is_written_nowhere():
    """A thread that waits for a process may outlive the loop, and another have its descriptor."""
    r, w = os.pipe()
    loop = Loop()
    number = loop._wake_w
    loop.close()
    os.dup2(w, number)
    try:
        loop.post(lambda: None)
        os.set_blocking(r, False)
        with pytest.raises(BlockingIOError):
            os.read(r, 1)
    finally:
        for fd in (r, w, number):
            os.close(fd)
