"""Reference pages say what the code says."""

from __future__ import annotations

import json
import re
import runpy

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


def test_the_page_of_commands_is_what_they_declare(root, canary):
    dev = runpy.run_path(str(root / "dev"))
    described = json.loads(canary("help", "--json", expect=0).stdout)
    written = (root / "docs" / "reference" / "commands.md").read_text()
    assert written == dev["commands_page"](described), "run ./dev docs"


def test_every_option_says_what_it_does(canary):
    described = json.loads(canary("help", "--json", expect=0).stdout)
    silent = [row["flag"] for row in described["main_options"] if not row["help"]]
    todo = list(described["commands"].items())
    while todo:
        name, command = todo.pop()
        silent += [(name, row["name"]) for row in command["arguments"] if not row["help"]]
        todo += [(f"{name} {word}", inner) for word, inner in command.get("words", {}).items()]
    assert silent == []
