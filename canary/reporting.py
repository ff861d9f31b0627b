"""What every reporter needs: options, output read as head and tail, text that does no harm yet can
be read back, files that are written whole.

Reporters are plugins and may not know each other; this is the one place for what they share. It
knows no format and nothing of sessions.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from canary import faults, fsio
from canary.faults import fault

if TYPE_CHECKING:
    import argparse

ENDS: Final = 16384

# control characters but tab and newline, what turns or hides text, what is no character at all,
# and a backslash that would read as one of the escapes below
_ODD: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
    r"|\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})"
)
_XML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_XML_VALUE: Final = _XML | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})
# in Markdown: all that begins something, also as GitHub and GitLab read it
_MARK: Final = re.compile(r"[&<>\"'|`*~\[\]\\#!@$:{}()^]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.")
_ESCAPE: Final = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")
# what is left of a character in UTF-8 whose other bytes are missing
_CUT_END: Final = re.compile(
    rb"(?:[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2})\Z"
)
_CUT_START: Final = re.compile(rb"\A[\x80-\xbf]{1,3}")


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
    return _ESCAPE.sub(_recovered, text).encode(errors="surrogateescape")


def _recovered(match: re.Match[str]) -> str:
    byte, code = match.groups()
    data = bytes.fromhex(byte) if byte else chr(int(code, 16)).encode(errors="surrogatepass")
    return data.decode(errors="surrogateescape")


def excerpt(path: str, limit: int = ENDS) -> str:
    """The output in a file as `visible` text: all of it, or its first and last `limit` bytes and a
    line between them that counts what was left out. Nothing, if there is no such file."""
    try:
        f = fsio.open_left(path)
    except OSError:
        return ""
    with f:
        info, limit = os.fstat(f.fileno()), max(0, limit)
        if info.st_size <= 2 * limit:
            return visible(f.read(2 * limit).decode(errors="surrogateescape"))
        head = _CUT_END.sub(b"", f.read(limit))
        f.seek(info.st_size - limit)
        tail = _CUT_START.sub(b"", f.read(limit))
    out = info.st_size - len(head) - len(tail)
    ends = (visible(part.decode(errors="surrogateescape")) for part in (head, tail))
    return f"\n... {out} bytes left out ...\n".join(ends)


def output(job: Mapping[str, Any], limit: int = ENDS) -> str:
    """What a job wrote, standard error after standard output, each as `excerpt` gives it."""
    parts = [excerpt(job[name], limit) for name in ("stdout", "stderr") if job.get(name)]
    return "\n".join(part for part in parts if part)


def add_output(parser: argparse.ArgumentParser, file: str) -> None:
    """The option `--output`, which `write` obeys; its default is `file`."""
    text = "file to write, `-` for standard output (default: %(default)s)"
    parser.add_argument("-o", "--output", metavar="FILE", default=file, help=text)


def add_limit(parser: argparse.ArgumentParser, limit: int = ENDS) -> None:
    """The option `--limit`, for `output` and `excerpt`."""
    text = "how much of the two ends of an output to keep (default: %(default)s)"
    parser.add_argument("--limit", metavar="BYTES", type=int, default=limit, help=text)


def write(parts: Iterable[str], options: Mapping[str, Any]) -> list[Path]:
    """Write a report to where the options say; the paths written, none for standard output."""
    if options["output"] != "-":
        return write_file(parts, target(options))
    sys.stdout.writelines(parts)
    return []


def write_file(parts: Iterable[str], path: Path) -> list[Path]:
    """Write text to a file as `replacing` does; the path."""
    with replacing(path) as f:
        f.writelines(part.encode() for part in parts)
    return [path]


def is_failure(job: Mapping[str, Any]) -> bool:
    """Did it run, or should it have, and not pass?"""
    return job["excluded"] is None and job["status"]["category"] in ("FAIL", "ABORTED")


def target(options: Mapping[str, Any], name: str = "output") -> Path:
    """The path that an option names, relative to the directory that the command was given (`cwd`
    among the options)."""
    return Path(options.get("cwd") or Path.cwd(), options[name])


def is_special(path: Path) -> bool:
    """Is it there, and neither file nor directory, but a pipe, say, or a device?"""
    return path.exists() and not path.is_file() and not path.is_dir()


class _File(io.FileIO):
    """One whose writing can be made to fail."""

    def write(self, data: Any) -> int:
        return faults.write(self.fileno(), bytes(data))


def _opened(path: Path) -> BinaryIO:
    fault("open")
    return io.BufferedWriter(_File(path, "w"), 1 << 18)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when all is written, or of what it links
    to; the directories above it are made. If anything is raised, `path` is as it was. A pipe or
    device is written to."""
    if is_special(path):
        with _opened(path) as f:
            yield f
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}~")
    try:
        with _opened(temporary) as f:
            yield f
        fault("rename")
        temporary.replace(path)
    except OSError as e:
        e.filename = e.filename or str(path)  # a disk that is full does not say of which file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def xml_text(text: str) -> str:
    """`visible` text as the content of an element."""
    return text.translate(_XML)


def xml_quote(text: str) -> str:
    """`text` as the value of an attribute, quotation marks included."""
    return f'"{visible(text).translate(_XML_VALUE)}"'


def markdown_counts(jobs: Iterable[Mapping[str, Any]]) -> str:
    """A table that says how many jobs came to what."""
    found = Counter(f"{j['status']['category']} ({j['status']['outcome']})" for j in jobs)
    rows = "".join(f"| {status} | {n} |\n" for status, n in found.most_common())
    return f"| Status | Jobs |\n| --- | ---: |\n{rows}"


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
