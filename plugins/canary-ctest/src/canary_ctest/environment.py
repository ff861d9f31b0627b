"""ENVIRONMENT and ENVIRONMENT_MODIFICATION: what a test's variables come to, as ctest has it.

Pure functions of texts and mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from canary.errors import SpecError

_HINT: Final = "want NAME=OPERATION:VALUE with one of "


def variables(entries: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; the last of a name wins, what has no `=` is left out."""
    return {n: v for n, sep, v in (entry.partition("=") for entry in entries) if sep and n}


def modified(entries: Iterable[str], base: Mapping[str, str]) -> dict[str, str | None]:
    """What `NAME=OPERATION:VALUE` texts, one after the other, make of `base`; None unsets.

    SpecError for a text that is none, or an operation that does not exist.
    """
    out: dict[str, str | None] = {}
    for entry in entries:
        name, equals, rest = entry.partition("=")
        operation, colon, value = rest.partition(":")
        if not (name and equals and colon and operation in _KNOWN):
            raise SpecError(
                f"ENVIRONMENT_MODIFICATION {entry!r} cannot be read",
                hint=_HINT + ", ".join(sorted(_KNOWN)),
            )
        if operation == "reset":
            out.pop(name, None)
        elif operation == "set":
            out[name] = value
        elif operation == "unset":
            out[name] = None
        else:
            old = out.get(name) if name in out else base.get(name)
            out[name] = _CHANGES[operation](old or "", value)
    return out


def _joined(separator: str, first: str, second: str) -> str:
    return separator.join(part for part in (first, second) if part)


_CHANGES: Final[Mapping[str, Callable[[str, str], str]]] = {
    "string_append": lambda old, new: old + new,
    "string_prepend": lambda old, new: new + old,
    "path_list_append": lambda old, new: _joined(":", old, new),
    "path_list_prepend": lambda old, new: _joined(":", new, old),
    "cmake_list_append": lambda old, new: _joined(";", old, new),
    "cmake_list_prepend": lambda old, new: _joined(";", new, old),
}
_KNOWN: Final = frozenset({"set", "unset", "reset", *_CHANGES})
