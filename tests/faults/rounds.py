"""Runs the experiments side by side, as often as asked for, on a machine as busy as asked for.

    python tests/faults/rounds.py                        all of them once, and the table
    python tests/faults/rounds.py --times 10 --load 4    ten times, beside four busy loops
    python tests/faults/rounds.py --part -k 09           what ./dev test runs; the rest: pytest
    PEER=/path/to/canary python tests/faults/rounds.py --record
                                                         on that executable; keeps what came

Each experiment has a world of its own, and most of them wait rather than compute, so there are
more of them at once than processors. One that fails in one round of many is a fault of canary or
of the experiment; nothing is tried twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import table

HERE = Path(__file__).parent
# ends with the process that has started it, however that ends
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(1000))"


def options(words: Sequence[str]) -> argparse.Namespace:
    """What is asked for."""
    cpus = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, allow_abbrev=False)
    parser.add_argument("--times", type=int, default=1, help="rounds (%(default)s)")
    parser.add_argument("--load", type=int, default=0, help="busy loops beside it (%(default)s)")
    parser.add_argument(
        "--workers", type=int, default=4 * cpus, help="experiments at once (%(default)s)"
    )
    parser.add_argument(
        "--part", action="store_true", help="what ./dev test runs: without what is slow"
    )
    parser.add_argument("--signals", type=int, help="runs that are disturbed by random signals")
    parser.add_argument(
        "--record", action="store_true", help="keep what the one named in PEER does"
    )
    chosen, chosen.words = parser.parse_known_args(words)
    return chosen


@contextlib.contextmanager
def load(loops: int) -> Iterator[None]:
    """So many processes that always want a processor."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def one_round(chosen: argparse.Namespace, *, quiet: bool) -> dict[str, Any]:
    """Run them once; what came (see conftest.py), with `code` and `seconds` of the whole."""
    with tempfile.TemporaryDirectory() as place:
        out, log = Path(place) / "table.json", Path(place) / "log.txt"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        if chosen.workers > 1:
            words += ["-n", str(chosen.workers), "--maxschedchunk=1"]
        began = time.monotonic()
        with log.open("wb") as f:
            code = subprocess.run(
                [*words, *chosen.words, str(HERE)],
                env=environment(chosen, out),
                cwd=HERE.parents[1],
                stdout=f if quiet else None,
                check=False,
            ).returncode
        seconds = time.monotonic() - began
        if quiet and code:
            print(log.read_text(errors="replace"), flush=True)
        record = json.loads(out.read_text()) if out.exists() else {**NOTHING}
    if code and not record["failed"]:
        record["failed"] = {f"pytest itself, exit code {code}": []}
    return {**record, "seconds": seconds}


NOTHING: Mapping[str, Any] = {"experiments": {}, "failed": {}, "counts": {}, "signals": 0}


def environment(chosen: argparse.Namespace, out: Path) -> dict[str, str]:
    """Ours, and what conftest.py reads."""
    env = {**os.environ, "FAULT_TABLE": str(out), "FAULTS_ALL": "" if chosen.part else "1"}
    if chosen.signals:
        env["FAULT_RUNS"] = str(chosen.signals)
    if chosen.record:
        env["FAULT_EXE"] = os.environ["PEER"]
    return env


def several(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """All rounds; each has its line when it is over."""
    rounds = []
    for number in range(1, chosen.times + 1):
        with load(chosen.load):
            rounds.append(one_round(chosen, quiet=chosen.times > 1))
            busy = os.getloadavg()[0]
        came = ", ".join(f"{n} {what}" for what, n in sorted(rounds[-1]["counts"].items()))
        print(
            f"round {number}: {came} in {rounds[-1]['seconds']:.0f} s; load {busy:.1f}", flush=True
        )
    return rounds


def keep(executable: str, found: Mapping[str, Any]) -> None:
    """Keep what another executable does."""
    done = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    for entry in found.values():
        entry["says"] = [short(text) for text in entry["says"] if "asks for" not in text][:3]
    kept = {
        "version": done.stdout.split()[-1],
        "date": time.strftime("%Y-%m-%d"),
        "experiments": dict(sorted(found.items(), key=lambda item: int(item[0]))),
    }
    table.RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def short(text: str) -> str:
    """One line without places of one machine."""
    line = re.sub(r"(/[\w.-]+)+/", ".../", " ".join(re.sub("[─│^]+", "", text).split()))
    return line if len(line) <= 100 else f"{line[:99]}…"


def main(words: Sequence[str]) -> int:
    """Do what the words say; 1 if anything ever failed."""
    chosen = options(words)
    rounds = several(chosen)
    if chosen.record:
        keep(os.environ["PEER"], rounds[0]["experiments"])
        return 0
    table.show(rounds)
    return int(any(r["failed"] for r in rounds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
