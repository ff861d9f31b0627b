"""The name that this distribution gives to `canary`: `canary.mpi`, for test files."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

NAMES: Final[Mapping[str, str]] = {"mpi": "canary_mpi.api"}
