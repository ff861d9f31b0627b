"""The plan of a dry run as a chart: what it shows, and that it fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from canary_console.forecast import Forecast, Planned
from canary_console.gantt import LETTERS, chart, plan_lines

CASES = Path(__file__).parent / "cases"


def planned(name, start, end, *cpus, node="n", **others):
    """A job with these CPUs from `start` to `end`."""
    assigned = {"cpus": [{"id": id, "slots": 1, "node": node} for id in cpus]}
    assigned |= {t: [{"id": "0", "slots": n, "node": node}] for t, n in others.items()}
    job = SimpleNamespace(id=name * 7, display_name=lambda: name)
    return Planned(job, start, end, assigned)


def drawn(*rows, columns=80):
    return chart(rows, LETTERS[: len(rows)], columns)


def test_time_goes_from_left_to_right_and_a_letter_is_a_job():
    lines = drawn(
        planned("one", 0, 10, "0"),
        planned("two", 0, 5, "1"),
        planned("three", 7.5, 10, "1"),
        columns=31,
    )
    assert lines == [
        "cpu 0  aaaaaaaaaaaaaaaaaaaaaa",
        "cpu 1  bbbbbbbbbbb......ccccc",
        "       0s         5.00s 10.0s",
        "",
    ]


def test_cpus_that_do_the_same_share_a_line():
    lines = drawn(planned("wide", 0, 8, *map(str, range(12))), planned("x", 0, 4, "12"))
    assert [line.split()[1] for line in lines[:2]] == ["0-11", "12"]
    assert set(lines[0].split()[2]) == {"a"}


def test_nodes_are_named_if_there_are_several():
    lines = drawn(planned("x", 0, 1, "0", node="east"), planned("y", 0, 1, "0", node="west"))
    assert [line.split()[0] for line in lines[:2]] == ["east:0", "west:0"]


def test_who_has_most_of_a_column_is_shown():
    rows = [planned(str(i), i, i + 0.9, "0") for i in range(1000)]
    rows.append(planned("last", 1000, 2000, "0"))
    (line, _, _) = chart(rows, ["x"] * 1000 + ["z"], 60)
    cells = line.split()[2]
    assert set(cells) == {"x", "z"}
    assert abs(cells.count("x") - cells.count("z")) <= 1


@pytest.mark.parametrize("columns", [1, 20, 80, 200])
@pytest.mark.parametrize("node", ["n", "a-node-with-a-very-long-name.of.some.cluster"])
def test_the_chart_fits(columns, node):
    rows = [planned(str(i), i, i + 5, str(i), str(i + 1), node=node) for i in range(0, 300, 7)]
    rows.append(planned("other", 0, 9, "0"))
    assert max(map(len, drawn(*rows, columns=columns))) <= max(columns, 36)


def test_a_plan_of_nothing():
    assert plan_lines(Forecast([], []), chart_columns=80, columns=80) == [
        "0 jobs would run, for about 0.00s"
    ]


def test_letters_needs_and_what_would_never_start():
    never = SimpleNamespace(id="x", display_name=lambda: "huge")
    made = [planned("gpu", 0, 2, "0", gpus=2), planned("b", 0, 1, "1")]
    plan = Forecast(made, [(never, "needs 9 cpus")])
    lines = plan_lines(plan, chart_columns=80, columns=80)
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "a 0.00s 2.00s 1 cpus, 2 gpus gpu\nb 0.00s 1.00s 1 cpus b" in text
    assert "never huge: needs 9 cpus" in text
    assert lines[-1] == "2 jobs would run, for about 2.00s"


def canary(*words, cwd, **env):
    done = subprocess.run(
        [sys.executable, "-m", "canary", "-p", str(CASES / "lines.py"), *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_hook_canary_plan(jobs, tmp_path):
    """Nothing known; then a run; then it is known how long they take, and how long they took."""
    jobs("short: true", "long: sleep 0.4", "other: true")
    words = ("-r", "cpus=2", "run", "--only", "all", "t")
    first = canary(*words, "--dry-run", cwd=tmp_path)
    assert not (tmp_path / ".canary").exists()
    assert first.splitlines()[-1] == "3 jobs would run, for about 10m 00s"
    assert max(len(line) for line in first.splitlines()) <= 80
    canary(*words, cwd=tmp_path)
    second = canary(*words, "--dry-run", cwd=tmp_path)
    row = next(line for line in second.splitlines() if line.endswith("long"))
    assert row.split()[:2] == ["a", "0.00s"]
    canary(*words, cwd=tmp_path)
    table = canary("status", "-o", "Name,Expected,Duration", cwd=tmp_path)
    name, expected, duration = next(x for x in table.splitlines() if "long" in x).split()
    assert name.endswith("long")
    assert expected == row.split()[2]
    assert 0.4 <= float(duration.removesuffix("s")) < 20
