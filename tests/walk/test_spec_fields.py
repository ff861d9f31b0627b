"""What a format may ask of the core for its jobs: where to start, locks, a weight, a rerun.

The format is made here: a JSON file is a list of jobs, each the fields of a `JobSpec`.
"""

from __future__ import annotations

import json
import os
import sys

import pytest

PLUGIN = """\
import json

from canary.hookspecs import hookimpl
from canary.spec import DependencyPattern, JobSpec, Loaded, SpecGenerator, job_id


class Rows(SpecGenerator):
    name = "rows"
    patterns = ("*.rows",)

    def load(self, file):
        with open(file.file) as f:
            return Loaded(json.load(f))

    def expand(self, file, data, context):
        return [self.made(file, dict(row)) for row in data]

    def made(self, file, row):
        name = row.pop("name")
        waits = tuple(DependencyPattern(d) for d in row.pop("after", ()))
        lists = {k: tuple(v) for k, v in row.items() if isinstance(v, list)}
        return JobSpec(
            file_root=file.root, file_path=file.path, id=job_id(name, file.path, {}),
            family=name, name=name, dependencies=waits, **{**row, **lists},
        )


@hookimpl
def canary_spec_generators():
    return [Rows()]
"""


@pytest.fixture
def rows(tmp_path):
    """`rows([{...}])` writes jobs; the words that make canary run them come back."""
    plugin = tmp_path / "rows.py"
    plugin.write_text(PLUGIN)

    def write(jobs):
        root = tmp_path / "t"
        root.mkdir(exist_ok=True)
        (root / "x.rows").write_text(json.dumps(jobs))
        return ["-p", plugin, "run", root]

    return write


def python(code):
    return [sys.executable, "-c", code]


def test_a_command_starts_where_its_spec_says(rows, canary, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    words = rows([{"name": "a", "command": ["/bin/sh", "-c", "pwd > pwd.txt"], "cwd": str(there)}])
    canary(*words, expect=0)
    assert (there / "pwd.txt").read_text() == f"{there}\n"


@pytest.mark.parametrize("takes", [True, False])
def test_a_command_takes_words_or_does_not(rows, canary, tmp_path, takes):
    out = tmp_path / "args.json"
    code = f"import json, sys; json.dump(sys.argv[1:], open({str(out)!r}, 'w'))"
    words = rows([{"name": "a", "command": python(code), "takes_args": takes}])
    canary(*words, "--", "--verbose", expect=0)
    assert json.loads(out.read_text()) == (["--verbose"] if takes else [])


def test_holders_of_one_lock_never_meet(rows, canary, tmp_path):
    log = tmp_path / "log"
    code = f"""
import os, time
def say(what):
    fd = os.open({str(log)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, what.encode())
say("<")
time.sleep(0.02)
say(">")
"""
    jobs = [{"name": f"j{i}", "command": python(code), "locks": ["db"]} for i in range(6)]
    canary("-r", "cpus=4", *rows(jobs), expect=0)
    assert log.read_text() == "<>" * 6


def test_who_waits_for_a_lock_holds_nobody_up(rows, canary, tmp_path):
    """The holder of the lock goes on only when all that need no lock are over."""
    waits = f"""
import os, sys, time
end = time.monotonic() + 15
while sum(os.path.exists(os.path.join({str(tmp_path)!r}, n)) for n in "abc") < 3:
    if time.monotonic() > end:
        sys.exit("the others were held up")
    time.sleep(0.01)
"""
    jobs = [
        {"name": "holder", "command": python(waits), "locks": ["x"], "weight": 1e9},
        {"name": "waiter", "command": ["/bin/true"], "locks": ["x", "y"], "weight": 1e8},
    ]
    jobs += [{"name": n, "command": ["/usr/bin/touch", str(tmp_path / n)]} for n in "abc"]
    canary("-r", "cpus=2", *rows(jobs), expect=0)


def test_the_heavier_start_earlier(rows, canary, tmp_path):
    log = tmp_path / "log"
    weights = {"a": 1.0, "b": 3.0, "c": 2.0, "d": -1.0}
    jobs = [
        {"name": n, "command": ["/bin/sh", "-c", f"echo {n} >> {log}"], "weight": w}
        for n, w in weights.items()
    ]
    canary(*rows(jobs), "--workers", "1", expect=0)
    assert log.read_text().split() == ["b", "c", "a", "d"]


def test_a_job_that_renews_runs_again_with_what_needs_it(rows, canary, tmp_path):
    log = tmp_path / "log"

    def says(name):
        return ["/bin/sh", "-c", f"echo {name} >> {log}; [ {name} != bad ]"]

    jobs = [
        {"name": "fresh", "command": says("fresh"), "renew": True},
        {"name": "stands", "command": says("stands")},
        {"name": "bad", "command": says("bad"), "after": ["fresh", "stands"]},
        {"name": "good", "command": says("good"), "after": ["fresh"]},
    ]
    words = rows(jobs)
    canary(*words, expect=8)
    first = log.read_text().split()
    assert sorted(first) == ["bad", "fresh", "good", "stands"]
    canary(*words, expect=8)
    again = log.read_text().split()[len(first) :]
    assert again == ["fresh", "bad"]


def test_locks_are_in_no_variable(rows, canary, tmp_path):
    out = tmp_path / "env"
    jobs = [{"name": "a", "command": ["/bin/sh", "-c", f"env > {out}"], "locks": ["db"]}]
    canary(*rows(jobs), expect=0)
    names = [line.partition("=")[0] for line in out.read_text().splitlines()]
    assert [n for n in names if "LOCK" in n.upper()] == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs CPU affinity")
@pytest.mark.parametrize("asks", [True, False])
def test_a_job_may_ask_to_be_bound_to_its_cpus(rows, canary, tmp_path, asks):
    out = tmp_path / "cpus"
    code = f"import os; open({str(out)!r}, 'w').write(str(len(os.sched_getaffinity(0))))"
    job = {"name": "a", "command": python(code), "meta_parameters": {"cpus": 1}}
    canary(*rows([{**job, "options": {"affinity": asks}}]), expect=0)
    assert int(out.read_text()) == (1 if asks else len(os.sched_getaffinity(0)))


def test_slots_that_belong_together(rows, canary, tmp_path):
    """Two jobs want two slots of one instance each, a third what is left of two of them."""
    pool = tmp_path / "pool.json"
    instances = {"gpus": [{"id": i, "slots": 3} for i in "ab"], "cpus": [{"id": c} for c in "0123"]}
    pool.write_text(json.dumps({"nodes": [{"id": "n", "resources": instances}]}))

    def wants(name, n, *pieces):
        return {
            "name": name,
            "command": ["/bin/sh", "-c", f"echo $CANARY_GPU_IDS > {tmp_path}/{name}; sleep 0.3"],
            "parameters": {"gpus": n},
            **({"pieces": {"gpus": pieces}} if pieces else {}),
        }

    jobs = [wants("x", 2, 2), wants("y", 2, 2), wants("z", 2), wants("w", 4, 4)]
    canary("--resource-pool-file", pool, *rows(jobs), expect=32)
    x, y, z = ((tmp_path / n).read_text().strip() for n in "xyz")
    assert {x, y} == {"a", "b"}
    assert set(z.split(",")) == {"a", "b"}
    assert not (tmp_path / "w").exists()
