"""What canary calls: AMD GPUs become resources, and a job sees those that it was given.

How GPUs are found is in `canary_amd.sysfs`.
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

ROCR: Final = "ROCR_VISIBLE_DEVICES"
HIP: Final = "HIP_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class AmdSettings(Settings):
    """AMD GPUs."""

    section = "amd"

    detect: str = field(
        default="auto",
        metadata={
            "help": "whether to look for GPUs",
            "flag": None,
            "choices": ("auto", "never"),
        },
    )
    timeout: float = field(
        default=10.0,
        metadata={"help": "how long to wait for amdsmi", "flag": None, "kind": "duration"},
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
    """The hooks. Remembers, between two of them, what each GPU is called in variables."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._words: dict[str, str] | None = None

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return AmdSettings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Keep the configuration: jobs may come to run where no machine was looked for."""
        self._config = config

    @hookimpl
    def canary_resources(self, config: Config) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """`gpus`, one for each GPU that this process may use."""
        found = self._find(config)
        if not found:
            return None
        from canary_amd import names

        called, problem = names.find(config.settings(AmdSettings).timeout)
        if problem:
            config.plugins.say("WARNING", f"canary-amd: GPUs have no names: {problem}")
        for properties in (row["properties"] for row in found):
            if properties["pci"] in called:
                properties["name"] = called[properties["pci"]]
        return {"gpus": found}

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str] | None:
        """The UUIDs of the job's GPUs, unless the job sets one of the variables itself.

        HIP counts within what the first variable has left: it gets 0, 1, …, lest an older value
        count there. A job over several nodes has all GPUs of each: nothing is hidden from it.
        """
        entries = job.resources.get("gpus", ())
        own = job.spec.environment
        if ROCR in own or HIP in own or len({e["node"] for e in entries}) > 1:
            return None
        if not entries:
            return {ROCR: "", HIP: ""} if self._hides() else None
        words = job.gpu_ids
        if not all(id.startswith("GPU-") for id in words):
            known = self._known()
            if not all(id in known for id in words):
                return None  # of a pool file, or GPUs of another kind
            words = [known[id] for id in words]
        return {ROCR: ",".join(words), HIP: ",".join(map(str, range(len(words))))}

    def _hides(self) -> bool:
        config = self._config
        return config is not None and config.settings(AmdSettings).hide and bool(self._known())

    def _known(self) -> Mapping[str, str]:
        """Words for variables by ID; looks for GPUs if that was not done, as with a pool file."""
        if self._words is None and self._config is not None:
            self._find(self._config)
        return self._words or {}

    def _find(self, config: Config) -> list[dict[str, Any]]:
        self._words = {}
        settings = config.settings(AmdSettings)
        if settings.detect == "never" or config.get("gpu_backend") not in ("auto", "amd"):
            return []
        from canary_amd import sysfs

        devices = sysfs.find(Path(settings.sysfs))
        devices = sysfs.visible(devices, os.environ.get(ROCR), os.environ.get(HIP))
        self._words = {d.id: d.word for d in devices}
        return [{"id": d.id, "properties": d.properties} for d in devices]
