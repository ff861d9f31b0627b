"""Makes trees of test files to measure with; the same call always makes the same tree.

It knows nothing of canary but the forms of test files.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

PER_DIRECTORY = 50


def empty(root: Path, files: int) -> None:
    """Files that do nothing and import nothing."""
    for i in range(files):
        write(root, i, f"t{i:05d}", [])


def parametrized(root: Path, files: int, values: int = 10) -> None:
    """Files in the usual form, each with a parameter of so many values."""
    for i in range(files):
        write(
            root,
            i,
            f"t{i:05d}",
            ['keywords("fast", "unit")', f'parameterize("p", list(range({values})))'],
        )


def chain(root: Path, length: int) -> None:
    """Each job depends on the one before."""
    graph(root, [[i - 1] if i else [] for i in range(length)])


def ladder(root: Path, rungs: int) -> None:
    """Two jobs a rung, each of which depends on both of the rung before."""
    rows: list[list[int]] = [[], []]
    for rung in range(1, rungs):
        below = [2 * rung - 2, 2 * rung - 1]
        rows += [below, below]
    graph(root, rows)


def fan(root: Path, width: int) -> None:
    """One job, then so many, then one."""
    write(root, 0, "first", [])
    for i in range(width):
        write(root, i + 1, f"m{i:05d}", ['depends_on("first")'])
    write(root, width + 1, "last", [f'depends_on({{"job": "m*", "expects": {width}}})'])


def dag(root: Path, jobs: int, seed: int = 7) -> None:
    """Each job depends on up to three of the 50 before it."""
    draw = random.Random(seed)
    rows = [
        draw.sample(range(max(0, i - 50), i), min(i, draw.randint(0, 3))) if i else []
        for i in range(jobs)
    ]
    graph(root, rows)


def graph(root: Path, rows: Sequence[Sequence[int]]) -> None:
    """Job i depends on the jobs `rows[i]`."""
    for i, parents in enumerate(rows):
        write(root, i, f"j{i:05d}", [f'depends_on("j{p:05d}")' for p in parents])


def sleeps(root: Path, jobs: int, seed: int = 11) -> list[tuple[float, int]]:
    """Jobs of one or two CPUs that sleep for 0.2 to 1 s; returns (seconds, CPUs) of each."""
    draw = random.Random(seed)
    rows = [(round(draw.uniform(0.2, 1.0), 3), draw.choice((1, 1, 2))) for _ in range(jobs)]
    for i, (seconds, cpus) in enumerate(rows):
        write(root, i, f"s{i:05d}", [f'parameterize("cpus", [{cpus}])'], f"time.sleep({seconds})")
    return rows


def naps(root: Path, jobs: int) -> None:
    """Jobs that sleep for 0.2 s."""
    for i in range(jobs):
        write(root, i, f"n{i:05d}", [], "time.sleep(0.2)")


def mixture(jobs: int, seed: int) -> list[tuple[int, float, list[int]]]:
    """(CPUs, seconds, numbers of the jobs waited for) of jobs for a machine of 16.

    1 to 16 CPUs, most of them few; 0.05 to 2 s, short ones as often as long ones on a logarithmic
    scale; up to two jobs of those before.
    """
    draw = random.Random(seed)
    rows = []
    for i in range(jobs):
        (cpus,) = draw.choices((1, 2, 4, 8, 16), (50, 25, 15, 8, 2))
        seconds = round(math.exp(draw.uniform(math.log(0.05), math.log(2.0))), 4)
        rows.append((cpus, seconds, draw.sample(range(i), min(i, draw.randint(0, 2)))))
    return rows


def shortest(rows: Sequence[tuple[int, float, Sequence[int]]], width: int) -> float:
    """No schedule of such jobs is shorter: all their work, and the longest chain."""
    ends: list[float] = []
    for _, seconds, parents in rows:
        ends.append(seconds + max((ends[p] for p in parents), default=0.0))
    return max(sum(cpus * seconds for cpus, seconds, _ in rows) / width, *ends)


def packing(root: Path, jobs: int, seed: int = 1) -> None:
    """Those of `mixture` as files that sleep."""
    rows = mixture(jobs, seed)
    for i, (cpus, seconds, parents) in enumerate(rows):
        needs = [f'parameterize("cpus", [{cpus}])']
        needs += [f'depends_on("m{p:05d}.cpus={rows[p][0]}")' for p in parents]
        write(root, i, f"m{i:05d}", needs, f"time.sleep({seconds})")


def write(root: Path, number: int, name: str, directives: Sequence[str], body: str = "") -> None:
    """One test file, 50 to a directory."""
    lines = ["import canary\n"] if directives else []
    lines += [f"canary.directives.{directive}\n" for directive in directives]
    if body:
        lines += ["import time\n", '\nif __name__ == "__main__":\n', f"    {body}\n"]
    (_directory(root, number) / f"{name}.pyt").write_text("".join(lines))


def _directory(root: Path, number: int) -> Path:
    """Of 50 files each."""
    directory = root / f"d{number // PER_DIRECTORY:04d}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


# one test of two jobs with two keywords and a limit, in each form
FORMS = {
    "pyt": (
        ".pyt",
        "import canary\n\n"
        'canary.directives.keywords("fast", "unit")\n'
        "canary.directives.timeout(20)\n"
        'canary.directives.parameterize("p", [1, 2])\n',
    ),
    "vvt": (
        ".vvt",
        "#VVT: keywords : fast unit\n#VVT: timeout : 20\n#VVT: parameterize : p = 1 2\n",
    ),
    "yaml": (
        ".canary.yaml",
        "tests:\n  {name}:\n    keywords: [fast, unit]\n    timeout: 20\n"
        '    parameters: {{p: [1, 2]}}\n    command: ["true"]\n',
    ),
    "toml": (
        ".canary.toml",
        '[tests.{name}]\nkeywords = ["fast", "unit"]\ntimeout = 20\n'
        'parameters.p = [1, 2]\ncommand = ["true"]\n',
    ),
}


def form(root: Path, files: int, kind: str) -> None:
    """Files of one of the FORMS."""
    ending, text = FORMS[kind]
    for i in range(files):
        name = f"t{i:05d}"
        (_directory(root, i) / f"{name}{ending}").write_text(text.format(name=name))


def build(root: Path, files: int, tests: int = 1) -> None:
    """A build tree of CMake: so many files below the top, each with so many tests of /bin/true."""
    top = []
    for i in range(files):
        directory = _directory(root, i) / f"t{i:05d}"
        directory.mkdir()
        top.append(f"subdirs({directory.relative_to(root)})\n")
        names = [f"t{i:05d}_{n}" for n in range(tests)]
        lines = [f'add_test({name} "/bin/true" "{name}")\n' for name in names]
        lines.append(
            f'set_tests_properties({" ".join(names)} PROPERTIES LABELS "fast;unit" TIMEOUT "20")\n'
        )
        (directory / "CTestTestfile.cmake").write_text("".join(lines))
    (root / "CTestTestfile.cmake").write_text("".join(top))


KINDS: dict[str, Callable[..., object]] = {
    kind.__name__: kind
    for kind in (empty, parametrized, chain, ladder, fan, dag, sleeps, naps, packing, form, build)
}
