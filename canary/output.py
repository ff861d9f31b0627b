"""The files that a command writes to, and what to say when it could not even be started.

Output goes straight from the command to its file; the runner never carries it. A file that has
grown over its limit is cut once nobody writes to it any more.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

from canary.launch import Launch

TAIL: Final = 1 << 20


def open_output(path: str) -> int:
    """Open a file to append to; what is in it stays."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
    return os.open(path, flags, 0o666)


def cut_middle(fd: int, limit: int) -> int:
    """Cut a file to about `limit` bytes: its head, a line saying so, its tail; bytes left out.

    `fd` is from `open_output`; nobody may be writing to the file any more.
    """
    size = os.fstat(fd).st_size
    if size <= limit:
        return 0
    tail = min(limit // 2, TAIL)
    end = os.pread(fd, tail, size - tail)
    head = max(0, limit - tail - 40)
    out = size - head - tail
    data = f"\n... {out} bytes left out ...\n".encode() + end
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_APPEND)  # with it, pwrite would append
    os.pwrite(fd, data, head)
    os.ftruncate(fd, head + len(data))
    return out


def explain(launch: Launch, error: Exception) -> str:
    """One line on why a command could not be started."""
    program = launch.argv[0] if launch.argv else ""
    if not isinstance(error, OSError):
        return f"{program}: {error}" if launch.argv else "the command is empty"
    name = os.fsdecode(error.filename) if error.filename else ""
    if name and name in (launch.stdout, launch.stderr):
        return f"the output file cannot be opened: {error.strerror}: {name}"
    if name == launch.cwd or not os.path.isdir(launch.cwd):  # noqa: PTH112 - text is at hand
        return f"the work directory cannot be entered: {error.strerror}: {launch.cwd}"
    path = os.path.join(launch.cwd, program)  # noqa: PTH118 - text is at hand
    if error.errno == errno.ENOENT and os.path.exists(path):  # noqa: PTH110 - text is at hand
        return f"{program}: the interpreter named in its #! line does not exist"
    hints = {
        errno.ENOENT: "no such program",
        errno.EACCES: "is a directory" if os.path.isdir(path) else "not executable",  # noqa: PTH112 - text is at hand
        errno.ENOEXEC: "not a program (a script without a #! line?)",
        errno.E2BIG: "arguments and environment are too large",
        errno.EAGAIN: "no more processes may be started (ulimit -u)",
        errno.EMFILE: "no more files may be opened (ulimit -n)",
    }
    return f"{program}: {hints.get(error.errno or 0, error.strerror)}"
