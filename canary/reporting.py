"""What every reporter needs: output read as head and tail, text that does no harm yet can be read
back, files that are written whole.

Reporters are plugins and may not know each other; this is the one place for what they share. It
knows no format and nothing of sessions.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

ENDS: Final = 16384

# control characters but tab and newline, what turns or hides text, what is no character at all,
# and a backslash that would read as one of the escapes below
_ODD: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
    r"|\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})"
)
# in Markdown: all that begins something, also as GitHub and GitLab read it
_MARK: Final = re.compile(r"[&<>\"'|`*~\[\]\\#!@$:{}()^]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.")
_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")


def visible(text: str, also: str = "") -> str:
    """`text` with what is harmful in terminals, browsers and parsers written as `\\xNN` (a byte) or
    `\\uNNNN`; tabs and newlines stay, unless they are among the ASCII characters in `also`.
    `recover` reads it back."""
    text = _ODD.sub(_escaped, text)
    return re.sub(f"[{re.escape(also)}]", _escaped, text) if also else text


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def recover(text: str) -> bytes:
    """The bytes that `visible` was given, as UTF-8."""
    out, at = [], 0
    for match in _ESCAPE.finditer(text):
        out.append(text[at : match.start()].encode())
        byte, code = match.groups()
        value = (
            bytes([int(byte, 16)]) if byte else chr(int(code, 16)).encode(errors="surrogatepass")
        )
        out.append(value)
        at = match.end()
    return b"".join([*out, text[at:].encode()])


def excerpt(path: str, limit: int = ENDS) -> str:
    """The output in a file as `visible` text: all of it, or its first and last `limit` bytes and a
    line between them that counts what was left out. Nothing, if there is no such file."""
    try:
        # a test may have left anything there: a pipe must not be waited for
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        return ""
    with open(fd, "rb") as f:
        if info.st_size <= 2 * limit:
            return visible(f.read(2 * limit).decode(errors="surrogateescape"))
        head = _without_cut_end(f.read(limit))
        f.seek(info.st_size - limit)
        tail = _without_cut_start(f.read(limit))
    out = info.st_size - len(head) - len(tail)
    ends = (visible(part.decode(errors="surrogateescape")) for part in (head, tail))
    return f"\n... {out} bytes left out ...\n".join(ends)


def _without_cut_end(data: bytes) -> bytes:
    """Without the first bytes of a character whose others are missing."""
    for n in range(1, min(4, len(data) + 1)):
        byte = data[-n]
        if byte & 0xC0 != 0x80:
            wanted = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4 if byte >> 3 == 30 else 1
            return data[:-n] if wanted > n else data
    return data


def _without_cut_start(data: bytes) -> bytes:
    n = 0
    while n < min(3, len(data)) and data[n] & 0xC0 == 0x80:
        n += 1
    return data[n:]


def output(job: Mapping[str, Any], limit: int = ENDS) -> str:
    """What a job wrote, standard error after standard output, each as `excerpt` gives it."""
    parts = [excerpt(job[name], limit) for name in ("stdout", "stderr") if job.get(name)]
    return "\n".join(part for part in parts if part)


def target(options: Mapping[str, Any], name: str = "output") -> Path:
    """The path that an option names, relative to the directory that the command was given (`cwd`
    among the options)."""
    return Path(options.get("cwd") or Path.cwd(), options[name])


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when all is written; the directories above
    it are made. If anything is raised, `path` is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}~")
    try:
        with temporary.open("wb", buffering=1 << 18) as f:
            yield f
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def markdown_code(text: str) -> str:
    """One line of Markdown that shows `text` as code and does nothing, in a table too."""
    shown = visible(text, "\n\t")
    return f"<code>{_MARK.sub(lambda match: f'&#{ord(match[0])};', shown)}</code>"


def markdown_block(text: str) -> str:
    """Lines of Markdown that show `visible` text as it is.

    No line of it begins in the first column, where GitLab looks for commands to obey.
    """
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    body = text[:-1] if text.endswith("\n") else text
    return "".join(f" {line}\n" for line in (f"{fence}text", *body.split("\n"), fence))
