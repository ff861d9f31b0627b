"""The event log as a file: lines of JSON with a checksum each, appended and read back.

The log of a session, and that of each batch of jobs that runs elsewhere, are such files. What they
mean, and what is derived from them, is known to others.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from canary import faults, fsio
from canary.errors import RecordError
from canary.events import (
    Event,
    JobFinished,
    JobStarted,
    JobSubmitted,
    Notice,
    SessionFinished,
    SessionStarted,
)
from canary.faults import fault
from canary.lockfile import dump
from canary.status import Status

SCHEMA: Final = 1
LOG: Final = "events.jsonl"
# what is raised by values that are not what we write, and by times that no calendar has
WRONG: Final = (LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError)

_KINDS: Final[Mapping[str, type[Any]]] = {
    c.kind: c
    for c in (SessionStarted, JobSubmitted, JobStarted, JobFinished, Notice, SessionFinished)
}


class EventLog:
    """An append-only file of JSON lines, each with a checksum of what stands before it.

    What could not be written, on a full disk, is kept and goes before what is written next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = bytearray()
        fault("log.open")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write all lines with one call."""
        self.write(b"".join(map(encode_line, lines)))

    def write(self, data: bytes) -> None:
        """Write encoded lines."""
        self._left += data
        fault("log.append")
        while self._left:
            del self._left[: faults.write(self._fd, bytes(self._left))]

    def sync(self) -> None:
        """Force what was written to the disk."""
        fsio.sync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def append(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to a session's log, if it is there; a last line that a killed runner has left half
    written goes. The session may be running: who lives writes whole lines."""
    if not path.exists():
        return
    try:
        with fsio.open_left(path) as f:
            data = f.read()
        if data and not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)
        log = EventLog(path)
        with closing(log):
            log.append(lines)
            log.sync()
    except OSError as e:
        raise fsio.explain(e, path, "write the session's log") from None


def encode_line(data: Mapping[str, Any]) -> bytes:
    """A line of the log: compact JSON whose last key `c` is the CRC-32 of all before it."""
    return seal(dump(data)[:-1])


def seal(text: str) -> bytes:
    """A line from the JSON of an object, less its closing brace."""
    body = text.encode("utf-8", "surrogatepass")
    return b'%s,"c":"%08x"}\n' % (body, zlib.crc32(body))


def decode_line(raw: bytes) -> dict[str, Any] | None:
    """What a whole line says; None if it is torn or damaged."""
    body, _, tail = raw.rpartition(b',"c":"')
    if len(tail) != 11 or not tail.endswith(b'"}\n') or tail[:8] != b"%08x" % zlib.crc32(body):
        return None
    try:
        data: dict[str, Any] = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return data


def read_lines(
    path: Path,
    damaged: Callable[[int], object] = int,
    take: Callable[[dict[str, Any]], bool] = bool,
) -> Iterator[dict[str, Any]]:
    """The sound lines of a log in order; damaged ones, and those that `take` does not, are left
    out, and `damaged` is called with their number. A torn last line is what a killed runner
    leaves: it is left out, and no damage."""
    with fsio.open_left(path) as f:
        for number, raw in enumerate(f, 1):
            line = decode_line(raw)
            if line is not None and take(line):
                yield line
            elif raw.endswith(b"\n"):
                damaged(number)


def encode_event(event: Event) -> dict[str, Any]:
    """An event as JSON: `e` its kind, then its fields."""
    names = (name for name in event.__dataclass_fields__ if name != "kind")
    data: dict[str, Any] = {"e": event.kind, **{name: getattr(event, name) for name in names}}
    if "status" in data:
        data["status"] = data["status"].asdict()
    return data


def decode_event(data: Mapping[str, Any]) -> Event | None:
    """Read what `encode_event` wrote; None for a line that is no event, or lacks a part of it."""
    try:
        cls = _KINDS[data["e"]]
        values = {n: data[n] for n in cls.__dataclass_fields__ if n in data and n != "kind"}
        if "status" in values:
            values["status"] = Status.fromdict(values["status"])
        if "argv" in values:
            values["argv"] = tuple(values["argv"])
        event: Event = cls(**values)
    except (*WRONG, RecordError):
        return None
    return event
