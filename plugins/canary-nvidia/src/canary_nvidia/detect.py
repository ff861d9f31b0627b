"""Which NVIDIA GPUs this process may give to jobs. What a job is then told is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canary.process import ask_script
from canary_nvidia import probe


class DetectionError(Exception):
    """NVML did not answer, or with an error."""


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or a MIG slice of one; `index` is that of the GPU, in the order of the PCI bus."""

    id: str
    index: int
    uuid: str
    properties: dict[str, Any]


def find(seconds: float) -> tuple[list[Device], list[str]]:
    """All devices, and what is wrong with any; DetectionError if NVML fails or is too slow."""
    answer = ask_script(probe.__file__, seconds)
    if "error" in answer:
        raise DetectionError(f"no GPUs can be used: NVML: {answer['error']}")
    devices = [Device(d.pop("id"), d.pop("index"), d["uuid"], d) for d in answer["devices"]]
    return devices, answer["problems"]


def visible(devices: Sequence[Device], given: str | None) -> list[Device]:
    """Those that `CUDA_VISIBLE_DEVICES` allows, in its order; all if it is not set (None).

    As in CUDA, a word is a number or the beginning of a UUID, and the first that names nothing ends
    the list. The number of a GPU with MIG slices stands for all of them.
    """
    if given is None:
        return list(devices)
    chosen: list[Device] = []
    for word in (w.strip() for w in given.split(",")):
        if word.isdecimal():
            found = [d for d in devices if d.index == int(word)]
        else:
            found = [d for d in devices if word and d.uuid.startswith(word)][:1]
        if not found:
            break
        chosen += [d for d in found if d not in chosen]
    return chosen
