"""Makes a forked process look like a fresh `python SCRIPT ARGS`, and ends it as one would end.

Imported by the warm server alone, which must stay as small as a bare interpreter: every import here
is of something that each interpreter loads at its start, or of something built in. The tests run
odd scripts both ways and compare. What cannot be imitated is `Unfit`: then the interpreter is
really started.
"""

from __future__ import annotations

import _thread
import _weakref
import atexit
import builtins
import gc
import io
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType, ModuleType
    from typing import Any, NoReturn

CUSTOMIZE = frozenset({"sitecustomize", "usercustomize"})
ARCHIVE_END = b"PK\5\6"
ARCHIVE_COMMENT = 65557
LOADER: Any = type(globals()["__loader__"])
STARTUP, EXTRA = 1, 2
IMPORTED = ("py", "pyc")
BIG_DIRECTORY = 32
KEPT_SOURCES = 500


class Unfit(Exception):
    """Only a real start of the interpreter will do."""


class Base:
    """The state of the interpreter from which every job starts.

    `fresh` names the modules that every interpreter has at its start, `path` is `sys.path` without
    a script's directory and without PYTHONPATH. `own` are modules that no job may see.
    """

    def __init__(self, fresh: Iterable[str], own: Iterable[str]) -> None:
        self.fresh = frozenset(fresh)
        self.own = frozenset(own)
        self.modules = frozenset(sys.modules)
        self.path = tuple(sys.path)
        self.extra = _tops(self.modules - self.fresh - self.own)
        self.startup = _tops(self.fresh) | CUSTOMIZE
        self.names = self.startup | self.extra
        self.library = f"{os.path.dirname(os.__file__)}/lib-dynload/"
        self.block = os.fstat(1).st_blksize
        self._listed: dict[str, tuple[int, int]] = {}
        # of the job that this process has become
        self.visible, self.last, self.names_of_main = 0, "", 0

    def hidden(self, directory: str, python_path: Sequence[str]) -> frozenset[str]:
        """Loaded modules that a job with this search path must not see.

        Raises Unfit if something there would be imported while an interpreter starts.
        """
        clashes = self._clashes(directory) & EXTRA
        for place in python_path:
            clashes |= self._clashes(place)
        if clashes & STARTUP:
            raise Unfit
        return self.modules - self.fresh if clashes else self.own

    def _clashes(self, directory: str) -> int:
        """Does it hold anything that goes by the name of a loaded module? STARTUP, EXTRA, both."""
        try:
            known = self._listed.get(directory)
            changed = os.stat(directory).st_mtime_ns if known is not None else 0
            if known is not None and known[0] == changed:
                return known[1]
            names = os.listdir(directory)
        except OSError:
            return 0
        found = 0
        for name in names:
            stem, dot, suffix = name.partition(".")
            if stem in self.names and (not dot or suffix in IMPORTED or suffix.endswith("so")):
                found |= STARTUP if stem in self.startup else EXTRA
        if len(names) >= BIG_DIRECTORY:  # a small one is read as fast as remembered
            self._listed[directory] = os.stat(directory).st_mtime_ns, found
        return found


class Sources:
    """Compiled scripts: one that comes a second time is compiled before the fork, and kept."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, int], CodeType | None] = {}

    def code(self, path: str, found: os.stat_result) -> CodeType | None:
        """The code of the script, of which `stat` said this; None if it is not kept."""
        key = (path, found.st_mtime_ns, found.st_size)
        if key not in self._seen:
            if len(self._seen) >= KEPT_SOURCES:
                self._seen.clear()
            self._seen[key] = None
            return None
        if self._seen[key] is None:
            self._seen[key] = _compile_quietly(path)
        return self._seen[key]


class _Ears:
    """Hears whether the compiler has something to say, which each run must say itself."""

    heard = False

    def write(self, text: str) -> int:
        self.heard = True
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""


def _compile_quietly(path: str) -> CodeType | None:
    ears, stderr = _Ears(), sys.stderr
    sys.stderr = ears
    try:
        code = load(path)
    except BaseException:  # noqa: BLE001 - the job itself will see it
        return None
    finally:
        sys.stderr = stderr
    return None if ears.heard else code


def load(path: str) -> CodeType:
    """Read and compile a script; Unfit for what is not plain source or does not compile."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        data = os.read(fd, found.st_size + 1) if stat.S_ISREG(found.st_mode) else b"\0"
    finally:
        os.close(fd)
    if (
        len(data) != found.st_size
        or b"\0" in data
        or data.rfind(ARCHIVE_END, max(0, len(data) - ARCHIVE_COMMENT)) >= 0
    ):
        raise Unfit  # a pipe, compiled code, or an archive with a `__main__`
    try:
        return compile(data, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        raise Unfit from None  # the interpreter words it in its own way


def relabel(code: CodeType, path: str) -> CodeType:
    """The same code as if it had been compiled from `path`."""
    kind = type(code)
    constants = tuple(relabel(c, path) if isinstance(c, kind) else c for c in code.co_consts)
    return code.replace(co_filename=path, co_consts=constants)


def real(path: str) -> tuple[str, os.stat_result]:
    """The path without links, by the kernel, and what is there."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd)
    finally:
        os.close(fd)


def search_path(python_path: str, cwd: str) -> list[str]:
    """PYTHONPATH as `site` leaves it on `sys.path`: absolute, each once."""
    places = python_path.split(":") if python_path else []
    for i, place in enumerate(places):
        if place[:1] != "/" or "//" in place or "/." in place or place[-1] == "/":
            places[i] = os.path.normpath(f"{cwd}/{place}" if place[:1] != "/" else place)
    return list(dict.fromkeys(places))


def script_file(script: str, cwd: str) -> str:
    """What `__file__` will be."""
    return script if script.startswith("/") else f"{cwd}/{script}"


def become(base: Base, argv: Sequence[str], path: Sequence[str], hidden: Iterable[str]) -> None:
    """Set up `sys` and the standard streams.

    Descriptors, directory, environment and signals are the job's already. What the server has
    loaded stays frozen for the garbage collector: looking at it would copy all its memory.
    """
    for name in hidden:
        sys.modules.pop(name, None)
    base.visible, base.last = len(sys.modules), next(reversed(sys.modules))
    sys.argv = list(argv[1:])
    sys.orig_argv = list(argv)
    known = set(path[1:])
    sys.path[:] = [*path, *(p for p in base.path if p not in known)]
    for name, fd in (("stdout", 1), ("stderr", 2)):
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_blksize != base.block or os.lseek(fd, 0, 1):
            _open_stream(name, fd)  # else what the server has, and has never used, is as good
    if sys.version_info < (3, 12):
        sys.exit = _Exit()
    gc.enable()


class _Exit:
    """What `sys.exit` is until Python 3.11.

    There an interpreter prints a tuple, but whoever catches the exception (we do) finds what it
    holds instead. With this, `report` sees what was given.
    """

    __slots__ = ()
    __module__ = "sys"
    __name__ = "exit"
    __doc__ = sys.exit.__doc__

    def __call__(self, *status: Any) -> NoReturn:
        _exit(*status)

    def __repr__(self) -> str:
        return repr(_exit)

    def __reduce__(self) -> str:
        return "exit"


_exit = sys.exit


def _open_stream(name: str, fd: int) -> None:
    """A new object on a descriptor, as the interpreter makes them at its start."""
    old = getattr(sys, name)
    plain = old.write_through
    buffer: Any = io.open(fd, "wb", 0 if plain else -1, closefd=False)  # noqa: SIM115, UP020 - it stays open
    (buffer if plain else buffer.raw).name = f"<{name}>"
    lines = not plain and (fd == 2 or os.isatty(fd))
    new = io.TextIOWrapper(buffer, old.encoding, old.errors, "\n", lines, plain)
    new.mode = "w"  # type: ignore[misc] # as the interpreter does
    setattr(sys, name, new)
    setattr(sys, f"__{name}__", new)


def new_main(base: Base, names: Iterable[str], file: str) -> dict[str, Any]:
    """A new `__main__` with these names in it, in the order of the interpreter; its dictionary."""
    main: ModuleType = type(sys)("__main__")
    own: dict[str, Any] = main.__dict__
    for name in names:
        if name[:2] == "__":
            own.setdefault(name, None)
    values: dict[str, Any] = {
        "__annotations__": {},
        "__builtins__": builtins,
        "__file__": file,
        "__loader__": LOADER("__main__", file),
    }
    own.update((name, value) for name, value in values.items() if name in own)
    sys.modules["__main__"] = main
    base.names_of_main = len(own)
    return own


def flush_quietly() -> None:
    """What the interpreter does after a script, before it reports an exception."""
    for name in ("stderr", "stdout"):
        try:
            getattr(sys, name).flush()
        except BaseException:  # noqa: BLE001 - as the interpreter does
            pass


def report(error: BaseException, ours: str) -> Any:
    """What the interpreter does with an exception that nobody caught; what it then exits with.

    Frames of the file `ours` are left out. How a process ends that was interrupted is left to the
    caller.
    """
    if isinstance(error, SystemExit):
        return _status(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == ours:
        trace = trace.tb_next
    error.__traceback__ = trace
    kind = type(error)
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        _say("sys.excepthook is missing\n")
        hook = sys.__excepthook__
    sys.audit("sys.excepthook", hook, kind, error, trace)
    try:
        hook(kind, error, trace)
    except SystemExit as e:
        return e.code
    except BaseException as e:  # noqa: BLE001 - whatever a hook raises
        _say("Error in sys.excepthook:\n")
        e.__context__ = None
        e.__traceback__ = e.__traceback__.tb_next if e.__traceback__ else None
        sys.__excepthook__(type(e), e, e.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(kind, error, trace)
    return 1


def _status(error: SystemExit) -> Any:
    """What the interpreter takes for the script's status."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is not None and last.tb_frame.f_code is _Exit.__call__.__code__:
        given = last.tb_frame.f_locals["status"]
        if given and isinstance(given[0], tuple):
            return given[0]
    return error.code


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
    except Exception:  # noqa: BLE001 - stderr may be anything by now
        pass


def ends_quickly(base: Base) -> bool:
    """Can the end of the interpreter be imitated (see `end`)?

    Not if the script has loaded compiled code from outside the standard library, which may have
    left something to do with C, or has left threads or trace functions.
    """
    if _thread._count() or sys.gettrace() or sys.getprofile():
        return False
    if not has_loaded(base):
        return True
    if "ctypes" in sys.modules:
        return False
    for name in sys.modules.keys() - base.modules:
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str) and file.endswith(".so") and not file.startswith(base.library):
            return False
    return True


def has_loaded(base: Base) -> bool:
    """Are there modules that were not there before? New ones are last.

    Looking at all of them would copy the memory that they are in.
    """
    return len(sys.modules) != base.visible or next(reversed(sys.modules)) != base.last


def end(base: Base, code: int) -> None:
    """The end of the interpreter, imitated: threads, what is registered, what the job has made.

    What the server had loaded before the fork is not taken down; that is what makes it cheap.
    Returns only if the streams cannot be flushed, which the interpreter has its own words for.
    """
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    if atexit._ncallbacks():
        _call_at_exit()
    if not _flush():
        return
    main = sys.modules.get("__main__")
    if main is not None and len(main.__dict__) <= base.names_of_main and not has_loaded(base):
        os._exit(code)  # it has made nothing that could be taken down
    del main
    gc.collect()
    for name in ("path", "argv", "path_hooks", "path_importer_cache", "meta_path"):
        setattr(sys, name, None)
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            setattr(sys, name, None)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    _drop_modules(base)
    os._exit(code if _flush() else 120)


def _call_at_exit() -> None:
    """Call what is registered; what it raises is shown without the frame that called it."""
    hook = sys.unraisablehook

    def show(unraisable: Any) -> None:
        kind, value, trace, message, where = unraisable
        if trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        hook(type(unraisable)((kind, value, trace, message, where)))

    sys.unraisablehook = show
    atexit._run_exitfuncs()
    sys.unraisablehook = hook


def _drop_modules(base: Base) -> None:
    """Let go of what the job has loaded, `__main__` first; then empty what is still there."""
    modules: dict[str, Any] = sys.modules
    left = []
    for name in [n for n in modules if n == "__main__" or n not in base.modules]:
        if isinstance(modules[name], type(sys)):
            left.append(_weakref.ref(modules[name]))
        modules[name] = None  # so does the interpreter
    gc.collect()
    for reference in reversed(left):
        module = reference()
        if module is not None:
            _clear(module.__dict__)


def _clear(names: dict[str, Any]) -> None:
    """Set all names of a module to None: those with one underscore first."""
    for private in (True, False):
        for name, value in list(names.items()):
            single = name[:1] == "_" and name[1:2] != "_"
            if value is not None and name != "__builtins__" and (single or not private):
                names[name] = None


def _flush() -> bool:
    """Flush the standard streams; false if that failed."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
    except BaseException:  # noqa: BLE001 - streams may be anything by now
        return False
    return True


def _tops(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in names)
