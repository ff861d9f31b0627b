"""The launcher keeps its contract, whichever of its means are switched on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from canary.launch import ExitReason, Started
from canary.procfs import process
from canary.reaper import TreeReaper
from canary.testing.launchers import Bench, LocalLauncherContract, OwningLauncherContract, alive
from canary_local.groups import find_own, open_groups
from canary_local.launcher import LocalLauncher


def has_groups():
    groups = open_groups()
    if groups is None:
        return False
    groups.close()
    return True


needs_groups = pytest.mark.skipif(not has_groups(), reason="no control groups for us here")


class Scripts:
    """Python scripts, which `LauncherContract` has none of."""

    def test_script(self, bench):
        launch = bench.python("import sys; print(sys.argv[1:]); sys.exit(3)", "a b", "")
        end = bench.run(launch)
        assert (end.code, bench.output(launch)) == (3, "['a b', '']\n")

    def test_many_scripts_at_once(self, bench):
        launches = [bench.python(f"print({n})") for n in range(30)]
        bench.begin(*launches)
        ends = bench.finish()
        assert {e.code for e in ends.values()} == {0}
        assert [bench.output(x) for x in launches] == [f"{n}\n" for n in range(30)]

    def test_script_whose_time_is_over(self, bench):
        script = "print('up', flush=True)\nwhile True: pass"
        launch, end = bench.run_limited(lambda t: bench.python(script, timeout=t, grace=5.0), "up")
        assert (end.reason, end.code) == (ExitReason.TIMEOUT, -15)
        assert bench.output(launch) == "up\n"

    def test_cancelled_before_it_is_known_to_run(self, bench):
        launches = [bench.python("import time; time.sleep(300)") for _ in range(4)]
        bench.begin(*launches)
        bench.launcher.cancel([x.id for x in launches], 5.0)
        assert {e.reason for e in bench.finish().values()} == {ExitReason.CANCELLED}

    def test_killed_before_it_is_known_to_run(self, bench):
        launches = [bench.python("import time; time.sleep(300)") for _ in range(4)]
        bench.begin(*launches)
        bench.launcher.cancel([x.id for x in launches], 0.0)
        assert {e.reason for e in bench.finish().values()} == {ExitReason.CANCELLED}

    def test_script_that_leaves_a_fork(self, bench):
        script = """
            import os, time
            pid = os.fork()
            if pid == 0:
                time.sleep(300)
            print(pid)
        """
        launch = bench.python(dedent(script))
        end = bench.run(launch)
        assert end.code == 0
        assert end.leaked[0].split()[0] == bench.output(launch).strip()
        assert not alive(int(bench.output(launch)))

    def test_script_that_leaves_a_daemon_of_its_own_fork(self, bench):
        """It has never executed a program: its environment in /proc is that of the server."""
        script = """
            import os, time
            r, w = os.pipe()
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.write(w, str(os.getpid()).encode())
                    time.sleep(300)
                os._exit(0)
            os.wait()
            print(os.read(r, 100).decode())
        """
        launch = bench.python(dedent(script))
        end = bench.run(launch)
        pid = int(bench.output(launch))
        assert (end.code, [text.split()[0] for text in end.leaked]) == (0, [str(pid)])
        assert not alive(pid)

    def test_what_begins_in_a_pause_waits_for_its_end(self, bench):
        bench.launcher.pause()
        launch = bench.python("print(open('go').read())", timeout=20)
        os.mkfifo(Path(launch.cwd, "go"))
        bench.begin(launch)
        bench.until(lambda: bool(bench.messages))
        assert isinstance(bench.messages[0], Started)
        leader = int(bench.messages[0].ticket.split(":")[0])
        bench.until(lambda: process(leader).state == "T")
        bench.launcher.resume()
        Path(launch.cwd, "go").write_text("on")
        assert bench.finish()[launch.id].code == 0

    def test_usage_of_a_script(self, bench):
        work = "x = bytearray(300 << 20); import time\nwhile time.process_time() < 0.3: pass"
        usage = bench.run(bench.python(work)).usage
        assert 0.2 < usage.user + usage.system < 20
        assert 300 << 20 < usage.max_rss < 500 << 20

    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
    def test_pinning(self, bench):
        before = os.sched_getaffinity(0)
        cpu = max(before)
        show = "import os; print(*os.sched_getaffinity(0))"
        script = bench.python(show, affinity=(cpu,))
        program = bench.launch(sys.executable, "-c", show, affinity=(cpu,))
        bench.begin(script, program)
        bench.finish()
        assert [bench.output(x) for x in (script, program)] == [f"{cpu}\n"] * 2
        assert os.sched_getaffinity(0) == before


def dedent(text):
    import textwrap

    return textwrap.dedent(text)


@needs_groups
class TestAll(Scripts, OwningLauncherContract):
    """With everything."""

    @pytest.fixture
    def launcher(self):
        return LocalLauncher(preload=("canary",))

    def test_an_orphan_without_a_mark_is_in_the_group(self, bench):
        launch, pid = self.daemon(bench, marked=False)
        end = bench.run(launch)
        number = int(pid.read_text())
        assert end.leaked == (f"{number} sleep",)
        assert not alive(number)

    def test_groups_are_removed(self, bench):
        bench.run(bench.shell("exit 0"))
        bench.run(bench.shell("sleep 300 & exit 0"))
        mine = bench.launcher._groups.directory
        assert mine.exists()
        bench.launcher.close()
        assert not mine.exists()
        bench.launcher.open(bench.loop, bench._post)

    def test_a_job_that_is_a_runner_and_is_killed(self, bench):
        """Its own groups are below that of the job, and go with it."""
        inner = """
            import os, signal
            from canary.launch import Launch
            from canary.loop import Loop
            from canary_local.launcher import LocalLauncher
            loop, launcher = Loop(), LocalLauncher()
            launcher.open(loop, lambda m: (print(m.ticket, flush=True), os.kill(0, 9)))
            launcher.start([Launch(id="b", name="b", argv=("/usr/bin/env", "-i", "sleep", "300"),
                                   cwd=os.getcwd(), env=dict(os.environ), stdout="inner")])
            loop.run()
        """
        path = os.pathsep.join(filter(None, sys.path))
        launch = bench.python(dedent(inner), env={**os.environ, "PYTHONPATH": path})
        end = bench.run(launch)
        assert end.code == -signal.SIGKILL
        assert not alive(int(bench.output(launch).split(":")[0]))
        mine = bench.launcher._groups.directory
        bench.launcher.close()
        assert not mine.exists()
        bench.launcher.open(bench.loop, bench._post)

    def test_groups_of_a_killed_runner_are_emptied_and_removed(self, tmp_path):
        directory, _ = find_own()
        old = directory / "canary-99999999-1"
        (old / "1").mkdir(parents=True)
        pid = os.posix_spawn("/bin/sleep", ["sleep", "300"], {})
        (old / "1" / "cgroup.procs").write_text(str(pid))
        open_groups().close()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        open_groups().close()
        assert not old.exists()


class TestWithoutGroups(Scripts, OwningLauncherContract):
    """Warm Python alone."""

    @pytest.fixture
    def launcher(self):
        return LocalLauncher(groups=False)


def test_pinning_to_what_is_not_there(tmp_path):
    bench = Bench(LocalLauncher(warm=False, groups=False), tmp_path)
    assert bench.run(bench.python("pass", affinity=(4096,))).code == 0
    bench.close()


def test_pinning_of_all_jobs_to_their_resources(tmp_path):
    bench = Bench(LocalLauncher(pin=True), tmp_path)
    cpu = max(os.sched_getaffinity(0))
    cpus = [{"id": str(cpu), "slots": 1, "node": "0"}]
    launch = bench.python("import os; print(*os.sched_getaffinity(0))", resources={"cpus": cpus})
    bench.run(launch)
    bench.close()
    assert bench.output(launch) == f"{cpu}\n"


@needs_groups
class TestGroupsAlone(OwningLauncherContract):
    """Every command is executed by a fork of the server, in its group."""

    @pytest.fixture
    def launcher(self):
        return LocalLauncher(warm=False)


class TestNeither(Scripts, OwningLauncherContract):
    """As the core does it."""

    @pytest.fixture
    def launcher(self):
        return LocalLauncher(warm=False, groups=False)


class TestPortable(LocalLauncherContract):
    """On other systems."""

    @pytest.fixture
    def launcher(self):
        # from here on orphans come to us: process 1 of a container may be slow to reap them
        reaper = TreeReaper()
        reaper.open()
        reaper.close()
        return LocalLauncher(portable=True)

    def check_leaked(self, end, pid):
        (leaked,) = end.leaked
        assert leaked.endswith(" process group")


class TestServerDies:
    @pytest.fixture(params=[pytest.param(True, marks=needs_groups), False])
    def bench(self, request, tmp_path):
        bench = Bench(LocalLauncher(groups=request.param), tmp_path)
        yield bench
        bench.close()

    def sleeper(self, bench):
        """A script, and the process it has started in a session of its own."""
        script = """
            import subprocess, time
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            print(child.pid, flush=True)
            time.sleep(300)
        """
        launch = bench.python(dedent(script))
        bench.begin(launch)
        bench.until(bench.says(launch, "\n"))
        # it may have written before the message of its start is here
        bench.until(lambda: any(isinstance(m, Started) for m in bench.messages))
        pid = int(bench.started(launch).ticket.split(":")[0])
        return launch, pid, int(bench.output(launch))

    def test_its_jobs_are_lost_and_dead_and_others_go_on(self, bench):
        launch, leader, child = self.sleeper(bench)
        assert alive(leader)
        os.kill(process(leader).parent, signal.SIGKILL)
        others = [bench.python(f"import sys; sys.exit({n})") for n in range(5)]
        bench.begin(*others)
        ends = bench.finish()
        lost = ends.pop(launch.id)
        assert (lost.reason, lost.detail, lost.code) == (ExitReason.LOST, "worker lost", None)
        assert not alive(leader)
        assert not alive(child)
        assert [ends[x.id].code for x in others] == [0, 1, 2, 3, 4]

    def test_a_server_that_dies_again_and_again_is_given_up(self, bench):
        for _ in range(3):
            launch, leader, _ = self.sleeper(bench)
            server = process(leader).parent
            assert server != os.getpid()
            os.kill(server, signal.SIGKILL)
            assert bench.finish()[launch.id].reason is ExitReason.LOST
            bench.messages.clear()
        _, leader, _ = self.sleeper(bench)
        assert process(leader).parent == os.getpid()
        bench.launcher.cancel([m.id for m in bench.messages], 0.0)
        bench.finish()

    def test_a_server_that_cannot_start(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        bench = Bench(LocalLauncher(groups=False), tmp_path)
        launch = bench.shell("exit 4")
        script = bench.launch(sys.executable, "-c", "0")
        bench.begin(launch, script)
        ends = bench.finish()
        bench.close()
        assert ends[launch.id].code == 4

    def test_jobs_of_a_runner_that_is_killed_die_with_it(self, tmp_path):
        """The server sees that nobody will ask any more."""
        import subprocess

        script = tmp_path / "job.py"
        script.write_text("import os, time; print(os.getpid(), flush=True); time.sleep(300)")
        runner = f"""
            import os, sys
            from canary.launch import Launch
            from canary.loop import Loop
            from canary_local.launcher import LocalLauncher
            loop, launcher = Loop(), LocalLauncher(groups=False)
            launcher.open(loop, lambda message: print(message, flush=True))
            launcher.start([Launch(id="a", name="a", argv=(sys.executable, {str(script)!r}),
                                   cwd=os.getcwd(), env=dict(os.environ), stdout="out")])
            loop.run()
        """
        os.mkfifo(tmp_path / "out")
        process = subprocess.Popen(
            [sys.executable, "-c", dedent(runner)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline().startswith(b"Started")
        with open(tmp_path / "out") as f:
            pid = int(f.readline())
            assert alive(pid)
            fd = os.pidfd_open(pid)
            process.kill()
            process.communicate()
            import select

            assert select.select([fd], [], [], 10.0)[0]
            os.close(fd)


def test_path_of_the_launcher_script_is_importable_from_anywhere():
    import canary_local

    assert Path(canary_local.__file__).with_name("server.py").exists()
