"""Text of others, shown; counts in words."""

from __future__ import annotations

import pytest

from canary.table import counted, quote


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


@pytest.mark.parametrize(
    ("n", "what", "said"),
    [
        (0, "job", "0 jobs"),
        (1, "job", "1 job"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
    ],
)
def test_what_is_counted_is_in_the_plural_where_it_is_not_one(n, what, said):
    assert counted(n, what) == said
