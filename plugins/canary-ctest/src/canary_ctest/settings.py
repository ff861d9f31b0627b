"""What `canary run` may be told about CTest: options, and one variable of ctest's own.

Nothing here reads a build tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from canary.clock import parse_duration
from canary.declare import Settings
from canary.errors import ConfigError, ExpressionError

VARIABLE = "CTEST_TEST_TIMEOUT"


@dataclass(frozen=True, slots=True)
class CTest(Settings):
    """Options of `canary run` for tests of CMake build trees."""

    section: ClassVar[str] = "ctest"
    commands: ClassVar[tuple[str, ...]] = ("run", "find", "collect", "describe")
    config: str | None = field(
        default=None,
        metadata={"help": "configuration to test (ctest -C)", "metavar": "CFG"},
    )
    test_timeout: float | None = field(
        default=None,
        metadata={"help": "time limit of tests without TIMEOUT", "kind": "duration"},
    )
    resource_spec_file: str | None = field(
        default=None,
        metadata={
            "help": "CTest resource specification file that describes this machine",
            "metavar": "FILE",
            "commands": ("run",),
        },
    )
    reader: str = field(
        default="auto",
        metadata={
            "help": "who reads build trees: ctest, or auto (canary, where CMake wrote them)",
            "flag": None,
            "choices": ("auto", "ctest"),
        },
    )
    recurse: bool = field(
        default=False,
        metadata={
            "help": "without effect: ctest itself enters subdirectories",
            "flag": "--recurse-ctest",
        },
    )


@dataclass(frozen=True, slots=True)
class CMake(Settings):
    """What was built, where, and with which compiler: facts for test files, as the CMake function
    `write_canary_config` writes them."""

    section: ClassVar[str] = "cmake"
    commands: ClassVar[tuple[str, ...]] = ()
    project: str | None = field(default=None, metadata={"help": "its name", "flag": None})
    type: str | None = field(default=None, metadata={"help": "the build type", "flag": None})
    date: str | None = field(default=None, metadata={"help": "when", "flag": None})
    build_directory: str | None = field(
        default=None, metadata={"help": "where it was built", "flag": None}
    )
    source_directory: str | None = field(
        default=None, metadata={"help": "where its sources are", "flag": None}
    )
    compiler: Any = field(
        default=None,
        metadata={
            "help": "a table: vendor, version, cc, cxx, fc, mpicc, mpicxx, mpifc, paths",
            "flag": None,
        },
    )


def test_timeout(settings: CTest, environ: Mapping[str, str]) -> float | None:
    """The limit for tests that set none, in seconds: the option, else `CTEST_TEST_TIMEOUT`."""
    if settings.test_timeout is not None:
        return settings.test_timeout
    text = environ.get(VARIABLE)
    if not text:
        return None
    try:
        return parse_duration(text)
    except ExpressionError as e:
        raise ConfigError(e.message, key=VARIABLE, hint=e.hint) from None
