"""Reads a test file and what it includes, once, in the process that collects.

The file itself is never executed here; expressions of `skipif` and programs of `parameterize` are,
by `canary_vvtest.digest`. What is returned is plain data for `canary_vvtest.expand`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from canary.errors import CanaryError, SpecError
from canary.spec import Loaded
from canary_vvtest.digest import Data, check_options, digest, finish
from canary_vvtest.grammar import Directive, When, parse, unquoted
from canary_vvtest.scan import Line, program, scan

_INCLUDES: Final = frozenset({"include", "insert_directive_file"})
# files within each other; more is a circle that goes through differing names
_DEPTH: Final = 20


def load(path: str) -> Loaded:
    """Read a file: its checked directives, and whether they depend on nothing else than it."""
    data: Data = {}
    try:
        _read(data, path, None, (), ())
        finish(data)
    except CanaryError as e:
        raise e.located(file=path) from None
    outside = data.pop("outside", False)
    return Loaded(data, cacheable=not outside)


def _read(data: Data, path: str, file: str | None, when: When, above: tuple[str, ...]) -> None:
    """Add the directives of a file; `file` is None for the test file itself."""
    try:
        with open(path, "rb") as f:
            raw = f.read()
    except OSError as e:
        raise SpecError(f"cannot read it: {e.strerror}", file=file) from None
    try:
        head = scan(raw)
    except CanaryError as e:
        raise e.located(file=file) from None
    if file is None and not program(head.shebang).startswith(("python", "pypy")) and head.shebang:
        data["interpreter"] = head.shebang
    for number, text in _joined(head.lines, file):
        name = re.split(r"[(:=]", text, maxsplit=1)[0].strip()
        try:
            directive = parse(text, number, file=file, when=when)
            if directive is None:
                continue
            name = directive.name
            if name in _INCLUDES:
                check_options(directive)
                _include(data, directive, path, (*above, path))
            else:
                digest(data, directive, path.rpartition("/")[0])
        except CanaryError as e:
            where = file if e.file is None else e.file
            key = None if e.line is not None else f"{name}: {e.key}" if e.key else name or None
            raise SpecError(
                e.message,
                hint=e.hint,
                file=where,
                line=number if e.line is None else e.line,
                key=key or e.key,
                column=e.column,
            ) from None


def _joined(lines: list[Line], file: str | None) -> list[tuple[int, str]]:
    """Each directive in one piece, with the line that it begins in."""
    found: list[tuple[int, str]] = []
    for line in lines:
        if not line.continued:
            found.append((line.number, line.text))
        elif found:
            number, text = found[-1]
            found[-1] = (number, f"{text} {line.text}")
        else:
            hint = "begin it with #VVT:"
            raise SpecError(
                "there is no directive to continue", file=file, line=line.number, hint=hint
            )
    return found


def _include(data: Data, directive: Directive, path: str, above: tuple[str, ...]) -> None:
    data["outside"] = True
    name = unquoted(directive.argument)
    if not name or "\0" in name:
        raise SpecError("the name of the file is missing", hint="include : FILE")
    # from where canary was started if it is there, else beside the file that includes it
    found = Path(name)
    if not found.is_file():
        found = Path(path).parent / name
    if not found.is_file():
        raise SpecError(f"no file {name!r}", hint=f"looked for {found}")
    inner = str(found.absolute())
    if inner in above or len(above) > _DEPTH:
        raise SpecError(f"{name!r} includes itself")
    _read(data, inner, inner, directive.when, above)
