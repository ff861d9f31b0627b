"""Files, written whole or not at all.

All writing of files that others read goes through here, so that there is one place to get
durability, permissions and link handling right.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from canary import faults
from canary.errors import WorkspaceError
from canary.faults import fault


def write_atomic(
    path: str | Path, data: bytes, *, durable: bool = False, mode: int = 0o666
) -> None:
    """Write a temporary file beside `path` and rename it over; `durable` also flushes it to the
    disk."""
    name = os.fspath(path)
    temporary = f"{name}.{threading.get_native_id()}~"
    try:
        fault("open")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            write_all(fd, data)
            if durable:
                sync(fd)
        finally:
            os.close(fd)
        fault("rename")
        os.rename(temporary, name)
    except OSError as e:
        e.filename = name
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however many calls the system wants."""
    done = faults.write(fd, data)
    while done < len(data):
        done += faults.write(fd, data[done:])


def sync(fd: int) -> None:
    """Force what was written to the disk."""
    fault("sync")
    os.fsync(fd)


def copy_or_link(src: str, dst: str, *, link: bool) -> None:
    """Put `src` at `dst`: a symbolic link, or a copy (a directory as a tree, links in it kept as
    links); OSError, its first where a tree has many."""
    fault("stage")
    if link:
        os.symlink(src, dst)
    elif not os.path.isdir(src):
        _copy_file(src, dst)
    elif os.path.realpath(dst).startswith(os.path.join(os.path.realpath(src), "")):
        raise OSError(f"{src}: a directory cannot be copied into itself")
    else:
        try:
            shutil.copytree(src, dst, symlinks=True, copy_function=_copy_file)
        except shutil.Error as e:
            raise OSError(e.args[0][0][-1]) from None


def _copy_file(src: str, dst: str) -> None:
    """A device or a pipe would be read for ever."""
    if not os.path.isfile(src):
        raise OSError(f"{src}: neither a file nor a directory")
    shutil.copy2(src, dst)


def drop_output() -> None:
    """What is printed to a stream that takes nothing any more goes nowhere from now on."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def is_network(path: str | Path) -> bool:
    """Is `path` on a file system shared between hosts (by the mount table; False if that cannot be
    known)?"""
    kinds = (
        *("nfs", "nfs4", "lustre", "gpfs", "cifs", "smb3"),
        *("beegfs", "ceph", "panfs", "afs", "9p", "fuse.sshfs"),
    )
    try:
        real = os.path.realpath(path)
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as f:
            mounts = [line.split(" ")[1:3] for line in f]
    except (OSError, IndexError):
        return False
    best = max(
        (m for m in mounts if real == m[0] or real.startswith(m[0].rstrip("/") + "/")),
        default=["", ""],
    )
    return best[1] in kinds


def remove(path: str | Path) -> None:
    """Remove whatever is there, a directory with all in it; a link, never what it leads to."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (IsADirectoryError, PermissionError):
        if os.path.islink(path):
            raise
        remove_tree(path)
    except OSError:  # a read-only file system says so even of what is not there
        if os.path.lexists(path):
            raise


def remove_tree(path: str | Path) -> None:
    """Remove a directory and all in it, however deep it is; links in it are never followed."""
    try:
        shutil.rmtree(path)
    except RecursionError:  # as Python before 3.13 has it, a thousand levels down
        if os.spawnlp(os.P_WAIT, "rm", "rm", "-rf", "--", os.fspath(path)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), os.fspath(path)) from None


def explain(error: OSError, path: str | Path, what: str) -> WorkspaceError:
    """One line for an `OSError`: what could not be done, where, and why."""
    name = errno.errorcode.get(error.errno or 0)
    reason = f"{error.strerror} ({name})" if name else f"{error}"
    hint = "make room on that disk" if name in ("ENOSPC", "EDQUOT") else None
    return WorkspaceError(f"cannot {what}: {reason}", hint=hint, file=str(path))


def open_left(path: str | Path) -> BinaryIO:
    """Open what a job has left, for reading; OSError if it is no file: a pipe would be waited for,
    a device read for ever. Read no more than the size it has now: somebody may still write."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return open(fd, "rb")
    os.close(fd)
    raise OSError(errno.EINVAL, "not a file", os.fspath(path))


def read_ends(path: str, limit: int | None = None) -> str:
    """What `open_left` opens as text, whatever its bytes; with `limit`, its head and tail of that
    many bytes each."""
    with open_left(path) as f:
        size = os.fstat(f.fileno()).st_size
        if limit is None or size <= 2 * limit:
            return f.read(size).decode("utf-8", "replace")
        head = f.read(limit)
        f.seek(size - limit)
        tail = f.read(limit)
    left = f"\n… {size - 2 * limit} bytes left out …\n"
    return head.decode("utf-8", "replace") + left + tail.decode("utf-8", "replace")


def read_text(path: str, limit: int | None = None) -> str:
    """As `read_ends`, for people: a file that cannot be read, or is none, says so."""
    try:
        return read_ends(path, limit)
    except OSError as e:
        return f"(no output: {e.strerror})"
