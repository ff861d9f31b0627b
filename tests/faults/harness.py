"""Starts an installed `canary` as a user would, does it harm, and looks at what is left of it.

Judged is by what anybody can see: exit codes, the table of processes, files, and what the command
line answers. Nothing of canary is imported, so that any executable of that name can be put on the
bench (`FAULT_EXE`). Whatever is waited for is a file or the end of a process, never a span of
time; the limits are for a machine that is busy.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ALL = "FAULTS_ALL"  # set: everything is tried, and not a part that stands for it
THOROUGH = bool(os.environ.get(ALL))
MARK = "FAULT_MARK"
FLAGS = "FAULT_FLAGS"
PATIENCE = 40.0  # for what should take a moment, on a busy machine
OURS = Path(sys.executable).parent / "canary"


class Late(AssertionError):
    """Something that had to happen did not."""


class Process(NamedTuple):
    """A living process: its number, start (clock ticks since boot), state and command line."""

    pid: int
    start: int
    parent: int
    state: str
    command: str

    def __str__(self) -> str:
        return f"{self.pid} {self.command[:60]}"


def process(pid: int) -> Process | None:
    """The process of that number; None if there is none, or only its entry in the table."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    words = stat.rpartition(b")")[2].split()
    if words[0] in (b"Z", b"X"):
        return None
    text = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, int(words[19]), int(words[1]), words[0].decode(), text)


def until(what: str, true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until `true()` is; what it was. `Late` after so many seconds."""
    end = time.monotonic() + seconds
    pause = 0.002
    while not (found := true()):
        if time.monotonic() >= end:
            raise Late(f"after {seconds:g} s still not: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return found


class Done(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """All it said."""
        return self.out + self.err

    @property
    def trouble(self) -> str:
        """Its last words, for a message."""
        return f"exit {self.code}: {' / '.join(self.text.strip().splitlines()[-4:])[-400:]}"


class Runner:
    """A command under way; its output goes to files, so that nobody can hold a pipe."""

    def __init__(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, **more: Any
    ) -> None:
        self.out, self.err = log.with_suffix(".out"), log.with_suffix(".err")
        self.began = time.monotonic()
        with self.out.open("wb") as out, self.err.open("wb") as err:
            files = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **more}
            self.process = subprocess.Popen(
                words, cwd=cwd, env=dict(env), start_new_session=True, **files
            )
        self.pid = self.process.pid

    def send(self, number: signal.Signals) -> float:
        """Send the main process, and nobody else, a signal; when that was."""
        self.process.send_signal(number)
        return time.monotonic()

    def wait(self, seconds: float = PATIENCE, *, kill: bool = True) -> Done:
        """Its end; `Late`, and dead unless it is to be left alone, if it does not come."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            if kill:
                self.process.kill()
                self.process.wait()
            raise Late(f"still running after {seconds:g} s; {self.text()[-300:]}") from None
        took = time.monotonic() - self.began
        return Done(code, _text(self.out), _text(self.err), took)

    def text(self) -> str:
        """What it has said so far."""
        return _text(self.out) + _text(self.err)

    def is_over(self) -> bool:
        """Has it ended?"""
        return self.process.poll() is not None


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="backslashreplace")


_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
open(sys.argv[1], "w").write(str(used))
sys.exit(code)
"""


@functools.cache
def version(exe: Path) -> str:
    """What an executable says to be; asked once."""
    done = subprocess.run([exe, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().split()[-1]


class World:
    """A directory for one experiment, an executable, and all that is started there."""

    def __init__(self, root: Path, exe: Path) -> None:
        self.root = root
        self.exe = exe
        self.home = root / "here"
        self.tests = self.home / "t"
        self.flags = root / "flags"
        self.mark = uuid.uuid4().hex
        for directory in (self.tests, self.flags):
            directory.mkdir(parents=True)
        self.runners: list[Runner] = []
        self.version = version(exe)

    @property
    def ours(self) -> bool:
        """Is this not the older tool?"""
        return not self.version.startswith("26.")

    # what is run

    def environment(self, env: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Ours with the marks, and these changes."""
        given = dict(os.environ)
        given.pop("PYTHONDONTWRITEBYTECODE", None)
        given |= {MARK: self.mark, FLAGS: str(self.flags)}
        for name, value in (env or {}).items():
            given.pop(name, None)
            if value is not None:
                given[name] = value
        return given

    def start(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        before: Sequence[str] = (),
        **more: Any,
    ) -> Runner:
        """Start `canary WORDS`; `before` are words before it (a program that starts it)."""
        log = self.root / f"log{len(self.runners)}"
        command = [*before, str(self.exe), *map(str, words)]
        runner = Runner(command, cwd or self.home, self.environment(env), log, **more)
        self.runners.append(runner)
        return runner

    def canary(self, *words: str | Path, seconds: float = PATIENCE, **more: Any) -> Done:
        """Run `canary WORDS` to its end."""
        return self.start(*words, **more).wait(seconds)

    def run(self, *words: str | Path, **more: Any) -> Done:
        """`canary run` of the tests here, with these words before the path."""
        return self.canary(*self.words(*words), **more)

    def reporting(self) -> Runner:
        """A run that has come to its report, which lasts until it may go on."""
        plugin = self.home / "slow_plugin.py"
        plugin.write_text(PREAMBLE + REPORTER)
        runner = self.start("-p", plugin, *self.words("--report", "slow"))
        self.await_flags("reports", runner=runner)
        return runner

    def measured(self, *words: str | Path, **more: Any) -> tuple[Done, int]:
        """Run `canary WORDS` to its end; how much memory any one process took, in bytes."""
        note = self.root / "memory.txt"
        before = [sys.executable, "-c", _MEASURE, str(note)]
        done = self.canary(*words, before=before, **more)
        return done, int(note.read_text())

    def words(self, *words: str | Path, cpus: int = 4) -> list[str]:
        """The words of a run of all tests here on so many CPUs."""
        first = ["-c", f"resource_pool:cpus:{cpus}"]
        return [*first, "run", *map(str, words), str(self.tests)]

    def only_ours(self, *words: str) -> list[str]:
        """Words that the older tool would not understand."""
        return list(words) if self.ours else []

    def slack(self) -> float:
        """Seconds granted for what takes a moment: 4 on an idle machine, and longer by as much as
        a command lasts longer than it computes."""
        return min(20.0, 4.0 * max(self._slowness() for _ in range(3)))

    def _slowness(self) -> float:
        began = time.monotonic()
        process = subprocess.Popen([self.exe, "--version"], stdout=subprocess.DEVNULL)
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = code
        return max(1.0, (time.monotonic() - began) / max(0.01, used.ru_utime + used.ru_stime))

    # what is written before

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files below the tests' directory."""
        for name, text in files.items():
            path = self.tests / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())

    def job(self, name: str, body: str, *, directives: str = "") -> None:
        """Write `NAME.pyt`: directives, and a body that may use what `PREAMBLE` has."""
        self.write({f"{name}.pyt": script(body, directives)})

    # what is seen

    def flag(self, name: str) -> Path:
        """A file by which jobs tell something."""
        return self.flags / name

    def told(self, prefix: str) -> list[str]:
        """Names of the flags that begin so."""
        names = os.listdir(self.flags)  # a job is still writing one that ends in ~
        return sorted(n for n in names if n.startswith(prefix) and not n.endswith("~"))

    def await_flags(self, *names: str, runner: Runner | None = None) -> None:
        """Wait until jobs have told all of these; not after the runner is over."""

        def there() -> bool:
            missing = [n for n in names if not self.flag(n).exists()]
            if missing and runner is not None and runner.is_over():
                raise Late(f"the runner ended without {missing}; {runner.text()[-300:]}")
            return not missing

        until(f"flags {', '.join(names)}", there)

    def noted(self, prefix: str = "pid.") -> list[int]:
        """Process numbers that jobs have written into such flags."""
        return [int(self.flag(name).read_text()) for name in self.told(prefix)]

    def living(self, but: Iterable[int] = ()) -> list[Process]:
        """All that was started here and lives: by the mark, or noted by a job."""
        wanted = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and int(entry) not in but:
                try:
                    marked = wanted in Path(f"/proc/{entry}/environ").read_bytes()
                except OSError:
                    continue
                if marked and (p := process(int(entry))):
                    found[p.pid] = p
        for name in self.told("pid."):
            pid, _, start = self.flag(name).read_text().partition(" ")
            p = process(int(pid)) if pid else None
            if p is not None and start.strip() == str(p.start) and p.pid not in but:
                found[p.pid] = p
        return list(found.values())

    def await_silence(self, seconds: float = 3.0) -> str:
        """Wait until nothing lives; an empty text, or who does."""
        try:
            until("all processes are dead", lambda: not self.living(), seconds)
        except Late:
            return ", ".join(map(str, self.living()))
        return ""

    def jobs(self, *words: str, cwd: Path | None = None) -> dict[str, str]:
        """`{name: outcome}` of every job's latest result."""
        return {j["name"]: j["status"]["outcome"] for j in self.records(*words, cwd=cwd)}

    def stored(self) -> dict[str, str]:
        """The same for those who have no time: as any program reads it in the database."""
        path = self.workspace / "workspace.sqlite3"
        rows = "select spec_name, status_outcome from results order by session"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return dict(db.execute(rows))

    def records(self, *words: str, cwd: Path | None = None) -> list[dict[str, Any]]:
        """What `canary query jobs` says."""
        done = self.canary("query", "jobs", *words, cwd=cwd)
        try:
            found = json.loads(done.out)
        except ValueError:
            raise Late(f"`query jobs` gives no JSON; {done.trouble}") from None
        return list(found)

    @property
    def workspace(self) -> Path:
        """The `.canary` directory."""
        return self.home / ".canary"

    def sessions(self) -> list[Path]:
        """Directories of all sessions, oldest first."""
        return sorted((self.workspace / "sessions").iterdir())

    def recorded(self) -> list[dict[str, Any]]:
        """The ends of jobs that are in the logs of all sessions, torn lines left out."""
        ends = []
        for log in sorted(self.workspace.glob("sessions/*/events.jsonl")):
            for raw in log.read_bytes().splitlines():
                try:
                    line = json.loads(raw)
                except ValueError:
                    continue
                if line.get("e") == "job_finished" and not line["retry"]:
                    ends.append(line)
        return ends

    def ends(self) -> dict[str, int]:
        """How often each job came to its end: to its flag `end.NAME.TIMES`."""
        found: dict[str, int] = {}
        for name in self.told("end."):
            job = name.split(".")[1]
            found[job] = found.get(job, 0) + 1
        return found

    def outside(self) -> list[str]:
        """Files in the experiment's directory that are neither workspace nor view nor what was
        put there."""
        known = {"here", "flags"}
        found = [p.name for p in self.root.iterdir() if p.name not in known and p.suffix == ""]
        here = {".canary", "TestResults", "t"}
        return found + [p.name for p in self.home.iterdir() if p.name not in here]

    def close(self) -> None:
        """Kill what is left; let whoever looks at the files remove them."""
        for runner in self.runners:
            if not runner.is_over():
                runner.process.kill()
                runner.process.wait()
        end = time.monotonic() + 10
        while (left := self.living()) and time.monotonic() < end:
            for p in left:
                try:
                    os.kill(p.pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.02)
        # Python's own way ends at a thousand levels
        subprocess.run(["rm", "-rf", "--", self.root], check=False)


# a file of a plugin, whose report lasts until it may go on
REPORTER = """
import canary

class Slow(canary.Reporter):
    name = "slow"

    def report(self, results, options):
        tell("reports")
        hear("go")
        for job in results.jobs():
            with open(job["exec_dir"] + "/canary-out.txt") as f:
                tell("out." + job["name"], f.read())
        return ()

@canary.hookimpl
def canary_reporters():
    return [Slow()]
"""

PREAMBLE = """\
import os, signal, subprocess, sys, time

FLAGS = os.environ.get("FAULT_FLAGS", "")

def tell(name, text=""):
    with open(f"{FLAGS}/{name}~", "w") as f:
        f.write(str(text))
    os.rename(f"{FLAGS}/{name}~", f"{FLAGS}/{name}")

def start_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rpartition(")")[2].split()
    return words[19] if words[0] not in "ZX" else "dead"

def tell_pid(name, pid=None):
    pid = pid or os.getpid()
    tell(f"pid.{name}", f"{pid} {start_of(pid)}")

def hang():
    while True:
        time.sleep(600)

def hear(name, seconds=120):
    end = time.monotonic() + seconds
    while not os.path.exists(f"{FLAGS}/{name}"):
        if time.monotonic() > end:
            sys.exit(99)
        time.sleep(0.01)

def begin(name):
    \"\"\"Count this start; tell if another of the same name still lives.\"\"\"
    number = 1
    while os.path.exists(f"{FLAGS}/at.{name}.{number}"):
        with open(f"{FLAGS}/at.{name}.{number}") as f:
            pid, start = f.read().split()
        try:
            if start_of(pid) == start:
                tell(f"double.{name}.{number}")
        except OSError:
            pass
        number += 1
    tell(f"at.{name}.{number}", f"{os.getpid()} {start_of(os.getpid())}")
    return number

def daemon(name, env=None):
    \"\"\"A grandchild in a session of its own, by a double fork; it has told its number.\"\"\"
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            tell_pid(name)
            env = dict(os.environ) if env is None else env
            os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], env)
        os._exit(0)
    os.wait()
    hear(f"pid.{name}")
"""


def script(body: str, directives: str = "") -> str:
    """A test in Python: what is above, directives, and a body in `main`."""
    head = "import canary\n" + textwrap.dedent(directives) if directives else ""
    inner = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    guard = 'if __name__ == "__main__":\n    sys.exit(main())\n'
    return f"{PREAMBLE}\n{head}\ndef main():\n{inner}\n\n{guard}"
