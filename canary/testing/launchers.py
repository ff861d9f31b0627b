"""What every launcher must do, as tests: subclass `LauncherContract` and give a `launcher` fixture.

A launcher whose jobs are processes of this machine subclasses `LocalLauncherContract`, which also
asks that nothing a job has started outlives it. `Bench` drives a launcher through its `Loop` as the
scheduler does.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from canary.launch import Exit, ExitReason, Launch, Launcher, Message, Started
from canary.loop import Loop
from canary.procfs import process
from canary.testing.programs import DAEMON


def alive(pid: int) -> bool:
    """Is there such a process, and is it not merely waiting to be reaped?"""
    found = process(pid)
    return found is not None and not found.dead


class Bench:
    """Runs launches in a directory and keeps what was posted."""

    def __init__(self, launcher: Launcher, directory: Path, patience: float = 20.0) -> None:
        self.launcher = launcher
        self.patience = patience
        self.directory = directory
        self.loop = Loop()
        self.messages: list[Message] = []
        self.left = 0
        self.number = 0
        launcher.open(self.loop, self._post)

    def close(self) -> None:
        """Give everything back."""
        self.launcher.close()
        self.loop.close()

    def launch(self, *argv: str, env: Mapping[str, str] | None = None, **more: Any) -> Launch:
        """A launch of these words in a directory of its own."""
        self.number += 1
        cwd = self.directory / f"job{self.number}"
        cwd.mkdir()
        environ = dict(os.environ if env is None else env)
        fields = {
            "id": f"id{self.number}",
            "name": f"job{self.number}",
            "argv": argv,
            "cwd": str(cwd),
            "env": environ,
            "stdout": str(cwd / "out.txt"),
            **more,
        }
        return Launch(**fields)

    def shell(self, script: str, **more: Any) -> Launch:
        """A launch of a shell script."""
        return self.launch("/bin/sh", "-c", script, **more)

    def python(self, script: str, *words: str, **more: Any) -> Launch:
        """A launch of a Python script file."""
        self.number += 1
        path = self.directory / f"script{self.number}.py"
        path.write_text(script)
        return self.launch(sys.executable, str(path), *words, **more)

    def begin(self, *launches: Launch) -> None:
        """Start them."""
        self.left += len(launches)
        self.launcher.start(launches)

    def finish(self, seconds: float | None = None) -> dict[str, Exit]:
        """Serve until all that was begun is over, so many seconds at most; ends by launch id."""
        seconds = seconds or self.patience
        timer = self.loop.call_later(seconds, self.loop.stop)
        if self.left:
            self.loop.run()
        timer.cancel()
        assert not self.left, f"{self.left} launches were not over after {seconds} s"
        return {m.id: m for m in self.messages if isinstance(m, Exit)}

    def run(self, launch: Launch) -> Exit:
        """Run one to its end."""
        self.begin(launch)
        return self.finish()[launch.id]

    def run_limited(self, make: Callable[[float], Launch], ready: str) -> tuple[Launch, Exit]:
        """Run `make(limit)` with a limit within which it says `ready`: longer on a busy machine."""
        for limit in (0.6, 3.0, 12.0):
            launch = make(limit)
            end = self.run(launch)
            if ready in self.output(launch):
                break
        return launch, end

    def until(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        """Serve until `condition()` holds."""
        seconds = seconds or self.patience
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not come to be within {seconds} s"
            self.loop.call_later(0.01, self.loop.stop)
            self.loop.run()

    def output(self, launch: Launch) -> str:
        """What it has written to its standard output; it may not have begun."""
        path = Path(launch.stdout)
        return path.read_text(errors="replace") if path.exists() else ""

    def says(self, launch: Launch, word: str) -> Callable[[], bool]:
        """A condition for `until`: it has written that, and the message of its start is here."""
        return lambda: word in self.output(launch) and any(m.id == launch.id for m in self.messages)

    def started(self, launch: Launch) -> Started:
        """The message of its start."""
        return next(m for m in self.messages if isinstance(m, Started) and m.id == launch.id)

    def _post(self, message: Message) -> None:
        self.messages.append(message)
        if isinstance(message, Exit):
            self.left -= 1
            if not self.left:
                self.loop.stop()


class LauncherContract:
    """What `canary.launch` promises of any launcher. `patience` are the seconds that jobs may take
    to end; where a queue lies between, it is more."""

    patience: ClassVar[float] = 20.0

    @pytest.fixture
    def launcher(self) -> Launcher:
        """The launcher to test, closed."""
        pytest.fail("a subclass of LauncherContract says by the fixture `launcher` what to test")

    @pytest.fixture
    def bench(self, launcher: Launcher, tmp_path: Path) -> Iterator[Bench]:
        """The launcher, open, and a place to work in."""
        bench = Bench(launcher, tmp_path, self.patience)
        yield bench
        bench.close()

    @pytest.mark.parametrize("code", [0, 1, 64, 255])
    def test_exit_code(self, bench: Bench, code: int) -> None:
        launch = bench.shell(f"exit {code}")
        end = bench.run(launch)
        assert (end.code, end.reason, end.leaked) == (code, ExitReason.EXITED, ())
        kinds = [type(m) for m in bench.messages]
        assert kinds == [Started, Exit]
        assert bench.started(launch).at <= end.at <= time.time()

    def test_signal_is_a_negative_code(self, bench: Bench) -> None:
        end = bench.run(bench.shell("kill -USR1 $$"))
        assert (end.code, end.reason) == (-10, ExitReason.EXITED)

    def test_output_is_appended_and_errors_are_in_it(self, bench: Bench) -> None:
        launch = bench.shell("echo out; echo err >&2; echo out again")
        Path(launch.stdout).write_text("before\n")
        bench.run(launch)
        assert bench.output(launch) == "before\nout\nerr\nout again\n"

    def test_errors_apart(self, bench: Bench, tmp_path: Path) -> None:
        errors = tmp_path / "err.txt"
        launch = bench.shell("echo out; echo err >&2", stderr=str(errors))
        bench.run(launch)
        assert (bench.output(launch), errors.read_text()) == ("out\n", "err\n")

    def test_directory_and_environment_are_those_given(self, bench: Bench) -> None:
        env = {"PATH": os.environ["PATH"], "GREETING": "grüß dich\nyou", "EMPTY": ""}
        launch = bench.launch("/usr/bin/env", "-0", env=env)
        bench.run(launch)
        got = dict(p.split("=", 1) for p in bench.output(launch).split("\0") if p)
        assert got.pop("CANARY_JOB").startswith(f"{launch.id}:1:")
        assert got == env
        where = bench.shell("pwd -P")
        bench.run(where)
        assert bench.output(where).strip() == str(Path(where.cwd).resolve())

    def test_a_program_is_found_by_the_path_of_its_job(self, bench: Bench) -> None:
        env = {"PATH": "nowhere:own:/bin:/usr/bin"}
        launch = bench.launch("hello", "you", env=env)
        program = Path(launch.cwd, "own", "hello")
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "$0 $1"\n')
        program.chmod(0o755)
        assert bench.run(launch).code == 0
        assert bench.output(launch) == "own/hello you\n"

    def test_a_program_that_is_not_there_is_one_line(self, bench: Bench) -> None:
        end = bench.run(bench.launch("no-such-program-anywhere"))
        assert (end.code, end.reason) == (None, ExitReason.NOT_STARTED)
        assert "no-such-program-anywhere" in end.detail
        assert "\n" not in end.detail

    def test_many_at_once(self, bench: Bench) -> None:
        launches = [bench.shell(f"exit {n % 7}") for n in range(40)]
        bench.begin(*launches)
        ends = bench.finish()
        assert [ends[x.id].code for x in launches] == [n % 7 for n in range(40)]

    def test_one_identity_may_run_again(self, bench: Bench) -> None:
        for attempt in (1, 2, 3):
            launch = bench.shell('echo "$CANARY_JOB"', id="same", attempt=attempt)
            assert bench.run(launch).code == 0
            assert bench.output(launch).startswith(f"same:{attempt}:")

    def test_time_is_over(self, bench: Bench) -> None:
        end = bench.run(bench.shell("sleep 60", timeout=0.3))
        assert end.reason is ExitReason.TIMEOUT
        assert "0.3 s" in end.detail

    def test_cancel_asks_first(self, bench: Bench) -> None:
        script = "trap 'echo cleaned; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
        launch = bench.shell(script)
        bench.begin(launch)
        bench.until(bench.says(launch, "ready"))
        bench.launcher.cancel([launch.id, "unknown"], 10.0)
        end = bench.finish()[launch.id]
        assert (end.reason, end.code) == (ExitReason.CANCELLED, 5)
        assert "cleaned" in bench.output(launch)

    def test_cancel_with_force(self, bench: Bench) -> None:
        launches = [bench.shell("trap '' TERM; echo ready; sleep 60") for _ in range(5)]
        bench.begin(*launches)
        for launch in launches:
            bench.until(bench.says(launch, "ready"))
        bench.launcher.cancel([x.id for x in launches], 0.0)
        ends = bench.finish()
        assert {e.reason for e in ends.values()} == {ExitReason.CANCELLED}


class LocalLauncherContract(LauncherContract):
    """For launchers whose jobs are processes of this machine."""

    def daemon(self, bench: Bench, *, code: int = 0, marked: bool = True) -> tuple[Launch, Path]:
        """A job that leaves a `sleep` in a session of its own; the file with its number."""
        pid = bench.directory / f"daemon{bench.number}"
        kind = "marked" if marked else "unmarked"
        return bench.launch(sys.executable, "-c", DAEMON, str(pid), str(code), kind), pid

    def test_no_descriptor_of_ours_reaches_a_job(self, bench: Bench) -> None:
        with open(bench.directory / "inherited", "w") as f:
            os.set_inheritable(f.fileno(), True)
            launch = bench.shell("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0")
            bench.run(launch)
        # the fourth is the directory that ls reads
        assert bench.output(launch).split() == ["0", "1", "2", "3", "/dev/null"]

    def test_we_keep_no_descriptor(self, bench: Bench) -> None:
        counts = []
        for _ in range(5):
            bench.begin(bench.shell("exit 0"), bench.shell("sleep 60 & exit 0"))
            bench.begin(bench.launch("no-such-program"))
            bench.finish()
            counts.append(len(os.listdir("/proc/self/fd")))
        assert counts == counts[:1] * 5

    def test_each_job_has_a_session(self, bench: Bench) -> None:
        launch = bench.launch(
            sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid() == os.getpgrp())"
        )
        bench.run(launch)
        assert bench.output(launch) == "True\n"

    def test_usage(self, bench: Bench) -> None:
        work = "x = bytearray(300 << 20); import time\nwhile time.process_time() < 0.3: pass"
        usage = bench.run(bench.launch(sys.executable, "-c", work)).usage
        assert 0.2 < usage.user + usage.system < 20
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 300 << 10:
            assert 300 << 20 < usage.max_rss < 500 << 20
        else:  # a child begins with the memory of its parent: less than that cannot be told
            assert usage.max_rss == -1 or usage.max_rss > 300 << 20

    @pytest.mark.parametrize(
        ("argv", "text"),
        [
            ((), "the command is empty"),
            (("/nowhere/at/all",), "/nowhere/at/all: no such program"),
            (("/etc",), "/etc: is a directory"),
            (("/etc/passwd",), "/etc/passwd: not executable"),
            (("a\0b",), "embedded null"),
            (("./script", "x"), "the interpreter named in its #! line does not exist"),
            (("./binary",), "not a program"),
        ],
    )
    def test_what_cannot_be_started_says_why(
        self, bench: Bench, argv: Sequence[str], text: str
    ) -> None:
        launch = bench.launch(*argv)
        for name, content in (("script", "#!/nowhere/sh\n"), ("binary", "\1\2\3")):
            path = Path(launch.cwd, name)
            path.write_text(content)
            path.chmod(0o755)
        end = bench.run(launch)
        assert end.reason is ExitReason.NOT_STARTED
        assert text in end.detail

    def test_a_directory_that_is_gone(self, bench: Bench) -> None:
        launch = bench.shell("true", stdout=str(bench.directory / "out"))
        Path(launch.cwd).rmdir()
        end = bench.run(launch)
        assert end.reason is ExitReason.NOT_STARTED
        assert "the work directory cannot be entered" in end.detail
        assert launch.cwd in end.detail

    def test_an_output_file_that_cannot_be_opened(self, bench: Bench) -> None:
        end = bench.run(bench.shell("true", stdout="/nowhere/out"))
        assert end.reason is ExitReason.NOT_STARTED
        assert "the output file cannot be opened" in end.detail

    def test_an_environment_that_cannot_be(self, bench: Bench) -> None:
        end = bench.run(bench.shell("true", env={"A=B": "c", "PATH": "/bin"}))
        assert end.reason is ExitReason.NOT_STARTED

    def test_time_is_over_and_term_is_ignored(self, bench: Bench) -> None:
        script = "trap '' TERM; echo ready; while :; do sleep 1; done"
        _, end = bench.run_limited(lambda t: bench.shell(script, timeout=t, grace=0.5), "ready")
        assert (end.reason, end.code) == (ExitReason.TIMEOUT, -9)

    def test_the_deadline_decides_even_if_the_job_then_succeeds(self, bench: Bench) -> None:
        script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done"
        _, end = bench.run_limited(lambda t: bench.shell(script, timeout=t), "ready")
        assert (end.reason, end.code) == (ExitReason.TIMEOUT, 0)

    def test_a_stopped_process_dies_too(self, bench: Bench) -> None:
        script = "echo $$; kill -STOP $$"
        launch, end = bench.run_limited(lambda t: bench.shell(script, timeout=t), "\n")
        assert end.reason is ExitReason.TIMEOUT
        assert not alive(int(bench.output(launch)))

    def test_a_child_that_holds_the_output_does_not_delay_the_verdict(self, bench: Bench) -> None:
        launch = bench.shell("sleep 300 & echo $!; exit 3")
        end = bench.run(launch)
        pid = int(bench.output(launch))
        assert (end.code, end.reason) == (3, ExitReason.EXITED)
        assert not alive(pid)
        self.check_leaked(end, pid)

    def check_leaked(self, end: Exit, pid: int) -> None:
        """The leaked process is named."""
        assert end.leaked == (f"{pid} sleep",)

    def test_what_ends_by_itself_soon_has_not_leaked(self, bench: Bench) -> None:
        script = "(read line < go; echo late) & exit 0"
        launch = bench.shell(script)
        os.mkfifo(Path(launch.cwd, "go"))
        bench.begin(launch)
        fd = os.open(Path(launch.cwd, "go"), os.O_RDWR)
        os.write(fd, b"now\n")
        end = bench.finish()[launch.id]
        os.close(fd)
        assert (end.code, end.leaked) == (0, ())
        assert bench.output(launch) == "late\n"

    def test_no_output(self, bench: Bench) -> None:
        script = "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; exec sleep 60"
        launch, end = bench.run_limited(lambda t: bench.shell(script, no_output_timeout=t), "5")
        assert end.reason is ExitReason.NO_OUTPUT
        assert f"no output for {launch.no_output_timeout:g} s" in end.detail
        assert bench.output(launch).split() == list("12345")

    def test_too_much_output_of_a_long_job(self, bench: Bench) -> None:
        script = "echo first; yes this is a line of output"
        launch = bench.shell(script, output_limit=1_000_000, timeout=20)
        end = bench.run(launch)
        assert end.reason is ExitReason.OUTPUT_LIMIT
        assert "1000000 bytes" in end.detail
        self.check_cut(bench, launch, 1_000_000)

    def test_too_much_output_of_a_short_job(self, bench: Bench) -> None:
        script = "echo first; yes this is a line of output | head -c 3000000"
        launch = bench.shell(script, output_limit=1_000_000)
        end = bench.run(launch)
        assert (end.reason, end.code) == (ExitReason.OUTPUT_LIMIT, 0)
        self.check_cut(bench, launch, 1_000_000)

    def test_too_much_output_is_trimmed_if_asked(self, bench: Bench) -> None:
        script = "echo first; yes this is a line of output | head -c 3000000; echo last; exit 2"
        launch = bench.shell(script, output_limit=1_000_000, trim_output=True)
        end = bench.run(launch)
        assert (end.reason, end.code) == (ExitReason.EXITED, 2)
        assert "left out" in end.detail
        self.check_cut(bench, launch, 1_000_000)
        assert bench.output(launch).endswith("last\n")

    def check_cut(self, bench: Bench, launch: Launch, limit: int) -> None:
        """Head and tail are there, and a line between them."""
        text = bench.output(launch)
        assert limit * 0.9 < len(text) <= limit
        assert text.startswith("first\nthis is a line")
        assert text.count(" bytes left out ...\n") == 1

    def test_a_pause_stops_the_clocks(self, bench: Bench) -> None:
        launch = bench.shell("while :; do echo tick; sleep 0.02; done", timeout=2.0, grace=0.1)
        bench.begin(launch)
        bench.until(bench.says(launch, "tick"))
        bench.launcher.pause()
        bench.launcher.pause()
        size = len(bench.output(launch))
        bench.loop.call_later(2.5, bench.loop.stop)
        bench.loop.run()
        assert len(bench.output(launch)) - size <= 5
        bench.launcher.resume()
        resumed = time.monotonic()
        assert bench.finish()[launch.id].reason is ExitReason.TIMEOUT
        assert time.monotonic() - resumed > 0.1
        assert len(bench.output(launch)) > size + 5

    def test_a_second_cancel_hastens_the_end(self, bench: Bench) -> None:
        launch = bench.shell("trap '' TERM; echo ready; while :; do sleep 1; done", timeout=100)
        bench.begin(launch)
        bench.until(bench.says(launch, "ready"))
        bench.launcher.cancel([launch.id], 60.0)
        bench.launcher.cancel([launch.id], 0.0)
        assert bench.finish()[launch.id].reason is ExitReason.CANCELLED


class OwningLauncherContract(LocalLauncherContract):
    """For launchers that own a job's processes wherever they went (Linux)."""

    def test_an_orphan_in_a_session_of_its_own(self, bench: Bench) -> None:
        launch, pid = self.daemon(bench, code=4)
        end = bench.run(launch)
        number = int(pid.read_text())
        assert (end.code, end.reason) == (4, ExitReason.EXITED)
        assert end.leaked == (f"{number} sleep",)
        assert not alive(number)

    def test_an_orphan_of_a_job_whose_time_is_over(self, bench: Bench) -> None:
        words = ("/bin/sh", "-c", '"$@"; cat "$4"; echo " ready"; exec sleep 300', "sh")
        launch, end = bench.run_limited(
            lambda t: bench.launch(*words, *self.daemon(bench)[0].argv, timeout=t), "ready"
        )
        number = int(bench.output(launch).split()[0])
        assert end.reason is ExitReason.TIMEOUT
        assert end.leaked == (f"{number} sleep",)
        assert not alive(number)

    def test_orphans_belong_to_their_own_job(self, bench: Bench) -> None:
        daemon, pid = self.daemon(bench)
        script = '"$@"; echo ready; read line < go'
        launch = bench.launch("/bin/sh", "-c", script, "sh", *daemon.argv)
        os.mkfifo(Path(launch.cwd, "go"))
        bench.begin(launch)
        bench.until(bench.says(launch, "ready"))
        number = int(pid.read_text())
        other = bench.shell("exit 0")
        bench.begin(other)
        bench.until(lambda: any(m.id == other.id for m in bench.messages if isinstance(m, Exit)))
        assert alive(number)
        Path(launch.cwd, "go").write_text("go\n")
        assert bench.finish()[launch.id].leaked == (f"{number} sleep",)
        assert not alive(number)

    def test_a_tree_that_keeps_forking(self, bench: Bench) -> None:
        script = "trap '' TERM; n() { while :; do (sleep 0.01 &) ; done; }; n & n & n & wait"
        launch = bench.shell(script, timeout=0.5, grace=0.2)
        end = bench.run(launch)
        assert end.reason is ExitReason.TIMEOUT
        assert "cannot be killed" not in end.detail
