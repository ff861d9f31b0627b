"""Asks NVML what GPUs there are and prints it as JSON; run as a process of its own, by its path.

The library belongs to the driver: it may hang, crash, or hold on to the devices for as long as the
process that has loaded it lives. So it is never loaded into canary. This module knows nothing of
canary.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def list_devices() -> dict[str, Any]:
    """`{"devices": [...], "problems": [...]}`: what jobs can be given, and what cannot be used.

    A GPU that is split into MIG slices is left out for its slices. Sizes in bytes.
    """
    import pynvml  # type: ignore[import-untyped]  # it ships no types

    devices: list[dict[str, Any]] = []
    problems: list[str] = []
    pynvml.nvmlInit()
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                devices += _of_gpu(pynvml, handle, index)
            except pynvml.NVMLError as e:
                problems.append(f"GPU {index}: {e}")
    finally:
        pynvml.nvmlShutdown()
    return {"devices": devices, "problems": problems}


def _of_gpu(nvml: Any, handle: Any, index: int) -> list[dict[str, Any]]:
    if not _has_mig(nvml, handle):
        return [_describe(nvml, handle, str(index), index)]
    slices = []
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except nvml.NVMLError:
            continue  # there may be fewer than could be
        slices.append(_describe(nvml, part, f"{index}:{number}", index))
    return slices


def _has_mig(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:
        return False  # most GPUs cannot


def _describe(nvml: Any, handle: Any, id: str, index: int) -> dict[str, Any]:
    device = {"id": id, "index": index, "uuid": _text(nvml.nvmlDeviceGetUUID(handle))}
    optional = (
        ("name", lambda: _text(nvml.nvmlDeviceGetName(handle))),
        ("memory", lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total)),
        ("pci", lambda: _text(nvml.nvmlDeviceGetPciInfo(handle).busId)),
        ("capability", lambda: "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(handle))),
    )
    for key, ask in optional:
        try:
            device[key] = ask()
        except nvml.NVMLError:
            pass  # a slice, or an old driver, does not say
    return device


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Print the answer; an error is one too."""
    try:
        answer = list_devices()
    except Exception as e:  # noqa: BLE001 - whatever a driver's library does is told
        answer = {"error": f"{type(e).__name__}: {e}"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
