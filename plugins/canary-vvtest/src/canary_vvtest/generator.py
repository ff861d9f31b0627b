"""`VvtGenerator`: the two halves of reading a test file, for canary's collection.

They are imported when there is a file to read: a run of other formats does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from canary.spec import ExpandContext, JobSpec, Loaded, SpecFile, SpecGenerator


class VvtGenerator(SpecGenerator):
    """Scripts with `#VVT:` comments."""

    name: ClassVar[str] = "vvt"
    patterns: ClassVar[tuple[str, ...]] = ("*.vvt",)
    version: ClassVar[int] = 2
    description: ClassVar[str] = "scripts with #VVT: comments, as vvtest reads them"

    def load(self, file: SpecFile) -> Loaded:
        """See `SpecGenerator.load`."""
        from canary_vvtest.reader import load

        return load(file.file)

    def expand(self, file: SpecFile, data: Any, context: ExpandContext) -> list[JobSpec]:
        """See `SpecGenerator.expand`."""
        from canary_vvtest.expand import expand

        return expand(file, data, context)

    def describe(self, file: SpecFile, data: Any) -> Mapping[str, Any]:  # noqa: ARG002 - as loaded
        """The description and the source files, conditions left out of account."""
        out: dict[str, Any] = {}
        if "description" in data:
            out["description"] = data["description"]
        if words := dict.fromkeys(w for entry in data.get("keywords", ()) for w in entry[2]):
            out["keywords"] = list(words)
        if "owners" in data:
            out["owners"] = list(data["owners"])
        if options := _options(data):
            out["options"] = options
        sources: dict[str, list[str]] = {}
        for _, _, action, src, dst in data.get("assets", ()):
            sources.setdefault(action, []).append(f"{src} -> {dst}" if dst else src)
        if sources:
            out["sources"] = sources
        if "interpreter" in data:
            out["interpreter"] = list(data["interpreter"])
        return out


def _options(data: Mapping[str, Any]) -> list[str]:
    """What `-o` can turn on: the names in conditions on options, which come first in a row."""
    from canary.expression import compile_names

    names: set[str] = set()
    for rows in data.values():
        for row in rows if isinstance(rows, list) else ():
            for condition in row[0] if isinstance(row[0], tuple) else ():
                names.update(compile_names(condition.get("options", ""), ignore_case=False).names())
    return sorted(names)
