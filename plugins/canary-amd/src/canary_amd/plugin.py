"""What canary calls: AMD GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_amd.sysfs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.detect import GpuPlugin, GpuSettings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.resources import Machine

ROCR: Final = "ROCR_VISIBLE_DEVICES"
HIP: Final = "HIP_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class AmdSettings(GpuSettings):
    """AMD GPUs."""

    section = "amd"

    timeout: float = field(
        default=10.0,
        metadata={"help": "how long to wait for amdsmi", "flag": None, "kind": "duration"},
    )
    sysfs: str = field(
        default="/sys",
        metadata={"help": "where the files of the system are", "flag": None},
    )


class Plugin(GpuPlugin):
    """The hooks; in variables, a GPU is its UUID, or its number where it has none."""

    settings = AmdSettings
    variables = (ROCR, HIP)
    prefixes = ("GPU-",)

    def find(self, config: Config) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """What the system's files show."""
        from canary_amd import sysfs

        devices = sysfs.find(Path(config.settings(AmdSettings).sysfs))
        for d in sysfs.visible(devices, os.environ.get(ROCR), os.environ.get(HIP)):
            yield d.id, d.word, d.properties

    @hookimpl
    def canary_resources(
        self, config: Config, machine: Machine
    ) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """The same with names, which the vendor's library knows."""
        found = super().canary_resources(config, machine)
        if found is None:
            return None
        from canary_amd import names

        called, problem = names.find(config.settings(AmdSettings).timeout)
        if problem:
            config.plugins.say("WARNING", f"canary-amd: GPUs have no names: {problem}")
        for properties in (row["properties"] for row in found["gpus"]):
            if properties["pci"] in called:
                properties["name"] = called[properties["pci"]]
        return found

    def show(self, words: Sequence[str]) -> Mapping[str, str]:
        """HIP counts within what the first variable has left: it gets 0, 1, …, lest an older value
        count there."""
        return {ROCR: ",".join(words), HIP: ",".join(map(str, range(len(words))))}
