#!/usr/bin/env python3
"""Runs a case with a canary executable and compares what came out with what was recorded.

A case is a directory below `cases`. It is copied to a scratch directory, `canary run` is executed
there in a process of its own, then `canary query jobs`. Compared are the exit codes of the runs,
the full names of the jobs, and category and outcome of each; never a sentence. This file knows the
command line of canary and nothing of its code, so it serves any executable that has the same one:

    compare.py [--ours CANARY] [--peer CANARY] [--area AREA] [-v] [CASE ...]

With a peer both are run and compared with each other, but for the area `bugs`, where the recorded
result is the sane one and the peer's is not. Exits 0 if nothing differs but what `differences.tsv`
lists.

Three files at the top of a case are not part of its tree:

- `expected.json`: `{"rc": CODE, "jobs": {FULLNAME: [CATEGORY, OUTCOME]}}`; `rc` is a list if there
  are several runs. Without it the case must end, and its verdicts are left open.
- `note.md`: why the case is there.
- `.args`: words for `canary run`, one a line, to which the path `.` is added. A line with `#!` is
  for this file: `#! no-path` adds no `.`, `#! then` begins another run in the same tree, and
  `#! sh COMMAND` is done by a shell before the run in whose block it stands.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"
DIFFERENCES = HERE / "differences.tsv"
CONTROL = ("expected.json", "note.md", ".args")
AREAS = ("pyt", "deps", "status", "filter", "mixed", "bugs", "vvt", "ctest")
# what the caller has set for its own runs must not steer these
FOREIGN = ("CANARY", "CTEST_", "SNL", "GITLAB_CI", "PYTHON")


@dataclass(frozen=True)
class Run:
    """One `canary run`: shell commands to do before it, and its words."""

    before: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What can be compared of a case (`codes`, `jobs`), and what was printed."""

    codes: tuple[int, ...]
    jobs: dict[str, tuple[str, str]]
    log: str = field(default="", compare=False)


@dataclass(frozen=True)
class Difference:
    """`what` is a job's full name or `exit code`; the text says what each side has."""

    what: str
    text: str


@dataclass(frozen=True)
class Meant:
    """A row of the table of differences; `case` and `what` are patterns."""

    case: str
    what: str
    reason: str

    def covers(self, case: str, difference: Difference) -> bool:
        """Whether this row is about that difference of that case."""
        match = fnmatch.fnmatchcase
        return match(case, self.case) and (
            match(difference.what, self.what) or match(difference.text, self.what)
        )


class BadCase(Exception):
    """A case, the table or the executable cannot be used."""


# --- cases ---------------------------------------------------------------------------------------


def area(case: Path) -> str:
    """The area that the name of a case begins with."""
    return case.name.partition("-")[0]


def cases(wanted: str | None = None) -> list[Path]:
    """All cases, or those of an area."""
    return sorted(c for c in CASES.iterdir() if c.is_dir() and wanted in (None, area(c)))


def formats(case: Path) -> set[str]:
    """Formats other than `.pyt` that a case needs to be read: `vvt`, `ctest`."""
    files = [path for path in case.rglob("*") if path.is_file()]
    found = set()
    if any(path.suffix == ".vvt" for path in files):
        found.add("vvt")
    if any(path.name == "CTestTestfile.cmake" for path in files):
        found.add("ctest")
    return found


def plan(case: Path) -> list[Run]:
    """The runs that a case asks for, in order."""
    file = case / ".args"
    lines = [line for line in file.read_text().splitlines() if line] if file.exists() else []
    runs: list[Run] = []
    before: list[str] = []
    words: list[str] = []
    path = ["."]
    for line in [*lines, "#! then"]:
        if not line.startswith("#!"):
            words.append(line)
            continue
        order, _, rest = line.removeprefix("#!").strip().partition(" ")
        if order == "sh":
            before.append(rest)
        elif order == "no-path":
            path = []
        elif order == "then":
            runs.append(Run(tuple(before), (*words, *path)))
            before, words, path = [], [], ["."]
        else:
            raise BadCase(f"{file}: unknown order {line!r}")
    return runs


def expected(case: Path) -> Result | None:
    """The recorded result of a case, if it has one."""
    file = case / "expected.json"
    if not file.exists():
        return None
    data = json.loads(file.read_text())
    codes = data["rc"] if isinstance(data["rc"], list) else [data["rc"]]
    return Result(tuple(codes), {name: (c, o) for name, (c, o) in data["jobs"].items()})


# --- running -------------------------------------------------------------------------------------


def perform(
    executable: Path, case: Path, *, limit: float = 120.0, options: Sequence[str] = ()
) -> Result:
    """Run a case in a copy of its tree; BadCase if something outlives `limit` seconds.

    `options` go before the word `run`.
    """
    with tempfile.TemporaryDirectory(prefix="compat-", ignore_cleanup_errors=True) as scratch:
        tree = Path(scratch, "tree")
        shutil.copytree(case, tree, symlinks=True)
        for name in CONTROL:
            (tree / name).unlink(missing_ok=True)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        environ |= {"HOME": scratch, "COLUMNS": "200"}
        codes = []
        log = ""
        for run in plan(case):
            for command in run.before:
                call(["/bin/sh", "-c", command], tree, environ, limit)
            words = [str(executable), *options, "run", *run.words]
            done = call(words, tree, environ, limit)
            codes.append(done.returncode)
            log += f"$ {' '.join(words)}\n{done.stdout}{done.stderr}[{done.returncode}]\n"
        done = call([str(executable), "query", "jobs"], tree, environ, limit)
        return Result(tuple(codes), read_jobs(done), f"{log}{done.stderr}")


def call(
    words: Sequence[str], directory: Path, environ: dict[str, str], limit: float
) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, which is killed when the time is over."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        words, cwd=directory, env=environ, start_new_session=True, errors="replace", **pipes
    ) as process:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as e:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise BadCase(f"{' '.join(words)}: still running after {limit} s") from e
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def read_jobs(query: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """`{full name: (category, outcome)}`; jobs of the same name become NAME, NAME#2, ..."""
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        for job in json.loads(query.stdout or "[]"):
            status = job["status"]
            results = found.setdefault(job["fullname"], [])
            results.append((status["category"], status["outcome"]))
    except (ValueError, KeyError, TypeError) as e:
        raise BadCase(f"query jobs: {e!r}\n{query.stdout[:2000]}{query.stderr}") from e
    return {
        f"{name}#{number}" if number > 1 else name: result
        for name, results in found.items()
        for number, result in enumerate(sorted(results), 1)
    }


# --- comparing -----------------------------------------------------------------------------------


def differences(want: Result, have: Result) -> Iterator[Difference]:
    """All in which two results differ."""
    if want.codes != have.codes:
        text = f"exit code expected={show(want.codes)} ours={show(have.codes)}"
        yield Difference("exit code", text)
    for name in sorted(want.jobs.keys() | have.jobs.keys()):
        a, b = want.jobs.get(name), have.jobs.get(name)
        if a != b:
            yield Difference(name, f"{name}: expected={a} ours={b}")


def show(codes: Sequence[int]) -> str:
    """Exit codes as people read them."""
    return " then ".join(map(str, codes))


def meant(file: Path = DIFFERENCES) -> list[Meant]:
    """The table of differences: case, what and reason, separated by tabs."""
    rows = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        if len(cells) != 3:
            raise BadCase(f"{file}:{number}: wants case, what and reason, separated by tabs")
        rows.append(Meant(*cells))
    return rows


@dataclass(frozen=True)
class Verdict:
    """What differs and was not meant to, how much was meant to, and what our run printed."""

    unmeant: tuple[Difference, ...]
    meant: int
    jobs: int
    log: str

    def __str__(self) -> str:
        return "\n".join(d.text for d in self.unmeant)


def judge(
    case: Path, ours: Path, peer: Path | None, table: Sequence[Meant], *, limit: float = 120.0
) -> Verdict:
    """Compare one case with its recorded result, or with the peer's of this minute."""
    want = expected(case)
    if peer is not None and area(case) != "bugs":
        want = perform(peer, case, limit=limit)
    have = perform(ours, case, limit=limit)
    if want is None:
        want = have
    found = list(differences(want, have))
    unmeant = [d for d in found if not any(row.covers(case.name, d) for row in table)]
    return Verdict(tuple(unmeant), len(found) - len(unmeant), len(want.jobs), have.log)


def main() -> int:
    """The command line of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(sys.executable).parent / "canary"
    parser.add_argument("--ours", type=Path, default=beside, metavar="CANARY")
    peer = os.environ.get("PEER")
    parser.add_argument("--peer", type=Path, default=peer and Path(peer), metavar="CANARY")
    parser.add_argument("--area", choices=AREAS)
    parser.add_argument("-v", "--verbose", action="store_true", help="print our output as well")
    parser.add_argument("cases", nargs="*", type=Path, metavar="CASE")
    words = parser.parse_args()
    ours = words.ours.absolute()
    table = meant()
    bad = allowed = jobs = 0
    chosen = words.cases or cases(words.area)
    for case in chosen:
        verdict = judge(case.resolve(), ours, words.peer and words.peer.absolute(), table)
        bad += len(verdict.unmeant)
        allowed += verdict.meant
        jobs += verdict.jobs
        for difference in verdict.unmeant:
            print(f"{case.name}: {difference.text}", flush=True)
        if verdict.unmeant and words.verbose:
            print(verdict.log, flush=True)
    print(f"{len(chosen)} cases, {jobs} jobs: {bad} differences, {allowed} more that are meant")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadCase as e:
        sys.exit(f"compare: {e}")
