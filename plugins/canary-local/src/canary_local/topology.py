"""What this process may use of its machine: CPUs, cores, and memory, as the kernel tells.

Three things keep a process from all CPUs: its affinity mask (`taskset`, a cpuset), a quota on CPU
time of a control group (a container), and what is switched off. All is read from files below a
root, so that other machines can be looked at; nothing here knows of jobs or pools.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
ROOT: Final = Path("/")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Host:
    """`cpus` has for each that can be given to a job its logical CPUs, no two the same; `memory` is
    in MiB, None if nobody knows."""

    cpus: tuple[tuple[int, ...], ...]
    memory: int | None


def look(*, hyperthreads: bool, root: Path = ROOT) -> Host:
    """This machine as far as this process may use it; no CPUs if the kernel does not tell.

    Without `hyperthreads` the logical CPUs of a core are one. A quota of n CPUs makes n of all,
    each with its share of them; of 2.5 it makes 2.
    """
    logical = usable(root)
    units: list[tuple[int, ...]] = [(n,) for n in logical]
    if not hyperthreads:
        units = cores(logical, root)
    limit = cpu_quota(root)
    if limit is not None and limit < len(units):
        units = merge(units, max(1, int(limit)))
    return Host(tuple(units), memory(root))


def usable(root: Path = ROOT) -> list[int]:
    """Logical CPUs that are in the affinity mask and switched on."""
    masks = [
        line.partition(":")[2]
        for line in _read(root / "proc/self/status").splitlines()
        if line.startswith("Cpus_allowed_list:")
    ]
    online = _read(root / "sys/devices/system/cpu/online")
    allowed = numbers(masks[0]) if masks else numbers(online)
    return sorted(allowed & numbers(online) if online else allowed)


def cores(logical: list[int], root: Path = ROOT) -> list[tuple[int, ...]]:
    """These CPUs, those of one core together; one of which nothing is known is a core."""
    found: dict[int, tuple[int, ...]] = {}
    for n in logical:
        if n in found:
            continue
        directory = root / f"sys/devices/system/cpu/cpu{n}/topology"
        text = _read(directory / "core_cpus_list") or _read(directory / "thread_siblings_list")
        core = tuple(sorted((numbers(text) | {n}) & set(logical)))
        found.update(dict.fromkeys(core, core))
    return sorted(set(found.values()))


def merge(units: list[tuple[int, ...]], count: int) -> list[tuple[int, ...]]:
    """So many of them all, each with its share of the CPUs."""
    edges = [len(units) * i // count for i in range(count + 1)]
    pairs = itertools.pairwise(edges)
    return [tuple(sorted(n for unit in units[a:b] for n in unit)) for a, b in pairs]


def cpu_quota(root: Path = ROOT) -> float | None:
    """CPUs' worth of time that the control groups allow, the least of all levels; None: no
    limit."""
    found = [quota for d in directories("cpu", root) if (quota := _quota_of(d)) is not None]
    return min(found, default=None)


def _quota_of(directory: Path) -> float | None:
    words = _read(directory / "cpu.max").split()  # version 2
    if not words:
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [_read(directory / file).strip() for file in files]
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def memory(root: Path = ROOT) -> int | None:
    """MiB of the machine, or what the control groups allow if that is less; None if unknown."""
    total = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    limits = [int(total[1]) * 1024] if total else []
    for directory in directories("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(directory / name).strip()
            if text.isdecimal():
                limits.append(int(text))
    return min(limits) // MIB if limits else None


def directories(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """The directories of this process's control groups for a controller, version 1 and 2, each
    with those above it as far as they can be seen."""
    paths: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, names, path = line.split(":", 2)
        for name in names.split(","):
            paths["" if number == "0" else name] = path
    for kind, options, inside, mount in _mounts(root):
        wanted = "" if kind == "cgroup2" else controller
        if wanted not in paths or (wanted and wanted not in options):
            continue
        path = paths[wanted]
        if path == inside or path.startswith(f"{inside.rstrip('/')}/"):
            path = path[len(inside.rstrip("/")) :]
        else:
            path = ""  # it is seen from within another namespace: the mount is all there is
        place = root / mount.lstrip("/")
        below = Path(path.lstrip("/"))
        if ".." not in below.parts:
            yield from (place / part for part in (below, *below.parents))


def _mounts(root: Path) -> Iterator[tuple[str, list[str], str, str]]:
    """(type, options, which directory of it, where) of every mount of control groups."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        before, after = fields.split(), rest.split()
        if len(before) >= 5 and len(after) >= 3 and after[0] in ("cgroup", "cgroup2"):
            yield after[0], after[2].split(","), _plain(before[3]), _plain(before[4])


def _plain(text: str) -> str:
    """A path as it is, without the escapes of mountinfo."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def numbers(text: str) -> set[int]:
    """`0-3,8` as numbers; what cannot be read is none."""
    out: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            out.update(range(int(first), int(last or first) + 1))
    return out


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""
