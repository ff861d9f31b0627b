"""What canary calls: NVIDIA GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_nvidia.detect`, loaded only where there is a driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from canary.detect import GpuPlugin, GpuSettings

if TYPE_CHECKING:
    from canary.config import Config

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
# files of the driver, and of what stands for it in a Linux that runs on Windows
SIGNS: Final = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class NvidiaSettings(GpuSettings):
    """NVIDIA GPUs."""

    section = "nvidia"

    detect: str = field(
        default="auto",
        metadata={
            "help": "whether to look for GPUs (auto: if the driver's files are there)",
            "flag": None,
            "choices": ("auto", "always", "never"),
        },
    )
    timeout: float = field(
        default=10.0,
        metadata={"help": "how long to wait for NVML", "flag": None, "kind": "duration"},
    )


class Plugin(GpuPlugin):
    """The hooks; in variables, a GPU is its UUID."""

    settings = NvidiaSettings
    variables = (VARIABLE,)
    prefixes = ("GPU-", "MIG-")

    def find(self, config: Config) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """GPUs and MIG slices."""
        settings = config.settings(NvidiaSettings)
        if settings.detect == "auto" and not has_driver():
            return
        from canary_nvidia import detect

        found, problems = detect.find(settings.timeout)
        for problem in problems:
            config.plugins.say("WARNING", f"canary-nvidia: {problem}")
        for d in detect.visible(found, os.environ.get(VARIABLE)):
            yield d.id, d.uuid, d.properties

    def show(self, words: Sequence[str]) -> Mapping[str, str]:
        """See `GpuPlugin.show`."""
        return {VARIABLE: ",".join(words)}


def has_driver(signs: Iterable[str] = SIGNS) -> bool:
    """Is there a driver? Costs a few looks at the file system."""
    return any(os.path.exists(sign) for sign in signs)  # noqa: PTH110 - without loading anything
