"""What CDash is told of the machine, as ctest tells it, what a CMake build says of itself, and what
a file says that was written."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from canary.errors import CanaryError, UsageError

_VENDORS: Final = MappingProxyType(
    {"AuthenticAMD": "Advanced Micro Devices", "GenuineIntel": "Intel Corporation"}
)
DART: Final = "DartConfiguration.tcl"


def facts() -> dict[str, str]:
    """The attributes of the element `Site` that are about the machine, in ctest's order."""
    name = os.uname()
    cpu, memory = _table("/proc/cpuinfo"), _table("/proc/meminfo")
    vendor = cpu.get("vendor_id", "")
    cores, siblings = _number(cpu.get("cpu cores")), _number(cpu.get("siblings"))
    logical = os.cpu_count() or 1
    per_core = max(1, siblings // cores) if cores else 1
    return {
        "OSName": name.sysname,
        "Hostname": name.nodename,
        "OSRelease": name.release,
        "OSVersion": name.version,
        "OSPlatform": name.machine,
        "Is64Bits": "1" if platform.architecture()[0] == "64bit" else "0",
        "VendorString": vendor,
        "VendorID": _VENDORS.get(vendor, "Unknown"),
        "FamilyID": cpu.get("cpu family", "0"),
        "ModelID": cpu.get("model", "0"),
        "ProcessorCacheSize": str(_number(cpu.get("cache size"))),
        "NumberOfLogicalCPU": str(logical),
        "NumberOfPhysicalCPU": str(max(1, logical // per_core)),
        "TotalVirtualMemory": str(_number(memory.get("SwapTotal")) // 1024),
        "TotalPhysicalMemory": str(_number(memory.get("MemTotal")) // 1024),
        "LogicalProcessorsPerPhysical": str(per_core),
        "ProcessorClockFrequency": cpu.get("cpu MHz", "0"),
    }


def _table(path: str) -> dict[str, str]:
    """`name : value` lines; the first of a name counts."""
    found: dict[str, str] = {}
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in text.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _number(text: str | None) -> int:
    match = re.match(r"\d+", text or "")
    return int(match[0]) if match else 0


def dart(directories: Iterable[str]) -> Mapping[str, str]:
    """What CMake wrote for ctest into the first of these directories that has it, or above one;
    empty if none has."""
    seen: set[Path] = set()
    for start in dict.fromkeys(directories):
        for directory in (Path(start), *Path(start).parents):
            if directory in seen:
                break
            seen.add(directory)
            if (directory / DART).is_file():
                return _table(str(directory / DART))
    return {}


def read_site(path: Path) -> Mapping[str, str]:
    """The attributes of the element `Site` of a file."""
    try:
        with path.open("rb") as f:
            for _, element in ElementTree.iterparse(f, ("start",)):
                if element.tag == "Site":
                    return dict(element.attrib)
                break
    except OSError as e:
        raise UsageError(f"cannot be read: {e.strerror}", file=str(path)) from None
    except (ElementTree.ParseError, UnicodeError):
        pass
    raise CanaryError("this is no XML file of CDash", file=str(path))
