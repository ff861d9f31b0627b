"""Starts an MPI program as this machine wants it: finds `mpiexec`, recognises it, becomes it.

    canary-mpiexec [-n RANKS] PROGRAM [ARG...]
    canary-mpiexec                               what would be used

Everything is decided in the job's own environment, where modules have been loaded, and by variables
(`CANARY_MPI_*`) that canary sets for its jobs and that may be set by hand. It is run in an isolated
interpreter that has only the standard library.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Final

if __name__ == "__main__":  # by its path: the package is not on the search path then
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib is slow to load

from canary_mpi import flavour, variables, words
from canary_mpi.flavour import MPICH, OPENMPI, SRUN, UNKNOWN, Starter

CANNOT_START: Final = 125
PREFIX: Final = "canary-mpiexec: "
RANKS: Final = "CANARY_MPI_RANKS"
STARTED: Final = "CANARY_MPI_STARTED"  # for each rank: how many there should be
PYTHON: Final = re.compile(r"(?:.*/)?python[\d.]*t?")


class CannotStart(Exception):
    """One line for people."""


def prepare(
    program: Sequence[str], environ: Mapping[str, str], ranks: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """The words that start `program`, and the environment they are to have; CannotStart."""
    plan = read_plan(environ, ranks)
    library = flavour.linked_with(program[0], environ) if program else UNKNOWN
    starter, way = choose(environ, library)
    if library != UNKNOWN and starter.kind not in (SRUN, UNKNOWN):
        fits = (starter.kind == OPENMPI) == (library == OPENMPI)
        if not fits:
            raise CannotStart(
                f"{program[0]} is linked with {dict(flavour.NAMES)[library]}, and {starter} would"
                f" start {plan.ranks} programs of one rank each; set mpi.exec, or load the right"
                " module"
            )
    if len(program) > 1 and PYTHON.fullmatch(program[0]) and not program[1].startswith("-"):
        wrapper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rank.py")  # noqa: PTH100, PTH118, PTH120 - as above
        program = [program[0], wrapper, *program[1:]]
    env = {**environ, STARTED: str(plan.ranks)}
    if plan.is_root:
        env.update(variables.ROOT_VARIABLES)
    return words.command(starter, plan._replace(way=way), program), env


def read_plan(environ: Mapping[str, str], ranks: int | None = None) -> words.Plan:
    """How to start a program, from variables."""
    given = environ.get(RANKS, "")
    if ranks is None:
        ranks = int(given) if given.isdecimal() else 1
    if ranks < 1:
        raise CannotStart(f"{ranks} ranks: there must be at least one")
    try:
        flags = shlex.split(environ.get("CANARY_MPI_FLAGS", ""))
    except ValueError as e:
        raise CannotStart(f"mpi.flags: {e}") from None
    return words.Plan(
        ranks=ranks,
        hosts=_hosts(environ.get("CANARY_MPI_HOSTS", ""), ranks, given),
        bind=environ.get("CANARY_MPI_BIND") or "none",
        flags=tuple(flags),
        one_gpu=environ.get("CANARY_MPI_GPUS") == "each",
        is_root=os.geteuid() == 0,
    )


def _hosts(text: str, ranks: int, given: str) -> tuple[tuple[str, int], ...]:
    """`a:4,b:2` as pairs; if other ranks are wanted than the job has, so many as come to each."""
    pairs = (entry.rpartition(":") for entry in text.split(",") if entry)
    hosts = [(name, int(n)) for name, _, n in pairs]
    if hosts and str(ranks) != given:
        each = -(-ranks // len(hosts))
        hosts = [(name, each) for name, _ in hosts]
    return tuple(hosts)


def choose(environ: Mapping[str, str], library: str) -> tuple[Starter, str]:
    """What starts programs here, and what `srun --mpi=` is to be."""
    wanted = environ.get("CANARY_MPI_EXEC") or "auto"
    search = environ.get("PATH")
    srun = flavour.find("srun", search) if environ.get("SLURM_JOB_ID") else None
    if wanted == "auto":
        path = flavour.find("mpiexec", search) or flavour.find("mpirun", search)
        starter = flavour.recognise(path) if path else None
        if srun and (starter is None or slurm_starts(starter, library)):
            way = slurm_way(srun, library, starter)
            if way or starter is None:
                return flavour.recognise(srun), way
        if starter is None:
            raise CannotStart("there is no mpiexec on PATH; set mpi.exec, or load a module")
        return starter, ""
    path = flavour.find(wanted, search)
    if path is None:
        raise CannotStart(f"there is no {wanted} on PATH, which mpi.exec names")
    starter = flavour.recognise(path)
    return starter, slurm_way(path, library, None) if starter.kind == SRUN else ""


def slurm_starts(starter: Starter, library: str) -> bool:
    """Is Slurm to start its ranks? Open MPI 5 and Intel do better by themselves."""
    if library not in (UNKNOWN, starter.kind):
        return False
    return starter.kind == MPICH or (starter.kind == OPENMPI and starter.version < 5)


def slurm_way(srun: str, library: str, starter: Starter | None) -> str:
    """How Slurm and the library find each other; empty if it must be left to the cluster."""
    kind = library if library != UNKNOWN or starter is None else starter.kind
    way = {OPENMPI: "pmix", MPICH: "pmi2"}.get(kind, "")
    return way if way in flavour.slurm_ways(srun) else ""


def read_words(args: Sequence[str]) -> tuple[int | None, list[str]]:
    """The `-n` and the program."""
    if not args or args[0] not in ("-n", "-np"):
        return None, list(args[1:] if args and args[0] == "--" else args)
    if len(args) < 2 or not args[1].isdecimal():
        raise CannotStart(f"{args[0]} wants a number")
    rest = list(args[2:])
    return int(args[1]), rest[1:] if rest and rest[0] == "--" else rest


def main() -> int:
    """Become the program; 125 if that cannot be."""
    try:
        ranks, program = read_words(sys.argv[1:])
        if program and program[0].startswith("-"):
            raise CannotStart(f"unknown option {program[0]}; usage: canary-mpiexec [-n N] PROGRAM")
        if not program:
            starter, way = choose(os.environ, UNKNOWN)
            plan = read_plan(os.environ, ranks)._replace(way=way)
            sys.stdout.write(f"{starter}\n")
            sys.stdout.write(f"{shlex.join(words.command(starter, plan, ['PROGRAM']))}\n")
            return 0
        argv, env = prepare(program, os.environ, ranks)
        os.execve(argv[0], argv, env)
    except (CannotStart, OSError) as e:
        sys.stderr.write(f"{PREFIX}{e}\n")
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
