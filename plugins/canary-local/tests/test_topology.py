"""What a process may use: read from trees of files as other machines have them, and here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from canary_local import topology
from canary_local.topology import Host, look


class Tree:
    """The files of a machine below `root`."""

    def __init__(self, root):
        self.root = root

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def cpus(self, number, *, allowed=None, online=None, threads=1):
        """`number` logical CPUs; the second threads of all cores come after the first of all."""
        self.write(
            "proc/self/status", f"Name:\tx\nCpus_allowed_list:\t{allowed or f'0-{number - 1}'}"
        )
        self.write("sys/devices/system/cpu/online", online or f"0-{number - 1}")
        step = number // threads
        for n in range(number):
            core = ",".join(str(n % step + step * i) for i in range(threads))
            self.write(f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list", core)
        self.write("proc/meminfo", "MemTotal:       65536000 kB\nMemFree:        1 kB")

    def groups(self, *lines):
        self.write("proc/self/cgroup", "\n".join(lines))

    def mounts(self, *rows):
        """(type, options, directory of it that is mounted, where)."""
        number = 30
        lines = []
        for kind, options, inside, place in rows:
            number += 1
            lines.append(f"{number} 23 0:{number} {inside} {place} rw - {kind} none rw,{options}")
        self.write("proc/self/mountinfo", "\n".join(["22 1 8:1 / / rw - ext4 /dev/x rw", *lines]))


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path / "machine")
    made.cpus(64)
    return made


def see(tree, **more):
    host = look(root=tree.root, **{"hyperthreads": True, **more})
    return len(host.cpus), host.memory


def test_without_limits_all_is_there(tree):
    assert see(tree) == (64, 64000)


def test_the_mask_and_what_is_switched_off(tree):
    tree.cpus(64, allowed="2-5,8,70-80", online="0-3,8-63")
    host = look(hyperthreads=True, root=tree.root)
    assert host.cpus == ((2,), (3,), (8,))


def test_cores_and_threads(tree):
    tree.cpus(8, threads=2, allowed="0-2,4-7")
    assert look(hyperthreads=False, root=tree.root).cpus == ((0, 4), (1, 5), (2, 6), (7,))
    assert look(hyperthreads=True, root=tree.root).cpus == tuple(
        (n,) for n in (0, 1, 2, 4, 5, 6, 7)
    )


def version_2(tree, path="/system.slice/docker-1.scope"):
    tree.groups(f"0::{path}")
    tree.mounts(("cgroup2", "nsdelegate", "/", "/sys/fs/cgroup"))
    return f"/sys/fs/cgroup{path}"


def test_a_container_of_two_cpus_under_version_2(tree):
    own = version_2(tree)
    tree.write(f"{own}/cpu.max", "200000 100000")
    tree.write(f"{own}/memory.max", str(512 << 20))
    tree.write("/sys/fs/cgroup/system.slice/cpu.max", "max 100000")
    assert see(tree) == (2, 512)


@pytest.mark.parametrize("hyperthreads", [True, False])
def test_each_of_two_has_its_share_of_all_cpus(tree, hyperthreads):
    """A quota says how much, not which: where jobs are pinned, all CPUs are used."""
    tree.cpus(8, threads=2)
    tree.write(f"{version_2(tree)}/cpu.max", "200000 100000")
    first, second = look(hyperthreads=hyperthreads, root=tree.root).cpus
    assert len(first) == len(second) == 4
    assert sorted(first + second) == list(range(8))


def test_a_limit_of_a_group_above_counts(tree):
    own = version_2(tree, "/a/b/c")
    tree.write(f"{own}/cpu.max", "800000 100000")
    tree.write("/sys/fs/cgroup/a/cpu.max", "300000 100000")
    tree.write("/sys/fs/cgroup/a/b/memory.max", str(1 << 30))
    tree.write(f"{own}/memory.max", "max")
    assert see(tree) == (3, 1024)


def test_a_container_that_sees_its_own_group_as_the_root(tree):
    tree.groups("0::/")
    tree.mounts(("cgroup2", "nsdelegate", "/", "/sys/fs/cgroup"))
    tree.write("/sys/fs/cgroup/cpu.max", "400000 100000")
    assert see(tree) == (4, 64000)


def version_1(tree, path, inside="/"):
    tree.groups(
        "12:cpuset:/elsewhere",
        f"5:memory:{path}",
        f"4:cpu,cpuacct:{path}",
        "1:name=systemd:/init.scope",
    )
    tree.mounts(
        ("cgroup", "cpuset", "/", "/sys/fs/cgroup/cpuset"),
        ("cgroup", "cpu,cpuacct", inside, "/sys/fs/cgroup/cpu,cpuacct"),
        ("cgroup", "memory", inside, "/sys/fs/cgroup/memory"),
    )


def quota_1(tree, path, quota, period=100000):
    tree.write(f"/sys/fs/cgroup/cpu,cpuacct{path}/cpu.cfs_quota_us", str(quota))
    tree.write(f"/sys/fs/cgroup/cpu,cpuacct{path}/cpu.cfs_period_us", str(period))


def test_a_container_of_two_cpus_under_version_1(tree):
    """As docker makes them: the container's group is what is mounted, its path is the host's."""
    version_1(tree, "/docker/1f", "/docker/1f")
    quota_1(tree, "", 100000, 50000)
    tree.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", str(3 << 30))
    assert see(tree) == (2, 3072)


def test_levels_of_version_1(tree):
    version_1(tree, "/a/b")
    quota_1(tree, "/a/b", -1)
    quota_1(tree, "/a", 500000)
    quota_1(tree, "", -1)
    tree.write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", str(1 << 30))
    tree.write("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712")
    assert see(tree) == (5, 1024)


def test_both_versions_beside_each_other(tree):
    tree.groups("3:memory:/x", "2:cpu:/x", "1:name=systemd:/x", "0::/y/z")
    tree.mounts(
        ("cgroup", "cpu", "/", "/sys/fs/cgroup/cpu"),
        ("cgroup", "memory", "/", "/sys/fs/cgroup/memory"),
        ("cgroup2", "", "/", "/sys/fs/cgroup/unified"),
    )
    tree.write("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "600000")
    tree.write("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000")
    tree.write("/sys/fs/cgroup/unified/y/cgroup.procs", "1")
    assert see(tree) == (6, 64000)
    tree.write("/sys/fs/cgroup/unified/y/memory.max", str(2 << 30))
    assert see(tree) == (6, 2048)


@pytest.mark.parametrize(("quota", "cpus"), [(250000, 2), (10000, 1), (6400000, 64), (9900000, 64)])
def test_parts_of_a_cpu_are_left_over(tree, quota, cpus):
    tree.write(f"{version_2(tree)}/cpu.max", f"{quota} 100000")
    assert see(tree)[0] == cpus


@pytest.mark.parametrize("text", ["", "max", "x y", "-1 0", "100000 0", "1 2 3"])
def test_a_quota_that_cannot_be_read_is_none(tree, text):
    tree.write(f"{version_2(tree)}/cpu.max", text)
    assert see(tree)[0] == 64


def test_a_path_that_leads_out_of_the_mount(tree):
    tree.groups("0::/../other")
    tree.mounts(("cgroup2", "", "/", "/sys/fs/cgroup"))
    tree.write("/sys/fs/other/cpu.max", "100000 100000")
    assert see(tree)[0] == 64


def test_a_mount_with_a_blank_in_its_name(tree):
    tree.groups("0::/")
    tree.mounts(("cgroup2", "", "/", "/my\\040groups"))
    tree.write("/my groups/cpu.max", "700000 100000")
    assert see(tree)[0] == 7


def test_a_system_that_tells_nothing(tmp_path):
    assert look(hyperthreads=False, root=tmp_path) == Host((), None)


def test_a_machine_without_cores_in_its_files(tree):
    shutil.rmtree(tree.root / "sys")
    assert see(tree, hyperthreads=False) == (64, 64000)


# --- this machine --------------------------------------------------------------------------------

SHOW = (
    "from canary_local.topology import look; h = look(hyperthreads=True);"
    " print([c for unit in h.cpus for c in unit], len(h.cpus))"
)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@linux
def test_here_nothing_is_seen_that_may_not_be_used():
    host = look(hyperthreads=True)
    assert {n for unit in host.cpus for n in unit} <= os.sched_getaffinity(0)
    assert 0 < len(host.cpus) <= os.cpu_count()
    assert host.memory > 0


@linux
def test_here_with_a_mask():
    cpu = max(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, {{{cpu}}}); {SHOW}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"[{cpu}] 1\n"


@pytest.fixture
def group():
    """A control group with the CPU controller below this process's own; version 1 or 2."""
    made = None
    for own in topology.directories("cpu"):
        directory = own / f"canary-test-{os.getpid()}"
        try:
            directory.mkdir()
        except OSError:
            continue
        if any((directory / name).exists() for name in ("cpu.max", "cpu.cfs_quota_us")):
            made = directory
            break
        directory.rmdir()
    if made is None:
        pytest.skip("needs a writable control group with the CPU controller")
    yield made
    made.rmdir()


@linux
def test_here_with_a_quota(group):
    """Half of what is here, two levels above the process."""
    usable = len(os.sched_getaffinity(0))
    wanted = max(1, usable // 2)
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{wanted * 100000} 100000")
    else:
        (group / "cpu.cfs_quota_us").write_text(str(wanted * 100000))
    inner = group / "inner"
    inner.mkdir()
    try:
        join = f"open({str(inner / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))"
        done = subprocess.run(
            [sys.executable, "-c", f"{join}; {SHOW}"], capture_output=True, text=True, check=True
        )
    finally:
        inner.rmdir()
    assert done.stdout.split()[-1] == str(wanted)


def test_numbers():
    assert topology.numbers("0-3,8, 10-11\n") == {0, 1, 2, 3, 8, 10, 11}
    assert topology.numbers("") == set()
    assert topology.numbers("x,1-,-3") == {1}
