"""The runner's side of the warm server: starting it, ordering from it, hearing from it.

What a job's environment asks for decides whether a running interpreter can serve it. The messages
are those of `server`; this module knows launches, not jobs.
"""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.launch import Launch
from canary.survivors import marked

MESSAGE: Final = 4096
MARK_SIZE: Final = 255
# variables that an interpreter, the linker or the C library reads once, at the start
AT_START: Final = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_", "COV_", "COVERAGE_", "__PYVENV_")
AT_START_NAMES: Final = frozenset({"LANG", "LANGUAGE", "TZ", "HOME"})
ANY_TIME: Final = frozenset({"PYTHONPATH"})


class Server:
    """One warm server. `fileno` is readable when there is something to `receive`."""

    def __init__(self, preload: Sequence[str]) -> None:
        environ = {k: v for k, v in os.environ.items() if k not in ANY_TIME}
        environ |= marked("-" * MARK_SIZE)  # a place for each job's own
        self.environ = environ
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        script = Path(__file__).with_name("server.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(script), str(theirs.fileno()), ",".join(preload)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environ,
                pass_fds=[theirs.fileno()],
            )
        self.pid = self._process.pid
        self._peak = 0

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._socket.fileno()

    def order(
        self, kind: str, key: int, launch: Launch, env: Mapping[str, str], *, fds: Sequence[int]
    ) -> None:
        """Ask for a job; OSError or ValueError if it cannot be sent (too long, no server)."""
        changed, gone = difference(self.environ, env)
        words = (kind, key, list(launch.argv), launch.cwd, changed, gone, list(launch.affinity))
        descriptors = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        self._socket.sendmsg([marshal.dumps(words)], ancillary)

    def has_had(self, size: int) -> bool:
        """Has it ever had so much memory, bytes? Then a program it executes seems to have it, too.

        As it never has less than before, the system is asked only about more than is known.
        """
        if size > self._peak:
            self._peak = _peak(self.pid)
        return size <= self._peak

    def receive(self) -> tuple[Any, ...] | None:
        """The next message; None if the server is no more. BlockingIOError if there is none."""
        try:
            data = self._socket.recv(MESSAGE)
        except ConnectionError:
            return None
        return marshal.loads(data) if data else None

    def close(self) -> None:
        """End it; nothing it has started is running any more, or all of that is lost."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _peak(pid: int) -> int:
    """The most memory the process has had, bytes; 0 if that cannot be known."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 if sizes else 0


def difference(base: Mapping[str, str], env: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What to set, and what to unset, to get from `base` to `env`."""
    return dict(env.items() - base.items()), list(base.keys() - env.keys())


def is_script(launch: Launch, base: Mapping[str, str]) -> bool:
    """Can a running interpreter with the environment `base` run it?"""
    argv, env = launch.argv, launch.env
    if len(argv) < 2 or argv[0] != sys.executable or argv[1][:1] in ("-", ""):
        return False
    names = (name for name in {*base, *env} if name.startswith(AT_START) or name in AT_START_NAMES)
    return all(base.get(name) == env.get(name) for name in names if name not in ANY_TIME)
