"""DEPENDS and FIXTURES_*: which tests of a tree wait for which, and for what end.

Names become IDs here: ctest lets tests of several directories have one name, and means them all.
A name that no test has is no fault for ctest, so it is none here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from canary.spec import DependencyPattern

Row = Mapping[str, Any]
_WAITING: Final = frozenset({"DEPENDS", "FIXTURES_CLEANUP", "FIXTURES_REQUIRED"})


class Fixtures:
    """Who sets up, requires and cleans up each fixture, by position in the list of tests."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.setup = self._members("FIXTURES_SETUP")
        self.required = self._members("FIXTURES_REQUIRED")
        self._named: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            self._named.setdefault(row["name"], []).append(i)

    def _members(self, key: str) -> dict[str, list[int]]:
        out: dict[str, list[int]] = {}
        for i, row in enumerate(self.rows):
            for fixture in row["properties"].get(key) or ():
                out.setdefault(fixture, []).append(i)
        return out

    def edges(self, i: int) -> dict[int, str]:
        """What test `i` waits for, `{position: when}`.

        A test waits for the success of what it DEPENDS on and of those that set its fixtures up; a
        cleanup for the end, whatever it is, of all that have to do with its fixture and run at all.
        """
        properties = self.rows[i]["properties"]
        out: dict[int, str] = {}
        for name in properties.get("DEPENDS") or ():
            out.update((j, "on_success") for j in self._named.get(name, ()))
        for fixture in properties.get("FIXTURES_REQUIRED") or ():
            out.update((j, "on_success") for j in self.setup.get(fixture, ()))
        for fixture in properties.get("FIXTURES_CLEANUP") or ():
            for j in (*self.setup.get(fixture, ()), *self.required.get(fixture, ())):
                if self._runs(j):
                    out[j] = "always"
                else:
                    # disabled, so that there is nothing to wait for: ctest cleans up all the same
                    out.pop(j, None)
        out.pop(i, None)
        return out

    def _runs(self, i: int) -> bool:
        row = self.rows[i]
        return bool(row["command"]) and not row["properties"].get("DISABLED")

    def patterns(self, i: int, ids: Sequence[str]) -> tuple[DependencyPattern, ...]:
        """The same for a spec; `ids` are those of the tests by position."""
        if not self.rows[i]["properties"].keys() & _WAITING:
            return ()
        return tuple(
            DependencyPattern(self.rows[j]["name"], when, "+", ids=(ids[j],))
            for j, when in self.edges(i).items()
        )
