"""Runs a Python script as one rank: what ends the script ends all ranks, with its exit code.

Otherwise, a rank that raises or exits waits for the others, and they for it. The script is told
apart from a real start by nothing but a frame below its own. If it has used mpi4py and the number
of ranks is not what was started, the libraries do not fit: N ranks of size 1 are no test. Run by
its path; knows nothing of canary.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import termios
import time
from array import array
from types import ModuleType
from typing import Any, Final

LONGEST: Final = 1.0  # seconds for which an abort waits until its reason has been read


def main(argv: list[str]) -> int:
    """Run the script as Python would; the exit code, if this rank is to end by itself."""
    code = _run(argv)
    mpi: Any = sys.modules.get("mpi4py.MPI")
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized():
        return code
    size, wanted = mpi.COMM_WORLD.Get_size(), os.environ.get("CANARY_MPI_STARTED", "")
    if wanted and str(size) != wanted:
        library = mpi.Get_library_version().split(",")[0]
        sys.stderr.write(
            f"canary-mpiexec: {wanted} ranks were started and MPI says {size}: what started them"
            f" does not fit the library of mpi4py ({library})\n"
        )
        code = code or 1
    if code and size > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        _wait_for_readers()
        mpi.COMM_WORLD.Abort(code & 0xFF or 1)
    return code


def _wait_for_readers() -> None:
    """MPICH ends with an abort at once, and what it has not read from a rank by then is lost: why
    the rank has ended, mostly."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and any(map(_is_unread, (1, 2))):
        time.sleep(0.001)


def _is_unread(fd: int) -> bool:
    """Is there something in this pipe, if it is one?"""
    count = array("i", [0])
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            fcntl.ioctl(fd, termios.FIONREAD, count)
    except OSError:
        return False
    return count[0] > 0


def _run(argv: list[str]) -> int:
    path = os.path.abspath(argv[0])  # noqa: PTH100 - as Python has it
    sys.argv = argv
    sys.path[0] = os.path.dirname(os.path.realpath(argv[0]))  # noqa: PTH120 - as Python has it
    module = ModuleType("__main__")
    module.__file__ = path
    module.__dict__.update(__builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = module
    try:
        with open(path, "rb") as f:
            code = compile(f.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SystemExit as e:
        return _code_of(e)
    except BaseException as e:  # noqa: BLE001 - whatever ends the script
        e.__traceback__ = e.__traceback__ and e.__traceback__.tb_next  # without our frame
        try:
            sys.excepthook(type(e), e, e.__traceback__)
        except SystemExit as end:
            return _code_of(end)
        return 1
    return 0


def _code_of(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    sys.stderr.write(f"{end.code}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
