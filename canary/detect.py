"""What plugins that find GPUs share: the hooks they answer, and what can be chosen.

A vendor's plugin says which GPUs there are and which variables name them. Nothing here knows one.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from canary.declare import Settings
from canary.hookspecs import hookimpl

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job
    from canary.resources import Machine


@dataclass(frozen=True, slots=True)
class GpuSettings(Settings):
    """What can be chosen for every vendor; the section is the vendor's name."""

    detect: str = field(
        default="auto",
        metadata={"help": "whether to look for GPUs", "flag": None, "choices": ("auto", "never")},
    )
    hide: bool = field(
        default=False, metadata={"help": "jobs that ask for no GPU see none", "flag": None}
    )


class GpuPlugin(abc.ABC):
    """The hooks. Remembers, between two of them, what each GPU is called in variables."""

    settings: ClassVar[type[GpuSettings]]
    variables: ClassVar[tuple[str, ...]]
    # how the ID of a GPU begins that is the word for it
    prefixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._config: Config | None = None
        self._elsewhere: frozenset[str] = frozenset()
        self._words: dict[str, str] | None = None

    @abc.abstractmethod
    def find(self, config: Config) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """The GPUs that this process may use: ID, word for the variables, properties."""

    @abc.abstractmethod
    def show(self, words: Sequence[str]) -> Mapping[str, str]:
        """The variables with which a job sees these GPUs and no others."""

    @hookimpl
    def canary_settings(self) -> type[Settings]:
        """The settings."""
        return self.settings

    @hookimpl
    def canary_configure(self, config: Config) -> None:
        """Keep the configuration: jobs may come to run where no machine was looked for."""
        self._config = config

    @hookimpl
    def canary_resources(
        self, config: Config, machine: Machine
    ) -> Mapping[str, Sequence[Mapping[str, Any]]] | None:
        """`gpus`, one for each that this process may use, if it is on one of the nodes."""
        self._elsewhere = frozenset(node.id for node in machine.nodes) - {machine.here or ""}
        if machine.here == "":
            return None
        found = self._find(config)
        return {"gpus": found} if found else None

    @hookimpl
    def canary_job_env(self, job: Job) -> Mapping[str, str] | None:
        """The words of the job's GPUs, unless the job sets one of the variables itself.

        A job over several nodes has all GPUs of each: nothing is hidden from it. What GPUs of
        another node are called is for whoever starts the job there.
        """
        entries, words = job.resources.get("gpus", ()), job.gpu_ids
        nodes = {str(entry["node"]) for entry in entries}
        is_elsewhere = len(nodes) > 1 or not nodes.isdisjoint(self._elsewhere)
        if is_elsewhere or {*self.variables} & {*job.spec.environment}:
            return None
        if not entries:
            hide = self._config is not None and self._config.settings(self.settings).hide
            return self.show(()) if hide and self._known() else None
        if not all(id.startswith(self.prefixes) for id in words):
            known = self._known()
            if not all(id in known for id in words):
                return None  # of a pool file, or GPUs of another kind
            words = [known[id] for id in words]
        return self.show(words)

    def _known(self) -> Mapping[str, str]:
        """Words by ID; looks for GPUs if that was not done, as with a pool file."""
        if self._words is None and self._config is not None:
            self._find(self._config)
        return self._words or {}

    def _find(self, config: Config) -> list[dict[str, Any]]:
        self._words = {}
        wanted = config.get("gpu_backend") in ("auto", self.settings.section)
        if not wanted or config.settings(self.settings).detect == "never":
            return []
        found = list(self.find(config))
        self._words = {id: word for id, word, _ in found}
        return [{"id": id, "properties": properties} for id, _, properties in found]
