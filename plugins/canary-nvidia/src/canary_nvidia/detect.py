"""Which NVIDIA GPUs this process may give to jobs.

Asking costs a process, and has a time limit, because a broken driver may never answer. What a job
is then told is not known here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    answer = _ask(seconds)
    if "error" in answer:
        raise DetectionError(f"no GPUs can be used: {answer['error']}")
    devices = [Device(d.pop("id"), d.pop("index"), d["uuid"], d) for d in answer["devices"]]
    return devices, answer["problems"]


def _ask(seconds: float) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, str(Path(probe.__file__))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for canary alone
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise DetectionError(f"no GPUs can be used: NVML gave no answer in {seconds:g} s") from None
    try:
        return dict(json.loads(output))
    except ValueError:
        raise DetectionError(
            f"no GPUs can be used: NVML ended its process with code {process.returncode}"
        ) from None


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Kill it; one that hangs in the kernel is not waited for."""
    process.kill()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.returncode = -9
    if process.stdout is not None:
        process.stdout.close()


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
