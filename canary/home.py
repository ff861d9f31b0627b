"""The workspace on disk: `.canary`, what is where in it, and who may use it.

It is found by looking upward from the current directory, made by `canary init` or the first run,
and recognised by its tag and version. Contents of the store, the record and the view have modules
of their own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from canary import fsio
from canary.clock import stamp
from canary.errors import UsageError, WorkspaceError
from canary.faults import fault

DIRECTORY: Final = ".canary"
ASIDE: Final = ".canary.old"  # directories called `.canary.*` are not scanned
TAG: Final = "WORKSPACE.TAG"
VERSION: Final = "2.0.0"
REMOVED: Final = "the workspace was removed meanwhile"
_TAG_TEXT: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a canary workspace and keeps backup tools out of it.\n"
)


class Raced(WorkspaceError):
    """Another process has removed the workspace, or made one in its place: look again."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """`root` is the `.canary` directory itself."""

    root: Path

    @property
    def home(self) -> Path:
        """The directory that holds `.canary` and the view."""
        return self.root.parent

    @property
    def database(self) -> Path:
        """The store."""
        return self.root / "workspace.sqlite3"

    @property
    def sessions(self) -> Path:
        """Where sessions have their directories."""
        return self.root / "sessions"

    @property
    def config_file(self) -> Path:
        """The workspace's own configuration."""
        return self.root / "config.toml"

    @property
    def latest(self) -> str | None:
        """Name of the newest session."""
        try:
            text = fsio.read_ends(f"{self.root}/refs/latest")
            name = text.strip().rpartition("/")[2]
            if name and not (self.sessions / name).is_dir():
                name = max(self.session_names(), default="")
            return name or None
        except OSError:
            return None

    def session_names(self) -> list[str]:
        """What is in the directory of sessions, oldest first; other names than times are nobody's
        session."""
        try:
            return sorted(name for name in os.listdir(self.sessions) if name[:1].isdigit())
        except OSError:
            return []

    def point_to(self, session: str) -> None:
        """Make `session` the newest."""
        (self.root / "refs").mkdir(exist_ok=True)
        fsio.write_atomic(self.root / "refs" / "latest", f"../sessions/{session}\n".encode())

    def new_session(self) -> tuple[str, Path]:
        """Make the directory of a new session; its name is the time, to the microsecond.

        A later session has the greater name, also when clocks are set back for the winter.
        """
        try:
            fault("session")
            return self._new_session()
        except OSError as e:
            raise fsio.explain(e, self.sessions, "make a session") from None

    def _new_session(self) -> tuple[str, Path]:
        self.sessions.mkdir(exist_ok=True)
        latest = max(self.session_names(), default="")
        while True:
            name = f"{stamp(time.time())}".replace(":", "-")
            if name <= latest:
                name = latest = _after(latest)
            try:
                (self.sessions / name).mkdir()
            except FileExistsError:
                continue
            return name, self.sessions / name


def _after(session: str) -> str:
    """The next name where the clock gives none: counted, so that it stays short for years."""
    base, _, number = session.rpartition("+")
    if len(number) == 6 and number.isdecimal() and number != "999999":
        return f"{base}+{int(number) + 1:06}"
    return f"{session.rstrip('+')}+000001"  # older releases added a plus for each


def is_same(one: str, other: str) -> bool:
    """Are both there, and the same directory?"""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def find(start: Path, explicit: Path | None = None) -> Workspace | None:
    """The workspace at or above `start`, or the one named: `.canary` or the directory that holds
    it."""
    if explicit is not None:
        inner = explicit / DIRECTORY
        root = inner if inner.is_dir() else explicit
        return _checked(root) if (root / TAG).is_file() else None
    here = start.absolute()
    for directory in (here, *here.parents):
        if os.path.isfile(directory / DIRECTORY / TAG):  # false also where we may not look
            return _checked(directory / DIRECTORY)
    return None


def require(start: Path, explicit: Path | None = None) -> Workspace:
    """The workspace, or one line saying how to make one."""
    found = find(start, explicit)
    if found is None:
        where = explicit or start
        raise WorkspaceError(
            f"no workspace at or above {where}", hint="canary run PATH or canary init makes one"
        )
    return found


def _checked(root: Path) -> Workspace:
    version = ""
    for _ in range(2):  # between the questions it may have been removed, or made anew
        with suppress(OSError):
            version = fsio.read_ends(f"{root}/VERSION").strip()
            break
        if not os.path.lexists(root):
            raise Raced(REMOVED, file=str(root))
    major = version.split(".")[0]
    if not major.isdecimal():  # it may be of either tool, or newer than this: nothing is written
        raise WorkspaceError(
            "this workspace does not say of which version it is",
            hint=f"if this release made it, write {VERSION} into that file",
            file=str(root / "VERSION"),
        )
    if int(major) > int(VERSION.split(".")[0]):
        raise WorkspaceError(
            f"this workspace is of version {version}, this release reads {VERSION}",
            hint="update canary",
            file=str(root),
        )
    return Workspace(root)


def refuse_shared(*paths: Path) -> None:
    """WorkspaceError for the first of `paths` that anybody may write to, or that is another user's:
    who it is could choose what is run, and as whom.

    Whoever owns canary itself can do so anyway. To root, users are no others, as in containers, but
    for what they put where anybody may: in /tmp, say. Where CI is set, what anybody may write to is
    taken: CI systems check files out so.
    """
    me = os.geteuid()
    open_to_all = 0 if os.environ.get("CI") else stat.S_IWOTH
    hint = "canary --shared-workspace ... if that is meant"
    for path in paths:
        with suppress(FileNotFoundError):
            others = {path.stat().st_uid, path.lstat().st_uid} - {0, me, os.stat(__file__).st_uid}
            if path.stat().st_mode & open_to_all:
                text, hint = "anybody may write to it", f"chmod o-w {path}, or {hint}"
            elif others and (me or path.parent.stat().st_mode & open_to_all):
                text = "it belongs to another user"
            else:
                continue
            raise WorkspaceError(text, hint=hint, file=str(path))


def is_foreign(workspace: Workspace) -> bool:
    """Was it made by the older tool of this name?"""
    try:
        return fsio.read_ends(f"{workspace.root}/VERSION").strip().startswith("1.")
    except OSError:
        return False


def refuse_foreign(workspace: Workspace) -> None:
    """UsageError if it was made by the older tool: that one may still use it."""
    if is_foreign(workspace):
        raise UsageError(
            f"{workspace.root} was made by the older canary and is read-only here",
            hint="canary init --import takes its results over, canary run -w wipes it",
        )


def set_aside(directory: Path) -> Workspace:
    """Move the older tool's workspace of `directory` out of the way, to `.canary.old`."""
    old, aside = directory.absolute() / DIRECTORY, directory.absolute() / ASIDE
    if not is_foreign(Workspace(old)):
        raise UsageError(f"{old} is no workspace of the older canary")
    if aside.exists():
        raise UsageError(f"{aside} is there already", hint="move it away, or remove it")
    try:
        old.rename(aside)
    except OSError as e:
        raise fsio.explain(e, old, "move the workspace") from None
    return Workspace(aside)


def create(directory: Path) -> Workspace:
    """Make a workspace in `directory`; UsageError if there is one."""
    root = directory.absolute() / DIRECTORY
    if os.path.lexists(root):
        raise UsageError(f"a workspace exists at {root}", hint="use -w to wipe it first")
    with prepared(root) as made:
        return publish(made, root)


@contextmanager
def prepared(root: Path) -> Iterator[Workspace]:
    """An empty workspace that is still to be published at `root`; removed if it is not."""
    made = beside(root)
    try:
        try:
            made.mkdir(mode=0o775, parents=True)
            for name in ("sessions", "refs", "logs"):
                (made / name).mkdir(mode=0o775)
            (made / "VERSION").write_text(VERSION + "\n", encoding="utf-8")
            (made / TAG).write_text(_TAG_TEXT, encoding="utf-8")
        except OSError as e:
            raise fsio.explain(e, root, "make a workspace") from None
        yield Workspace(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def publish(made: Workspace, root: Path) -> Workspace:
    """Put a prepared one in its place: others find it whole, or not at all. Raced if they have
    made one there meanwhile."""
    try:
        made.root.rename(root)
    except OSError as e:
        if e.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise Raced("another process has made a workspace here", file=str(root)) from None
        raise fsio.explain(e, root, "make a workspace") from None
    return Workspace(root)


def beside(root: Path) -> Path:
    """A name for what is to become the workspace, or was it; none scans directories of such
    names."""
    return root.with_name(f"{root.name}.{os.urandom(4).hex()}~")


def refuse_removal(workspace: Workspace) -> None:
    """WorkspaceError for what has no tag, unless its making was cut off; Raced if it is gone."""
    root = workspace.root
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            names = os.listdir(fd)
            if TAG in names or not names:
                return
            gone = not os.path.samestat(os.fstat(fd), root.lstat())
        finally:
            os.close(fd)
    except OSError as e:
        gone = e.errno == errno.ENOENT
    if gone:
        raise Raced(REMOVED, file=str(root))
    raise WorkspaceError("this is no workspace, so it is not removed", file=str(root))


@contextmanager
def tag_locked(root: Path, how: int) -> Iterator[None]:
    """Hold the lock of its tag, if it has one: LOCK_SH while its store is written, LOCK_EX while
    that is taken away; Raced if the workspace is gone.

    SQLite removes files beside a store by their names, which would then be another store's.
    """
    tag = root / TAG
    while True:
        try:
            fd = os.open(tag, os.O_CLOEXEC | (os.O_RDWR if how == fcntl.LOCK_EX else os.O_RDONLY))
        except FileNotFoundError:
            if not root.exists():
                raise Raced(REMOVED, file=str(root)) from None
            yield
            return
        try:
            fcntl.flock(fd, how)
            if is_same(f"/dev/fd/{fd}", str(tag)):
                yield
                return
        finally:
            os.close(fd)


def relative(path: str | os.PathLike[str]) -> str:
    """`path` as people like to read it: relative to the current directory if it is below it."""
    text = os.path.relpath(path)
    return os.fspath(path) if text.startswith("..") else text
