"""`YamlGenerator`: the two halves of reading a file of declared tests, for canary's collection.

They are imported when there is a file to read: a run of other formats does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from canary.spec import ExpandContext, JobSpec, Loaded, SpecFile, SpecGenerator


class YamlGenerator(SpecGenerator):
    """YAML and TOML files with a mapping `tests`."""

    name: ClassVar[str] = "yaml"
    patterns: ClassVar[tuple[str, ...]] = (
        "canary_*.yaml",
        "*.canary.yaml",
        "canary_*.toml",
        "*.canary.toml",
    )
    version: ClassVar[int] = 1
    description: ClassVar[str] = "tests declared in YAML and TOML, with reference values"

    def load(self, file: SpecFile) -> Loaded:
        """See `SpecGenerator.load`."""
        from canary_yaml.reader import read
        from canary_yaml.schema import check

        return Loaded(check(*read(file.file)), cacheable=True)

    def expand(self, file: SpecFile, data: Any, context: ExpandContext) -> list[JobSpec]:
        """See `SpecGenerator.expand`."""
        from canary_yaml.expand import expand

        return expand(file, data, context)

    def describe(self, file: SpecFile, data: Any) -> Mapping[str, Any]:  # noqa: ARG002 - as loaded
        """The description of the file and those of its tests."""
        said = {t["name"]: t["description"] for t in data["tests"] if "description" in t}
        out = {"description": data["description"]} if "description" in data else {}
        return {**out, **({"tests": said} if said else {})}
