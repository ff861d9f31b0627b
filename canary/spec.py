"""What a test definition says: frozen `JobSpec`s, and the `SpecGenerator` that makes them from a
file.

A generator has two halves. `load` reads one file, may run the user's code, and happens in the
collector process; what it returns is plain data that can be stored and used again while the file is
unchanged. `expand` turns that data into specs; it is pure and cheap, because it is called for every
file of every run. Nothing here knows of sessions.
"""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Final

from canary.errors import RecordError
from canary.frozen import shared
from canary.names import encode_path

OUTPUT_FILE: Final = "canary-out.txt"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for the work directory; `action` is `copy`, `link` or `none`, `dst` a plain name or
    None for its own."""

    src: str
    dst: str | None = None
    action: str = "link"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files worth keeping: a pattern in the work directory, kept `always`, on `success` or on
    `failure`."""

    pattern: str
    when: str = "always"


@dataclass(frozen=True, slots=True)
class Baseline:
    """How to rebaseline: copy `src` over `dst` of the test's tree, or run the test with `flag`."""

    src: str | None = None
    dst: str | None = None
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class DependencyPattern:
    """`pattern` selects jobs, `expects` (`+ ? *` or a number) says how many, `when` what they must
    come to (see `expression.compile_condition`).

    `line` is where it was written, for errors. `ids` short-cuts matching where the maker knows
    them.
    """

    pattern: str
    when: str | None = "on_success"
    expects: str | int = "+"
    line: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mask:
    """Why a job is not to be run; false where it is."""

    value: bool = False
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.value


UNMASKED: Final = Mask()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One job as defined: plain, frozen, storable.

    `file_root` is the scan root, `file_path` relative to it. `name` is `family.k=v…`. `timeout` is
    in seconds; `timeout_explicit` says that the file asked for it. `xstatus` 0, 64 (expected diff),
    -1 (any failure) or a code. `parameters` are in the name, `meta_parameters` are not.
    `skip_codes` are exit codes that mean SKIPPED. `stage_file` puts a link to the test file in the
    work directory. `fixture` is `setup` or `teardown` for a job that stands around all others at or
    below its directory. `options` belong to launchers (`launcher`, `partition`, …); `affinity` true
    binds the command to the CPUs that the job got.

    `cwd` is where the command starts, absolute; empty: in the job's directory. `takes_args` says
    that the words after `--` are added to it. `locks` are names of which the job is the only holder
    while it runs. `pieces` says of resource types that their slots come in pieces, each from one
    instance: `{"gpus": (2, 1)}` are 3 in all. `weight` replaces what the scheduler makes of CPUs
    and run time: what is heavier starts earlier. `renew`: it is run again with whatever depends on
    it, an earlier result of it does not stand in. `id_line` is the line of the file that gives the
    ID; 0 if none does.
    """

    file_root: str
    file_path: str
    id: str
    family: str
    name: str
    command: tuple[str, ...]
    generator: str = ""
    parameters: Mapping[str, Any] = shared()
    meta_parameters: Mapping[str, Any] = shared()
    keywords: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    timeout: float = -1.0
    timeout_explicit: bool = False
    xstatus: int = 0
    exclusive: bool = False
    dependencies: tuple[DependencyPattern, ...] = ()
    assets: tuple[Asset, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    baseline: tuple[Baseline, ...] = ()
    attributes: Mapping[str, Any] = shared()
    environment: Mapping[str, str | None] = shared()
    modules: tuple[tuple[str, str | None], ...] = ()
    rcfiles: tuple[str, ...] = ()
    preload: str | None = None
    stdout: str = OUTPUT_FILE
    stderr: str | None = None
    skip_codes: tuple[int, ...] = (80,)
    stage_file: bool = True
    exec_path: str = ""
    view_path: str = ""
    fixture: str | None = None
    options: Mapping[str, Any] = shared()
    cwd: str = ""
    takes_args: bool = True
    locks: tuple[str, ...] = ()
    pieces: Mapping[str, tuple[int, ...]] = shared()
    weight: float | None = None
    renew: bool = False
    id_line: int = 0
    mask: Mask = UNMASKED

    @property
    def file(self) -> str:
        """Absolute path of the test file."""
        return os.path.join(self.file_root, self.file_path)

    @property
    def fullname(self) -> str:
        """`directory/name`, the directory being that of the file relative to the scan root."""
        head, sep, _ = self.file_path.rpartition("/")
        return f"{head}{sep}{self.name}"

    @property
    def work_path(self) -> str:
        """The job's directory below the session's: `exec_path` or the full name, each part made
        safe."""
        return encode_path(self.exec_path or self.fullname)

    @property
    def result_path(self) -> str:
        """Where the view shows the job: `view_path` or the full name, each part made safe."""
        return encode_path(self.view_path or self.fullname)

    def asdict(self) -> dict[str, Any]:
        """As JSON; fields that have their default are left out."""
        values = zip(_DEFAULTS, _values(self), strict=True)
        return _nested({n: v for (n, d), v in values if v is not d and v != d})

    def full(self) -> dict[str, Any]:
        """As JSON with every field, for files that other programs read: paths are never empty."""
        data = _nested(dict(zip(_NAMES, _values(self), strict=True)))
        data["exec_path"] = self.exec_path or self.fullname
        data["view_path"] = self.view_path or self.fullname
        return data

    @classmethod
    def fromdict(cls, data: Mapping[str, Any]) -> JobSpec:
        """Read what `asdict` wrote; RecordError if it is not that."""
        try:
            known = {k: _DECODE[k](v) if k in _DECODE else v for k, v in data.items()}
            return cls(**known)
        except (TypeError, KeyError, ValueError, AttributeError) as e:
            raise RecordError(f"not a job specification: {e}") from None


def _nested(data: dict[str, Any]) -> dict[str, Any]:
    """`data` with its value objects as JSON."""
    for name, columns in _COLUMNS.items():
        if name in data:
            data[name] = _rows(data[name], columns)
    return data


def _rows(value: Any, columns: Sequence[str]) -> Any:
    """A value object, or several, by column; plain dicts and tuples are JSON as they are."""
    if isinstance(value, tuple):
        return [{c: getattr(x, c) for c in columns} for x in value]
    return {c: getattr(value, c) for c in columns}


def _columns(cls: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


def _default(f: Field[Any]) -> Any:
    return f.default if f.default_factory is MISSING else f.default_factory()


_DECODE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "dependencies": lambda rows: tuple(
        DependencyPattern(**{**r, "ids": tuple(r.get("ids", ()))}) for r in rows
    ),
    "assets": lambda rows: tuple(Asset(**r) for r in rows),
    "artifacts": lambda rows: tuple(Artifact(**r) for r in rows),
    "baseline": lambda rows: tuple(Baseline(**r) for r in rows),
    "mask": lambda m: Mask(bool(m["value"]), m["reason"]),
    "pieces": lambda table: {t: tuple(sizes) for t, sizes in table.items()},
    "modules": lambda rows: tuple((str(n), u) for n, u in rows),
    **{k: tuple for k in ("command", "keywords", "owners", "rcfiles", "skip_codes", "locks")},
}
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "dependencies": _columns(DependencyPattern),
    "assets": _columns(Asset),
    "artifacts": _columns(Artifact),
    "baseline": _columns(Baseline),
    "mask": _columns(Mask),
}
_NAMES: Final = _columns(JobSpec)
_DEFAULTS: Final = tuple((f.name, _default(f)) for f in fields(JobSpec))
_values: Final = attrgetter(*_NAMES)
_SAMPLE: Final = JobSpec(file_root="", file_path="", id="", family="", name="", command=())


@cache
def _twin() -> Any:
    """A class with the slots of `JobSpec` that can be set in the ordinary way."""
    lines = "".join(f"\n  self.{name} = sample.{name}" for name in _NAMES)
    made: dict[str, Any] = {}
    exec(f"class Twin:\n __slots__ = {_NAMES}\n def __init__(self, sample):{lines}", made)
    return made["Twin"]


def maker(common: Mapping[str, Any]) -> Callable[..., JobSpec]:
    """`make(id, name, parameters, **others)` for specs that have the fields `common` alike, at a
    sixth of the constructor's price.

    The constructor of a frozen dataclass sets each field through `object.__setattr__`. Here those
    of a twin are set, which then becomes a `JobSpec`, as frozen as any other: Python allows that
    because both have the same slots and bases.
    """
    twin = _twin()
    sample = twin(_SAMPLE)
    for key, value in common.items():
        setattr(sample, key, value)

    def make(id: str, name: str, parameters: Mapping[str, Any], **others: Any) -> JobSpec:
        spec = twin(sample)
        spec.id, spec.name, spec.parameters = id, name, parameters
        for key, value in others.items():
            setattr(spec, key, value)
        spec.__class__ = JobSpec
        return spec  # type: ignore[no-any-return]  # it is one now

    return make


def job_id(family: str, path: str, parameters: Mapping[str, Any]) -> str:
    """The 64-hex identity of a job: SHA-256 over family, path in the repository, and `key=value` of
    all parameters.

    Keys are sorted and `runtime` is left out; a float counts with 17 digits, a bool as 0 or 1,
    anything else as its text.
    """
    digest = hashlib.sha256(f"{family}{path}".encode(errors="surrogateescape"))
    for key in sorted(parameters):
        if key != "runtime":
            value = parameters[key]
            text = f"{value:.16e}" if isinstance(value, float) else parameter_text(value)
            digest.update(f"{key}={text}".encode(errors="surrogateescape"))
    return digest.hexdigest()


def parameter_text(value: Any) -> str:
    """A parameter as names show it: `%g` for a float, decimal for an integer or a bool, else its
    text."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{int(value)}"
    return str(value)


def job_name(family: str, parameters: Mapping[str, Any]) -> str:
    """`family.k=v…` with sorted keys."""
    return ".".join([family, *(f"{k}={parameter_text(parameters[k])}" for k in sorted(parameters))])


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A file that a generator claims: scan root, path relative to it, and what `stat` said."""

    root: str
    path: str
    generator: str
    mtime_ns: int = 0
    size: int = 0
    inode: int = 0

    @property
    def file(self) -> str:
        """Absolute path."""
        return os.path.join(self.root, self.path)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found: plain data (None, bool, int, float, str, bytes, tuple, list, dict) and
    whether it may be kept for as long as the file is unchanged (false when it depends on anything
    outside the file).
    """

    data: Any
    cacheable: bool = False


@dataclass(frozen=True, slots=True)
class ExpandContext:
    """What specs may depend on besides their file.

    `options` are the `-o` names, `platforms` the names of this platform, `timeout_for(keywords)`
    the configured timeout in seconds, `repository(path)` the path of a file in its repository (the
    part of its identity), `config` the merged configuration as plain nested mappings.
    """

    options: frozenset[str]
    platforms: frozenset[str]
    timeout_for: Callable[[Sequence[str]], float]
    repository: Callable[[str], str]
    config: Mapping[str, Any] = shared()


class SpecGenerator(abc.ABC):
    """Reads one format. `name` is unique, `patterns` are matched with the file's base name.

    `version` is part of the cache key: raise it when `load` returns something else for the same
    file.
    """

    name: ClassVar[str]
    patterns: ClassVar[tuple[str, ...]]
    version: ClassVar[int] = 1
    description: ClassVar[str] = ""

    def claims(self, name: str) -> bool:
        """Is a file of that base name ours?"""
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def prune(self, files: Sequence[SpecFile]) -> Sequence[SpecFile]:
        """Leave out files of one root that others of them cover already (default: none)."""
        return files

    @abc.abstractmethod
    def load(self, file: SpecFile) -> Loaded:
        """Read the file; SpecError naming file and line if it is wrong. In the collector
        process."""

    @abc.abstractmethod
    def expand(self, file: SpecFile, data: Any, context: ExpandContext) -> list[JobSpec]:
        """Make its specs; SpecError naming file and line if that cannot be done. Pure."""

    def describe(self, file: SpecFile, data: Any) -> Mapping[str, Any]:  # noqa: ARG002 - none here
        """What `canary describe FILE` shows besides the specs."""
        return {}
