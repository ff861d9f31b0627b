"""`canary.filesystem`: what test scripts do with files and directories, in one call each.

Paths come and go as texts, which is what test scripts expect.
"""

# ruff: noqa: PTH100, PTH101, PTH103, PTH105, PTH109, PTH110, PTH111, PTH112, PTH113, PTH116, PTH118, PTH119, PTH120, PTH211

from __future__ import annotations

import fnmatch
import getpass
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

PathLike = str | os.PathLike[str]

_SECONDS_PER_DAY = 86400.0


def which(
    *args: str, path: str | Sequence[str] | None = None, required: bool = False
) -> str | None:
    """The path of the first of these programs that there is, or None.

    FileNotFoundError if there is none and `required`.
    """
    where = path if path is None or isinstance(path, str) else os.pathsep.join(path)
    for name in args:
        found = shutil.which(name, path=where)
        if found:
            return found
    if required:
        raise FileNotFoundError(f"none of {', '.join(args)} on PATH")
    return None


@contextmanager
def working_dir(dirname: PathLike, create: bool = False) -> Generator[None, None, None]:
    """Be in a directory for a while."""
    before = os.getcwd()
    if create:
        mkdirp(dirname)
    os.chdir(dirname)
    try:
        yield
    finally:
        os.chdir(before)


def mkdirp(*paths: PathLike, mode: int | None = None) -> None:
    """Make directories with their parents; they may be there."""
    for path in paths:
        os.makedirs(path, exist_ok=True)
        if mode is not None:
            os.chmod(path, mode)


def touch(path: PathLike) -> None:
    """Make a file, or set its time to now."""
    Path(path).touch()


def touchp(path: PathLike) -> None:
    """See `touch`; also makes the parent directories."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()


def copyfile(src: PathLike, dst: PathLike) -> None:
    """Copy a file, into `dst` if that is a directory."""
    shutil.copy2(src, dst)


def movefile(src: PathLike, dst: PathLike) -> None:
    """Move a file, into `dst` if that is a directory."""
    shutil.move(src, dst)


def remove(file_or_dir: PathLike) -> None:
    """Remove a file, a link or a whole directory; nothing if there is none."""
    force_remove(file_or_dir)


def force_remove(file_or_dir: PathLike) -> None:
    """See `remove`; also removes what is write-protected."""
    path = Path(file_or_dir)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        for directory, _, _ in os.walk(path):
            os.chmod(directory, stat.S_IRWXU)
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def force_copy(src: PathLike, dst: PathLike) -> None:
    """Copy a file or directory over whatever is there."""
    force_remove(dst)
    if os.path.isdir(src):
        shutil.copytree(src, dst, symlinks=True)
    else:
        shutil.copy2(src, dst)


def force_symlink(src: PathLike, dest: PathLike) -> None:
    """Link `dest` to `src` in place of whatever is there."""
    force_remove(dest)
    os.symlink(src, dest)


def synctree(
    src: PathLike,
    dst: PathLike,
    ignore: str | Sequence[str] | None = None,
    delete: bool = False,
    verbose: bool = False,
) -> None:
    """Make `dst/NAME` of directory `src` like `src`; a trailing slash on `src` means its contents.

    Names that match `ignore` are left out; `delete` removes what `src` has not.
    """
    patterns = [ignore] if isinstance(ignore, str) else list(ignore or ())
    text = os.fspath(src)
    target = (
        Path(dst) if text.endswith("/") else Path(dst) / os.path.basename(os.path.abspath(text))
    )
    _sync(Path(src), target, patterns, delete, verbose)


def _sync(src: Path, dst: Path, patterns: Sequence[str], delete: bool, verbose: bool) -> None:
    dst.mkdir(parents=True, exist_ok=True)
    names = [n for n in sorted(os.listdir(src)) if not any(fnmatch.fnmatch(n, p) for p in patterns)]
    if delete:
        for name in set(os.listdir(dst)).difference(names):
            force_remove(dst / name)
    for name in names:
        source, target = src / name, dst / name
        if source.is_dir() and not source.is_symlink():
            _sync(source, target, patterns, delete, verbose)
            continue
        if verbose:
            print(f"{source} -> {target}")  # noqa: T201 - asked for by the test
        force_remove(target)
        shutil.copy2(source, target, follow_symlinks=False)


def ancestor(dir: PathLike, n: int = 1) -> str:
    """The directory `n` levels up."""
    path = os.path.abspath(dir)
    for _ in range(n):
        path = os.path.dirname(path)
    return path


def samepath(path1: PathLike, path2: PathLike) -> bool:
    """Do both lead to the same place?"""
    return os.path.realpath(path1) == os.path.realpath(path2)


def grep(regex: str | re.Pattern[str], file: PathLike) -> bool:
    """Does a line of the file match?"""
    pattern = re.compile(regex)
    with open(file, encoding="utf-8", errors="replace") as f:
        return any(pattern.search(line) for line in f)


def accessible(file_name: PathLike) -> bool:
    """Is there such a file, to read and to execute or enter?"""
    return os.path.exists(file_name) and os.access(file_name, os.R_OK)


def readable(file_name: PathLike) -> bool:
    """Can it be read?"""
    return os.access(file_name, os.R_OK)


def writeable(file_name: PathLike) -> bool:
    """Can it be written?"""
    return os.access(file_name, os.W_OK)


def is_exe(path: PathLike) -> bool:
    """Is it a file that can be executed?"""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def is_hidden(path: PathLike) -> bool:
    """Does its name begin with a dot?"""
    return os.path.basename(os.fspath(path)).startswith(".")


def set_executable(path: PathLike) -> None:
    """Let all who can read it execute it."""
    mode = os.stat(path).st_mode
    os.chmod(path, mode | (mode & 0o444) >> 2)


def chmod_x(entry: PathLike, perms: int) -> None:
    """Set permissions, of a directory with the right to enter it wherever it can be read."""
    os.chmod(entry, perms | (perms & 0o444) >> 2 if os.path.isdir(entry) else perms)


def chgrp(path: PathLike, group: str) -> None:
    """Set the group."""
    shutil.chown(path, group=group)


def filesize(filename: PathLike, *, units: str | None = None) -> int:
    """The size in bytes, or in whole `units` (`kb`, `mb`, `gb`)."""
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get((units or "b")[:1].lower(), 1)
    return os.stat(filename).st_size // factor


def file_age_in_days(file: PathLike) -> float:
    """Days since it was last written."""
    return (time.time() - os.stat(file).st_mtime) / _SECONDS_PER_DAY


def sortby_mtime(files: Sequence[str]) -> list[str]:
    """The oldest first."""
    return sorted(files, key=lambda f: os.stat(f).st_mtime)


def max_name_length() -> int:
    """How many bytes a name may have."""
    return os.pathconf("/", "PC_NAME_MAX")


def getuser() -> str:
    """The user's name."""
    return getpass.getuser()


def gethost() -> str:
    """This machine's name."""
    return socket.gethostname()


def getnode() -> str:
    """This machine's name without domain and number: `eclipse` for `eclipse12.site`."""
    return re.sub(r"[0-9]+$", "", gethost().partition(".")[0]) or gethost()


def gethome() -> str:
    """The user's home directory."""
    return os.path.expanduser("~")


def gettempdir(user: bool = False, suffix: str | None = None) -> str:
    """The directory for temporary files, with `user` the user's own; `suffix` is appended."""
    path = tempfile.gettempdir()
    if user:
        path = os.path.join(path, getuser())
    if suffix:
        path = os.path.join(path, suffix)
    if user or suffix:
        mkdirp(path)
    return path


@contextmanager
def tmpdir(remove: bool = True, suffix: str | None = None) -> Generator[str, None, None]:
    """A new directory, removed at the end unless told otherwise."""
    path = tempfile.mkdtemp(suffix=suffix)
    try:
        yield path
    finally:
        if remove:
            force_remove(path)


def git_revision(path: PathLike) -> str:
    """The commit that is checked out at `path`."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=path, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def find_work_tree(start: PathLike | None = None) -> str | None:
    """The nearest directory at or above `start` that holds a canary workspace, or None."""
    here = Path(start or ".").absolute()
    for directory in (here, *here.parents):
        if (directory / ".canary" / "WORKSPACE.TAG").exists():
            return str(directory)
    return None


def async_rmtree(path: PathLike) -> None:
    """Remove a directory while the test goes on: it is gone from its place at once."""
    target = Path(path)
    if not target.is_dir():
        return
    moved = target.with_name(f".{target.name}.{os.getpid()}.removed")
    target.rename(moved)
    threading.Thread(target=shutil.rmtree, args=(moved,), kwargs={"ignore_errors": True}).start()


def rmtree2(path: PathLike, n: int = 5) -> None:
    """Remove a directory; tried again up to `n` times while something still writes into it."""
    for attempt in range(n):
        try:
            force_remove(path)
        except OSError:
            if attempt == n - 1:
                raise
            time.sleep(0.2)
        else:
            return


def clean_out_folder(folder: PathLike) -> None:
    """Remove everything in a directory."""
    for name in os.listdir(folder):
        force_remove(os.path.join(folder, name))


def atomic_write(path: PathLike, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = f"{os.fspath(path)}.{os.getpid()}~"
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(temporary, path)
