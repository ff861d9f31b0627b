#!/usr/bin/env python3
"""Measures whole processes and prints ratios: ours to the peer's, and to the least there can be.

    bench.py [--ours CANARY] [--peer CANARY] [--reps N] [--full] [--out FILE] [WORKLOAD ...]

The commands of a group are run in turn, so that all share the mood of the machine; medians are
printed. Wall time doubles when others use the machine, CPU time hardly does: look at both. No time
is ever a failure here, but a command that does not do its work is.

With `--peer`, or `PEER` in the environment, that executable runs beside ours where it is done in a
minute or so; `--full` lets it try the rest, up to `--limit` seconds each. The work is done below
`BENCH_DIR`, else on tmpfs if there is one: on a disk the same loop varies by a factor of four.
See docs/reference/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import trees

HERE = Path(__file__).resolve().parent
SCAN = """
import os, sys
def scan(directory):
    for entry in os.scandir(directory):
        if entry.is_dir():
            scan(entry.path)
        elif entry.name.endswith(".pyt"):
            with open(entry.path, "rb") as file:
                compile(file.read(), entry.path, "exec")
scan(sys.argv[1])
"""


@dataclass(frozen=True)
class Command:
    """One thing to measure. Without a directory it gets a new, empty one each time; `cold` is with
    an empty cache, else caches are as on the second day."""

    who: str  # ours, peer, or a floor
    words: Sequence[str | Path]
    codes: tuple[int, ...] = (0,)
    directory: Path | None = None
    cold: bool = False


@dataclass(frozen=True)
class Sample:
    """What one process and all it waited for have used: seconds, MiB of the largest process."""

    wall: float
    cpu: float
    peak: float
    done: bool


@dataclass
class Bench:
    """What was asked for, and where."""

    ours: Path
    peer: Path | None
    work: Path
    reps: int
    full: bool
    limit: float
    results: int
    rows: list[dict[str, object]] = field(default_factory=list)

    @property
    def python(self) -> str:
        """The interpreter that runs our jobs."""
        beside = self.ours.parent / "python3"
        return str(beside if beside.exists() else sys.executable)

    def tree(self, kind: str, *sizes: int | str) -> Path:
        """The tree of that kind and size, made when first asked for."""
        root = self.work / "trees" / "-".join([kind, *map(str, sizes)])
        if not root.exists():
            trees.KINDS[kind](root, *sizes)
        return root

    def floor(self) -> str:
        """The C program beside this file, compiled."""
        target = self.work / "floor"
        if not target.exists():
            subprocess.run(["cc", "-O2", "-o", target, HERE / "floor.c"], check=True)
        return str(target)

    def pair(
        self, words: Sequence[str | Path], *, peer: bool = True, **more: object
    ) -> list[Command]:
        """The same words for ours and, if it is there and able to, the peer."""
        commands = [Command("ours", [self.ours, *words], **more)]
        if self.peer and (peer or self.full):
            commands.append(Command("peer", [self.peer, *words], **more))
        return commands

    def group(
        self, title: str, commands: Sequence[Command], *, jobs: int = 0, reps: int = 0
    ) -> dict[str, float]:
        """Measure commands in turn, print a table, return the median wall time of each."""
        samples: dict[str, list[Sample]] = {c.who: [] for c in commands}
        for _ in range(reps or self.reps):
            for command in commands:
                had = samples[command.who]
                if not had or (had[-1].done and had[-1].wall < self.limit / 4):
                    had.append(self.measure(command))
        self.show(title, samples, jobs)
        return {who: statistics.median(s.wall for s in had) for who, had in samples.items()}

    def measure(self, command: Command) -> Sample:
        """Run a command once."""
        if command.directory is not None:
            return self.run(command, command.directory)
        with tempfile.TemporaryDirectory(dir=self.work) as scratch:
            return self.run(command, Path(scratch))

    def run(self, command: Command, directory: Path) -> Sample:
        """Run a command in a directory; it is killed with all it started when its time is over."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("CANARY", "PYTHON"))}
        cache = (directory if command.cold else self.work) / "cache"
        environ |= {"COLUMNS": "120", "XDG_CACHE_HOME": str(cache)}
        late = threading.Event()
        with tempfile.TemporaryFile(dir=self.work) as output:
            began = time.monotonic()
            process = subprocess.Popen(
                [str(word) for word in command.words],
                cwd=directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

            def stop() -> None:
                late.set()
                os.killpg(process.pid, signal.SIGKILL)

            timer = threading.Timer(self.limit, stop)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
            timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in command.codes and not late.is_set():
                output.seek(0)
                text = output.read()[-3000:].decode(errors="replace")
                words = " ".join(map(str, command.words))
                raise SystemExit(f"{words}\nexit code {process.returncode}\n{text}")
        cpu = usage.ru_utime + usage.ru_stime
        return Sample(wall, cpu, usage.ru_maxrss / 1024, not late.is_set())

    def show(self, title: str, samples: Mapping[str, Sequence[Sample]], jobs: int) -> None:
        """Print a table, and keep its rows for `--out`."""
        print(f"\n{title}")
        head = f"  {'':22} {'n':>2} {'wall s':>9} {'from':>8} {'to':>8} {'cpu s':>8} {'MiB':>5}"
        print(head + (f" {'ms a job':>9}" if jobs else ""))
        for who, had in samples.items():
            wall, cpu = (statistics.median(getattr(s, n) for s in had) for n in ("wall", "cpu"))
            low, high = min(s.wall for s in had), max(s.wall for s in had)
            peak = max(s.peak for s in had)
            line = (
                f"  {who:22} {len(had):2} {wall:9.3f} {low:8.3f} {high:8.3f} {cpu:8.2f} {peak:5.0f}"
            )
            line += f" {wall / jobs * 1e3:9.3f}" if jobs else ""
            print(line + ("" if all(s.done for s in had) else "  stopped, not done"))
            self.rows += [{"title": title, "who": who, "jobs": jobs, **asdict(s)} for s in had]
        for who, had in samples.items():
            if who != "ours" and "ours" in samples:
                print(f"  {ratio('ours', samples['ours'], who, had)}", flush=True)


def ratio(a: str, these: Sequence[Sample], b: str, those: Sequence[Sample]) -> str:
    """`ours / peer`: of wall times and of CPU times; an upper bound if one was stopped."""
    sign = "=" if all(s.done for s in those) else "<"
    wall, cpu = (
        statistics.median(getattr(s, n) for s in these)
        / max(statistics.median(getattr(s, n) for s in those), 1e-9)
        for n in ("wall", "cpu")
    )
    return f"{a} / {b} {sign} {wall:.3f} (cpu {cpu:.3f})"


# --- workloads -----------------------------------------------------------------------------------


def start(b: Bench) -> None:
    """What it costs to be asked anything."""
    floor = Command("python -c pass", [b.python, "-c", "pass"])
    reps = max(b.reps, 11)
    for words in (["--version"], ["--help"], ["run", "--help"]):
        b.group(f"canary {' '.join(words)}", [floor, *b.pair(words)], reps=reps)


def importing(b: Bench) -> None:
    """What a test pays for `import canary`."""
    commands = [
        Command("python -c pass", [b.python, "-c", "pass"]),
        Command("ours", [b.python, "-c", "import canary"]),
    ]
    if b.peer:
        python = b.peer.parent / "python3"
        commands.append(Command("peer", [python, "-c", "import canary"]))
    b.group("import canary", commands, reps=max(b.reps, 11))


def jobs(b: Bench) -> None:
    """Independent jobs that do nothing, two at once."""
    for n in (200, 1000):
        words = ["run", "--workers", "2", b.tree("empty", n)]
        commands = [
            Command("floor true", [b.floor(), str(n), "2", "-d", ".", "true"]),
            Command("floor python", [b.floor(), str(n), "2", "-d", ".", b.python, "-c", "pass"]),
            *b.pair(words, peer=n <= 200),
        ]
        b.group(f"{n} empty .pyt, 2 workers", commands, jobs=n)


def collect(b: Bench) -> None:
    """Reading 1,000 files with 10 parameters each: for the first time, and again."""
    n = 1000
    root = b.tree("parametrized", n, 10)
    floor = Command("read and compile", [b.python, "-c", SCAN, root])
    cold = b.pair(["find", "-r", root], cold=True)
    b.group("find, 1,000 files x 10, first time", [floor, *cold], jobs=10 * n)
    warm = []
    for command in b.pair(["find", "-r", root]):
        directory = b.work / f"warm-{command.who}"
        directory.mkdir(exist_ok=True)
        b.measure(Command("init", [command.words[0], "init"], directory=directory))
        warm.append(Command(command.who, command.words, directory=directory))
        b.measure(warm[-1])
    b.group("find, 1,000 files x 10, nothing changed", [floor, *warm], jobs=10 * n)


def formats(b: Bench) -> None:
    """Reading 10,000 files of each format, for the first time, against as many `.pyt` files.

    Of CTest it is one build tree; what ctest itself takes for it stands beside.
    """
    n = 10_000
    kinds = ("pyt", "vvt", "yaml", "toml")
    places = {kind: b.tree("form", n, kind) for kind in kinds}
    if ctest := shutil.which("ctest"):
        places["ctest"] = b.tree("build", n, 2)
    commands = [Command(k, [b.ours, "find", "-r", p], cold=True) for k, p in places.items()]
    if ctest:
        words = [ctest, "--test-dir", places["ctest"], "--show-only=json-v1"]
        commands.append(Command("ctest --show-only", words))
    walls = b.group(f"find, {n} files of two jobs", commands, jobs=2 * n)
    for who, wall in walls.items():
        print(f"  {who} / pyt = {wall / walls['pyt']:.3f}")


def ctests(b: Bench) -> None:
    """A build tree of 1,000 tests that do nothing, two at once, by ctest and by canary."""
    ctest = shutil.which("ctest")
    if ctest is None:
        print("\nctest is not on this machine")
        return
    n = 1000
    root = b.tree("build", 1, n)
    commands = [
        Command("floor true", [b.floor(), str(n), "2", "-d", ".", "true"]),
        Command("ctest", [ctest, "--test-dir", root, "-j2", "-Q"]),
        *b.pair(["run", "--workers", "2", root], peer=False),
    ]
    b.group(f"{n} tests of CTest, 2 at once", commands, jobs=n)


def graphs(b: Bench) -> None:
    """Jobs that wait for each other."""
    for kind, size, n, width in (
        ("chain", 300, 300, 1),
        ("ladder", 100, 200, 2),
        ("fan", 1000, 1002, 2),
        ("dag", 2000, 2000, 2),
    ):
        words = ["run", "--workers", "2", b.tree(kind, size)]
        commands = [
            Command("floor true", [b.floor(), str(n), str(width), "-d", ".", "true"]),
            Command("floor python", [b.floor(), str(n), str(width), b.python, "-c", "pass"]),
            *b.pair(words, peer=False),
        ]
        b.group(f"{kind} {size}", commands, jobs=n)


def questions(b: Bench) -> None:
    """Asking a workspace that holds many results, and a run that has nothing to do."""
    files = max(1, b.results // 10)
    root = b.tree("parametrized", files, 10)
    places = {"ours": filled(b, b.ours, root, whole=True)}
    if b.peer:
        places["peer"] = filled(b, b.peer, root, whole=False)
    floor = Command("python -c pass", [b.python, "-c", "pass"])
    for words, codes in (
        (["status"], (0,)),
        (["query", "jobs"], (0,)),
        (["query", "jobs", "--digest"], (0,)),
        (["run", root], (7,)),
    ):
        commands = [Command(c.who, c.words, codes, directory=places[c.who]) for c in b.pair(words)]
        what = " ".join(w for w in words if isinstance(w, str))
        b.group(f"{what}, {10 * files} results", [floor, *commands])


def filled(b: Bench, canary: Path, root: Path, *, whole: bool) -> Path:
    """A workspace with a result for each job of a tree.

    Ours runs them. The peer would take half an hour: it collects them all and runs a few, and the
    result of one is copied in its database for the others.
    """
    directory = b.work / f"filled-{'ours' if whole else 'peer'}"
    if directory.exists():
        return directory
    directory.mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CANARY", "PYTHON"))}

    def do(*words: str | Path) -> None:
        command = [str(canary), *map(str, words)]
        done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True)
        if done.returncode:
            text = (done.stdout + done.stderr)[-3000:]
            raise SystemExit(f"{' '.join(command)}\nexit code {done.returncode}\n{text}")

    if whole:
        do("run", "--workers", "2", root)
    else:
        do("init", ".")
        do("collect", "-r", root)
        do("run", "--workers", "2", root / "d0000" / "t00000.pyt")
        multiply(directory / ".canary" / "workspace.sqlite3")
    return directory


def multiply(database: Path) -> None:
    """Give each spec of the older tool's database the result that one of them has."""
    with sqlite3.connect(database) as db:
        cursor = db.execute("SELECT * FROM results LIMIT 1")
        names = [column[0] for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
        have = {spec_id for (spec_id,) in db.execute("SELECT spec_id FROM results")}
        marks = ", ".join("?" * len(names))
        for spec_id, data in db.execute("SELECT spec_id, data FROM specs").fetchall():
            if spec_id in have:
                continue
            spec = json.loads(data)
            stem = f"{Path(spec['file_path']).stem}.p={spec['parameters']['p']}"
            row |= {
                "spec_id": spec_id,
                "spec_name": stem,
                "spec_fullname": str(Path(spec["file_path"]).parent / stem),
                "file_root": spec["file_root"],
                "file_path": spec["file_path"],
            }
            db.execute(f"INSERT INTO results VALUES ({marks})", [row[n] for n in names])


def makespan(b: Bench) -> None:
    """Jobs of one and two CPUs on a pool of 16: how near to the shortest possible time."""
    n, width = 160, 16
    root = b.tree("sleeps", n)
    rows = trees.sleeps(root, n)
    bound = max(sum(s * c for s, c in rows) / width, max(s for s, _ in rows))
    words = ["-r", f"cpus={width}", "run", "--workers", str(width), root]
    print(f"\nno schedule can be shorter than {bound:.3f} s")
    medians = b.group(f"{n} sleeps of 1 or 2 CPUs on {width}", b.pair(words), jobs=n)
    for who, wall in medians.items():
        print(f"  {who} / shortest = {wall / bound:.3f}")


def packing(b: Bench) -> None:
    """Jobs of 1 to 16 CPUs with dependencies on a pool of 16: the first time, and when their times
    are known. One seed, with `--full` five; 200 of them beside the peer."""
    width = 16
    pool = b.work / "pool.json"  # of `-r cpus=16` the peer makes several nodes
    cpus = [{"id": str(i), "slots": 1} for i in range(width)]
    pool.write_text(json.dumps({"nodes": [{"id": "n", "resources": {"cpus": cpus, "gpus": []}}]}))
    for n, seed in ((200, 1), *((1000, seed) for seed in range(1, 6 if b.full else 2))):
        root = b.tree("packing", n, seed)
        words = ["--resource-pool-file", pool, "run", "--workers", str(width), "--only", "all"]
        bound = trees.shortest(trees.mixture(n, seed), width)
        print(f"\nno schedule can be shorter than {bound:.3f} s")
        for command in b.pair([*words, root], peer=n == 200):
            directory = Path(tempfile.mkdtemp(dir=b.work))
            for known in ("nothing", "their times"):
                again = replace(command, directory=directory)
                title = f"{n} mixed sleeps, seed {seed}, {known} known"
                (wall,) = b.group(title, [again], jobs=n, reps=1).values()
                print(f"  {command.who} / shortest = {wall / bound:.3f}")


def slurm(b: Bench) -> None:
    """50 sleeps of 0.2 s in five batches of four workers, on the Slurm that is up; beside five
    commands that sleep for as long as a batch has to."""
    try:
        nodes = subprocess.run(["sinfo", "-h"], capture_output=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        nodes = b""
    if not nodes.strip():
        print("\nslurm: left out, sinfo is not on this machine or names no node")
        return
    n = 50
    words = ["run", "-b", "backend=slurm", "-b", "spec=count:5", "-b", "workers=4"]
    five = "for i in 1 2 3 4 5; do srun -Q -n1 sleep 0.6 & done; wait"
    commands = [
        Command("floor srun", ["sh", "-c", five]),
        *b.pair([*words, b.tree("naps", n)]),
    ]
    b.group(f"{n} sleeps of 0.2 s in 5 batches of 4 workers on Slurm", commands, jobs=n)


WORKLOADS: dict[str, Callable[[Bench], None]] = {
    "start": start,
    "import": importing,
    "jobs": jobs,
    "ctests": ctests,
    "collect": collect,
    "formats": formats,
    "graphs": graphs,
    "questions": questions,
    "makespan": makespan,
    "packing": packing,
    "slurm": slurm,
}


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    base = os.environ.get("BENCH_DIR")
    if base is None and os.access("/dev/shm", os.W_OK):
        base = "/dev/shm"
    work = Path(tempfile.mkdtemp(prefix="canary-bench-", dir=base))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main(argv: Iterable[str] | None = None) -> int:
    """The command line of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", type=Path, default=Path(sys.executable).parent / "canary")
    peer = os.environ.get("PEER")
    parser.add_argument("--peer", type=Path, default=Path(peer) if peer else None)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="let the peer try everything")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one command")
    parser.add_argument("--results", type=int, default=10_000, help="for the workload `questions`")
    parser.add_argument("--out", type=Path, help="append every sample, as JSON lines")
    parser.add_argument("workload", nargs="*", choices=[[], *WORKLOADS], metavar="WORKLOAD")
    words = parser.parse_args(argv)
    with workplace() as work:
        bench = Bench(
            ours=words.ours.absolute(),
            peer=words.peer and words.peer.absolute(),
            work=work,
            reps=words.reps,
            full=words.full,
            limit=words.limit,
            results=words.results,
        )
        print(f"ours: {bench.ours}\npeer: {bench.peer or 'left out, PEER is not set'}\nin: {work}")
        for name in words.workload or WORKLOADS:
            WORKLOADS[name](bench)
        if words.out:
            with open(words.out, "a") as file:
                file.writelines(json.dumps(row) + "\n" for row in bench.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
