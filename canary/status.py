"""What a job came to: category, outcome, reason and code.

The integer of an outcome is what files store and, for 64 and 80, what a process exits with. A
`Status` is frozen and replaced, never changed. This module knows nothing of jobs, files or
terminals beyond a glyph and a colour name.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from canary.errors import ExitCode, RecordError


class Category(str, enum.Enum):
    """The five kinds of end (and NONE: no end yet)."""

    NONE = "NONE"
    PASS = "PASS"
    FAIL = "FAIL"
    ABORTED = "ABORTED"
    NOTRUN = "NOTRUN"

    @property
    def colour(self) -> str:
        """Name of the terminal colour; a word always stands beside it."""
        return _COLOURS[self.value]

    @property
    def rank(self) -> int:
        """Its place in what people read: what passed, then what has no end, failures last."""
        return {"PASS": 0, "FAIL": 2}.get(self.value, 1)


_COLOURS: Final[Mapping[str, str]] = {
    "NONE": "default",
    "PASS": "green",
    "FAIL": "red",
    "ABORTED": "magenta",
    "NOTRUN": "yellow",
}


class Outcome(enum.IntEnum):
    """What exactly happened; the value is the stored integer, `category` what it belongs to."""

    category: Category

    def __new__(cls, value: int) -> Outcome:
        """A member with its category, which is asked for more often than anything else."""
        member = int.__new__(cls, value)
        member._value_ = value
        bounds = (
            (0, Category.NONE),
            (64, Category.PASS),
            (70, Category.FAIL),
            (80, Category.ABORTED),
        )
        member.category = next((c for bound, c in bounds if value < bound), Category.NOTRUN)
        return member

    NONE = -1
    SUCCESS = 0
    XDIFF = 10
    XFAIL = 11
    DIFFED = 64
    FAILED = 65
    ERROR = 66
    BROKEN = 67
    TIMEOUT = 68
    INVALID = 69
    CANCELLED = 70
    INTERRUPTED = 71
    SKIPPED = 80
    BLOCKED = 81
    OVERSIZED = 82

    @property
    def glyph(self) -> str:
        """One sign for a terminal that can show it, or nothing."""
        return _GLYPHS.get(self.value, "✗" if self.category is Category.FAIL else "")


_UNRUN: Final[Mapping[int, str]] = dict.fromkeys((70, 71, 80, 81, 82), "⊘")
_GLYPHS: Final[Mapping[int, str]] = {10: "✓", 11: "✓", 66: "⚠", 68: "⏱", **_UNRUN}

DIFF_EXIT_CODE = 64
SKIP_EXIT_CODE = 80

_DEFAULT_OUTCOME: Final[Mapping[Category, Outcome]] = {
    Category.NONE: Outcome.NONE,
    Category.PASS: Outcome.SUCCESS,
    Category.FAIL: Outcome.FAILED,
    Category.ABORTED: Outcome.CANCELLED,
    Category.NOTRUN: Outcome.SKIPPED,
}

# the names that workspaces of older releases hold
_OLD_CATEGORIES: Final[Mapping[str, str]] = {"SKIP": "NOTRUN", "CANCEL": "ABORTED"}

# by outcome, else by its category
_EXIT_BITS: Final[Mapping[Outcome | Category, ExitCode]] = {
    Outcome.DIFFED: ExitCode.DIFFED,
    Outcome.TIMEOUT: ExitCode.TIMEOUT,
    Outcome.OVERSIZED: ExitCode.NOT_RUN,
    Category.FAIL: ExitCode.FAILED,
    Category.ABORTED: ExitCode.ABORTED,
    Category.NONE: ExitCode.NOT_RUN,
}


@dataclass(frozen=True, slots=True)
class Status:
    """Category and outcome always agree; `code` is the process's exit code, or the outcome's
    integer."""

    outcome: Outcome = Outcome.NONE
    reason: str | None = None
    code: int = -1

    @property
    def category(self) -> Category:
        """The category of the outcome."""
        return self.outcome.category

    @classmethod
    def make(
        cls,
        category: Category | str | None = None,
        outcome: Outcome | str | int | None = None,
        reason: str | None = None,
        code: int | None = None,
    ) -> Status:
        """Make a status from any part; what is missing is inferred, what disagrees is a
        ValueError."""
        kind = None if category is None else read_category(category)
        if outcome is None:
            result = _DEFAULT_OUTCOME[kind] if kind is not None else Outcome.NONE
        else:
            result = read_outcome(outcome)
        if kind is not None and result.category is not kind:
            raise ValueError(f"outcome {result.name} is not of category {kind.value}")
        return cls(result, reason, int(result) if code is None or code == -1 else code)

    @property
    def text(self) -> str:
        """`CATEGORY (OUTCOME)`, as people see it."""
        return f"{self.category.value} ({self.outcome.name})"

    @property
    def exit_bit(self) -> int:
        """What this status adds to the exit code of a session."""
        bit = _EXIT_BITS.get(self.outcome) or _EXIT_BITS.get(self.category)
        return int(bit or 0)

    def asdict(self) -> dict[str, Any]:
        """For files: the outcome is its integer."""
        return {
            "category": self.category.value,
            "outcome": int(self.outcome),
            "reason": self.reason,
            "code": self.code,
        }

    @classmethod
    def fromdict(cls, data: Mapping[str, Any]) -> Status:
        """Read what `asdict` wrote, also as older releases wrote it; RecordError if it is
        neither."""
        try:
            reason = data.get("reason")
            status = cls.make(
                data.get("category"),
                data.get("outcome"),
                None if reason is None else str(reason),
            )
            # -1 may be a signal here: it was written, not left out
            return replace(status, code=int(data["code"])) if "code" in data else status
        except (ValueError, TypeError, KeyError, AttributeError) as e:
            raise RecordError(f"not a status: {e}") from None


def read_category(value: Category | str) -> Category:
    """The category of that name in any case, older names included; ValueError otherwise."""
    if isinstance(value, Category):
        return value
    name = str(value).upper()
    return Category(_OLD_CATEGORIES.get(name, name))


def read_outcome(value: Outcome | str | int) -> Outcome:
    """The outcome of that name (any case) or integer; ValueError otherwise."""
    if isinstance(value, int):
        return Outcome(value)
    try:
        return Outcome[str(value).upper()]
    except KeyError:
        raise ValueError(f"unknown outcome {value!r}") from None


def judge_exit_code(
    code: int, *, xstatus: int = 0, skip_codes: Collection[int] = (80,), name: str = "job"
) -> Status:
    """The status for an exit code: 0 pass, 64 diffed, skip codes skipped, else failed; reversed
    where expected."""
    if xstatus == DIFF_EXIT_CODE:
        if code == DIFF_EXIT_CODE:
            return Status.make(None, Outcome.XDIFF, f"{name}: differed, as expected")
        return Status(Outcome.FAILED, f"{name}: should have differed, exited {code}", code)
    if xstatus < 0:
        if code != 0:
            return Status.make(None, Outcome.XFAIL, f"{name}: failed with {code}, as expected")
        return Status(Outcome.FAILED, f"{name}: should have failed, exited 0", code)
    if xstatus > 0:
        if code == xstatus:
            return Status.make(None, Outcome.XFAIL, f"{name}: exited {code}, as expected")
        return Status(Outcome.FAILED, f"{name}: should have exited {xstatus}, not {code}", code)
    if code == 0:
        return Status(Outcome.SUCCESS, None, 0)
    if code == DIFF_EXIT_CODE:
        return Status(Outcome.DIFFED, "exit code 64 reports a difference", code)
    if code in skip_codes:
        return Status(Outcome.SKIPPED, f"exit code {code} reports a skip", code)
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return Status(Outcome.FAILED, how, code)
