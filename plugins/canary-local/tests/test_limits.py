"""What jobs may use: CPUs of their own, and so much memory."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest

from canary.launch import ExitReason
from canary.testing.launchers import Bench, alive
from canary_local import topology
from canary_local.launcher import LocalLauncher

MIB = 1 << 20
HOG = f"""
    x = bytearray({300 * MIB})
    import time
    time.sleep(300)
"""


@pytest.fixture(params=["groups, warm", "warm", "neither"])
def bench(request, tmp_path):
    """With a limit for what asks for memory; the kernel keeps it where it can and is asked to."""
    means = {name: name in request.param for name in ("groups", "warm")}
    bench = Bench(LocalLauncher(enforce_memory=True, **means), tmp_path)
    yield bench
    bench.close()


def memory(mib):
    return {"memory": [{"id": "0", "slots": mib, "node": "n"}]}


def test_only_who_uses_too_much_is_ended(bench):
    hog = bench.python(dedent(HOG), resources=memory(100))
    modest = bench.python(
        f"x = bytearray({30 * MIB}); print(open('go').read())", resources=memory(100)
    )
    free = bench.python(f"x = bytearray({200 * MIB}); print(len(x))")
    os.mkfifo(f"{modest.cwd}/go")
    bench.begin(hog, modest, free)
    bench.until(lambda: any(getattr(m, "reason", None) for m in bench.messages if m.id == hog.id))
    with open(f"{modest.cwd}/go", "w") as f:
        f.write("on")
    ends = bench.finish()
    assert ends[hog.id].reason is ExitReason.MEMORY_LIMIT
    assert ends[hog.id].detail.startswith("used more than its 100 MiB of memory")
    assert [ends[x.id].code for x in (modest, free)] == [0, 0]


def test_what_it_has_started_counts_and_ends_with_it(bench):
    script = f"""
        import subprocess, sys
        hog = "x = bytearray({300 * MIB}); print('up', flush=True); import time; time.sleep(300)"
        child = subprocess.Popen([sys.executable, "-c", hog], start_new_session=True)
        print(child.pid, flush=True)
        child.wait()
    """
    launch = bench.python(dedent(script), resources=memory(100))
    end = bench.run(launch)
    assert end.reason is ExitReason.MEMORY_LIMIT
    assert not alive(int(bench.output(launch).split()[0]))


def test_what_processes_share_counts_once(bench):
    script = f"""
        import os, time
        x = bytearray({100 * MIB})
        for _ in range(4):
            if not os.fork():
                break
        time.sleep(1)
    """
    assert bench.run(bench.python(dedent(script), resources=memory(250))).code == 0


def test_a_limit_of_the_launch_itself(bench):
    launch = bench.python(dedent(HOG), memory_limit=100 * MIB, resources=memory(4000))
    assert bench.run(launch).reason is ExitReason.MEMORY_LIMIT


def test_what_asks_for_memory_is_free_to_use_more_unless_it_is_to_be_kept_to_it(tmp_path):
    bench = Bench(LocalLauncher(), tmp_path)
    launch = bench.python(f"x = bytearray({200 * MIB})", resources=memory(50))
    assert bench.run(launch).code == 0
    bench.close()


# --- CPUs ----------------------------------------------------------------------------------------

SHOW = "import os; print(*sorted(os.sched_getaffinity(0)))"


def cpus(*ids):
    return {"cpus": [{"id": id, "slots": 1, "node": "n"} for id in ids]}


@pytest.fixture
def cores(monkeypatch):
    """Say which logical CPUs belong together."""

    def pretend(*units):
        host = topology.Host(units, None)
        monkeypatch.setattr("canary_local.launcher.look", lambda hyperthreads: host)

    return pretend


def pinned(tmp_path, launches):
    bench = Bench(LocalLauncher(pin=True, groups=False), tmp_path)
    made = [bench.python(SHOW, resources=resources) for resources in launches]
    bench.begin(*made)
    bench.finish()
    bench.close()
    return [{int(n) for n in bench.output(x).split()} for x in made]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
class TestPinning:
    def test_jobs_beside_each_other_share_no_cpu(self, tmp_path):
        ids = [str(logical[0]) for logical in topology.look(hyperthreads=True).cpus]
        sets = pinned(tmp_path, [cpus(id) for id in ids])
        assert sum(map(len, sets)) == len(set.union(*sets))
        assert set.union(*sets) <= os.sched_getaffinity(0)

    def test_a_core_is_all_its_logical_cpus(self, tmp_path, cores):
        both = tuple(sorted(os.sched_getaffinity(0))[:2])
        cores(both)
        assert pinned(tmp_path, [cpus(str(both[0]))]) == [set(both)]

    def test_a_pool_with_more_cpus_than_there_are(self, tmp_path, cores):
        a, b = sorted(os.sched_getaffinity(0))[:2]
        cores((a,), (b,))
        names = [str(1000 * 2), str(1000 * 2 + 1), "x"]
        everything = os.sched_getaffinity(0)
        assert pinned(tmp_path, map(cpus, names)) == [{a}, {b}, everything]

    def test_an_id_that_is_a_cpu_of_another_id_is_given_one_that_is_free(self, tmp_path, cores):
        a, b = sorted(os.sched_getaffinity(0))[:2]
        cores((a,), (b,))
        ids = ["1000", str(a)]  # the first is no CPU: it is given the first that there is
        assert pinned(tmp_path, map(cpus, ids)) == [{a}, {b}]

    @pytest.mark.parametrize(
        ("ids", "places"),
        [
            ("0 1 2 3", [2, 3, 4, 5]),
            ("3 2 1 0", [3, 2, 4, 5]),
            ("5 0 0 5 1", [5, 2, 2, 5, 3]),
            ("0 1 2 3 4 5 9", [2, 3, 4, 5, 2, 3, 3]),  # there are no more: by index
        ],
    )
    def test_each_id_has_a_place_of_its_own_as_long_as_there_are_enough(
        self, tmp_path, cores, ids, places
    ):
        cores((2,), (3,), (4,), (5,))
        bench = Bench(LocalLauncher(pin=True, groups=False), tmp_path)
        found = [bench.launcher._place(id) for id in ids.split()]
        bench.close()
        assert found == [(place,) for place in places]

    def test_a_job_without_cpus_is_left_alone(self, tmp_path):
        assert pinned(tmp_path, [{}]) == [os.sched_getaffinity(0)]
