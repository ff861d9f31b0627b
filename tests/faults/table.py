"""The table of all experiments: what came of each, ours beside what the older tool did.

    python tests/faults/table.py OURS.json       print it; OURS.json is from conftest.py
    python tests/faults/table.py --list          which test is which experiment, for README.md

What the older tool did is data: `peer.json`, recorded by the same experiments. Nothing of canary
is imported, and nothing is run: rounds.py does that.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE / "peer.json"
MARKED = re.compile(
    r"mark\.experiment\((\d+), \"([^\"]+)\"\)(?:\n@.*(?:\n[ )\]}].*)*)*\ndef (test\w+)\("
)
ROW = "{:>2}  {:<58} {:<7} {:>6}  {:<7} {}"


def show(rounds: Sequence[Mapping[str, Any]]) -> None:
    """Print what came of each experiment in all rounds, and every test that ever failed."""
    peer = json.loads(RECORD.read_text())
    known = peer["experiments"]
    print(ROW.format("#", "experiment", "ours", "s", "peer", f"{peer['version']}, what it did"))
    nobody: dict[str, Any] = {"title": "-", "verdict": "-", "says": [], "seconds": 0.0}
    for number in range(1, 31):
        all_mine = [r["experiments"].get(str(number), nobody) for r in rounds]
        other = known.get(str(number), nobody)
        says = other["says"][0] if other["says"] else ""
        seconds = f"{max(mine['seconds'] for mine in all_mine):.1f}"
        title = all_mine[0]["title"][:58]
        print(ROW.format(number, title, _verdict(all_mine), seconds, other["verdict"], says))
    print("holds: every trial went as it should; fails: one did not; skipped: not asked of it")
    if sent := sum(r["signals"] for r in rounds):
        print(f"{sent} signals were sent at random")
    for test, count in sorted(Counter(name for r in rounds for name in r["failed"]).items()):
        print(f"failed in {count} of {len(rounds)}: {test}")


def _verdict(entries: Sequence[Mapping[str, Any]]) -> str:
    """The one of all rounds; where some failed, how many."""
    failed = sum(entry["verdict"] == "fails" for entry in entries)
    if not failed:
        return "holds" if any(e["verdict"] == "holds" for e in entries) else entries[0]["verdict"]
    return "fails" if len(entries) == 1 else f"{failed} fail"


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


def main(words: list[str]) -> int:
    """Do what the words say."""
    if words == ["--list"]:
        print(listed(), end="")
        return 0
    rounds = [json.loads(Path(word).read_text()) for word in words]
    show(rounds)
    return int(any(r["failed"] for r in rounds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
