"""The program beside a test whose limit its output changes, as canary starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from canary_ctest import watch


@pytest.fixture
def watched(tmp_path):
    """`watched(limits, *command)` runs it: the process, its output, and what it left as a mark."""
    mark = tmp_path / "mark"

    def run(limits, *command, scale=1.0):
        done = subprocess.run(
            [sys.executable, "-I", "-S", watch.__file__, json.dumps(limits), *command],
            env={**os.environ, watch.VARIABLE: watch.given(str(mark), scale)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done, mark.read_text() if mark.exists() else None

    return run


def sh(text):
    return "/bin/sh", "-c", text


def test_it_passes_everything_on(watched):
    limits = {"timeout": 10, "after": 10, "match": ["never"]}
    done, mark = watched(limits, *sh("echo out; echo err >&2; printf part; exit 3"))
    assert (done.stdout, done.returncode, mark) == ("out\nerr\npart", 3, None)


def test_the_command_sees_nothing_of_it(watched):
    done, _ = watched({"timeout": 10, "signal": "SIGUSR1"}, "/usr/bin/env")
    assert watch.VARIABLE not in done.stdout


def test_a_match_shortens_the_limit(watched):
    done, mark = watched(
        {"timeout": 15, "after": 0.3, "match": ["^no", "re.dy$"]}, *sh("echo ready; exec sleep 30")
    )
    assert mark == "timed out after 0.3 s"
    assert done.stdout == "ready\n"
    assert done.returncode == -signal.SIGTERM


def test_a_match_lengthens_the_limit(watched):
    """The limit is of the time after the match: what was set before does not count any more."""
    done, mark = watched(
        {"timeout": 3, "after": 15, "match": ["ready"]}, *sh("echo ready; sleep 4; echo over")
    )
    assert (done.stdout, done.returncode, mark) == ("ready\nover\n", 0, None)


def test_without_a_match_the_limit_holds(watched):
    done, mark = watched(
        {"timeout": 0.3, "after": 10, "match": ["ready"]}, *sh("echo no; exec sleep 30")
    )
    assert mark == "timed out after 0.3 s"
    assert done.returncode == -signal.SIGTERM


def test_limits_are_multiplied(watched):
    limits = {"timeout": 0.5, "after": 0.05, "match": ["ready"]}
    _, mark = watched(limits, *sh("echo ready; exec sleep 30"), scale=10.0)
    assert mark == "timed out after 0.5 s"


def test_the_signal_is_sent_and_waited_for(watched):
    code = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(3))
print("ready", flush=True)
signal.pause()
"""
    limits = {"timeout": 15, "after": 0.3, "match": ["ready"], "signal": "SIGUSR1", "grace": 10}
    done, mark = watched(limits, sys.executable, "-I", "-S", "-c", code)
    assert done.returncode == 3
    assert mark is not None


def test_what_is_said_after_the_signal_is_passed_on(watched):
    text = "trap 'echo asked; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    limits = {"timeout": 15, "after": 0.3, "match": ["ready", "asked"], "signal": "SIGUSR1"}
    done, mark = watched({**limits, "grace": 10}, *sh(text))
    assert (done.stdout, done.returncode) == ("ready\nasked\n", 3)
    assert mark == "timed out after 0.3 s"


def test_the_limit_holds_for_who_never_stops_writing(watched):
    limits = {"timeout": 0.3, "after": 10, "match": ["ready"], "grace": 0.2}
    done, mark = watched(limits, *sh("trap '' TERM; while :; do echo no; done"))
    assert done.returncode == -signal.SIGKILL
    assert mark == "timed out after 0.3 s"


def test_who_does_not_heed_the_signal_is_killed(watched):
    text = "trap '' USR1; echo on; while :; do sleep 0.05; done"
    limits = {"timeout": 15, "after": 0.3, "match": ["on"], "signal": "SIGUSR1", "grace": 0.2}
    done, mark = watched(limits, *sh(text))
    assert done.returncode == -signal.SIGKILL
    assert mark is not None


def test_a_signal_of_the_command_is_its_own(watched):
    limits = {"timeout": 10, "after": 10, "match": ["x"]}
    done, mark = watched(limits, *sh("kill -SEGV $$"))
    assert (done.returncode, mark) == (-signal.SIGSEGV, None)


def test_who_leaves_the_output_open_is_not_waited_for():
    limits = {"timeout": 25, "after": 25, "match": ["x"]}
    code = "import subprocess; subprocess.Popen(['/bin/sleep', '60'], stderr=subprocess.DEVNULL)"
    command = (sys.executable, "-I", "-c", code)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", watch.__file__, json.dumps(limits), *command],
        env={**os.environ, watch.VARIABLE: watch.given("unused", 1.0)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.wait(timeout=20) == 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_command_that_does_not_exist(watched):
    done, _ = watched({"timeout": 10, "signal": "SIGUSR1"}, "/no/such/program")
    assert done.returncode == 127
    assert "/no/such/program" in done.stderr
