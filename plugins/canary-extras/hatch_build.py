"""Put the pages of the manual into the distribution, which a page outside of it is not by itself.

A source distribution holds them already; an editable installation reads them where they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = ("guide", "reference", "differences.md")


class PagesHook(BuildHookInterface):  # type: ignore[type-arg] # what a hook is given does not matter
    """Adds `docs/` as `canary_extras/manual`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the pages, if this is a checkout of the project."""
        docs = Path(self.root).parents[1] / "docs"
        if version == "editable" or not docs.is_dir():
            return
        place = (
            "canary_extras/manual" if self.target_name == "wheel" else "src/canary_extras/manual"
        )
        for name in PAGES:
            build_data["force_include"][str(docs / name)] = f"{place}/{name}"
