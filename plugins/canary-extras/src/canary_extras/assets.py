"""Files that this distribution hands out; found through the entry-point group `canary.assets`."""

from __future__ import annotations

from pathlib import Path


def examples() -> Path:
    """A small tree of tests that pass."""
    return Path(__file__).parent / "examples"
