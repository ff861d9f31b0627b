"""Prints what came of each experiment, ours beside what the older tool did.

    python tests/faults/table.py [OURS.json]     the table; without a file the experiments are run
    python tests/faults/table.py --list          which test is which experiment, for README.md
    PEER=/path/to/canary python tests/faults/table.py --record
                                                 run them with that executable, and keep what came

What the older tool did is data: `peer.json`, recorded by the same experiments. Nothing of canary
is imported.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE / "peer.json"
MARKED = re.compile(
    r"mark\.experiment\((\d+), \"([^\"]+)\"\)(?:\n@.*(?:\n[ )\]}].*)*)*\ndef (test\w+)\("
)
ROW = "{:>2}  {:<58} {:<7} {:>6}  {:<7} {}"


def run(executable: str | None) -> dict[str, Any]:
    """Run all experiments, and say what came: `{number: {title, verdict, says, seconds}}`."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "table.json"
        env = {**os.environ, "FAULT_TABLE": str(out), "FAULTS_ALL": "1"}
        if executable is not None:
            env["FAULT_EXE"] = executable
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]
        subprocess.run(words, env=env, check=False, cwd=HERE.parents[1])
        return dict(json.loads(out.read_text()))


def record(executable: str) -> None:
    """Keep what that executable does."""
    done = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True)
    found = run(executable)
    for entry in found.values():
        entry["says"] = [_short(text) for text in entry["says"] if "asks for" not in text][:3]
    kept = {
        "version": done.stdout.split()[-1],
        "date": time.strftime("%Y-%m-%d"),
        "experiments": dict(sorted(found.items(), key=lambda item: int(item[0]))),
    }
    RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def show(ours: dict[str, Any]) -> None:
    """Print the table."""
    peer = json.loads(RECORD.read_text())
    known = peer["experiments"]
    print(ROW.format("#", "experiment", "ours", "s", "peer", f"{peer['version']}, what it did"))
    nobody: dict[str, Any] = {"title": "-", "verdict": "-", "says": [], "seconds": 0.0}
    for number in range(1, 31):
        mine, other = ours.get(str(number), nobody), known.get(str(number), nobody)
        says = other["says"][0] if other["says"] else ""
        verdict, seconds = mine["verdict"], f"{mine['seconds']:.1f}"
        print(ROW.format(number, mine["title"][:58], verdict, seconds, other["verdict"], says))
    print("holds: every trial went as it should; fails: one did not; skipped: not asked of it")


def tests() -> dict[int, tuple[str, list[str]]]:
    """The title of each experiment and its tests, `FILE::NAME` each."""
    found: dict[int, tuple[str, list[str]]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for number, title, name in MARKED.findall(path.read_text()):
            known = found.setdefault(int(number), (title, []))[1]
            known.append(f"{path.stem}::{name}")
    return found


def listed() -> str:
    """The same as a table of Markdown."""
    lines = ["| # | experiment | tests |", "| ---: | --- | --- |"]
    for number, (title, names) in sorted(tests().items()):
        lines.append(f"| {number} | {title} | {', '.join(f'`{n}`' for n in names)} |")
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    line = re.sub(r"(/[\w.-]+)+/", ".../", " ".join(re.sub("[─│^]+", "", text).split()))
    return line if len(line) <= 100 else f"{line[:99]}…"


def main(words: list[str]) -> int:
    """Do what the words say."""
    if words == ["--list"]:
        print(listed(), end="")
        return 0
    if words == ["--record"]:
        record(os.environ["PEER"])
        return 0
    ours = json.loads(Path(words[0]).read_text()) if words else run(None)
    show(ours)
    return int(any(entry["verdict"] == "fails" for entry in ours.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
