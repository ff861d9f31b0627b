"""Names from users as paths that cannot leave where they belong, reversibly."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import Final

MAX_NAME: Final = 255
_CODE: Final = re.compile("%(?=[0-9A-Fa-f]{2})")
_PART: Final = r"[!-$&-,0-~][ !-$&-.0-~]{0,59}"  # no / or %, and no . or - at its beginning
_SAFE_PATH: Final = re.compile(f"{_PART}(?:/{_PART})*").fullmatch


def encode_name(name: str) -> str:
    """A path component that is exactly one component, reversibly: what cannot be in a name becomes
    `%XX`.

    The separator, NUL, control and bidirectional characters, a leading `-`, the names `.` and `..`,
    and a `%` that would read as such a code are encoded; a name over 255 bytes keeps its head and
    gets a digest.
    """
    if name in (".", ".."):
        return name.replace(".", "%2E")
    out = name if _is_plain(name) else "".join(map(_encode_character, _CODE.sub("%25", name)))
    if out.startswith("-"):
        out = "%2D" + out[1:]
    return out if len(out) <= 60 or len(os.fsencode(out)) <= MAX_NAME - 20 else _shorten(out)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and "/" not in name and "%" not in name


def _encode_character(c: str) -> str:
    if c in "/\0" or not (c.isprintable() or c == " "):
        return "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogateescape"))
    return c


def _shorten(name: str) -> str:
    raw = os.fsencode(name)
    digest = hashlib.sha256(raw).hexdigest()[:12]
    return raw[: MAX_NAME - 40].decode("utf-8", "ignore") + "~" + digest


def encode_path(path: str) -> str:
    """Encode each component of a relative path; a component that is empty is dropped."""
    if _SAFE_PATH(path):
        return path
    return "/".join(encode_name(part) for part in path.split("/") if part)


def above(path: str) -> Iterator[str]:
    """The directories that a path is in, the nearest first, without the root."""
    while path := path.rpartition("/")[0]:
        yield path
