"""What canary calls: Intel GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_intel.sysfs`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job

MASK: Final = "ZE_AFFINITY_MASK"
HIERARCHY: Final = "ZE_FLAT_DEVICE_HIERARCHY"
# without it, Level Zero counts in an order of its own: the GPU of the processor last
ORDER: Final = "ZE_ENABLE_PCI_ID_DEVICE_ORDER"
NOTHING: Final = "9999"  # empty means all; a number that no GPU has means none


@dataclass(frozen=True, slots=True)
class IntelSettings(Settings):
    """Intel GPUs."""

    section = "intel"

    detect: str = field(
        default="auto",
        metadata={
            "help": "whether to look for GPUs",
            "flag": None,
            "choices": ("auto", "never"),
        },
    )
    integrated: bool = field(
        default=False,
        metadata={"help": "count the GPU that is part of the processor", "flag": None},
    )
    hide: bool = field(
        default=False,
        metadata={"help": "jobs that ask for no GPU see none", "flag": None},
    )
    sysfs: str = field(
        default="/sys",
        metadata={"help": "where the files of the system are", "flag": None},
    )


class Plugin:
    """The hooks. Remembers, between two of them, what each GPU is called in the variable."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._words: dict[str, str] | None = None

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return IntelSettings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Keep the configuration: jobs may come to run where no machine was looked for."""
        self._config = config

    @hookimpl
    def canary_resources(self, config: Config) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """`gpus`, one for each GPU or tile that this process may use."""
        found = self._find(config)
        return {"gpus": found} if found else None

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str] | None:
        """The numbers of the job's GPUs, unless the job sets the variable itself.

        A job over several nodes has all GPUs of each: nothing is hidden from it.
        """
        entries = job.resources.get("gpus", ())
        if MASK in job.spec.environment or len({e["node"] for e in entries}) > 1:
            return None
        if not entries:
            return {MASK: NOTHING} if self._hides() else None
        known = self._known()
        if not all(id in known for id in job.gpu_ids):
            return None  # of a pool file, or GPUs of another kind
        return {MASK: ",".join(known[id] for id in job.gpu_ids), ORDER: "1"}

    def _hides(self) -> bool:
        config = self._config
        return config is not None and config.settings(IntelSettings).hide and bool(self._known())

    def _known(self) -> Mapping[str, str]:
        """Words for the variable by ID; looks for GPUs if that was not done, as with a pool
        file."""
        if self._words is None and self._config is not None:
            self._find(self._config)
        return self._words or {}

    def _find(self, config: Config) -> list[dict[str, Any]]:
        self._words = {}
        settings = config.settings(IntelSettings)
        if settings.detect == "never" or config.get("gpu_backend") not in ("auto", "intel"):
            return []
        from canary_intel import sysfs

        flat = os.environ.get(HIERARCHY, "FLAT").upper() != "COMPOSITE"
        devices = sysfs.find(Path(settings.sysfs), flat=flat)
        devices = sysfs.visible(devices, os.environ.get(MASK))
        devices = [d for d in devices if settings.integrated or not d.integrated]
        self._words = {d.id: d.word for d in devices}
        return [{"id": d.id, "properties": d.properties} for d in devices]
