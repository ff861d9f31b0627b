"""A run that is told to end, or to pause: nothing it started lives on, and what it knew is kept."""

from __future__ import annotations

import json
import signal
import textwrap
import time
from pathlib import Path

import pytest
from harness import PATIENCE, PREAMBLE, until

GRACE = 1.0
BATCHES = ("-b", "backend=local")

# a test with a child, and a grandchild in another session; it cleans up when it is asked to end
POLITE = """
    name = "{name}"
    child = subprocess.Popen(["sleep", "600"])
    tell_pid(f"child.{name}", child.pid)
    daemon(f"daemon.{name}")
    def end(number, frame):
        tell(f"clean.{name}")
        child.kill()
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
    tell_pid(f"main.{name}")
    tell(f"up.{name}")
    hang()
"""
STUBBORN = """
    name = "{name}"
    signal.signal(signal.SIGTERM, lambda *_: tell(f"asked.{name}"))
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    tell_pid(f"child.{name}", child.pid)
    tell_pid(f"main.{name}")
    tell(f"up.{name}")
    hang()
"""


def need_batches(world):
    """Skip where nothing makes batches."""
    if "slurm" not in world.canary("plugins").out:
        pytest.skip("canary-slurm is not installed")


def six_jobs(world, body):
    for name in "abcdef":
        world.job(name, body.replace("{name}", name))


def four_are_up(world, runner):
    until("four jobs are up", lambda: len(world.told("up.")) >= 4 or runner.is_over())
    return [name.removeprefix("up.") for name in world.told("up.")]


def judge_end(world, see, running):
    """Who ran is INTERRUPTED, who did not is CANCELLED, and everything is written."""
    jobs = world.jobs()
    see(
        {n for n, o in jobs.items() if o == "INTERRUPTED"} == set(running),
        "what ran is INTERRUPTED",
        jobs,
    )
    others = {n: o for n, o in jobs.items() if n not in running}
    see(set(others.values()) == {"CANCELLED"}, "what had not started is CANCELLED", others)
    see(len(jobs) == 6, "every job has a result", sorted(jobs))
    status = world.canary("status")
    see(status.code == 0, "`canary status` works afterwards", status.trouble)
    lock = json.loads((world.sessions()[-1] / "session.lock").read_text())
    see(
        lock.get("finished_on") not in (None, -1),
        "the session has its end",
        lock.get("finished_on"),
    )


def end_by(world, see, number):
    six_jobs(world, POLITE)
    runner = world.start(*world.words("--workers", "4", *world.only_ours(f"--grace={GRACE}")))
    running = four_are_up(world, runner)
    see(len(running) == 4, "four jobs run at once", running)
    sent = runner.send(number)
    done = runner.wait()
    took = time.monotonic() - sent
    see(
        took <= GRACE + 1 + world.slack(),
        f"over within grace + 1 s of {number.name}",
        f"{took:.1f} s",
    )
    see(done.code == 128 + number, f"exit code {128 + number}", done.code)
    see(not world.ours or "canary resume" in done.text, "it says how to go on", done.trouble)
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)
    see(len(world.told("clean.")) == 4, "each test was let clean up", world.told("clean."))
    judge_end(world, see, running)


@pytest.mark.experiment(1, "SIGINT during 4 tests")
def test_01_interrupt(world, see):
    end_by(world, see, signal.SIGINT)


@pytest.mark.experiment(2, "SIGTERM to the main process")
def test_02_terminate(world, see):
    end_by(world, see, signal.SIGTERM)


@pytest.mark.experiment(3, "SIGHUP: the terminal is closed")
def test_03_hangup(world, see):
    end_by(world, see, signal.SIGHUP)


@pytest.mark.experiment(3, "SIGHUP: the terminal is closed")
def test_03_hangup_under_nohup_changes_nothing(ours, see):
    ours.job("a", "tell('up.a')\nhear('go')")
    runner = ours.start(*ours.words(), before=["nohup"])
    ours.await_flags("up.a", runner=runner)
    runner.send(signal.SIGHUP)
    # proof that it has been looked at: another signal, sent after it, is answered
    runner.send(signal.SIGUSR1)
    until("it tells what runs", lambda: "runs for" in runner.text())
    ours.flag("go").touch()
    done = runner.wait()
    see(done.code == 0, "a run under nohup goes on", done.trouble)


@pytest.mark.experiment(4, "a second SIGINT while the first is obeyed")
def test_04_second_interrupt(world, see):
    six_jobs(world, STUBBORN)
    runner = world.start(*world.words("--workers", "4", *world.only_ours("--grace=30")))
    running = four_are_up(world, runner)
    runner.send(signal.SIGINT)
    until("all four were asked to end", lambda: len(world.told("asked.")) >= 4, PATIENCE / 2)
    sent = runner.send(signal.SIGINT)
    done = runner.wait()
    took = time.monotonic() - sent
    see(took <= 1 + world.slack(), "over at once after the second", f"{took:.1f} s")
    see(done.code == 130, "exit code 130", done.code)
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)
    judge_end(world, see, running)


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"])
def test_01_while_test_files_are_read(ours, see, name):
    """What asks is answered; what ends the run ends also what a file has started."""
    ours.write({"a.pyt": f"{PREAMBLE}\ntell('reads')\nhear('go')\n"})
    runner = ours.start(*ours.words())
    ours.await_flags("reads", runner=runner)
    judge_signal(ours, see, runner, getattr(signal, name), "a.pyt")
    left = ours.await_silence()
    see(not left, "no process is left", left)


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("when", ["files are read", "jobs run"])
def test_01_in_the_background_of_a_script(ours, see, when):
    """There a shell lets SIGINT be ignored; whoever sends it means the run."""
    if when == "files are read":
        ours.write({"a.pyt": f"{PREAMBLE}\ntell('up')\nhear('go')\n"})
    else:
        ours.job("a", "tell('up')\nhear('go')")
    deaf = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    runner = ours.start(*ours.words(), before=deaf)
    ours.await_flags("up", runner=runner)
    runner.send(signal.SIGINT)
    done = runner.wait()
    see(done.code == 130, "exit code 130", done.trouble)
    left = ours.await_silence()
    see(not left, "no process is left", left)


@pytest.mark.experiment(4, "a second SIGINT while the first is obeyed")
@pytest.mark.parametrize("end", ["asked twice", "out of time"])
@pytest.mark.parametrize("what", ["a copy", "a shell"])
def test_04_while_a_job_is_staged(ours, see, what, end):
    """A disk that does not answer; a file that is sourced for ever, and what that has started."""
    ours.write({"x": "", "rc": f"touch {ours.flag('up')}; (setsid sleep 600 &); sleep 600\n"})
    line = "copy('x')" if what == "a copy" else "source('rc')"
    lines = f"canary.directives.{line}\ncanary.directives.timeout(1)"
    ours.job("a", "tell('ran')", directives=lines)
    limit = "--grace=30" if end == "asked twice" else "--session-timeout=3"
    env = {"CANARY_FAULT": "stage:slow=600"} if what == "a copy" else {}
    runner = ours.start(*ours.words("--grace=0.5", limit), env=env)
    if what == "a shell":
        ours.await_flags("up", runner=runner)
    else:
        directory = ours.workspace / "sessions"
        until("its directory is made", lambda: any(directory.glob("*/a")) or runner.is_over())
    began = time.monotonic()
    if end == "asked twice":
        runner.send(signal.SIGINT)
        runner.send(signal.SIGTERM)
    done = runner.wait()
    took = time.monotonic() - began
    see(took <= 5 + ours.slack(), "it is over soon", f"{took:.1f} s")
    code, outcome = (130, "INTERRUPTED") if end == "asked twice" else (4, "TIMEOUT")
    see(done.code == code, f"exit code {code}", done.trouble)
    see.same(ours.jobs(), {"a": outcome}, "the record says so")
    left = ours.await_silence()
    see(not left, "no process is left", left)
    see(not ours.told("ran"), "it has not begun")


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"])
def test_01_while_another_run_is_waited_for(ours, see, name):
    ours.job("a", "tell('up')\nhear('go')")
    first = ours.start(*ours.words())
    ours.await_flags("up", runner=first)
    runner = ours.start(*ours.words())
    until("it says that it waits", lambda: "waiting" in runner.text())
    judge_signal(ours, see, runner, getattr(signal, name), f"process {first.pid}", 2)
    ours.flag("go").touch()
    see(first.wait().code == 0, "the first does not notice", first.text())


def slow_plugin(world, hook, body):
    """A file of a plugin that hears this hook."""
    plugin = world.home / "slow_plugin.py"
    lines = textwrap.indent(body, "    ")
    plugin.write_text(f"{PREAMBLE}\nimport canary\n@canary.hookimpl\ndef {hook}:\n{lines}\n")
    return plugin


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_01_while_plugins_are_told_of_the_begin(ours, see, name):
    """All that tells of the end tells the same."""
    number = getattr(signal, name)
    ours.job("a", "tell('ran')")
    plugin = slow_plugin(ours, "canary_session_start()", "tell('begins')\nhear('go')")
    runner = ours.start("-p", plugin, *ours.words())
    ours.await_flags("begins", runner=runner)
    runner.send(number)
    done = runner.wait()
    see(done.code == 128 + number, f"exit code {128 + number}", done.trouble)
    see(f"returncode {128 + number}" in done.text, "the last line names it", done.trouble)
    see("canary resume" in done.text, "it says how to go on", done.trouble)
    lock = json.loads((ours.sessions()[-1] / "session.lock").read_text())
    see.same(lock["returncode"], 128 + number, "and so does the record")
    (record,) = ours.records()
    see.same(record["status"]["outcome"], "CANCELLED", "the job has its result")
    see(f"signal {number:d}" in record["status"]["reason"], "which says why", record["status"])
    again = ours.canary("resume")
    see.same(again.code, 0, "it is gone on with", again.trouble)
    see(ours.told("ran"), "the test has run")


@pytest.mark.experiment(1, "SIGINT during 4 tests")
def test_01_what_runs_in_a_batch(ours, see):
    """Named are those of its jobs that run, and not itself."""
    need_batches(ours)
    ours.job("a", "tell('up.a')\nhear('go')")
    ours.job("b", "return 0")
    runner = ours.start(*ours.words(*BATCHES, "-b", "spec=count:1"))
    ours.await_flags("up.a", runner=runner)
    log = "sessions/*/hpc.batches/*/events.jsonl"
    ended = '"e":"job_finished"'
    until("b is over", lambda: any(ended in f.read_text() for f in ours.workspace.glob(log)))
    runner.send(signal.SIGUSR1)
    until("it tells what runs", lambda: "runs for" in runner.text() or runner.is_over())
    ours.flag("go").touch()
    done = runner.wait()
    see(done.code == 0, "it comes to its end", done.trouble)
    told = [line for line in done.text.splitlines() if "runs for" in line]
    see(len(told) == 1, "one job runs", told)
    see("INFO: a (" in told[0], "and is named", told)


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"])
def test_01_while_plugins_are_told_of_the_end(ours, see, name):
    """The record is complete by then."""
    ours.job("a", "tell('ran')")
    plugin = slow_plugin(ours, "canary_session_finish()", "tell('finishes')\nhear('go')")
    runner = ours.start("-p", plugin, *ours.words())
    ours.await_flags("finishes", runner=runner)
    judge_signal(ours, see, runner, getattr(signal, name), "the session is recorded")
    left = ours.await_silence()
    see(not left, "no process is left", left)
    see.same(ours.jobs(), {"a": "SUCCESS"}, "all results are there")
    again = ours.canary("resume")
    see("left nothing undone" in again.err, "nothing is left", again.trouble)
    see(ours.canary("doctor").code == 0, "doctor finds nothing")


@pytest.mark.experiment(1, "SIGINT during 4 tests")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"])
def test_01_while_reports_are_written(ours, see, name):
    """All has run and is recorded."""
    ours.job("a", "tell('ran')")
    runner = ours.reporting()
    judge_signal(ours, see, runner, getattr(signal, name), "results are reported")
    see.same(ours.jobs(), {"a": "SUCCESS"}, "all results are there")
    see(ours.canary("doctor").code == 0, "doctor finds nothing")


def judge_signal(world, see, runner, number, said, times=1):
    """A question is answered by `said`, `times` in all; an end is one at once."""
    runner.send(number)
    if number in (signal.SIGUSR1, signal.SIGQUIT):
        asked = time.monotonic()

        def answers():
            nonlocal asked
            if time.monotonic() > asked + 1:  # a question in the middle of a print is passed over
                asked = time.monotonic()
                runner.send(number)
            return runner.text().count(said) >= times or runner.is_over()

        until("it answers", answers)
        see(not runner.is_over(), "it goes on", runner.text())
        world.flag("go").touch()
        see(runner.wait().code in (0, 7), "it comes to its end", runner.text())
    else:
        done = runner.wait()
        see(done.code == 128 + number, f"exit code {128 + number}", done.code)
        see("interrupted" in done.err, "it says why", done.err)
        see("Traceback" not in done.text, "no traceback", done.trouble)


@pytest.mark.experiment(11, "paused for longer than a time limit")
@pytest.mark.early
def test_11_pause(world, see):
    """Paused for twice its limit; the clocks of job and session stand still meanwhile."""
    judge_pause(world, see, 5.0, 10.0)


@pytest.mark.experiment(11, "paused for longer than a time limit")
@pytest.mark.early
def test_11_pause_of_a_batch(ours, see):
    """The same for those of the program that runs a batch."""
    need_batches(ours)
    judge_pause(ours, see, 4.0, 6.0, *BATCHES)


def judge_pause(world, see, limit, pause, *words):
    """A test with a limit is paused for longer (seconds); `words` are for the run."""
    body = """
        tell_pid("main")
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        tell_pid("child", child.pid)
        tell("up")
        hear("go")
        child.kill()
    """
    world.job("a", body, directives=f"canary.directives.timeout({limit})")
    runner = world.start(*world.words(*world.only_ours(f"--session-timeout={pause}"), *words))
    world.await_flags("up", runner=runner)
    began = time.time()
    # by default a process that is nobody's job ignores the first of these
    runner.send(signal.SIGTSTP if world.ours else signal.SIGSTOP)
    until("the runner is stopped", lambda: _state(runner.pid) == "T")
    pids = [int(world.flag(n).read_text().split()[0]) for n in ("pid.main", "pid.child")]
    until("the job is stopped", lambda: all(_state(p) in "TZ" for p in pids), pause)
    # the pause has to last longer than the limit: this span is what is tested
    time.sleep(max(0.0, pause - (time.time() - began)))
    runner.send(signal.SIGCONT)
    until("the job goes on", lambda: all(_state(p) not in "T" for p in pids))
    world.flag("go").touch()
    done = runner.wait()
    jobs = world.jobs()
    see(jobs == {"a": "SUCCESS"}, "not timed out", f"{jobs}, exit {done.code}")
    left = world.await_silence()
    see(not left, "no process is left", left)
    if jobs == {"a": "SUCCESS"}:
        running = world.records()[0]["timings"]["running"]
        see(running < limit, "elapsed time leaves the pause out", f"{running:.1f} s")


@pytest.mark.experiment(11, "paused for longer than a time limit")
@pytest.mark.parametrize("stops", [1, 2])
def test_11_stopped_and_continued_at_once(ours, see, stops):
    """While something holds it up, a run is told to stop and to go on, or twice to stop: it does
    neither for ever."""
    ours.job("a", "hear('go')")
    body = "if event.kind == 'job_started':\n    tell('held')\n    hear('on')"
    plugin = slow_plugin(ours, "canary_event(event)", body)
    runner = ours.start("-p", plugin, *ours.words())
    ours.await_flags("held", runner=runner)
    numbers = [signal.SIGTSTP] * stops + [signal.SIGCONT] * (stops == 1)
    for number in numbers:
        runner.send(number)
        until("it has been delivered", lambda: not _pending(runner.pid))
    ours.flag("on").touch()
    if stops > 1:
        until("the runner is stopped", lambda: _state(runner.pid) == "T")
        runner.send(signal.SIGCONT)
    ours.flag("go").touch()
    done = runner.wait()
    see(done.code == 0, "it comes to its end", done.trouble)
    see.same(ours.jobs(), {"a": "SUCCESS"}, "with its result")


def _pending(pid):
    """Signals that have been sent to a process and have not come to it, as bits."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(x.split()[1], 16) for x in lines if x.startswith(("SigPnd:", "ShdPnd:")))


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return "Z"
