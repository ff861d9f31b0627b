"""From files to specs: `load` in a collector process, `expand` here; what is unchanged is not
loaded again.

Loading may run the user's code, so it happens in a child that was forked for it: nothing a file
does (chdir, exit, signals, prints, threads, forks) reaches the runner, and a file that kills or
hangs the child is one error naming it, after which a new child goes on with the next. All errors of
all files are returned together.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import select
import signal
import struct
import sys
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from canary.errors import CanaryError, CanaryErrors, SpecError
from canary.faults import fault
from canary.spec import ExpandContext, JobSpec, SpecFile, SpecGenerator

FILE_SECONDS: Final = 60.0
# below this many files a second collector costs more than it brings
PARALLEL_FROM: Final = 1500
HIGHEST: Final = 1 << 20  # no process here has a file with a higher number
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LENGTH: Final = struct.Struct("<I")


@dataclass(slots=True)
class Cache:
    """What earlier loads found, by path; `get` and `put` speak in bytes, the store keeps them."""

    known: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    loaded: int = 0
    fresh: dict[str, tuple[str, bytes]] = field(default_factory=dict)


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
        if key == keys[i]:
            try:
                loaded[i] = marshal.loads(raw)
            except (ValueError, TypeError, EOFError):
                pass  # a damaged entry is none
    todo = [i for i in range(len(files)) if i not in loaded]
    cache.loaded = len(todo)
    specs: list[JobSpec] = []
    errors: list[CanaryError] = []
    bad: list[SpecFile] = []
    with closing(_collected(files, todo, generators, file_seconds)) as answers:
        for i, file in enumerate(files):
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
    with closing(_collected([file], [0], generators, FILE_SECONDS)) as answers:
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
    """One child at a time that loads files in order; started again after the one that killed or
    hung it."""

    files: Sequence[SpecFile]
    part: Sequence[int]
    generators: Mapping[str, SpecGenerator]
    limit: float
    done: int = 0
    pid: int = 0
    fd: int = -1

    def start(self) -> None:
        """Fork the child; an interrupt comes before or after, and finds it known."""
        fault("fork")
        r, w = os.pipe()
        _widen(w)
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(r)
                _serve(w, [self.files[i] for i in self.part[self.done :]], self.generators, before)
            os.close(w)
            self.fd = r
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def answers(self) -> Iterator[Answer]:
        buffer = bytearray()
        while self.done < len(self.part):
            chunk, why = self._read()
            buffer += chunk
            for answer in _frames(buffer):
                yield answer
                self.done += 1
            if why:
                self.end()
                yield SpecError(why, hint="loading this file ended the collector")
                self.done += 1
                buffer.clear()
                if self.done < len(self.part):
                    self.start()

    def _read(self) -> tuple[bytes, str]:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(self.limit * 1000):
            return b"", f"still loading after {self.limit:g} s"
        chunk = os.read(self.fd, 1 << 20)
        if chunk:
            return chunk, ""
        os.kill(self.pid, signal.SIGKILL)  # or it has closed all its files and goes on
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return b"", f"killed the collector with signal {-code}"
        return b"", f"ended the collector with exit code {code}"

    def end(self) -> None:
        """Kill what is left of the child and whatever it started in its session."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.pid:
            for kill in (os.killpg, os.kill):
                try:
                    kill(self.pid, signal.SIGKILL)
                except OSError:
                    pass
            os.waitpid(self.pid, 0)
            self.pid = 0


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
        os.closerange(3, w)  # a runner's lock must not be held by what outlives it
        os.closerange(w + 1, HIGHEST)
        me, cwd, environ = os.getpid(), os.getcwd(), dict(os.environ)
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
            _write(w, _LENGTH.pack(len(frame)) + frame)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child of fork must not run its parent's code
        os._exit(70)


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
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)


def _load(file: SpecFile, generator: SpecGenerator) -> tuple[Any, ...]:
    try:
        found = generator.load(file)
        return ("data", marshal.dumps(found.data), found.cacheable)
    except BaseException as error:  # noqa: BLE001 - whatever a file raises is that file's error
        several = _each(_foreseen(error, generator.name, "loaded"))
        return ("errors", [(e.message, e.hint, e.file, e.line, e.key, e.column) for e in several])
