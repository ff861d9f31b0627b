"""Text of others, shown."""

from __future__ import annotations

import pytest

from canary.table import quote


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error file=a::text", r":\x3aerror file=a::text"),
        ("  ::stop-commands::x", r"  :\x3astop-commands::x"),
        ("##vso[task.complete]", r"#\x23vso[task.complete]"),
        ("at the end ##[error]x", r"at the end #\x23[error]x"),
        ("##teamcity[x]", r"#\x23teamcity[x]"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ],
)
def test_quoted_lines_are_no_orders(line, shown):
    assert quote(line) == shown


@pytest.mark.parametrize("line", ["## heading", "std::vector", "a ::b", "x[1] # [2]", ""])
def test_other_lines_stay(line):
    assert quote(line) == line
