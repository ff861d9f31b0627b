"""Which Intel GPUs the kernel shows below `/sys`, and how Level Zero numbers them.

These files are there with the driver (`i915` or `xe`), whether or not a runtime is installed, and
are read in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

INTEL: Final = "0x8086"
DISPLAY: Final = "0x03"  # class of devices on the PCI bus that draw or compute
INTEGRATED: Final = "0000:00:02.0"  # where the GPU that is part of a processor always is


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or a tile of one; `word` is what names it in `ZE_AFFINITY_MASK`."""

    id: str
    word: str
    integrated: bool
    properties: dict[str, Any]


def find(sysfs: Path, *, flat: bool) -> list[Device]:
    """All GPUs in the order of the PCI bus.

    `flat`: each tile of a GPU is one, as Level Zero has it unless `ZE_FLAT_DEVICE_HIERARCHY` says
    otherwise; it then numbers tiles, not GPUs.
    """
    devices: list[Device] = []
    for number, card in enumerate(sorted(_cards(sysfs), key=_place)):
        tiles = _tiles(card) if flat else 1
        for tile in range(tiles):
            id = f"{number}.{tile}" if tiles > 1 else str(number)
            properties = {"pci": _place(card), "device": _line(card / "device" / "device")}
            integrated = _place(card) == INTEGRATED
            devices.append(Device(id, str(len(devices)), integrated, properties))
    return devices


def _cards(sysfs: Path) -> Iterator[Path]:
    """The directories of Intel's cards, not of their connectors (`card0-HDMI-A-1`)."""
    try:
        found = list((sysfs / "class" / "drm").iterdir())
    except OSError:
        return
    for card in found:
        if not card.name.removeprefix("card").isdecimal():
            continue
        device = card / "device"
        if _line(device / "vendor") == INTEL and _line(device / "class").startswith(DISPLAY):
            yield card


def _place(card: Path) -> str:
    """Where it is on the PCI bus."""
    return (card / "device").resolve().name


def _tiles(card: Path) -> int:
    """How many tiles it has: `xe` shows them below the device, `i915` as graphics units."""
    tiles = len(list((card / "device").glob("tile[0-9]*")))
    return tiles or len(list((card / "gt").glob("gt[0-9]*"))) or 1


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def visible(devices: Sequence[Device], given: str | None) -> list[Device]:
    """Those that `ZE_AFFINITY_MASK` allows; all if it is not set (None) or empty.

    A word is the number of a device; of a part of one (`1.0`), the device.
    """
    if not given:
        return list(devices)
    words = {word.strip().partition(".")[0] for word in given.split(",")}
    return [d for d in devices if d.word in words]
