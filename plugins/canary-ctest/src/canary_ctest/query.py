"""Asks ctest what a build tree has to run, and keeps of its answer what jobs are made of; where
CMake's own files say the same, ctest need not be asked.

The answer of `ctest --show-only=json-v1` is reduced to plain rows: name, command, defining file,
properties. What properties mean is not known here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.errors import CanaryError, SpecError
from canary_ctest import testfiles
from canary_ctest.names import TESTFILE
from canary_ctest.places import Places
from canary_ctest.testfiles import Row

NEEDED: Final = (3, 21)

_ERROR: Final = re.compile(
    r"^CMake Error at (?P<file>[^\n]*?):(?P<line>\d+)(?: \([^\n]*\))?:\s*(?P<text>.*)"
)
_OPENED: Final = re.compile(r"^\{", re.MULTILINE)  # complaints may stand before it
_GENERATED: Final = re.compile(
    r"GENERATED_RESOURCE_SPEC_FILE\s+(?:\"(?P<quoted>[^\"]*)\"|\[(?P<fence>=*)\[(?P<raw>.*?)\](?P=fence)\])",
    re.DOTALL,
)


_MEMBERS: Final = frozenset({"FIXTURES_SETUP", "FIXTURES_REQUIRED"})
_IMPLIED: Final = (
    ("FIXTURES_REQUIRED", ("FIXTURES_SETUP",)),
    ("FIXTURES_CLEANUP", ("FIXTURES_SETUP", "FIXTURES_REQUIRED")),
)


class NoCTestError(CanaryError):
    """There is no ctest on PATH, or one that cannot list tests for us."""


# what a directory of ours holds so that ctest lists the tests of another
_UNWRITABLE: Final = "Cannot open file for write"
_STAND_INS: Final = (
    (TESTFILE, "subdirs([==[{directory}]==])\n"),
    ("CTestCustom.cmake", "include([==[{directory}/CTestCustom.cmake]==] OPTIONAL)\n"),
)


def read(directory: str, config: str | None, *, ask_always: bool = False) -> list[Row]:
    """The tests of the build tree at `directory`, in the order of ctest.

    ctest is asked unless CMake wrote the tree's files in the usual way, or if `ask_always`.
    SpecError, with file and line where ctest gives them, if it cannot read the tree; NoCTestError
    if there is none that could be asked.
    """
    ctest = find_ctest()
    try:
        rows = None if ask_always else testfiles.read(directory)
    except testfiles.NotPlain:
        rows = None
    if rows is None:
        rows = _asked(ctest, directory, config)
    return without_implied(rows)


def _asked(ctest: str, directory: str, config: str | None) -> list[Row]:
    answer = ask(ctest, directory, config)
    places = Places(directory)
    graph = _Graph(answer.get("backtraceGraph") or {})
    rows = [_row(test, places, graph, directory) for test in answer.get("tests") or ()]
    _add_generated(rows)
    return rows


def unavailable(directory: str, config: str | None) -> int:
    """How many tests there are in another configuration: ctest's JSON does not show them."""
    command = ["ctest", "-N", *(("-C", config) if config else ())]
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = re.search(r"^Total Tests: (\d+)$", done.stdout, re.MULTILINE)
    return int(found[1]) if found else 0


def find_ctest() -> str:
    """Its path; NoCTestError."""
    ctest = shutil.which("ctest")
    if ctest is None:
        raise NoCTestError("there is no ctest on PATH", hint="install CMake")
    return ctest


def ask(ctest: str, directory: str, config: str | None) -> dict[str, Any]:
    """What `ctest --show-only=json-v1` prints in `directory`."""
    command = [ctest, "--show-only=json-v1", *(("-C", config) if config else ())]
    environ = {**os.environ, "PATH": f"{directory}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = _call(command, directory, environ)
    answer = _answer(done)
    if answer is None and _UNWRITABLE in done.stderr:
        # ctest wants to write a log where it stands, and the tree is not ours
        with tempfile.TemporaryDirectory(prefix="canary-ctest-") as place:
            for name, text in _STAND_INS:
                Path(place, name).write_text(text.format(directory=directory), encoding="utf-8")
            done = _call(command, place, environ)
        answer = _answer(done)
    if answer is None:
        _check_version(ctest)
        raise explain(done.stderr or done.stdout, str(done.args[1]), done.returncode)
    return answer


def _call(
    command: Sequence[str], directory: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    done.args = (command, directory)
    return done


def _answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any] | None:
    begin = _OPENED.search(done.stdout)
    if done.returncode or begin is None:
        return None
    said = dict.fromkeys(done.stdout[: begin.start()].splitlines())
    try:
        answer = json.loads(done.stdout[begin.start() :])
    except ValueError:
        return None
    if answer.get("kind") != "ctestInfo":
        return None
    if said:
        warn(f"{done.args[1]}: ctest says: {' '.join(said)}")
    return answer  # type: ignore[no-any-return]  # JSON that begins so is an object


def warn(text: str) -> None:
    """Loading happens in a process of its own, whose error stream is the terminal's."""
    sys.stderr.write(f"WARNING: {text}\n")


def _check_version(ctest: str) -> None:
    done = subprocess.run([ctest, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    if found is None or (int(found[1]), int(found[2])) < NEEDED:
        version = found[0] if found else "of unknown version"
        wanted = ".".join(map(str, NEEDED))
        raise NoCTestError(f"{ctest} is {version}", hint=f"{wanted} or later is needed")


def explain(text: str, directory: str, code: int) -> SpecError:
    """The first error that ctest printed, with file and line."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        found = _ERROR.match(line)
        if found is None:
            continue
        body = [found["text"]]
        for following in lines[i + 1 :]:
            if following and not following.startswith(" "):
                break
            body.append(following.strip())
        message = " ".join(word for word in body if word)
        file = os.path.normpath(os.path.join(directory, found["file"]))
        return SpecError(message, file=file, line=int(found["line"]))
    said = next((line.strip() for line in lines if line.strip()), "no reason given")
    return SpecError(f"ctest ends with exit code {code}: {said}")


class _Graph:
    """Where tests were defined: ctest's table of files and of who called whom."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.nodes = data.get("nodes") or []
        self.files = data.get("files") or []

    def source(self, index: int | None) -> str | None:
        """The file at the outermost end of a backtrace: that of the directory being configured."""
        file = None
        while index is not None:
            node = self.nodes[index]
            file = self.files[node["file"]]
            index = node.get("parent")
        return file


def _row(test: Mapping[str, Any], places: Places, graph: _Graph, directory: str) -> Row:
    properties = {p["name"]: p.get("value") for p in test.get("properties") or ()}
    where = os.path.join(directory, properties.pop("WORKING_DIRECTORY", None) or "")
    where = os.path.normpath(where)
    return {
        "name": test["name"],
        "command": test.get("command"),
        "file": places.guess(graph.source(test.get("backtrace")), where),
        "directory": where,
        "properties": properties,
    }


def as_started(rows: list[Row]) -> list[Row]:
    """The rows with a shell before scripts without a `#!` line, as `execvp` has it for ctest."""
    known: dict[str, bool] = {}
    for row in rows:
        for program in (row["command"] or ())[:1]:
            if program not in known:
                known[program] = _needs_shell(program)
            if known[program]:
                row["command"] = ["/bin/sh", *row["command"]]
    return rows


def _needs_shell(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            head = os.read(fd, 4)
        finally:
            os.close(fd)
    except OSError:
        return False
    is_text = head.isascii() and b"\0" not in head
    return is_text and not head.startswith((b"#!", b"\x7fELF", b"MZ")) and os.access(path, os.X_OK)


def without_implied(rows: list[Row]) -> list[Row]:
    """The rows without the names in DEPENDS that fixtures imply: ctest 4 shows these there, too."""
    members: dict[str, set[str]] = {}
    for row in rows:
        for key in _MEMBERS & row["properties"].keys():
            for fixture in row["properties"][key]:
                members.setdefault(f"{key} {fixture}", set()).add(row["name"])
    if not members:
        return rows
    count = Counter(row["name"] for row in rows)
    out = []
    for row in rows:
        properties = row["properties"]
        implied: set[str] = set()
        for key, others in _IMPLIED:
            for fixture in properties.get(key) or ():
                for other in others:
                    implied |= members.get(f"{other} {fixture}", set())
        named = properties.get("DEPENDS") or ()
        left = [name for name in named if name not in implied or count[name] > 1]
        if len(left) < len(named):
            properties = {k: v for k, v in properties.items() if k != "DEPENDS"}
            row = {**row, "properties": {**properties, **({"DEPENDS": left} if left else {})}}
        out.append(row)
    return out


def _add_generated(rows: list[Row]) -> None:
    """Old releases of ctest do not show GENERATED_RESOURCE_SPEC_FILE: look into the files."""
    key = "GENERATED_RESOURCE_SPEC_FILE"
    wanted = any("RESOURCE_GROUPS" in row["properties"] for row in rows)
    setups = [row for row in rows if "FIXTURES_SETUP" in row["properties"]]
    if not wanted or not setups or any(key in row["properties"] for row in rows):
        return
    for file in dict.fromkeys(row["file"] for row in setups):
        try:
            with open(file, encoding="utf-8", errors="replace") as f:
                lines = [line for line in f if key in line]
        except OSError:
            continue
        for line in lines:
            found = _GENERATED.search(line)
            for row in setups:
                if found and row["file"] == file and _names(line, row["name"]):
                    row["properties"][key] = found["quoted"] or found["raw"] or ""


def _names(line: str, name: str) -> bool:
    head = line.partition("PROPERTIES")[0]
    return bool(re.search(rf"[\[(\"\s]{re.escape(name)}[\])\"\s]", head))


__all__ = ["TESTFILE", "NoCTestError", "Row", "explain", "find_ctest", "read", "warn"]
