"""Which AMD GPUs the kernel's compute driver (KFD) shows below `/sys`, and which of them are ours.

These files are there with the driver, whether or not ROCm is installed, and are read in
microseconds. A GPU that a container may not use cannot be read, and is not ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NODES: Final = "class/kfd/kfd/topology/nodes"
LOCAL_MEMORY: Final = ("1", "2")  # kinds of memory banks: the GPU's own, visible to CPUs or not


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU; `index` counts as ROCm does, `uuid` is empty where it has none of its own."""

    id: str
    index: int
    uuid: str
    properties: dict[str, Any]

    @property
    def word(self) -> str:
        """What names it in `ROCR_VISIBLE_DEVICES`."""
        return self.uuid or str(self.index)


def find(sysfs: Path) -> list[Device]:
    """All GPUs, in the order in which ROCm counts them."""
    found = list(_nodes(sysfs / NODES))
    # parts of one GPU share its number
    times = Counter(node["unique_id"] for node in found)
    devices = []
    for index, node in enumerate(found):
        number = node["unique_id"]
        uuid = f"GPU-{number:016x}" if number and times[number] == 1 else ""
        properties = {"pci": node["pci"], "memory": node["memory"], "architecture": node["gfx"]}
        if uuid:
            properties["uuid"] = uuid
        devices.append(Device(str(index), index, uuid, properties))
    return devices


def _nodes(directory: Path) -> Iterator[dict[str, Any]]:
    """Those nodes of the topology that are GPUs; the others are CPUs."""
    try:
        names = [p for p in directory.iterdir() if p.name.isdecimal()]
    except OSError:
        return
    for path in sorted(names, key=lambda p: int(p.name)):
        try:
            if int((path / "gpu_id").read_text()) == 0:
                continue
            values = _table(path / "properties")
        except (OSError, ValueError):
            continue
        if not values:
            continue  # it reads as empty where it may not be used
        place, target = values.get("location_id", 0), values.get("gfx_target_version", 0)
        yield {
            "unique_id": values.get("unique_id", 0),
            "pci": "{:04x}:{:02x}:{:02x}.{:x}".format(
                values.get("domain", 0), place >> 8 & 0xFF, place >> 3 & 0x1F, place & 7
            ),
            "gfx": f"gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}",
            "memory": _memory(path / "mem_banks"),
        }


def _memory(directory: Path) -> int:
    """Bytes of the GPU's own memory."""
    total = 0
    for path in directory.glob("*/properties"):
        try:
            values = _table(path)
        except (OSError, ValueError):
            continue
        if str(values.get("heap_type")) in LOCAL_MEMORY:
            total += values.get("size_in_bytes", 0)
    return total


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def visible(devices: Sequence[Device], rocr: str | None, hip: str | None) -> list[Device]:
    """Those that `ROCR_VISIBLE_DEVICES` allows, and of these those of `HIP_VISIBLE_DEVICES`.

    None: not set. The second counts within what the first has left. The first word that names
    nothing ends a list.
    """
    return _chosen(_chosen(devices, rocr), hip, relative=True)


def _chosen(
    devices: Sequence[Device], given: str | None, *, relative: bool = False
) -> list[Device]:
    if given is None:
        return list(devices)
    chosen: list[Device] = []
    for word in (w.strip() for w in given.split(",")):
        if word.isdecimal():
            at = enumerate(devices) if relative else ((d.index, d) for d in devices)
            found = [d for n, d in at if n == int(word)]
        else:
            found = [d for d in devices if word and d.uuid.lower() == word.lower()]
        if not found:
            break
        chosen += [d for d in found if d not in chosen]
    return chosen
