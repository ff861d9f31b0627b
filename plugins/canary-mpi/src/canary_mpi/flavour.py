"""Which MPI an `mpiexec` belongs to, which one a program is linked with: both are asked.

Names of programs and places say nothing: `mpiexec` may be any of them. This module runs in front of
each MPI program, in an interpreter of its own, so it imports little; it knows nothing of canary.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

OPENMPI: Final = "openmpi"
MPICH: Final = "mpich"
INTEL: Final = "intel"
SRUN: Final = "srun"
UNKNOWN: Final = "unknown"
NAMES: Final = (
    (OPENMPI, "Open MPI"),
    (MPICH, "MPICH"),
    (INTEL, "Intel MPI"),
    (SRUN, "Slurm's srun"),
    (UNKNOWN, "an MPI that canary does not know"),
)
ANSWER_SECONDS: Final = 20.0
# in the order in which they are tried; the first that is found counts
_VERSIONS: Final = (
    (OPENMPI, re.compile(r"\((?:Open MPI|OpenRTE)\) (\d+)")),
    (OPENMPI, re.compile(r"prterun.*?(\d+)\.\d+\.\d+")),
    (INTEL, re.compile(r"Intel\(R\) MPI Library.*?Version (\d+)")),
    (MPICH, re.compile(r"HYDRA build details:\s+Version:\s+(\d+)")),
    (SRUN, re.compile(r"^slurm\S* (\d+)")),
)
# libraries that a program of each is linked with, directly or not
_LIBRARIES: Final = (
    (OPENMPI, re.compile(r"^\s*lib(?:open-(?:pal|rte)|mpi)\.so\.[2-9]\d ", re.MULTILINE)),
    (
        MPICH,
        re.compile(r"^\s*lib(?:mpich\w*|mpi|mpi_cray|mpi_gnu\w*)\.so(?:\.\d+)? ", re.MULTILINE),
    ),
)


class Starter(NamedTuple):
    """A program that starts MPI programs; `version` is its first number, 0 if it is not known."""

    path: str
    kind: str
    version: int

    def __str__(self) -> str:
        number = f" {self.version}" if self.version else ""
        return f"{self.path} ({dict(NAMES)[self.kind]}{number})"


def read_version(text: str) -> tuple[str, int]:
    """Kind and version from what a program said when it was asked for its version."""
    for kind, pattern in _VERSIONS:
        found = pattern.search(text)
        if found:
            return kind, int(found[1])
    return UNKNOWN, 0


def recognise(path: str) -> Starter:
    """Ask the program at `path`; a program that has not changed is asked once."""
    return _ask(path, os.stat(path).st_mtime_ns)  # noqa: PTH116 - texts


@lru_cache
def _ask(path: str, mtime: int) -> Starter:  # noqa: ARG001 - part of the key
    return Starter(path, *read_version(_output(path, "--version")))


def find(name: str, search: str | None) -> str | None:
    """The path of a program, looked for along `search`."""
    return shutil.which(name, path=search)


def linked_with(program: str, environ: Mapping[str, str]) -> str:
    """OPENMPI or MPICH (and what is made to fit it: Intel, Cray), UNKNOWN for a script and the
    like."""
    path = shutil.which(program, path=environ.get("PATH"))
    loader = shutil.which("ldd")
    if path is None or loader is None:
        return UNKNOWN
    with open(path, "rb") as f:
        if f.read(4) != b"\x7fELF":
            return UNKNOWN
    return read_libraries(_output(loader, path))


def read_libraries(text: str) -> str:
    """The MPI among the libraries that `ldd` lists."""
    for kind, pattern in _LIBRARIES:
        if pattern.search(text):
            return kind
    return UNKNOWN


@lru_cache
def slurm_ways(srun: str) -> frozenset[str]:
    """What `srun --mpi=` takes on this cluster."""
    text = _output(srun, "--mpi=list")
    return frozenset(re.findall(r"\b(?:pmi2|pmix|cray_shasta)\b", text))


def _output(*words: str) -> str:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
