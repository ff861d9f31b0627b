"""`testcase.lock`: the state of one job as a file in its directory, schema 1.

Written once before the job's command starts (the test reads it) and replaced once at its end. It
holds plain JSON and no class paths; a dependency is named by ID, name, condition and relative work
directory, so that a job reads the locks of its dependencies without the store. The contents are
made and understood by `canary.job`; here is only the file.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, Final, TypeVar

from canary import fsio
from canary.errors import RecordError

T = TypeVar("T")
FILE_NAME: Final = "testcase.lock"
SCHEMA: Final = 1
NEWER: Final = "update canary"
REBUILD: Final = "canary doctor --rebuild writes it anew"
# a lock larger than this was not written by us
MAX_BYTES: Final = 64 << 20
# what a name has in it whose value nobody should read later
_SECRET: Final = re.compile(
    r"TOKEN|SECRET|PASS(?:WORD|WD|PHRASE|(?<![^\W_]PASS)(?![\w.-]))|SSHPASS|CREDENTIAL|API_?KEY"
    r"|PRIVATE_KEY|AUTH_CONFIG",
    re.IGNORECASE,
)
# what stands before such a value: `--name `, `NAME=`, `"name": `, `section:NAME:`
_SECRET_FLAG: Final = re.compile(
    rf"(?<!\S)--?[\w.-]{{0,99}}(?:{_SECRET.pattern})[\w.-]{{0,99}}", re.IGNORECASE
)
_SECRET_GIVEN: Final = re.compile(
    rf"{_SECRET_FLAG.pattern}\s+|(?:{_SECRET.pattern})[\w.-]{{0,99}}\\?[\"']?\s*[=:]",
    re.IGNORECASE,
)
_GIVES: Final = re.compile(r"[=:\s]")  # few words do, and to look is cheap
_URL_PASSWORD: Final = re.compile(r"(://[^/@\s:]*:)[^/?#\s]+@")
# stands for infinity until the text is made
_INFINITE: Final = "canary:infinity"


_encode: Final = json.JSONEncoder(separators=(",", ":"), default=str, check_circular=False).encode


def dump(data: Mapping[str, Any]) -> str:
    """`data` as compact JSON that every reader takes; what JSON does not know becomes its text.

    JSON has no infinity: it is written as 1e999, which reads as one; a NaN becomes null.
    """
    text = _encode(data)
    if "Infinity" in text or "NaN" in text:
        text = _encode(_finite(data)).replace(f'"{_INFINITE}"', "1e999")
        text = text.replace(f'"-{_INFINITE}"', "-1e999")
    return text


def public_environment(environment: Mapping[str, T]) -> dict[str, T]:
    """The environment as it is stored: variables whose name speaks of a secret are left out, and
    so are passwords in URLs, and secrets in what is canary's own."""
    kept: dict[str, Any] = {k: v for k, v in environment.items() if not _SECRET.search(k)}
    for name, value in kept.items():
        if isinstance(value, str) and ("://" in value or name.startswith("CANARY_")):
            kept[name] = public(value)
    return kept


def public(data: Any) -> Any:
    """Plain data as it is stored: without what a name says to be a secret, in mappings and in words
    such as `NAME=VALUE`, `section:NAME:VALUE` and `--name VALUE`."""
    if isinstance(data, str):
        found = _GIVES.search(data) and _SECRET_GIVEN.search(data)
        return _URL_PASSWORD.sub(r"\1...@", f"{data[: found.end()]}..." if found else data)
    if isinstance(data, Mapping):
        return {k: public(v) for k, v in public_environment(data).items()}
    if isinstance(data, (list, tuple)):
        flags = [isinstance(v, str) and _SECRET_FLAG.fullmatch(v) for v in data]
        return ["..." if i and flags[i - 1] else public(v) for i, v in enumerate(data)]
    return data


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        if data in (inf, -inf):
            return _INFINITE if data > 0 else f"-{_INFINITE}"
        return None if data != data else data  # NaN alone differs from itself
    if isinstance(data, Mapping):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(v) for v in data]
    return data


def write(directory: str | Path, changing: Mapping[str, Any], fixed: str) -> None:
    """Replace the lock in `directory` in one step.

    `fixed` is an object as JSON whose keys join those of `changing`: what stays the same from the
    start of a job to its end is encoded once.
    """
    text = f"{dump({'schema': SCHEMA, **changing})[:-1]},{fixed[1:]}"
    fsio.write_atomic(f"{directory}/{FILE_NAME}", text.encode("utf-8", "surrogatepass"))


def read(path: str | Path) -> dict[str, Any]:
    """The content of a lock file, or of the one in a directory; RecordError if it is absent,
    damaged or newer."""
    file = os.path.join(path, FILE_NAME) if os.path.isdir(path) else os.fspath(path)
    try:
        with fsio.open_left(file) as f:
            raw = f.read(MAX_BYTES + 1)
    except OSError as e:
        here = os.path.isdir(path) or file.endswith(FILE_NAME)
        hint = REBUILD if here else "its directory is gone: run the job again"
        text = f"cannot read the job's lock: {e.strerror}"
        gone = e.errno == errno.ENOENT
        raise RecordError(text, hint=hint if gone else None, file=file) from None
    if len(raw) > MAX_BYTES:
        raise RecordError("this is no job lock: too large", file=file)
    try:
        data = json.loads(raw.decode("utf-8", "surrogatepass"))
        schema = data.get("schema", 0)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise RecordError("the job's lock is damaged", hint=REBUILD, file=file) from None
    if not isinstance(data, dict) or not isinstance(schema, int) or schema < 1:
        raise RecordError("the lock is of a tool or release we cannot read", file=file)
    if schema > SCHEMA:
        raise RecordError(
            f"the lock has schema {schema}, this release reads {SCHEMA}",
            hint=NEWER,
            file=file,
        )
    with suppress(LookupError, TypeError, ValueError):
        _move(data["workspace"], os.path.dirname(os.path.abspath(file)))
    return data


def _move(where: dict[str, Any], directory: str) -> None:
    """Let a lock speak of the place where it is: its workspace may have been moved, or copied."""
    end = f"/{where['path']}"
    said = where["root"] + end
    same = directory == said or os.path.realpath(directory) == os.path.realpath(said)
    if directory.endswith(end) and not same:
        where["root"] = directory.removesuffix(end)
