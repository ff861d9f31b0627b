"""From files to specs: `load` in a collector process, `expand` here; what is unchanged is not
loaded again.

Loading may run the user's code, so it happens in a child that was forked for it: nothing a file
does (chdir, exit, signals, prints, threads, forks) reaches the runner, and a file that kills or
hangs the child is one error naming it, after which a new child goes on with the next. Between the
runner and the child stands a keeper, which ends with either of them and leaves nothing running that
a file has started. All errors of all files are returned together.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from canary import fsio, procfs
from canary.errors import CanaryError, CanaryErrors, SpecError
from canary.faults import fault
from canary.reaper import TreeReaper, sweeping
from canary.signals import ASKING, ENDING
from canary.spec import ExpandContext, JobSpec, SpecFile, SpecGenerator

FILE_SECONDS: Final = 60.0
# below this many files a second collector costs more than it brings
PARALLEL_FROM: Final = 1500
HIGHEST: Final = 1 << 20  # no process here has a file with a higher number
WORD_SECONDS: Final = 5.0  # in which a keeper says how its child ended
KILL_SECONDS: Final = 2.0  # in which it kills what the child has left
_HANDLED: Final = (*ENDING, *ASKING)  # what the runner may have handlers for
_SIGNALS: Final = range(1, 32)  # all that mean something; those after them would double the time
_LIMITS: Final = (
    *(resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK),
    *(resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE),
)
_LENGTH: Final = struct.Struct("<I")
_WHOLE: Final = 0x2144DF1C  # the checksum of any data with its own checksum behind it


@dataclass(slots=True)
class Cache:
    """What earlier loads found, by path, in bytes that the store keeps; `reading` is the file that
    is waited for now."""

    known: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    loaded: int = 0
    fresh: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    reading: str = ""


@dataclass(frozen=True, slots=True)
class Generated:
    """All specs in file order, and all errors, each naming its file."""

    specs: list[JobSpec]
    errors: list[CanaryError]
    bad_files: list[SpecFile]


def expand(
    files: Sequence[SpecFile],
    generators: Mapping[str, SpecGenerator],
    context: ExpandContext,
    *,
    cache: Cache | None = None,
    file_seconds: float = FILE_SECONDS,
) -> Generated:
    """Load what is not known, expand everything; what is loaded is expanded while the next is."""
    cache = cache or Cache()
    keys = [cache_key(file, generators[file.generator]) for file in files]
    loaded: dict[int, Any] = {}
    for i, file in enumerate(files):
        key, raw = cache.known.get(file.file, ("", b""))
        if key == keys[i] and zlib.crc32(raw) == _WHOLE:  # a damaged entry is none
            with suppress(ValueError, TypeError, EOFError):  # nor is one of another Python
                loaded[i] = marshal.loads(raw)
    todo = [i for i in range(len(files)) if i not in loaded]
    cache.loaded = len(todo)
    specs: list[JobSpec] = []
    errors: list[CanaryError] = []
    bad: list[SpecFile] = []
    with sweeping(), closing(_collected(files, todo, generators, file_seconds)) as answers:
        for i, file in enumerate(files):
            cache.reading = file.file
            answer = (loaded[i], b"", False) if i in loaded else next(answers)
            try:
                if isinstance(answer, CanaryError):
                    raise answer
                data, raw, cacheable = answer
                if cacheable:
                    cache.fresh[file.file] = (keys[i], raw)
                specs += generators[file.generator].expand(file, data, context)
            except Exception as e:  # noqa: BLE001 - one file must not take the others along
                errors += _each(_foreseen(e, file.generator, "expanded").located(file=file.file))
                bad.append(file)
    return Generated(specs, errors, bad)


def _foreseen(error: BaseException, generator: str, done: str) -> CanaryError:
    """The error as it is, or what says that a generator raised it."""
    if isinstance(error, CanaryError):
        return error
    hint = f"raised while {generator} {done} it"
    return SpecError(f"{type(error).__name__}: {error}", hint=hint)


def _each(error: CanaryError) -> tuple[CanaryError, ...]:
    return error.errors if isinstance(error, CanaryErrors) else (error,)


def describe(file: SpecFile, generator: SpecGenerator) -> Mapping[str, Any]:
    """What the file says of itself besides its jobs; nothing if it cannot be read."""
    generators = {generator.name: generator}
    with sweeping(), closing(_collected([file], [0], generators, FILE_SECONDS)) as answers:
        answer = next(answers)
    return {} if isinstance(answer, CanaryError) else generator.describe(file, answer[0])


def cache_key(file: SpecFile, generator: SpecGenerator) -> str:
    """Changes whenever what `load` returned may not hold any more."""
    version = f"{generator.name}:{generator.version}:{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{version}:{file.mtime_ns}:{file.size}:{file.inode}"


Answer = CanaryError | tuple[Any, bytes, bool]


def _collected(
    files: Sequence[SpecFile],
    todo: Sequence[int],
    generators: Mapping[str, SpecGenerator],
    limit: float,
) -> Generator[Answer, None, None]:
    """The files of `todo`, in that order."""
    parallel = len(todo) >= PARALLEL_FROM and (os.cpu_count() or 1) > 1
    first = (len(todo) + 1) // 2 if parallel else len(todo)
    parts = filter(None, (todo[:first], todo[first:]))
    collectors = [_Collector(files, part, generators, limit) for part in parts]
    try:
        for collector in collectors:
            collector.start()
        for collector in collectors:
            yield from collector.answers()
    except KeyboardInterrupt:
        left = [i for collector in collectors for i in collector.part[collector.done :]]
        if not left:
            raise
        raise KeyboardInterrupt(f"while {files[left[0]].file} was read") from None
    finally:
        for collector in collectors:
            collector.end()


@dataclass(eq=False)
class _Collector:
    """One child at a time that loads files in order; started again after a file that killed, hung
    or marked it. Its parent is the keeper, `pid`; `first` is the first file that it loads, and
    `ends` are those of its pipe and of the keeper's line."""

    files: Sequence[SpecFile]
    part: Sequence[int]
    generators: Mapping[str, SpecGenerator]
    limit: float
    done: int = 0
    first: int = 0
    pid: int = 0
    ends: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Fork the keeper; an interrupt comes before or after, and finds it known."""
        sys.stdout.flush()
        sys.stderr.flush()
        todo = [self.files[i] for i in self.part[self.done :]]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            fault("fork")
            r, w = os.pipe()
            _widen(w)
            near, far = (end.detach() for end in socket.socketpair())
            self.pid = os.fork()
            if self.pid == 0:
                _keep(far, partial(_serve, w, todo, self.generators, before))
            os.close(w)
            os.close(far)
            self.first, self.ends = self.done, [r, near]
        except OSError as e:
            raise fsio.explain(e, todo[0].file, "start a process that reads it") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def answers(self) -> Iterator[Answer]:
        """One for each file. One that ends a child which other files have used is tried again, in
        a new one: it may have been their doing."""
        buffer = bytearray()
        while self.done < len(self.part):
            chunk, why = self._read()
            buffer += chunk
            try:
                for answer in _frames(buffer):
                    yield answer
                    self.done += 1
            except (ValueError, TypeError, EOFError, LookupError, MemoryError):
                why = "wrote to the collector's pipe"
            if why:
                self.end()
                buffer.clear()
                if self.done == self.first:
                    yield SpecError(why, hint="loading this file ended the collector")
                    self.done += 1
                if self.done < len(self.part):
                    self.start()

    def _read(self) -> tuple[bytes, str]:
        """What the child sends; or nothing, and why there will be no more."""
        pipe, line = self.ends
        ready = _readable(self.ends, self.limit)
        if not ready:
            self.first = self.done  # it has had its time: it is not tried again
            return b"", f"still loading after {self.limit:g} s"
        if pipe in ready and (chunk := os.read(pipe, 1 << 20)):
            return chunk, ""
        if _readable([line], WORD_SECONDS):
            return b"", os.read(line, 1000).decode() or "ended the collector and its keeper"
        self.first = self.done
        return b"", "closed the collector's files and went on"

    def end(self) -> None:
        """Let the keeper kill what is left of the child and whatever that has started."""
        while self.ends:
            os.close(self.ends.pop())
        if self.pid:
            with suppress(ChildProcessError):  # the runner was started with SIGCHLD ignored
                os.waitpid(self.pid, 0)
            self.pid = 0


def _readable(fds: Sequence[int], seconds: float) -> list[int]:
    """Wait until there is something to read from one, or nothing more will be: which ones."""
    waiter = select.poll()
    for fd in fds:
        waiter.register(fd, select.POLLIN)
    return [fd for fd, _ in waiter.poll(seconds * 1000)]


def _widen(pipe: int) -> None:
    """Give a pipe room for what one collector finds while another is listened to."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    except (AttributeError, OSError):  # known to Linux, and limited there for each user
        pass


def _frames(buffer: bytearray) -> Iterator[Answer]:
    """Take whole frames out of the buffer; what a child sends is plain data, so `marshal` runs
    nothing."""
    at = 0
    while len(buffer) - at >= 4:
        (size,) = _LENGTH.unpack_from(buffer, at)
        if len(buffer) - at - 4 < size:
            break
        frame = marshal.loads(memoryview(buffer)[at + 4 : at + 4 + size])
        at += 4 + size
        if frame[0] == "errors":
            found = [
                SpecError(text, hint=hint, file=file, line=line, key=key, column=column)
                for text, hint, file, line, key, column in frame[1]
            ]
            yield found[0] if len(found) == 1 else CanaryErrors(found)
        else:
            yield marshal.loads(frame[1]), frame[1], frame[2]
    del buffer[:at]


def _keep(line: int, serve: Callable[[], None]) -> None:
    """The keeper: forks the child, kills it once the runner closes the line or is no more, says how
    it ended, and then kills all that it left. Never returns."""
    over = threading.Event()

    def follow() -> None:
        with suppress(ConnectionResetError):  # the runner left without hearing how it ended
            os.read(line, 1)
        with suppress(OSError):  # it may be over at this very moment
            if not over.is_set():
                os.kill(child, signal.SIGKILL)

    try:
        os.setsid()
        if procfs.has_pidfd():
            TreeReaper().open()  # orphans below come to this process
        child = os.fork()
        if child == 0:
            serve()
        _close_but(line)
        threading.Thread(target=follow, daemon=True).start()
        pid = 0
        while pid != child:  # orphans that are over may come first
            pid, status = os.wait()
        over.set()
        code = os.waitstatus_to_exitcode(status)
        how = f"ended the collector with exit code {code}"
        if code < 0:
            how = f"killed the collector with signal {-code}"
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)  # all that is known where orphans do not come here
    except (OSError, RuntimeError) as e:  # no process, or no thread
        how = f"cannot be loaded, as no process can be started: {e}"
    try:
        with suppress(OSError):  # the runner may be gone
            os.write(line, how.encode())
        _kill_orphans()
    finally:
        os._exit(0)


def _kill_orphans() -> None:
    """Kill all children of this process, and what is below them."""
    end = time.monotonic() + KILL_SECONDS
    while time.monotonic() < end:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        table, me = procfs.Table(), os.getpid()
        procfs.kill([table[pid] for pid in table.below([me]) - {me}], end - time.monotonic())


def _serve(
    w: int,
    files: Sequence[SpecFile],
    generators: Mapping[str, SpecGenerator],
    mask: Collection[int],
) -> None:
    """The child, which sets its signal mask to `mask` once an interrupt ends it: never returns."""
    try:
        os.setsid()
        _quieten()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _close_but(w)
        marks = _marks()
        me, cwd, environ, umask = os.getpid(), os.getcwd(), dict(os.environ), os.umask(0)
        os.umask(umask)
        for file in files:
            frame = marshal.dumps(_load(file, generators[file.generator]))
            if os.getpid() != me:
                os._exit(0)  # a file forked and came back here in its child
            _flush()
            if os.getcwd() != cwd:
                os.chdir(cwd)
            if os.environ != environ:
                os.environ.clear()
                os.environ.update(environ)
            os.umask(umask)
            _write(w, _LENGTH.pack(len(frame)) + frame)
            if _marks() != marks:
                break  # the next file gets a child of its own
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child of fork must not run its parent's code
        os._exit(70)


def _marks() -> tuple[object, ...]:
    """What a file may leave behind that ends the child while it loads another, or has it load that
    otherwise than alone. Asked after each file: it takes some 15 microseconds."""
    timers = map(signal.getitimer, (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF))
    limits = map(resource.getrlimit, _LIMITS)
    handlers = map(signal.getsignal, _SIGNALS)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    user = (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups())
    # many files raise the limit of recursion, which does no harm
    ours = (min(sys.getrecursionlimit(), 1000), os.getpriority(os.PRIO_PROCESS, 0), blocked)
    return (threading.active_count(), _has_children(), *timers, *limits, *handlers, *user, *ours)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):  # none, or not known to this system
        return False
    return True


def _close_but(fd: int) -> None:
    """Close all files but this and the standard three: a runner's lock, for one, must not be held
    by what outlives it."""
    os.closerange(3, fd)
    os.closerange(fd + 1, HIGHEST)


def _flush() -> None:
    """Show what a file printed, before the next one or the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001 - a file may have put anything there
            pass


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _quieten() -> None:
    """What files print goes to the terminal's error stream; nothing can be read from it."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)


def _load(file: SpecFile, generator: SpecGenerator) -> tuple[Any, ...]:
    try:
        found = generator.load(file)
        raw = marshal.dumps(found.data)
        return ("data", raw + zlib.crc32(raw).to_bytes(4, "little"), found.cacheable)
    except BaseException as error:  # noqa: BLE001 - whatever a file raises is that file's error
        several = _each(_foreseen(error, generator.name, "loaded"))
        return ("errors", [(e.message, e.hint, e.file, e.line, e.key, e.column) for e in several])
