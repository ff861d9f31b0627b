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
        self._disabled = {i for i, row in enumerate(rows) if row["properties"].get("DISABLED")}

    def _members(self, key: str) -> dict[str, list[int]]:
        out: dict[str, list[int]] = {}
        for i, row in enumerate(self.rows):
            for fixture in row["properties"].get(key) or ():
                out.setdefault(fixture, []).append(i)
        return out

    def edges(self, i: int) -> dict[int, str]:
        """What test `i` waits for, `{position: when}`.

        A test waits for the success of what it DEPENDS on and of those that set its fixtures up; a
        cleanup for the end, whatever it is, of those that set up and of the users that are run.
        Nobody waits for a test that is DISABLED, as with ctest.
        """
        properties = self.rows[i]["properties"]
        out: dict[int, str] = {}
        for key, members, when in (
            ("DEPENDS", self._named, "on_success"),
            ("FIXTURES_REQUIRED", self.setup, "on_success"),
            ("FIXTURES_CLEANUP", self.required, "if_run"),
            ("FIXTURES_CLEANUP", self.setup, "always"),
        ):
            for name in properties.get(key) or ():
                out.update((j, when) for j in members.get(name, ()) if j not in self._disabled)
        out.pop(i, None)
        return out

    def patterns(self, i: int, ids: Sequence[str]) -> tuple[DependencyPattern, ...]:
        """The same for a spec; `ids` are those of the tests by position."""
        if not self.rows[i]["properties"].keys() & _WAITING:
            return ()
        return tuple(
            DependencyPattern(self.rows[j]["name"], when, "+", ids=(ids[j],))
            for j, when in self.edges(i).items()
        )
