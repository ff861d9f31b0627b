"""The table of the older tool's hooks."""

from __future__ import annotations

import re
from pathlib import Path

from canary import hookspecs, oldtool


def test_each_replacement_is_a_hook_that_exists():
    ours = {name for name in vars(hookspecs) if name.startswith("canary_")}
    for old, text in oldtool.HOOKS.items():
        named = re.findall(r"(canary_\w+)\(\)", text)
        assert named or text.startswith("none: "), old
        assert set(named) <= ours, old
        assert old not in ours


def test_replacement():
    assert oldtool.HOOKS["canary_runteststart"] == "canary_job_setup()"
    assert "canary_nothing" not in oldtool.HOOKS


def test_the_migration_page_has_the_same_table():
    page = (Path(__file__).parents[2] / "docs" / "guide" / "migrating.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{old}` | {text} |" for old, text in oldtool.HOOKS.items()]
