"""A machine of two nodes with all kinds of things, described in a file, and jobs that want them.

Each job writes when it had what; nothing may be had by more jobs at a time than there is of it.
"""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

POOL = {
    "nodes": [
        {
            "id": "east",
            "resources": {
                "cpus": [{"id": str(i)} for i in range(6)],
                "gpus": [{"id": "0", "slots": 4}],
                "memory": [{"id": "0", "slots": 1000}],
                "licences": [{"id": "solver", "slots": 2}],
            },
        },
        {"id": "west", "resources": {"cpus": [{"id": str(i)} for i in range(6)]}},
    ]
}
TEST = """\
import canary

canary.directives.parameterize({names!r}, {values!r})

if __name__ == "__main__":
    import json, os, time

    began = time.monotonic()
    time.sleep(0.05)
    job = canary.get_job()
    seen = {{k: v for k, v in os.environ.items() if k.startswith("CANARY_") and "_ID" in k}}
    print(json.dumps([began, time.monotonic(), job.resources, seen]))
"""


@pytest.fixture
def run(tree, canary, tmp_path):
    """`run(expect, name=({...}, ...))`: each has these parameters; what came of them, by name."""
    (tmp_path / "pool.json").write_text(json.dumps(POOL))

    def walk(expect=0, **tests):
        files = {}
        for name, rows in tests.items():
            names = list(rows[0])
            values = [[row[n] for n in names] for row in rows]
            files[f"{name}.pyt"] = TEST.format(names=",".join(names), values=values)
        root = tree(files)
        done = canary("--resource-pool-file", "pool.json", "run", root, expect=expect)
        outputs = (tmp_path / "TestResults").glob("*/canary-out.txt")
        return done.stdout, {p.parent.name: json.loads(p.read_text()) for p in outputs}

    return walk


def test_nothing_is_had_twice(run):
    """Licences, slots of one GPU, MiB of memory, and CPUs of two nodes."""
    _, jobs = run(
        solve=[{"licences": 1, "p": p} for p in range(6)],
        draw=[{"gpus": n, "p": p} for n in (1, 2, 3) for p in range(3)],
        big=[{"memory": 400, "p": p} for p in range(4)],
        wide=[{"cpus": 4, "p": p} for p in range(4)],
    )
    assert len(jobs) == 6 + 9 + 4 + 4
    holders = defaultdict(list)
    for began, ended, resources, _ in jobs.values():
        for type, entries in resources.items():
            for entry in entries:
                holders[entry["node"], type, entry["id"]].append((began, ended, entry["slots"]))
    there = {
        (node["id"], type, instance["id"]): instance.get("slots", 1)
        for node in POOL["nodes"]
        for type, instances in node["resources"].items()
        for instance in instances
    }
    assert holders.keys() <= there.keys()
    assert {node for node, _, _ in holders} == {"east", "west"}
    for place, held in holders.items():
        for at, _, _ in held:
            assert sum(n for began, ended, n in held if began <= at < ended) <= there[place]


def test_a_job_over_nodes_can_tell_their_cpus_apart(run):
    _, jobs = run(both=[{"nodes": 2, "gpus": 0}])
    ((_, _, _, seen),) = jobs.values()
    assert seen["CANARY_NODE_IDS"] == "east,west"
    assert seen["CANARY_CPU_IDS"] == "0,1,2,3,4,5,0,1,2,3,4,5"
    places = [f"{node}:{i}" for node in ("east", "west") for i in range(6)]
    assert seen["CANARY_CPU_NODE_IDS"].split(",") == places


def test_what_can_never_fit_is_told(run, canary, tmp_path):
    """In the table, the status, the data and the exit code; the others run."""
    shown, jobs = run(
        32,
        many=[{"licences": 3}],
        much=[{"memory": 1001}],
        nodes=[{"nodes": 3, "gpus": 0}],
        apart=[{"licences": 1, "cpus": 7}],
        fits=[{"licences": 2}],
    )
    assert list(jobs) == ["fits.licences=2"]
    reasons = (
        "needs 3 licences, the machine has 2",
        "needs 1001 MiB of memory, the machine has 1000",
        "needs 3 nodes for 18 cpus, the machine has 2",
    )
    status = canary("status", expect=0).stdout
    data = json.loads(canary("query", "jobs", expect=0).stdout)
    told = {job["status"]["reason"] for job in data if job["status"]["outcome"] == "OVERSIZED"}
    for reason in reasons:
        assert reason in shown
        assert reason in status
        assert reason in told
    assert len(told) == 4
    assert canary("--resource-pool-file", "pool.json", "run", "--dry-run", "t").returncode == 0


NARROW = """\
import time
import canary

canary.directives.parameterize("n", range({count}))
canary.directives.cpus(1)
if __name__ == "__main__":
    time.sleep(0.1)
"""
WIDE = """\
import canary

canary.directives.depends_on("first*")
canary.directives.cpus(4)
"""


def test_a_wide_job_is_not_overtaken_by_a_stream_of_narrow_ones(canary, tree):
    """It wants all CPUs, and may begin once one of the first is over: from then on none begins
    before it, but what was handed over already."""
    files = {"first.pyt": NARROW.format(count=1), "narrow.pyt": NARROW.format(count=60)}
    canary("-r", "cpus=4", "run", tree({**files, "wide.pyt": WIDE}), expect=0)
    jobs = json.loads(canary("query", "jobs", expect=0).stdout)
    times = {job["name"]: (job["started_at"], job["stopped_at"]) for job in jobs}
    ready, began = times["first.n=0"][1], times["wide"][0]
    narrow = [start for name, (start, _) in times.items() if name.startswith("narrow")]
    assert len(narrow) == 60
    assert sum(at > began for at in narrow) > 10, "the stream was over before it"
    assert sum(ready < at < began for at in narrow) <= 3
