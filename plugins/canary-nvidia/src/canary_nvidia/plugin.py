"""What canary calls: NVIDIA GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_nvidia.detect`, loaded only where there is a driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
# files of the driver, and of what stands for it in a Linux that runs on Windows
SIGNS: Final = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class NvidiaSettings(Settings):
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
    hide: bool = field(
        default=False,
        metadata={"help": "jobs that ask for no GPU see none", "flag": None},
    )


class Plugin:
    """The hooks. Remembers, between two of them, which GPU has which UUID."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._uuids: dict[str, str] | None = None

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return NvidiaSettings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Keep the configuration: jobs may come to run where no machine was looked for."""
        self._config = config

    @hookimpl
    def canary_resources(self, config: Config) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """`gpus`, one for each GPU or MIG slice that this process may use."""
        found = self._find(config)
        return {"gpus": found} if found else None

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str] | None:
        """The UUIDs of the job's GPUs, unless the job sets the variable itself.

        A job over several nodes has all GPUs of each: nothing is hidden from it.
        """
        entries = job.resources.get("gpus", ())
        if VARIABLE in job.spec.environment or len({e["node"] for e in entries}) > 1:
            return None
        if not entries:
            return {VARIABLE: ""} if self._hides() else None
        ids = job.gpu_ids
        if not all(id.startswith(("GPU-", "MIG-")) for id in ids):
            uuids = self._known()
            if not all(id in uuids for id in ids):
                return None  # of a pool file, or GPUs of another kind
            ids = [uuids[id] for id in ids]
        return {VARIABLE: ",".join(ids)}

    def _hides(self) -> bool:
        config = self._config
        return config is not None and config.settings(NvidiaSettings).hide and bool(self._known())

    def _known(self) -> Mapping[str, str]:
        """UUIDs by ID; looks for GPUs if that was not done, as with a pool file."""
        if self._uuids is None and self._config is not None:
            self._find(self._config)
        return self._uuids or {}

    def _find(self, config: Config) -> list[dict[str, Any]]:
        self._uuids = {}
        settings = config.settings(NvidiaSettings)
        if settings.detect == "never" or config.get("gpu_backend") not in ("auto", "nvidia"):
            return []
        if settings.detect == "auto" and not has_driver():
            return []
        from canary_nvidia import detect

        devices, problems = detect.find(settings.timeout)
        for problem in problems:
            config.plugins.say("WARNING", f"canary-nvidia: {problem}")
        devices = detect.visible(devices, os.environ.get(VARIABLE))
        self._uuids = {d.id: d.uuid for d in devices}
        return [{"id": d.id, "properties": d.properties} for d in devices]


def has_driver(signs: Iterable[str] = SIGNS) -> bool:
    """Is there a driver? Costs a few looks at the file system."""
    return any(os.path.exists(sign) for sign in signs)  # noqa: PTH110 - without loading anything
