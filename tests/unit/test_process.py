"""Running commands, owning what they start, and finding it again after a runner was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from canary import procfs
from canary.errors import CanaryError, LaunchError
from canary.launch import Exit, ExitReason, Launch
from canary.process import (
    Cancellation,
    SubprocessLauncher,
    ask_script,
    run_blocking,
    sourced_environment,
)
from canary.reaper import TreeReaper
from canary.survivors import ABOVE, VARIABLE, bears, kill_survivor, marked, read_ticket, survivors
from canary.testing.launchers import LocalLauncherContract, OwningLauncherContract, alive


class TestSubprocessLauncher(OwningLauncherContract):
    """The core's own way."""

    @pytest.fixture
    def launcher(self):
        return SubprocessLauncher()

    def test_no_thread_and_no_file_beside_those_of_the_job(self, bench):
        threads = threading.active_count()
        launch = bench.shell("read line < go; echo $line")
        os.mkfifo(Path(launch.cwd, "go"))
        before = len(os.listdir("/proc/self/fd"))
        bench.begin(launch)
        assert threading.active_count() == threads
        assert len(os.listdir("/proc/self/fd")) == before + 2  # its output and its pidfd
        Path(launch.cwd, "go").write_text("on\n")
        bench.finish()

    @pytest.mark.parametrize("limit", ["timeout", "no_output_timeout"])
    def test_an_end_in_time_counts_however_late_it_is_read(self, bench, limit):
        """A slow hook may hold the loop up for longer than a job may take."""
        launch = bench.shell("exit 3", **{limit: 0.3})
        ready, go = os.pipe()

        def hold_up():
            bench.loop.unwatch(ready)
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            time.sleep(0.5)

        bench.loop.watch(ready, hold_up)
        os.write(go, b"!")
        bench.begin(launch)
        end = bench.finish()[launch.id]
        assert (end.code, end.reason) == (3, ExitReason.EXITED)
        for fd in (ready, go):
            os.close(fd)

    def test_children_of_others_are_left_alone(self, bench):
        """A plugin's `subprocess` gets its exit codes, whatever session its child is in."""
        child = [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"]
        plain = subprocess.Popen(child, stdin=subprocess.PIPE)
        apart = subprocess.Popen(child, stdin=subprocess.PIPE, start_new_session=True)
        for _ in range(3):
            bench.run(bench.shell("sleep 300 & exit 0"))
        assert plain.poll() is None
        assert apart.poll() is None
        for process in (plain, apart):
            process.communicate()
        bench.run(bench.shell("sleep 300 & exit 0"))
        assert (plain.returncode, apart.returncode) == (7, 7)

    def test_what_no_job_can_be_named_for_dies_at_the_end(self, bench):
        launch, pid = self.daemon(bench, marked=False)
        end = bench.run(launch)
        number = int(pid.read_text())
        assert (end.code, end.leaked) == (0, ())
        bench.launcher.close()
        assert not alive(number)
        bench.launcher.open(bench.loop, bench._post)

    def test_ticket(self, bench):
        launch = bench.shell("read line < go")
        os.mkfifo(Path(launch.cwd, "go"))
        bench.begin(launch)
        bench.until(lambda: bool(bench.messages))
        ticket = bench.started(launch).ticket
        known = read_ticket(ticket)
        assert alive(known.pid)
        assert [p.pid for p in survivors(ticket, f"{launch.id}:1")] == [known.pid]
        assert survivors(f"{known.pid}:{known.start}:another-boot", f"{launch.id}:1") == []
        # the number alone is not enough: that process was started at another time
        assert survivors(f"{known.pid}:{known.start - 60_000_000}:{known.boot}", "x:1") == []
        Path(launch.cwd, "go").write_text("on\n")
        bench.finish()
        assert survivors(ticket, f"{launch.id}:1") == []


class TestPortable(LocalLauncherContract):
    """Without pidfds, subreaper and /proc, as on other systems."""

    @pytest.fixture
    def launcher(self):
        # from here on orphans come to us: process 1 of a container may be slow to reap them
        reaper = TreeReaper()
        reaper.open()
        reaper.close()
        return SubprocessLauncher(portable=True)

    def check_leaked(self, end, pid):
        (leaked,) = end.leaked
        number, _, what = leaked.partition(" ")
        assert int(number) < pid
        assert what == "process group"


RUNNER = """
import os, sys
from canary.launch import Launch, Started
from canary.loop import Loop
from canary.process import SubprocessLauncher
loop, launcher = Loop(), SubprocessLauncher()
def post(message):
    if isinstance(message, Started):
        print(message.ticket, flush=True)
launcher.open(loop, post)
launcher.start([Launch(id="a", name="a", argv=("/bin/sh", "-c", sys.argv[1]), cwd=os.getcwd(),
                       env=dict(os.environ), stdout="out", attempt=3)])
loop.run()
"""


def test_marks_of_runners_within_runners(monkeypatch):
    """Each process bears its job's mark, and those of the jobs that its runner is in."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(ABOVE, raising=False)
    for mark in ("a:1:10", "b:1:11", "c:2:12"):
        given = marked(mark)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
    block = b"\0A=1\0" + b"".join(f"{k}={v}\0".encode() for k, v in given.items())
    assert all(bears(block, mark) for mark in (b"a:1:10", b"b:1:11", b"c:2:12", b"a:1:", b"c:2:"))
    others = (b"a:1:1", b"b", b"b:1:1", b"c:2:1", b"c:1:", b":1:", b"1:11", b"A=1")
    assert not any(bears(block, mark) for mark in others)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_another_thread_waits_for_is_cancelled(tmp_path, when):
    (tmp_path / "rc").write_text("mkfifo up; echo > up; sleep 600")
    cancellation, errors = Cancellation(), []

    def source():
        try:
            env = {"PATH": os.environ["PATH"]}
            sourced_environment(["rc"], [], env, str(tmp_path), cancellation=cancellation)
        except LaunchError as e:
            errors.append(str(e))

    if when == "before":
        cancellation.cancel()
    thread = threading.Thread(target=source)
    thread.start()
    if when == "meanwhile":
        while not (tmp_path / "up").exists():
            time.sleep(0.01)
        (tmp_path / "up").read_text()
        cancellation.cancel()
    thread.join(20)
    assert not thread.is_alive()
    assert len(errors) == 1


@pytest.mark.parametrize("portable", [False, True])
def test_survivors_of_a_killed_runner(tmp_path, portable):
    script = "setsid sleep 300 & sleep 300 & echo $! > pids; echo done > ready; wait"
    os.mkfifo(tmp_path / "ready")
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, script], stdout=subprocess.PIPE, text=True
    )
    ticket = runner.stdout.readline().strip()
    assert (tmp_path / "ready").read_text() == "done\n"
    runner.kill()
    runner.communicate()
    found = survivors(ticket, "a:3", portable=portable)
    assert len(found) == 3
    if portable:
        assert sorted(p.pid for p in found) == sorted(p.pid for p in survivors(ticket, "a:3"))
    assert survivors(ticket, "a:2", portable=True) == []
    killed = kill_survivor(ticket, "a:3")
    assert sorted(int(text.split()[0]) for text in killed) == sorted(p.pid for p in found)
    assert not any(alive(p.pid) for p in found)
    assert survivors(ticket, "a:3", portable=portable) == []


@pytest.mark.parametrize("text", ["", "nonsense", "1234", "a:b:c", "batch-17", "1:2"])
def test_what_is_no_ticket_of_ours_finds_nothing(text):
    assert survivors(text, "a:1") == []


class TestRunBlocking:
    def test_its_end_is_returned(self, bench_free_launch):
        end = run_blocking(bench_free_launch("exit 3"))
        assert isinstance(end, Exit)
        assert end.code == 3

    def test_a_launcher_can_be_used_again(self, bench_free_launch):
        launcher = SubprocessLauncher()
        codes = [run_blocking(bench_free_launch(f"exit {n}"), launcher).code for n in range(3)]
        assert codes == [0, 1, 2]

    def test_in_several_threads(self, bench_free_launch):
        codes = {}

        def work(n):
            codes[n] = run_blocking(bench_free_launch(f"sleep 300 & exit {n}")).code

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert codes == {n: n for n in range(8)}

    def test_an_interrupt_ends_the_job_first(self, tmp_path):
        os.mkfifo(tmp_path / "ready")
        script = """
            import os
            import signal
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
            from canary.launch import Launch
            from canary.process import run_blocking
            job = "trap 'echo cleaned; exit 1' TERM; echo $$ > ready; while :; do sleep 0.02; done"
            try:
                run_blocking(Launch(id="a", name="a", argv=("/bin/sh", "-c", job), cwd=".",
                                    env=dict(os.environ), stdout="out", grace=10.0))
            except KeyboardInterrupt:
                print("interrupted")
        """
        runner = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        )
        pid = int((tmp_path / "ready").read_text())
        runner.send_signal(signal.SIGINT)
        assert runner.communicate()[0] == "interrupted\n"
        assert not alive(pid)
        assert "cleaned\n" in (tmp_path / "out").read_text()

    def test_an_exception_leaves_nothing_behind(self, tmp_path, bench_free_launch):
        class Failing(SubprocessLauncher):
            def started(self, run, pid, since):
                super().started(run, pid, since)
                pids.append(pid)
                self.loop.post(self.fail)

            def fail(self):
                raise LookupError

        pids = []
        with pytest.raises(LookupError):
            run_blocking(bench_free_launch("sleep 300"), Failing())
        try:
            os.waitpid(pids[0], 0)
        except ChildProcessError:
            pass  # the launcher has done so
        assert not alive(pids[0])

    def test_a_runner_that_was_told_to_ignore_its_children(self, tmp_path):
        script = """
            import os
            from canary.launch import Launch
            from canary.process import run_blocking
            end = run_blocking(Launch(id="a", name="a", argv=("/bin/sh", "-c", "exit 5"),
                                      cwd=os.getcwd(), env=dict(os.environ), stdout="out"))
            print(end.code)
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        shell = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        shell += "os.execv(sys.argv[1], sys.argv[1:])"
        done = subprocess.run(
            [sys.executable, "-c", shell, *command], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("5\n", "")

    @pytest.fixture
    def bench_free_launch(self, tmp_path):
        count = iter(range(1000))

        def make(script):
            n = next(count)
            return Launch(
                id=str(n),
                name=str(n),
                argv=("/bin/sh", "-c", script),
                cwd=str(tmp_path),
                env=dict(os.environ),
                stdout=str(tmp_path / f"out{n}"),
            )

        return make


class TestSourcing:
    def test_files_in_order(self, tmp_path):
        (tmp_path / "a.sh").write_text("export A=1 B=2\necho chatter; echo more >&2\n")
        (tmp_path / "b.sh").write_text('declare -x B="two\nlines"\nunset GONE\nfalse\n')
        before = {"PATH": os.environ["PATH"], "GONE": "x", "KEPT": "y", "PWD": "/odd"}
        after = sourced_environment(["a.sh", str(tmp_path / "b.sh")], [], before, str(tmp_path))
        expected = {"PATH": os.environ["PATH"], "KEPT": "y", "A": "1", "B": "two\nlines"}
        assert after == {**expected, "PWD": "/odd"}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "cannot be read"),
            ("if true; then\n", "syntax error"),
            ("echo so it is; exit 4\n", "so it is"),
            ("exit 4\n", "code 4"),
            ("export PATH=/nowhere\n", "env"),
        ],
    )
    def test_a_file_that_fails_is_one_line(self, tmp_path, content, reason):
        if content is not None:
            (tmp_path / "rc").write_text(content)
        with pytest.raises(CanaryError) as e:
            sourced_environment(["./rc"], [], {"PATH": os.environ["PATH"]}, str(tmp_path))
        assert reason in str(e.value)
        assert "\n" not in str(e.value)
        if "PATH" not in (content or ""):
            assert "./rc" in str(e.value)

    def test_a_pipe_in_place_of_the_output_is_not_waited_for(self, tmp_path):
        (tmp_path / "rc").write_text('f=$(readlink /proc/$$/fd/1); rm "$f"; mkfifo "$f"\n')
        with pytest.raises(OSError, match="not a file"):
            sourced_environment(["rc"], [], {"PATH": os.environ["PATH"]}, str(tmp_path))

    def test_a_file_that_leaves_a_daemon_does_not_hang(self, tmp_path):
        (tmp_path / "rc").write_text("setsid sleep 300 & export PID=$!\n")
        after = sourced_environment(["rc"], [], {"PATH": os.environ["PATH"]}, str(tmp_path))
        assert not alive(int(after["PID"]))

    def test_a_daemon_in_the_middle_of_exec_is_found_all_the_same(self, tmp_path, monkeypatch):
        """It shows no environment at the first look, and its session is its own already."""
        real, looked = procfs.environment, set()

        def environment(pid):
            if pid in looked:
                return real(pid)
            looked.add(pid)
            return b"\0"

        monkeypatch.setattr(procfs, "environment", environment)
        (tmp_path / "rc").write_text(
            "setsid sleep 300 & export PID=$!\n"
            'until read -r _ _ _ _ _ its _ </proc/$PID/stat; [ "$its" = "$PID" ]; do :; done\n'
        )
        after = sourced_environment(["rc"], [], {"PATH": os.environ["PATH"]}, str(tmp_path))
        assert int(after["PID"]) in looked
        assert not alive(int(after["PID"]))

    def modules(self, tmp_path):
        """A `module` command: modules are shell files in the directories of MODULEPATH."""
        (tmp_path / "init").mkdir()
        (tmp_path / "init" / "bash").write_text(
            textwrap.dedent("""
                module() {
                  local IFS=: directory
                  for directory in $MODULEPATH; do
                    if [ -r "$directory/$2" ]; then . "$directory/$2"; return; fi
                  done
                  echo "Unable to locate a modulefile for '$2'" >&2; return 1
                }
            """)
        )
        (tmp_path / "std").mkdir()
        (tmp_path / "own").mkdir()
        (tmp_path / "std" / "mpi").write_text("export MPI=standard\n")
        (tmp_path / "own" / "mpi").write_text("export MPI=own\n")
        return {
            "PATH": os.environ["PATH"],
            "MODULESHOME": str(tmp_path),
            "MODULEPATH": str(tmp_path / "std"),
        }

    def test_modules(self, tmp_path):
        env = self.modules(tmp_path)
        after = sourced_environment([], [("mpi", None)], env, str(tmp_path))
        assert after == {**env, "MPI": "standard"}
        own = str(tmp_path / "own")
        after = sourced_environment([], [("mpi", own)], env, str(tmp_path))
        assert (after["MPI"], after["MODULEPATH"]) == ("own", f"{own}:{env['MODULEPATH']}")

    def test_a_module_that_is_not_there(self, tmp_path):
        env = self.modules(tmp_path)
        with pytest.raises(CanaryError, match="the module hdf5: Unable to locate") as e:
            sourced_environment([], [("mpi", None), ("hdf5", None)], env, str(tmp_path))
        assert "\n" not in str(e.value)

    def test_an_old_module_command_that_fails_with_code_0(self, tmp_path):
        env = self.modules(tmp_path)
        (tmp_path / "std" / "old").write_text("echo 'ModuleCmd_Load.c(213):ERROR:105: no old' >&2")
        with pytest.raises(CanaryError, match=r"the module old: .*ERROR:105"):
            sourced_environment([], [("old", None), ("mpi", None)], env, str(tmp_path))

    def test_no_module_command(self, tmp_path):
        env = {"PATH": os.environ["PATH"]}
        if any(Path("/etc/profile.d", name).exists() for name in ("modules.sh", "lmod.sh")):
            pytest.skip("this machine has environment modules")
        with pytest.raises(CanaryError, match="there is no module command"):
            sourced_environment([], [("mpi", None)], env, str(tmp_path))


def test_a_script_answers_in_json(tmp_path):
    (tmp_path / "probe.py").write_text("print('{\"gpus\": [1, 2]}')")
    assert ask_script(str(tmp_path / "probe.py"), 20.0) == {"gpus": [1, 2]}


@pytest.mark.parametrize(
    ("text", "seconds", "says"),
    [
        ("import os; os.abort()", 20.0, "its process ended with code -6"),
        ("print('no JSON')", 20.0, "its process ended with code 0"),
        ("import signal; signal.pause()", 0.5, "no answer in 0.5 s"),
    ],
    ids=["crash", "nonsense", "silence"],
)
def test_a_script_that_does_not_answer_says_why(tmp_path, text, seconds, says):
    (tmp_path / "probe.py").write_text(text)
    assert ask_script(str(tmp_path / "probe.py"), seconds) == {"error": says}
