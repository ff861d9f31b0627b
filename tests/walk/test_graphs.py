"""Dependency graphs of any shape run to the end, in order, and their records stay small.

A job here fails if a job it depends on has not finished: each leaves a mark in its own directory,
and looks for the marks of those before it.
"""

from __future__ import annotations

import json
import random

import pytest

pytestmark = pytest.mark.timeout(120)

MARKED = """\
import canary
{directives}
if __name__ == "__main__":
    from pathlib import Path
    for name in {parents}:
        assert Path("..", name, "mark").exists(), name
    Path("mark").touch()
"""
SMALL = 16 << 10


def job(*parents, depends=None):
    """A test that depends on `parents` by name, or as `depends` has it."""
    wanted = depends if depends is not None else parents
    directives = "\n".join(f"canary.directives.depends_on({want!r})" for want in wanted)
    return MARKED.format(directives=directives, parents=list(parents))


def graph(rows):
    """`{file: text}` of jobs j0000, j0001, ... that depend on those whose numbers a row has."""
    names = [f"j{i:04d}" for i in range(len(rows))]
    return {f"{names[i]}.pyt": job(*(names[p] for p in row)) for i, row in enumerate(rows)}


@pytest.fixture
def walk(canary, results, tree, tmp_path):
    """Run a tree of so many jobs, see that all passed, return the sizes of their locks by name."""

    def run(files):
        canary("run", "--workers", "2", tree(files), expect=0, timeout=110)
        found = results()
        assert len(found) == len(files)
        assert set(found.values()) == {"PASS SUCCESS"}
        locks = list(tmp_path.glob(".canary/sessions/*/*/testcase.lock"))
        assert len(locks) == len(files)
        return {lock.parent.name: lock.stat().st_size for lock in locks}

    return run


def test_chain(walk, tmp_path):
    sizes = walk(graph([[i - 1] if i else [] for i in range(300)]))
    inner = [size for name, size in sizes.items() if name != "j0000"]
    assert max(inner) - min(inner) <= 200
    assert max(inner) <= SMALL
    (last,) = tmp_path.glob(".canary/sessions/*/j0299/testcase.lock")
    assert len(json.loads(last.read_text())["dependencies"]) == 1


def test_ladder(walk):
    rows = [[], []]
    for rung in range(1, 100):
        rows += [[2 * rung - 2, 2 * rung - 1]] * 2
    sizes = walk(graph(rows))
    upper = [size for name, size in sizes.items() if name > "j0001"]
    assert max(upper) - min(upper) <= 200
    assert max(upper) <= SMALL


def test_fan(walk):
    middle = [f"m{i:04d}" for i in range(1000)]
    sizes = walk(
        {
            "first.pyt": job(),
            **{f"{name}.pyt": job("first") for name in middle},
            "last.pyt": job(*middle, depends=[{"job": "m*", "expects": 1000}]),
        }
    )
    # what names a dependency has to be there for each of them, and nothing more
    assert sizes["last"] <= SMALL + 1000 * 400
    assert max(sizes[name] for name in middle) <= SMALL


def test_random_graph(walk):
    draw = random.Random(7)
    rows = [
        sorted(draw.sample(range(max(0, i - 50), i), min(i, draw.randint(0, 3))))
        for i in range(2000)
    ]
    sizes = walk(graph(rows))
    assert max(sizes.values()) <= SMALL
