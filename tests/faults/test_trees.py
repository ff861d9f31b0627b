"""Whatever a job has started is dead when the job is over, however it tried to get away."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from harness import PATIENCE, Late, process, script, until

GRACE = 1.0
LIMIT = 5.0  # long enough for a test to be up on a busy machine

# how processes are owned: by a control group, by the table of processes, by the core's own launcher
WAYS = {
    "groups": (),
    "table": ("-c", "local:cgroups:false"),
    "core": ("-c", "run:launcher:subprocess"),
}


AFTER_A = "canary.directives.depends_on({'job': 'a', 'when': 'always'})"


@pytest.fixture(params=WAYS)
def way(request, world):
    """Words for one way of owning processes; the older tool has its only one."""
    if not world.ours and request.param != "groups":
        pytest.skip("the older tool has one way")
    return world.only_ours(*WAYS[request.param])


def run(world, way, *words, **more):
    head, *rest = world.words(*words)
    return world.start(head, rest[0], *way, *rest[1:], **more)


def leaks(world, name):
    found = next(j for j in world.records() if j["name"] == name)
    return found.get("measurements", {}).get("leaked")


@pytest.mark.experiment(6, "kill -9 of the process that starts jobs")
def test_06_warm_server(world, see):
    """Two jobs run below it: those are lost, the others are not."""
    body = """
        tell("parent.{n}", os.getppid())
        daemon("{n}")
        tell_pid("main.{n}")
        tell("up.{n}")
        hear("go", 20)
    """
    for n in "ab":
        world.job(n, body.replace("{n}", n))
    world.job("c", "hear('go', 20)", directives=AFTER_A)
    runner = world.start(*world.words("--workers", "2"))
    world.await_flags("up.a", "up.b", runner=runner)
    parent = int(world.flag("parent.a").read_text())
    shared = parent == int(world.flag("parent.b").read_text())
    if parent == runner.pid:
        pytest.skip("jobs are children of the main process itself")
    os.kill(parent, signal.SIGKILL)
    world.flag("go").touch()
    done = runner.wait()
    jobs = world.jobs()
    lost = {"a": "ERROR", "b": "ERROR"} if shared else {"a": "ERROR", "b": "SUCCESS"}
    see(
        {n: jobs.get(n) for n in lost} == lost,
        f"jobs of the dead process: {lost}",
        f"{jobs}, exit {done.code}",
    )
    see(jobs.get("c") == "SUCCESS", "others go on", jobs.get("c"))
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)


INNER = """
import canary, os, signal
@canary.hookimpl
def canary_event(event):
    if event.kind == "job_started":
        while not os.path.exists(os.environ["INNER_UP"]):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.experiment(6, "kill -9 of the process that starts jobs")
def test_06_a_runner_inside_a_job(ours, see, way):
    """A test runs canary, which is killed: its tests are what the outer one has started, too."""
    inner = ours.root / "inner"  # beside the workspace, not in it
    inner.mkdir()
    (inner / "plugin.py").write_text(INNER)
    body = "daemon('inner')\ntell_pid('main')\ntell('up.inner')\nhang()"
    (inner / "t.pyt").write_text(script(body))
    words = ["--launcher", "subprocess"] if way[-1:] == WAYS["core"][-1:] else []
    body = f"""
        os.environ["INNER_UP"] = f"{{FLAGS}}/up.inner"
        command = [{str(ours.exe)!r}, "-p", {str(inner / "plugin.py")!r}, "run", *{words!r}, "."]
        return subprocess.call(command, cwd={str(inner)!r}) != -9
    """
    ours.job("a", body)
    done = run(ours, way).wait()
    see(done.code == 0, "the inner one was killed, the outer one goes on", done.trouble)
    see(ours.told("up.inner"), "the inner test was up", done.trouble)
    left = ours.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(8, "a time limit, and a test that ignores SIGTERM")
def test_08_ignores_term(world, see, way):
    body = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell("up")
        hang()
    """
    world.job("a", body, directives=f"canary.directives.timeout({LIMIT})")
    runner = run(world, way, *world.only_ours(f"--grace={GRACE}"))
    world.await_flags("up", runner=runner)
    done = runner.wait()
    see(done.code == 4, "exit code 4", done.code)
    see.same(world.jobs(), {"a": "TIMEOUT"}, "TIMEOUT")
    took = world.records()[0]["timings"]["running"]
    expected = LIMIT + GRACE
    see(
        LIMIT < took <= expected + world.slack(),
        f"killed after limit + grace = {expected:g} s",
        f"{took:.2f} s",
    )
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(8, "a time limit, and a test that ignores SIGTERM")
def test_08_stopped_process(world, see):
    """A process that is stopped cannot answer SIGTERM before it is continued."""
    body = """
        tell_pid("main")
        tell("up")
        os.kill(os.getpid(), signal.SIGSTOP)
        hang()
    """
    world.job("a", body, directives=f"canary.directives.timeout({LIMIT})")
    runner = world.start(*world.words(*world.only_ours(f"--grace={GRACE}")))
    world.await_flags("up", runner=runner)
    done = runner.wait()
    see(done.code == 4, "exit code 4", done.code)
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(9, "a time limit, and a grandchild with setsid and a double fork")
def test_09_escaped_grandchild(world, see, way):
    body = """
        daemon("d")
        tell("up")
        hang()
    """
    world.job("a", body, directives=f"canary.directives.timeout({LIMIT})")
    runner = run(world, way, *world.only_ours(f"--grace={GRACE}"))
    world.await_flags("up", runner=runner)
    done = runner.wait()
    see(done.code == 4, "exit code 4", done.code)
    left = world.await_silence(1.0)
    see(not left, "the grandchild is dead", left)
    see(leaks(world, "a"), "what leaked is noted", leaks(world, "a"))


@pytest.mark.experiment(9, "a time limit, and a grandchild with setsid and a double fork")
@pytest.mark.parametrize("broken", [False, True])
def test_09_of_a_file_that_is_sourced(ours, see, way, broken):
    """With an emptied environment it dies with the session, whether or not a test was started."""
    note = """p=$!; echo "$p $(cut -d" " -f22 /proc/$p/stat)" """
    start = f"""env -i PATH="$PATH" setsid sh -c 'sleep 600 & {note} > {ours.flag("pid.rc")}'"""
    ours.write({"rc": f"{start}\n" + "exit 3\n" * broken})
    ours.job("a", "tell('ran')", directives="canary.directives.source('rc')")
    done = run(ours, way).wait()
    see(ours.told("pid.rc"), "it was started", done.trouble)
    see.same(ours.jobs(), {"a": "ERROR" if broken else "SUCCESS"}, "the job is judged")
    left = ours.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(9, "a time limit, and a grandchild with setsid and a double fork")
def test_09_emptied_environment(ours, see, way):
    """Nothing says whose it is; without a control group it dies with the session at the latest."""
    body = """daemon("d", {"PATH": os.environ["PATH"]})"""
    ours.job("a", body)
    done = run(ours, way).wait()
    see(done.code == 0, "the test passes", done.trouble)
    see(ours.told("pid.d"), "the grandchild was there", ours.told(""))
    left = ours.await_silence(1.0)
    see(not left, "dead with the session", left)


@pytest.mark.experiment(10, "a test exits 0 and leaves a child that holds its stdout")
def test_10_background_child(world, see, way):
    world.job(
        "a",
        """
        print("verdict")
        sys.stdout.flush()
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        tell_pid("child", child.pid)
        tell("a")
        """,
    )
    # proof that the verdict did not wait for the child, and that the child did not wait for the end
    world.job(
        "b",
        """
        pid = int(open(f"{FLAGS}/pid.child").read().split()[0])
        try:
            with open(f"/proc/{pid}/stat") as f:
                state = f.read().rpartition(")")[2].split()[0]
        except OSError:
            state = "gone"
        tell("b", state)
        """,
        directives="canary.directives.depends_on('a')",
    )
    runner = run(world, way)
    try:
        done = runner.wait(PATIENCE / 2)
    except Late as e:
        see(False, "the verdict comes at once", e)
        return
    see(done.code == 0, "exit code 0", done.trouble)
    see.same(world.jobs(), {"a": "SUCCESS", "b": "SUCCESS"}, "both pass")
    state = world.flag("b").read_text() if world.flag("b").exists() else "not asked"
    see(state in ("gone", "Z"), "the child is dead before the next job starts", state)
    see(leaks(world, "a"), "what leaked is noted", leaks(world, "a"))
    left = world.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(10, "a test exits 0 and leaves a child that holds its stdout")
def test_10_fork_bomb_of_daemons(ours, see):
    """Some of which fork on while they are being killed, for longer than anybody waits here."""
    body = """
        for n in range(6):
            daemon(f"d{n}")
            if os.fork() == 0:
                os.setsid()
                end = time.monotonic() + 600
                while time.monotonic() < end:
                    if os.fork() == 0:
                        os.setsid()
                    else:
                        os._exit(0)
                os._exit(0)
        tell("up")
    """
    ours.job("a", body)
    done = ours.run()
    see(done.code == 0, "the test passes", done.trouble)
    left = ours.await_silence(1.0)
    see(not left, "no process is left", left)


def test_a_process_that_is_gone_is_none():
    """The harness itself: what it looks at can tell life from death."""
    child = subprocess.Popen(["sleep", "600"])
    until("it is there", lambda: (p := process(child.pid)) and p.command == "sleep 600")
    child.kill()
    until("only its entry is left", lambda: process(child.pid) is None)
    child.wait()
