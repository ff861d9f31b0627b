"""The seam to launchers: exactly one `Exit` for each launch, whatever their authors do wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from canary.frozen import FrozenDict
from canary.launch import (
    BlockingLauncher,
    Exit,
    ExitReason,
    Launch,
    Launcher,
    PollingLauncher,
    Started,
    Usage,
)
from canary.loop import Loop


def launch(id, **more):
    return Launch(id=id, name=id, argv=("true",), cwd="/", env={}, stdout="/dev/null", **more)


class Desk:
    """A loop and all that was posted to it."""

    def __init__(self):
        self.loop = Loop()
        self.messages = []
        self.threads = set()

    def open(self, launcher):
        launcher.open(self.loop, self.receive)
        return launcher

    def receive(self, message):
        self.threads.add(threading.get_ident())
        self.messages.append(message)

    def until(self, enough, seconds=10.0):
        """Run the loop until `enough()`; fail after `seconds`."""
        guard = self.loop.call_later(seconds, self.loop.stop)
        while not enough() and guard.at > self.loop.monotonic():
            self.loop.call_later(0.02, self.loop.stop)
            self.loop.run()
        guard.cancel()
        assert enough(), self.messages

    def ends(self):
        return {m.id: m for m in self.messages if isinstance(m, Exit)}


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.loop.close()


def test_a_launcher_needs_only_start_and_cancel(desk):
    class Least(Launcher):
        name = "least"

        def start(self, launches):
            for x in launches:
                self.post(Exit(x.id, 0.0, 0))

        def cancel(self, ids, grace):
            pass

    least = desk.open(Least())
    least.pause()
    least.resume()
    least.start([launch("a")])
    least.close()
    assert desk.ends()["a"].reason is ExitReason.EXITED


# blocking


class Shell(BlockingLauncher):
    """Runs the last word of `argv` in a shell."""

    name = "shell"

    def run(self, launch, cancelled):
        process = subprocess.Popen(["/bin/sh", "-c", launch.argv[-1]])
        while True:
            try:
                code = process.wait(0.01)
            except subprocess.TimeoutExpired:
                if cancelled.is_set():
                    process.kill()
                    return Exit(launch.id, time.time(), process.wait(), ExitReason.CANCELLED)
            else:
                return Exit(launch.id, time.time(), code)


def script(id, text):
    return Launch(id=id, name=id, argv=(text,), cwd="/", env={}, stdout="/dev/null")


def test_blocking_launches_run_side_by_side_and_end_once(desk, tmp_path):
    """Each waits for the other, so that they pass only if both run."""
    shell = desk.open(Shell())
    a, b = tmp_path / "a", tmp_path / "b"
    wait = "touch {}; while [ ! -e {} ]; do sleep 0.01; done; exit {}"
    shell.start([script("1", wait.format(a, b, 3)), script("2", wait.format(b, a, 4))])
    desk.until(lambda: len(desk.ends()) == 2)
    shell.close()
    assert {id: end.code for id, end in desk.ends().items()} == {"1": 3, "2": 4}
    assert Counter(type(m) for m in desk.messages) == {Started: 2, Exit: 2}
    assert desk.threads == {threading.get_ident()}


def test_a_blocking_launch_is_cancelled(desk):
    shell = desk.open(Shell())
    shell.start([script("1", "sleep 60"), script("2", "exit 0")])
    desk.until(lambda: "2" in desk.ends())
    shell.cancel(["1", "2", "unknown"], 1.0)
    desk.until(lambda: "1" in desk.ends())
    assert desk.ends()["1"].reason is ExitReason.CANCELLED
    assert desk.ends()["2"].reason is ExitReason.EXITED


def test_an_id_may_be_launched_again(desk):
    shell = desk.open(Shell())
    for n in (1, 2):
        shell.start([script("1", "exit 0")])
        desk.until(lambda n=n: sum(isinstance(m, Exit) for m in desk.messages) == n)


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_of_the_author_ends_the_launch(desk, error):
    class Broken(BlockingLauncher):
        name = "broken"

        def run(self, launch, cancelled):
            raise error

    desk.open(Broken()).start([launch("1")])
    desk.until(desk.ends)
    end = desk.ends()["1"]
    assert (end.code, end.reason) == (None, ExitReason.LOST)
    assert "launcher broken" in end.detail
    assert type(error).__name__ in end.detail


# polling


class Batch(PollingLauncher):
    """A batch system in memory: tests say what it answers."""

    name = "batch"
    first_interval = 0.01
    interval = 0.05

    def __init__(self):
        self.submitted = []
        self.queries = 0
        self.killed = []
        self.answers = {}

    def submit(self, launches):
        self.submitted.append([x.id for x in launches])
        return {x.id: f"t{x.id}" for x in launches}

    def query(self, tickets):
        self.queries += 1
        return [self.answers[id] for id in tickets if id in self.answers]

    def kill(self, tickets, grace):
        self.killed.append((dict(tickets), grace))
        for id in tickets:
            self.answers[id] = Exit(id, 1.0, -15, ExitReason.CANCELLED)


@pytest.fixture
def batch(desk):
    opened = []

    def make(launcher):
        opened.append(desk.open(launcher))
        return launcher

    yield make
    for launcher in opened:
        launcher.close()


def test_many_are_submitted_at_once_and_asked_about_at_once(desk, batch):
    system = batch(Batch())
    system.start([launch("1"), launch("2")])
    desk.until(lambda: system.queries > 1)
    system.answers = {"1": Started("1", 5.0, "t1"), "2": Exit("2", 6.0, 0)}
    desk.until(lambda: len(desk.messages) == 2)
    desk.until(lambda n=system.queries: system.queries > n + 2)
    system.answers = {"1": Exit("1", 7.0, 3)}
    desk.until(lambda: len(desk.ends()) == 2)
    assert system.submitted == [["1", "2"]]
    assert Counter(type(m) for m in desk.messages) == {Started: 1, Exit: 2}
    assert desk.threads == {threading.get_ident()}


def test_a_start_and_an_end_may_be_told_at_once(desk, batch):
    class Late(Batch):
        def query(self, tickets):
            for id in tickets:
                yield Started(id, 5.0, "t")
                yield Exit(id, 6.0, 3)

    batch(Late()).start([launch("1")])
    desk.until(desk.ends)
    assert desk.messages == [Started("1", 5.0, "t"), Exit("1", 6.0, 3)]


def test_nothing_is_asked_while_nothing_runs(desk, batch):
    system = batch(Batch())
    system.answers = {"1": Exit("1", 1.0, 0)}
    system.start([launch("1")])
    desk.until(desk.ends)
    asked = system.queries
    desk.loop.call_later(0.1, desk.loop.stop)
    desk.loop.run()
    assert system.queries == asked == 1


def test_cancel_is_passed_on_for_what_is_still_there(desk, batch):
    system = batch(Batch())
    system.start([launch("1"), launch("2")])
    system.cancel(["1", "unknown"], 3.0)
    desk.until(desk.ends)
    system.cancel(["1"], 3.0)
    system.answers["2"] = Exit("2", 1.0, 0)
    desk.until(lambda: len(desk.ends()) == 2)
    assert system.killed == [({"1": "t1"}, 3.0)]


def test_one_that_is_refused_ends_and_the_others_run(desk, batch):
    class Picky(Batch):
        def submit(self, launches):
            return {
                x.id: Exit(x.id, 1.0, None, ExitReason.NOT_STARTED, "too large")
                if x.id == "1"
                else "t"
                for x in launches
            }

    system = batch(Picky())
    system.answers = {"2": Exit("2", 1.0, 0)}
    system.start([launch("1"), launch("2")])
    desk.until(lambda: len(desk.ends()) == 2)
    assert desk.ends()["1"].detail == "too large"


@pytest.mark.parametrize("error", [OSError("no such partition"), ValueError("bad")])
def test_a_submission_that_fails_ends_its_launches_and_no_others(desk, batch, error):
    class Failing(Batch):
        def submit(self, launches):
            if launches[0].id == "1":
                raise error
            return super().submit(launches)

    system = batch(Failing())
    system.start([launch("1")])
    system.start([launch("2")])
    system.answers = {"2": Exit("2", 1.0, 0)}
    desk.until(lambda: len(desk.ends()) == 2)
    end = desk.ends()["1"]
    assert end.reason is ExitReason.NOT_STARTED
    assert str(error) in end.detail


def test_a_launch_without_a_ticket_ends(desk, batch):
    class Forgetful(Batch):
        def submit(self, launches):
            return {}

    batch(Forgetful()).start([launch("1")])
    desk.until(desk.ends)
    assert desk.ends()["1"].reason is ExitReason.NOT_STARTED


def test_a_system_that_does_not_answer_is_no_verdict(desk, batch):
    class Silent(Batch):
        def query(self, tickets):
            if self.queries < 3:
                self.queries += 1
                raise OSError("timed out")
            return super().query(tickets)

    system = batch(Silent())
    system.answers = {"1": Exit("1", 1.0, 0)}
    system.start([launch("1")])
    desk.until(desk.ends)
    assert desk.messages == [Exit("1", 1.0, 0)]


@pytest.mark.parametrize("error", [OSError("timed out"), KeyError("state")])
def test_what_was_told_before_an_error_counts(desk, batch, error):
    class Partial(Batch):
        def query(self, tickets):
            if "1" in tickets:
                yield Exit("1", 1.0, 3)
                raise error
            yield from super().query(tickets)

    system = batch(Partial())
    system.start([launch("1"), launch("2")])
    desk.until(lambda: "1" in desk.ends())
    assert desk.ends()["1"].code == 3
    system.answers = {"2": Exit("2", 1.0, 0)}
    desk.until(lambda: "2" in desk.ends())
    wanted = ExitReason.EXITED if isinstance(error, OSError) else ExitReason.LOST
    assert desk.ends()["2"].reason is wanted
    assert [m.id for m in desk.messages] == ["1", "2"]


def test_an_error_of_the_author_in_query_loses_what_runs_and_serves_the_next(desk, batch):
    class Broken(Batch):
        def query(self, tickets):
            if "1" in tickets:
                raise KeyError("state")
            return super().query(tickets)

    system = batch(Broken())
    system.start([launch("1")])
    desk.until(desk.ends)
    assert desk.ends()["1"].reason is ExitReason.LOST
    assert "KeyError" in desk.ends()["1"].detail
    system.answers = {"2": Exit("2", 1.0, 0)}
    system.start([launch("2")])
    desk.until(lambda: len(desk.ends()) == 2)


def test_a_kill_that_fails_is_tried_again(desk, batch):
    class Stubborn(Batch):
        tries = 0

        def kill(self, tickets, grace):
            self.tries += 1
            if self.tries < 3:
                raise OSError("try later")
            super().kill(tickets, grace)

    system = batch(Stubborn())
    system.start([launch("1")])
    system.cancel(["1"], 0.0)
    desk.until(desk.ends)
    assert system.killed == [({"1": "t1"}, 0.0)]


def test_new_launches_do_not_keep_it_from_asking(desk, batch):
    class Slow(Batch):
        first_interval = 0.2

    system = batch(Slow())
    system.start([launch("first")])

    def more(n):
        if not system.queries:
            system.start([launch(str(n))])
            desk.loop.call_later(0.02, lambda: more(n + 1))

    more(0)
    desk.until(lambda: system.queries, seconds=2.0)


def test_a_launch_and_its_end_travel_as_json():
    cpus = FrozenDict({"cpus": (FrozenDict({"id": "1", "slots": 1, "node": "n"}),)})
    sent = launch("1", timeout=3.0, resources=cpus, options=FrozenDict({"queue": "q"}))
    came = Launch.fromdict(json.loads(json.dumps(sent.asdict(), default=dict)))
    assert came.argv == ("true",)
    assert came.resources == {"cpus": [{"id": "1", "slots": 1, "node": "n"}]}
    assert replace(came, resources=cpus) == sent
    # another machine has other CPUs
    assert Launch.fromdict(replace(sent, affinity=(3,)).asdict()).affinity == ()
    end = Exit("1", 2.0, -9, ExitReason.TIMEOUT, "late", Usage(1.0, 2.0, 3), ("7 sleep",))
    assert Exit.fromdict(json.loads(json.dumps(end.asdict()))) == end


def test_the_module_loads_nothing_that_starts_processes():
    code = "import sys, canary.launch; print({'asyncio', 'multiprocessing'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


STOPPED = """
import signal
from canary.launch import Launch, PollingLauncher
from canary.loop import Loop

class Polls(PollingLauncher):
    name = "polls"
    first_interval = interval = 0.05

    def submit(self, launches):
        return {launch.id: "1" for launch in launches}

    def query(self, tickets):
        print("asked", flush=True)
        return ()

    def kill(self, tickets, grace):
        pass

signal.signal(signal.SIGCONT, lambda *_: None)
loop, polls = Loop(), Polls()
polls.open(loop, print)
polls.start([Launch(id="a", name="a", argv=("a",), cwd="/", env={}, stdout="")])
loop.run()
"""


def test_a_batch_system_is_asked_again_after_a_stop():
    """Whichever thread the signal to go on comes to."""
    words = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            for _ in range(16):
                assert child.stdout.readline() == "asked\n"
                child.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, child.pid, os.WSTOPPED)
                time.sleep(0.1)  # until it would have asked
                child.send_signal(signal.SIGCONT)
        finally:
            child.kill()
