"""Terminals to draw on: one in memory that understands what is written, and a real one."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

CASES = Path(__file__).parent / "cases"
CODE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")
# makes the terminal on standard input the controlling one, as a shell's is
FRONT = """
import fcntl, os, signal, sys, termios
for number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore them
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""
# the same, but leaves a process of another group in front of it
BACK = """
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.setpgid(0, 0)
"""
START = "os.execv(sys.argv[1], sys.argv[1:])\n"


@pytest.fixture(scope="session", autouse=True)
def _own_world(tmp_path_factory):
    """No test sees, or changes, what the person running the tests has configured or cached."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("CANARY_", "XDG_", "LC_"))]:
            patch.delenv(name)
        for name in ("PYTHONPATH", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LANG"):
            patch.delenv(name, raising=False)
        patch.setenv("LANG", "C.UTF-8")
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("HOME", str(home))
        for name in ("CONFIG", "CACHE", "DATA", "STATE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        yield


@pytest.fixture(autouse=True)
def _scratch_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Emulator:
    """What a terminal would show. It knows what the console may write, and fails at all else.

    `rows` are all lines since the beginning, those scrolled away included. As in most terminals,
    lines that were wrapped are wrapped anew when the width changes.
    """

    def __init__(self, columns=80, height=24):
        self.columns, self.height = columns, height
        self.rows = [[]]
        self.wrapped = [False]
        self.row = self.column = self.top = 0

    def feed(self, text):
        at = 0
        while at < len(text):
            if code := CODE.match(text, at):
                self._code(*code.groups())
                at = code.end()
                continue
            self._put(text[at])
            at += 1

    def _put(self, sign):
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self._down()
        else:
            assert sign.isprintable(), f"{sign!r} reached the terminal"
            width = cell_len(sign)
            if self.column + width > self.columns:
                self.wrapped[self.row] = True
                self._down()
            row = self.rows[self.row]
            row.extend(" " * (self.column - len(row)))
            row[self.column : self.column + width] = [sign, *[""] * (width - 1)]
            self.column += width

    def _down(self):
        self.row += 1
        self.column = 0
        if self.row == len(self.rows):
            self.rows.append([])
            self.wrapped.append(False)
        self.top = max(self.top, self.row - self.height + 1)

    def _code(self, number, letter):
        if letter == "A":
            self.row = max(self.top, self.row - int(number or 1))
        elif letter == "K":
            assert not number
            self._erase()
        elif letter == "J":
            assert not number
            self._erase()
            del self.rows[self.row + 1 :], self.wrapped[self.row + 1 :]
        else:
            assert letter == "m", f"unknown code {number}{letter}"

    def _erase(self):
        del self.rows[self.row][min(self.column, self.columns - 1) :]
        self.wrapped[self.row] = False

    def resize(self, columns):
        lines, row, offset = [[]], 0, 0
        for n, cells in enumerate(self.rows):
            if n == self.row:
                row, offset = len(lines) - 1, len(lines[-1]) + self.column
            lines[-1] += cells
            if not self.wrapped[n]:
                lines.append([])
        self.columns = columns
        self.rows, self.wrapped = [], []
        for n, cells in enumerate(lines[:-1]):
            if n == row:
                self.row = len(self.rows) + max(0, offset - 1) // columns
                self.column = offset - (self.row - len(self.rows)) * columns
            starts = range(0, max(1, len(cells)), columns)
            self.rows += [cells[s : s + columns] for s in starts]
            self.wrapped += [True] * (len(starts) - 1) + [False]
        self.top = max(0, len(self.rows) - self.height)

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]

    @property
    def text(self):
        return "\n".join(self.lines)


class Stream(io.StringIO):
    """A text stream that says it is a terminal, and shows what it was given."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self.terminal = Emulator(200, 50)
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return True

    def write(self, text):
        text.encode(self._encoding)
        self.terminal.feed(text)
        return super().write(text)


@pytest.fixture
def make_stream():
    return Stream


@pytest.fixture
def make_emulator():
    return Emulator


class Run:
    """A program on a terminal of its own; `shows` and `until` wait for what is seen there."""

    def __init__(self, words, *, cwd, env, size, back, stdout, stderr):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.raw = b""
        self._rest = b""
        script = FRONT + (BACK if back else "") + START
        environ = {k: v for k, v in {**os.environ, **env}.items() if v is not None}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, sys.executable, *map(str, words)],
            cwd=cwd,
            env=environ,
            stdin=self.slave,
            stdout=stdout or self.slave,
            stderr=stderr or self.slave,
            start_new_session=True,
        )

    def resize(self, columns, height):
        self.screen = Emulator(columns, height)
        size = struct.pack("HHHH", height, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def type(self, keys):
        os.write(self.master, keys)

    def read(self, timeout=0.0):
        """Take what was written; False if nothing was."""
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        data = os.read(self.master, 65536)
        self.raw += data
        text = (self._rest + data).replace(b"\r\n", b"\n")
        # keep back what may be the beginning of a sign or a code
        cut = max(text.rfind(b"\x1b"), len(text) - 4)
        cut = cut if len(text) - cut < 12 and not text.endswith((b"\n", b"m", b"J", b"K")) else None
        self._rest = text[cut:] if cut is not None else b""
        self.screen.feed(text[:cut].decode())
        return True

    def shows(self, *texts):
        """Wait until all of `texts` are on the terminal at once; return all that is."""
        self.until(lambda seen: all(text in seen for text in texts))
        return self.screen.text

    def until(self, is_right, timeout=20.0):
        """Wait until what is on the terminal is right."""
        end = time.monotonic() + timeout
        while not is_right(self.screen.text):
            left = end - time.monotonic()
            assert left > 0, f"waited in vain at\n{self.screen.text}"
            self.read(left)

    def ends(self, timeout=20.0):
        """Wait for its end; return its exit code."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, self.screen.text
            self.read(0.05)
        while self.read():
            pass
        self.screen.feed(self._rest.decode())
        self._rest = b""
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def on_terminal(tmp_path):
    """`on_terminal(*words)` runs canary on a terminal, with the test format of `cases/lines.py`."""
    runs = []

    def run(*words, env=None, size=(100, 30), back=False, stdout=None, stderr=None, cwd=None):
        words = ["-m", "canary", "-r", "cpus=4", "-p", CASES / "lines.py", *words]
        made = Run(
            words,
            cwd=cwd or tmp_path,
            env=env or {},
            size=size,
            back=back,
            stdout=stdout,
            stderr=stderr,
        )
        runs.append(made)
        return made

    yield run
    for made in runs:
        made.close()


@pytest.fixture
def jobs(tmp_path):
    """`jobs("name: command", …)` writes tests; `gate` is for a job that waits: `read x <gate`."""

    def write(*rows):
        directory = tmp_path / "t"
        directory.mkdir(exist_ok=True)
        (directory / "tests.lines").write_text("".join(f"{row}\n" for row in rows))
        return directory

    return write


class Gate:
    """A place in a job's command where it waits until the test lets it go on."""

    def __init__(self, path):
        os.mkfifo(path)
        self.command = f"read x <{path}"
        self._path = path

    def open(self):
        with open(self._path, "w") as f:
            f.write("\n")


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path / "gate")
