"""Reads the `CTestTestfile.cmake` files of a build tree as CMake writes them, without ctest.

Strict: what CMake's own generators and its modules GoogleTest and Catch write is read, anything
else raises `NotPlain`, and ctest is asked. So is it wherever ctest's answer depends on more than
these files and on which programs are there. The rows are those of `canary_ctest.query`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import Any, Final

from canary_ctest.names import TESTFILE
from canary_ctest.places import Places
from canary_ctest.values import UNKNOWN, VALUES

Row = dict[str, Any]

CHUNK: Final = 1 << 16  # bytes; more than most files have
MAX_DEPTH: Final = 50  # of files that include each other
# where they are, ctest reads more than the tree
_ELSEWHERE: Final = ("CTestCustom.cmake", "CTestCustom.ctest", "CTestConfiguration.ini")
_TOKEN: Final = re.compile(
    r"""(?:[ \t\n]+|\#(?!\[)[^\n]*)*
    (?: "([^"\\$@]*(?:\\["\\$][^"\\$@]*)*)"(?=[\s)])    # 1: in quotes, many at a turn
    |   \[(=*)\[\n?(.*?)\]\2\](?=[\s)])                  # 3: in brackets
    |   ([a-z_]+)\(                                      # 4: a command
    |   (\))(?=[ \t]*(?:\n|\#(?!\[)|\Z))                 # 5: its end
    |   ([^\s()\#"\\;$@\[\]][^\s()\#"\\;$@]*)(?=[\s)])   # 6: a plain word
    |   (\Z)                                             # 7
    |   (.)                                              # 8: anything else
    )""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED: Final = re.compile(r'\\(["\\$])')
_IF_EXISTS: Final = re.compile(r'if\(EXISTS "(/[^"\\$@]*)"\)')
_VARIABLE: Final = re.compile(r"(?!CTEST_|CMAKE_)\w[^{}]*")


class NotPlain(Exception):
    """Something that only ctest itself can be trusted with."""


def read(directory: str) -> list[Row]:
    """The tests of the build tree at `directory`, in the order of ctest; NotPlain."""
    if os.path.realpath(directory) != directory:
        raise NotPlain(directory)  # ctest names directories as the system does
    for name in _ELSEWHERE:
        if os.path.lexists(f"{directory}/{name}"):
            raise NotPlain(name)
    reader = _Reader(directory)
    reader.directory(directory, 0)
    if not reader.tests:
        raise NotPlain("no tests")
    return reader.rows()


class _Test:
    """One `add_test` and what was set for it."""

    __slots__ = ("command", "directory", "name", "properties", "source")

    def __init__(self, name: str, command: list[str], directory: str) -> None:
        self.name = name
        self.command = command
        self.directory = directory
        self.properties: dict[str, Any] | None = None
        self.source: str | None = None


class _Reader:
    """Goes through the files of one tree."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.tests: dict[str, _Test] = {}
        self.places = Places(root)
        self._real = {root: True}
        self._programs: dict[str, bool] = {}
        # what is set for many tests alike is kept once
        self._shared: dict[tuple[str, ...], tuple[dict[str, Any], str | None, str | None]] = {}
        self._where: dict[tuple[str, str | None], str] = {}

    def directory(self, directory: str, depth: int) -> None:
        """What `subdirs` does: read the file of a directory, if it has one."""
        text = _text(f"{directory}/{TESTFILE}")
        if text is not None:
            self.places.found(directory)
            self._run(text, directory, depth)
        elif os.path.lexists(f"{directory}/DartTestfile.txt"):
            raise NotPlain("DartTestfile.txt")

    def _run(self, text: str, directory: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise NotPlain("too deep")
        holds: list[bool] = []  # of each `if` around
        for name, words, start in _commands(text):
            if name == "else" and not words and holds:
                holds[-1] = not holds[-1]
            elif name == "endif" and not words and holds:
                holds.pop()
            elif name == "if":
                found = _IF_EXISTS.match(text, start)
                if found is None:
                    raise NotPlain("if")
                holds.append(all(holds) and _exists(found[1]))
                if not all(holds[:-1]):
                    raise NotPlain("if")  # its else would be wrong
            elif name in ("else", "endif", "elseif"):
                raise NotPlain(name)
            elif all(holds):
                self._call(name, words, directory, depth)
        if holds:
            raise NotPlain("if")

    def _call(self, name: str, words: list[str], directory: str, depth: int) -> None:
        if name == "add_test":
            self._add(words, directory)
        elif name == "set_tests_properties":
            self._set(words)
        elif name == "subdirs":
            for word in words:
                below = self._below(directory, word)
                if below is not None:
                    self.directory(below, depth + 1)
        elif name == "include" and len(words) == 1 and words[0].startswith("/"):
            text = _text(words[0])
            if text is None:
                raise NotPlain(words[0])
            self._run(text, directory, depth + 1)
        elif not (
            # variables are never read here
            name == "set"
            and words
            and _VARIABLE.fullmatch(words[0])
            and not {"CACHE", "PARENT_SCOPE"}.intersection(words)
        ):
            raise NotPlain(name)

    def _add(self, words: list[str], directory: str) -> None:
        if len(words) < 2 or not words[0] or words[0] in self.tests:
            # properties of one of two tests of a name are those of the other, too
            raise NotPlain("add_test")
        self.tests[words[0]] = _Test(words[0], words[1:], directory)

    def _set(self, words: list[str]) -> None:
        try:
            at = words.index("PROPERTIES")
        except ValueError:
            raise NotPlain("PROPERTIES") from None
        properties, source, where = self._properties(tuple(words[at + 1 :]))
        for name in words[:at]:
            test = self.tests.get(name)
            if test is None or test.properties is not None:
                raise NotPlain(name)
            test.properties = properties
            test.source = source
            if where is not None:
                test.directory = self._joined(test.directory, where)

    def _properties(self, words: tuple[str, ...]) -> tuple[dict[str, Any], str | None, str | None]:
        """Those to keep, the file that defined the test, the directory it runs in."""
        known = self._shared.get(words)
        if known is not None:
            return known
        given = dict(zip(words[::2], words[1::2], strict=False))
        if len(given) * 2 != len(words):
            raise NotPlain("PROPERTIES")
        triples = given.pop("_BACKTRACE_TRIPLES", "")
        where = given.pop("WORKING_DIRECTORY", None)
        if triples or where is not None:
            rest = tuple(word for pair in given.items() for word in pair)
            made, _, _ = self._properties(rest)
        else:
            made = {}
            for key, text in given.items():
                value = VALUES[key](text) if key in VALUES else UNKNOWN
                if value is UNKNOWN:
                    raise NotPlain(f"{key} {text}")
                if value is not None:
                    made[key] = value
        answer = made, _outermost(triples) if triples else None, where
        self._shared[words] = answer
        return answer

    def _joined(self, directory: str, where: str) -> str:
        key = directory, where
        if key not in self._where:
            self._where[key] = os.path.normpath(os.path.join(directory, where))
        return self._where[key]

    def _below(self, directory: str, word: str) -> str | None:
        """The directory of `subdirs`, as the system names it; None if there is none."""
        if word.startswith(f"{self.root}/"):
            directory, word = self.root, word[len(self.root) + 1 :]
        for part in word.split("/"):
            if part in ("", ".", ".."):
                raise NotPlain(word)
            directory = f"{directory}/{part}"
            if directory not in self._real:
                try:
                    mode = os.lstat(directory).st_mode
                except FileNotFoundError:
                    return None
                except OSError:
                    raise NotPlain(directory) from None
                if not stat.S_ISDIR(mode):
                    raise NotPlain(directory)
                self._real[directory] = True
        return directory

    def rows(self) -> list[Row]:
        """The tests as `query.read` has them."""
        none: dict[str, Any] = {}
        guesses: dict[tuple[str | None, str], str] = {}
        out = []
        for test in self.tests.values():
            key = test.source, test.directory
            file = guesses.get(key)
            if file is None:
                file = guesses[key] = self.places.guess(*key)
            self._resolve(test)
            properties = test.properties
            out.append(
                {
                    "name": test.name,
                    "command": test.command,
                    "file": file,
                    "directory": test.directory,
                    "properties": none if properties is None else properties,
                }
            )
        return out

    def _resolve(self, test: _Test) -> None:
        """Find the program where ctest looks first; for what is not there it looks elsewhere."""
        program = test.command[0]
        if not program.startswith("/"):
            where = test.directory
            if where not in self._real:
                self._real[where] = os.path.realpath(where) == where and os.path.isdir(where)
            if "/" in program or program == "NOT_AVAILABLE" or not self._real[where]:
                raise NotPlain(program)
            program = test.command[0] = f"{where}/{program}"
        known = self._programs.get(program)
        if known is None:
            known = os.path.normpath(program) == program and _is_program(program)
            self._programs[program] = known
        if not known:
            raise NotPlain(program)


def _is_program(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.R_OK)
    except OSError:
        return False


def _exists(path: str) -> bool:
    """Is it there? As ctest sees it, which wants to read it."""
    if os.access(path, os.R_OK):
        return True
    if os.path.lexists(path):
        raise NotPlain(path)
    return False


def _text(path: str) -> str | None:
    """A file of the tree; None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, CHUNK)
            while len(data) % CHUNK == 0 and (more := os.read(fd, CHUNK)):
                data += more
        finally:
            os.close(fd)
    except FileNotFoundError:
        return None
    except OSError:
        raise NotPlain(path) from None
    if b"\r" in data or b"\0" in data:
        raise NotPlain(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotPlain(path) from None


def _commands(text: str) -> Iterator[tuple[str, list[str], int]]:
    """Name, arguments and place of each command."""
    name = ""
    words: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastindex
        if kind == 1 and name:
            word = token[1]
            words.append(_ESCAPED.sub(r"\1", word) if "\\" in word else word)
        elif (kind in (3, 6)) and name:
            if kind == 3 and f"]{token[2]}]" in f"{token[3]}]{token[2]}":
                raise NotPlain(token[0])  # it ends before, and more follows
            words.append(token[kind])
        elif kind == 4 and not name:
            name, words, start = token[4], [], token.start(4)
        elif kind == 5 and name:
            yield name, words, start
            name = ""
        elif kind == 7 and not name:
            return
        else:
            raise NotPlain(token[0][-40:])
    raise NotPlain("no end")


def _outermost(triples: str) -> str:
    """Of `file;line;command;file;line;command;…` the last file: that of the directory."""
    words = triples.split(";")
    if len(words) % 3 or any(c in triples for c in "[]\\"):
        raise NotPlain(triples)
    return words[-3]


__all__: Sequence[str] = ("NotPlain", "read")
