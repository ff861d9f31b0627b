"""Reference pages say what the code says."""

from __future__ import annotations

import re

from canary.errors import ExitCode
from canary.status import Outcome

ROW = re.compile(r"^\| *([\w-]+) *\| *([\w-]+) *\| *([\w-]*) *\|", re.MULTILINE)


def test_exit_codes_are_those_of_the_enum(root):
    page = (root / "docs" / "reference" / "exit-codes.md").read_text()
    written = {
        name: int(code) for code, name, _ in re.findall(r"^\| *(\d+) \| (\w+) \|()", page, re.M)
    }
    assert written == {name: int(code) for name, code in ExitCode.__members__.items()}


def test_outcomes_are_those_of_the_enum(root):
    page = (root / "docs" / "reference" / "status.md").read_text()
    written = [(n, int(v), c) for n, v, c in ROW.findall(page) if v.lstrip("-").isdigit()]
    assert written == [(o.name, int(o), o.category.value) for o in Outcome]
