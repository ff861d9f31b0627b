"""Which files are tests: scan roots are walked once, and each file goes to the generator that
claims its name.

Nothing is opened here. A directory that is a link is not entered (no loops); a file that is a link
is a file.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from stat import S_ISREG
from typing import Final

from canary.errors import UsageError
from canary.home import DIRECTORY, TAG
from canary.names import above
from canary.spec import SpecFile, SpecGenerator

SKIPPED: Final = frozenset({"__pycache__", ".git", ".svn", ".hg", ".canary", "TestResults"})
_NO_TAGS: Final = (".", "..", ":all:", "__all__")
VIEW_MARK: Final = ".canary-view.json"
_REPOSITORY_MARKS: Final = (".git", ".repo", ".canary-root")

Ignore = Callable[[str], bool]
# told the names of a generator and of one after it, and what both claim; the first has it
Clash = Callable[[str, str, str], None]
Formats = Mapping[str, SpecGenerator]


@dataclass(frozen=True, slots=True)
class ScanRoot:
    """A root, absolute, and the paths below it to scan (empty: all of it)."""

    root: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """The words after the options of `canary run`, by kind: what to scan, and what to take from the
    store."""

    roots: tuple[ScanRoot, ...] = ()
    names: tuple[str, ...] = ()


def no_tag(_: str) -> None:
    """For words among which there are no tags."""


def classify(words: Sequence[str], cwd: str, tag: Callable[[str], object] = no_tag) -> Words:
    """Tell paths from names of jobs and tags; UsageError for a mixture, or a path that does not
    exist.

    A word is, in this order: `git@DIR` or `repo@DIR`, a tag (for which `tag` gives something), a
    directory, a file, `ROOT:PATH`; anything else names jobs.
    """
    roots: dict[str, list[str]] = {}
    names: list[str] = []
    listed: list[ScanRoot] = []
    for word in words:
        if os.path.basename(word) == "testcases.lock":
            raise UsageError(
                f"{word!r}: a lock cannot be run", hint="name the job or its test file"
            )
        known_to_git = _listed(word, cwd)
        if known_to_git is not None:
            listed.append(known_to_git)
            continue
        found = None if tag(word) is not None else _root_of(word, cwd)
        if found is None:
            names.append(word)
            continue
        root, path = found
        roots.setdefault(root, []).append(path)
    if (roots or listed) and names:
        missing = ", ".join(repr(n) for n in names)
        raise UsageError(
            f"paths cannot be mixed with tags and names of jobs: {missing}",
            hint="check the spelling, or run them apart",
        )
    scans = (
        ScanRoot(r, () if "" in paths else tuple(dict.fromkeys(paths)))
        for r, paths in roots.items()
    )
    return Words((*scans, *listed), tuple(names))


def valid_tag(tag: str) -> None:
    """UsageError for a name that would be read as something else."""
    if not tag or tag.startswith("-") or "/" in tag or not tag.isprintable() or tag in _NO_TAGS:
        raise UsageError(f"{tag!r} cannot be a tag", hint="use letters, digits, - and _")


def _root_of(word: str, cwd: str) -> tuple[str, str] | None:
    """A scan root, and what to scan in it: empty for all of it."""
    path = os.path.normpath(os.path.join(cwd, word))
    if os.path.isdir(path):
        return path, ""
    if os.path.isfile(path):
        return os.path.split(path)
    root, colon, rest = word.partition(":")
    if colon and rest:
        base = os.path.normpath(os.path.join(cwd, root))
        inner = os.path.normpath(os.path.join(base, rest))
        if inner.startswith(base + os.sep) and os.path.exists(inner):
            return base, os.path.relpath(inner, base)
    return None


def _listed(word: str, cwd: str) -> ScanRoot | None:
    """`git@DIR`: the files that git knows below DIR, submodules included; `repo@DIR`: those of all
    projects there of a checkout made by repo."""
    kind, at, place = word.partition("@")
    if not at or kind not in ("git", "repo"):
        return None
    directory = os.path.normpath(os.path.join(cwd, place or "."))
    if not os.path.isdir(directory):
        raise UsageError(f"{word!r}: no such directory")
    known: dict[str, None] = {}
    for project in _projects(word, directory) if kind == "repo" else ("",):
        names = _known_to_git(word, os.path.join(directory, project))
        paths = (os.path.join(project, name) for name in names)
        known.update((path, None) for path in paths if os.path.isfile(f"{directory}/{path}"))
    if not known:  # no paths would stand for all of them
        raise UsageError(f"{word!r}: git knows no files there")
    return ScanRoot(directory, tuple(known))


def _known_to_git(word: str, directory: str) -> list[str]:
    command = ["git", "-C", directory, "ls-files", "-z", "--recurse-submodules"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as e:
        reason = getattr(e, "stderr", b"") or str(e).encode()
        text = reason.decode(errors="replace").strip().splitlines()[0]
        raise UsageError(f"{word!r}: git cannot list it: {text}") from None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _projects(word: str, directory: str) -> list[str]:
    """The projects that repo keeps below a directory, relative to it; empty for one that it is
    in."""
    top = directory
    while not os.path.isfile(f"{top}/.repo/project.list"):
        if top == os.path.dirname(top):
            raise UsageError(f"{word!r}: repo keeps no projects there")
        top = os.path.dirname(top)
    with open(f"{top}/.repo/project.list", encoding="utf-8", errors="surrogateescape") as file:
        kept = [
            p for line in file if os.path.isdir(p := os.path.normpath(f"{top}/{line.rstrip()}"))
        ]
    inside = f"{directory}/"
    around = [""] if any(inside.startswith(f"{p}/") for p in kept) else []
    return around + [p.removeprefix(inside) for p in kept if p.startswith(inside)]


class _Claims:
    """Which generator claims a base name; extensions are looked up, other patterns matched."""

    def __init__(self, generators: Iterable[SpecGenerator], clash: Clash) -> None:
        self._suffixes: dict[str, SpecGenerator] = {}
        self._others: list[SpecGenerator] = []
        self._clash = clash
        self._told: set[tuple[str, str]] = set()
        for generator in generators:
            for pattern in generator.patterns:
                suffix = pattern[1:]
                plain = (
                    pattern.startswith("*.")
                    and not any(c in suffix for c in "*?[")
                    and suffix.count(".") == 1
                )
                if plain and suffix in self._suffixes:
                    self._clash(self._suffixes[suffix].name, generator.name, pattern)
                elif plain:
                    self._suffixes[suffix] = generator
                elif generator not in self._others:
                    self._others.append(generator)

    def find(self, name: str) -> SpecGenerator | None:
        dot = name.rfind(".")
        found = self._suffixes.get(name[dot:]) if dot >= 0 else None
        for other in self._others:
            if other is not found and other.claims(name):
                if found is not None and (found.name, other.name) not in self._told:
                    self._told.add((found.name, other.name))  # once, not for each of their files
                    self._clash(found.name, other.name, name)
                found = found or other
        return found


def find(
    roots: Sequence[ScanRoot], generators: Formats, ignore: Ignore | None, clash: Clash
) -> list[SpecFile]:
    """The test files of all roots in path order, each with what `stat` says of it."""
    claims = _Claims(generators.values(), clash)
    out: list[SpecFile] = []
    for root in roots:
        files = sorted(_scan(root, claims, ignore), key=attrgetter("path"))
        out += _pruned(files, generators)
    return out


def _pruned(files: list[SpecFile], generators: Formats) -> list[SpecFile]:
    groups: dict[str, list[SpecFile]] = {}
    for file in files:
        groups.setdefault(file.generator, []).append(file)
    if all(type(generators[g]).prune is SpecGenerator.prune for g in groups):
        return files
    kept = {id(f) for name, group in groups.items() for f in generators[name].prune(group)}
    return [f for f in files if id(f) in kept]


def _scan(root: ScanRoot, claims: _Claims, ignore: Ignore | None) -> Iterator[SpecFile]:
    starts = [os.path.join(root.root, p) for p in root.paths] or [root.root]
    prefix = len(root.root.rstrip("/")) + 1
    todo: list[str] = []
    for start in starts:
        if os.path.isdir(start):
            todo.append(start)
        else:
            generator = claims.find(os.path.basename(start))
            if generator is not None:
                try:
                    stat = os.stat(start)
                except OSError as e:
                    raise _unreadable(start, e) from None
                yield _file(root.root, start[prefix:], generator.name, stat)
    while todo:
        directory = todo.pop()
        try:
            found = os.scandir(directory)
        except OSError as e:  # tests may be there: to pass it over could hide them
            raise _unreadable(directory, e) from None
        with found as entries:
            for entry in entries:
                name = entry.name
                generator = claims.find(name)
                if generator is not None and not entry.is_dir():
                    try:
                        stat = entry.stat()
                    except OSError:
                        continue  # a link to nothing
                    if S_ISREG(stat.st_mode):  # to open a FIFO is to wait for ever
                        yield _file(root.root, entry.path[prefix:], generator.name, stat)
                elif entry.is_dir(follow_symlinks=False) and not _left_out(
                    name, entry.path, ignore
                ):
                    todo.append(entry.path)


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(f"cannot look for tests here: {error.strerror}", file=path)


def _left_out(name: str, path: str, ignore: Ignore | None) -> bool:
    if name in SKIPPED or name.startswith(".canary."):
        return True
    if os.path.lexists(f"{path}/{VIEW_MARK}") or (
        name == DIRECTORY and os.path.lexists(f"{path}/{TAG}")
    ):
        return True
    return ignore is not None and ignore(path)


def _file(root: str, path: str, generator: str, stat: os.stat_result) -> SpecFile:
    return SpecFile(root, path, generator, stat.st_mtime_ns, stat.st_size, stat.st_ino)


def repository_path(marks: dict[str, str], file: str) -> str:
    """Path of `file` in its repository: the nearest directory above that has a mark of one, else
    `/`.

    `marks` remembers directories between calls.
    """
    base, seen = "/", []
    for directory in above(file):
        if directory in marks:
            base = marks[directory]
            break
        seen.append(directory)
        if any(os.path.exists(f"{directory}/{mark}") for mark in _REPOSITORY_MARKS):
            base = directory
            break
    marks.update(dict.fromkeys(seen, base))
    return file[len(base) :].lstrip("/") if base != "/" else file[1:]
