"""Files that this distribution hands out; found through the entry-point group `canary.assets`."""

from __future__ import annotations

from pathlib import Path


def canary_cmake() -> Path:
    """`Canary.cmake`, for `include(Canary)` in a project's `CMakeLists.txt`."""
    return Path(__file__).parent / "data" / "Canary.cmake"
