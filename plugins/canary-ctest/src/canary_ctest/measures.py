"""Measurements that tests print for ctest, and files that they attach.

`<CTestMeasurement type="numeric/double" name="x">1.5</CTestMeasurement>`, or the same with
`DartMeasurement`, in the output is a measurement. Attached files are copied from the build tree
below the job's directory, so that a later run does not change what this one left.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

ATTACHED: Final = "attached"
_SIGN: Final = b"Measurement"
_TAG: Final = re.compile(
    rb"<(?P<tag>(?:CTest|Dart)Measurement(?:File)?)\s(?P<attributes>[^>]*)>(?P<value>.*?)</(?P=tag)>",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']")


def parse(output: bytes | mmap.mmap) -> dict[str, Any]:
    """`{name: value}`: a number for a type `numeric/…`, else the text; the last of a name wins."""
    found: dict[str, Any] = {}
    for match in _TAG.finditer(output):
        attributes = dict(_ATTRIBUTE.findall(match["attributes"]))
        name = attributes.get(b"name")
        if name:
            text = match["value"].decode("utf-8", "replace").strip()
            number = attributes.get(b"type", b"").startswith(b"numeric/")
            found[name.decode("utf-8", "replace")] = _number(text) if number else text
    return found


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def read(path: str) -> dict[str, Any]:
    """The measurements in an output file; none if it cannot be read."""
    try:
        if not os.stat(path).st_size:
            return {}
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as output:
            return parse(output) if output.find(_SIGN) >= 0 else {}
    except (OSError, ValueError):
        return {}  # or it has become empty: a file of no bytes cannot be mapped


def names(paths: Iterable[str]) -> dict[str, str]:
    """`{path: name}` below `attached`: base names, or whole paths where they are taken."""
    out: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        name = path.rstrip("/").rpartition("/")[2]
        out[path] = name if name not in out.values() else path.replace("/", "_")
    return out


def attach(files: Mapping[str, str], source: str, directory: str) -> None:
    """Copy `{path: name}`, paths relative to `source`, below `directory`; what is absent is left
    out."""
    target = Path(directory, ATTACHED)
    for path, name in files.items():
        file = Path(source, path)
        if file.is_file():
            target.mkdir(exist_ok=True)
            shutil.copy2(file, target / name)
