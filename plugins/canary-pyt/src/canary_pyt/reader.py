"""Executes a test file once, as `__load__`, and keeps the directives that it calls.

What the file does beyond that (imports, changes of `sys.path`, other directives put in place of
ours) is undone where it could mislead the next file; real isolation is the collector's, which is a
process of its own.
"""

from __future__ import annotations

import os
import re
import sys
from types import CodeType, MappingProxyType, ModuleType, TracebackType
from typing import Any, Final

import canary
import canary_pyt
from canary.errors import CanaryError, SpecError
from canary.spec import Loaded
from canary_pyt import directives
from canary_pyt.digest import digest
from canary_pyt.purity import is_pure

NAME: Final = "__load__"
_COOKIE: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=]")
_DIRECTIVES: Final = MappingProxyType(dict(vars(directives)))
_GUARD: Final = 'keep what runs below `if __name__ == "__main__":`'


def load(path: str) -> Loaded:
    """Read a file: its checked directives, and whether they depend on anything else than it."""
    try:
        source = _read(path)
    except OSError as e:
        raise SpecError(f"cannot be read: {e.strerror}", file=path) from None
    code = _compiled(source, path)
    calls: list[directives.Call] = []
    namespace = _executed(code, path, calls)
    data = digest(calls, path)
    if b"exit_code" in source and b"canary" in source:
        # it may raise exceptions of its own that say what to exit with, which `run.py` sees to
        data["exit_codes"] = True
    return Loaded(data, is_pure(code, namespace))


def _compiled(source: bytes, path: str) -> CodeType:
    try:
        source.decode()
    except UnicodeDecodeError as e:
        # `compile` does not look into comments, but running the file will
        if not any(_COOKIE.match(line) for line in source.split(b"\n", 2)[:2]):
            number = source.count(b"\n", 0, e.start) + 1
            hint = "save it as UTF-8, or name its encoding in the first line"
            raise SpecError(
                f"is not UTF-8 ({e.reason})", file=path, line=number, hint=hint
            ) from None
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as e:
        text = e.msg.removeprefix("(unicode error) ")
        column = e.offset or None
        raise SpecError(f"syntax error: {text}", file=path, line=e.lineno, column=column) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as e:
        raise SpecError(f"cannot be compiled: {e}", file=path) from None


def _read(path: str) -> bytes:
    """All of a file; a third of the price of `open`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(fd, 1 << 16)]
        while parts[-1]:
            parts.append(os.read(fd, 1 << 20))
        return b"".join(parts)
    finally:
        os.close(fd)


def _executed(code: CodeType, path: str, calls: list[directives.Call]) -> dict[str, Any]:
    module = ModuleType(NAME)
    namespace = module.__dict__
    namespace["__file__"] = path
    paths, known = sys.path[:], len(sys.modules)
    outer = directives._calls, directives._file, canary.FILE_SCANNING
    sys.modules[NAME] = module
    directives._calls, directives._file = calls, path
    canary.FILE_SCANNING = canary_pyt.FILE_SCANNING = True
    try:
        exec(code, namespace)
    except SystemExit as e:
        raise SpecError(
            f"exits with {e.code!r} when it is read", hint=_GUARD, file=path, line=_line(e, path)
        ) from None
    except CanaryError as e:
        raise SpecError(e.message, hint=e.hint, file=path, line=_line(e, path)) from None
    except Exception as e:  # noqa: BLE001 - the user's code raises what it likes
        text = str(e)
        hint = _GUARD if not isinstance(e, (TypeError, AttributeError, NameError)) else None
        what = (
            text
            if text.startswith("unknown directive")
            else f"{type(e).__name__}: {text}"
            if text
            else repr(e)
        )
        raise SpecError(what, hint=hint, file=path, line=_line(e, path)) from None
    finally:
        vars(directives).update(_DIRECTIVES)
        directives._calls, directives._file = outer[:2]
        canary.FILE_SCANNING = canary_pyt.FILE_SCANNING = outer[2]
        del sys.modules[NAME]
        if sys.path != paths:
            sys.path[:] = paths
        if len(sys.modules) > known:
            _forget_local_modules(known)
    return namespace


def _line(error: BaseException, path: str) -> int | None:
    """The last line of the file itself on the way to the error."""
    line = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _forget_local_modules(known: int) -> None:
    """Another file may have a helper of the same name beside it; installed packages may stay."""
    installed = (
        sys.prefix,
        sys.base_prefix,
        *(p for p in sys.path if p.endswith(("site-packages", "dist-packages"))),
    )
    for name in list(sys.modules)[known:]:
        spec = getattr(sys.modules[name], "__spec__", None)
        origin = getattr(spec, "origin", None)
        if isinstance(origin, str) and origin.startswith("/") and not origin.startswith(installed):
            del sys.modules[name]
