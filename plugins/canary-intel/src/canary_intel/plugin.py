"""What canary calls: Intel GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_intel.sysfs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.detect import GpuPlugin, GpuSettings

if TYPE_CHECKING:
    from canary.config import Config

MASK: Final = "ZE_AFFINITY_MASK"
HIERARCHY: Final = "ZE_FLAT_DEVICE_HIERARCHY"
# without it, Level Zero counts in an order of its own: the GPU of the processor last
ORDER: Final = "ZE_ENABLE_PCI_ID_DEVICE_ORDER"
NOTHING: Final = "9999"  # empty means all; a number that no GPU has means none


@dataclass(frozen=True, slots=True)
class IntelSettings(GpuSettings):
    """Intel GPUs."""

    section = "intel"

    integrated: bool = field(
        default=False,
        metadata={"help": "count the GPU that is part of the processor", "flag": None},
    )
    sysfs: str = field(
        default="/sys",
        metadata={"help": "where the files of the system are", "flag": None},
    )


class Plugin(GpuPlugin):
    """The hooks; in the variable, a GPU is a number."""

    settings = IntelSettings
    variables = (MASK,)

    def find(self, config: Config) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """GPUs or their tiles."""
        from canary_intel import sysfs

        settings = config.settings(IntelSettings)
        flat = os.environ.get(HIERARCHY, "FLAT").upper() != "COMPOSITE"
        devices = sysfs.find(Path(settings.sysfs), flat=flat)
        for d in sysfs.visible(devices, os.environ.get(MASK)):
            if settings.integrated or not d.integrated:
                yield d.id, d.word, d.properties

    def show(self, words: Sequence[str]) -> Mapping[str, str]:
        """See `GpuPlugin.show`."""
        return {MASK: ",".join(words), ORDER: "1"} if words else {MASK: NOTHING}
