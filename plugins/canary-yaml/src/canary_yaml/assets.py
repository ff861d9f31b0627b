"""Files that `canary fetch` hands out."""

from __future__ import annotations

from pathlib import Path


def schema() -> Path:
    """The JSON Schema of the files, for editors."""
    return Path(__file__).parent / "schema.json"
