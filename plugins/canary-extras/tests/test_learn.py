"""`canary learn`: what the installation says of itself is what it does."""

from __future__ import annotations

import json

import pytest

from canary.errors import ExitCode, UsageError
from canary.status import Outcome
from canary_extras.learn import names_below, select

PLUGIN = """\
from dataclasses import dataclass, field
import canary

@dataclass(frozen=True, slots=True)
class Mine(canary.Settings):
    section = "mine"
    depth: int = field(default=3, metadata={"help": "how deep"})

def arguments(parser):
    parser.add_argument("--far", choices=("a", "b"), default="a", help="how far, 10%% or more")

@canary.hookimpl
def canary_settings():
    return Mine

@canary.hookimpl
def canary_commands():
    return [canary.Command(name="walk", help="go", run=lambda a, c: 0, arguments=arguments)]
"""


def learned(canary, *words):
    return json.loads(canary("learn", *words).stdout)


def test_all_of_it_has_a_schema_and_the_core(canary):
    made = learned(canary, "capabilities")
    assert (made["schema_version"], made["namespace"]) == (1, ".")
    core = made["data"]["core"]
    assert core["exit_codes"] == {n: int(c) for n, c in ExitCode.__members__.items()}
    assert core["statuses"]["DIFFED"] == {"value": 64, "category": "FAIL", "exit_bit": 2}
    assert set(core["statuses"]) == set(Outcome.__members__)
    assert core["hooks"]["canary_machine"]["first_result_wins"] is True
    assert core["hooks"]["canary_job_finish"]["arguments"] == ["job", "exit"]
    assert {"run", "status", "help"} <= set(core["commands"])
    assert made["data"]["pyt"]["formats"]["pyt"]["patterns"][0] == "*.pyt"
    assert set(made["data"]["extras"]["commands"]) == {"edit", "fetch", "docs", "learn"}


def test_options_are_those_of_the_parser(canary):
    run = learned(canary, "capabilities", "core.commands.run")
    assert run["namespace"] == "core.commands.run"
    flags = {flag for row in run["data"]["arguments"] for flag in row["flags"]}
    shown = canary("run", "--help").stdout
    assert {"-k", "--workers"} <= flags
    assert {flag for flag in flags if flag not in shown} == set()


def test_words_of_a_command_have_arguments_of_their_own(canary):
    query = learned(canary, "capabilities", "core.commands.query")["data"]
    flags = {flag for row in query["words"]["jobs"]["arguments"] for flag in row["flags"]}
    assert "--where" in flags


def test_a_plugin_brought_along_describes_itself(here, canary):
    (here / "mine.py").write_text(PLUGIN)
    made = json.loads(canary("-p", "mine.py", "learn", "capabilities").stdout)["data"]
    (mine,) = [part for part in made.values() if "walk" in part.get("commands", {})]
    far = mine["commands"]["walk"]["arguments"][-1]
    assert (far["flags"], far["choices"]) == (["--far"], ["a", "b"])
    assert far["help"] == "how far, 10% or more"
    assert mine["settings"]["mine.depth"]["default"] == 3
    assert "walk" not in made["core"]["commands"]
    assert "mine.depth" not in made["core"]["settings"]


def test_a_blocked_plugin_is_not_there(canary):
    done = canary("-p", "no:canary_ctest", "learn", "capabilities", "--list")
    assert "ctest" not in done.stdout.split()
    assert "extras" in done.stdout.split()


def test_a_directory_called_canary_is_not_the_program(here, canary):
    # `python -m canary` would take a directory of that name in which it is started
    (here / "canary").mkdir()
    (here / "canary" / "__init__.py").write_text("raise SystemExit(9)\n")
    done = canary("learn", "capabilities", "core.exit_codes", "--terse")
    assert json.loads(done.stdout)["FAILED"] == 8


def test_terse_is_one_line_with_that_part_alone(canary):
    text = canary("learn", "capabilities", "core.exit_codes", "--terse").stdout
    assert text.count("\n") == 1
    assert json.loads(text)["GATE"] == 64


def test_names_that_are_listed_can_be_asked_for(canary):
    names = canary("learn", "capabilities", "core", "--list").stdout.split()
    assert "core.commands.run" in names
    made = learned(canary, "capabilities")["data"]
    for name in names:
        select(made, name)


def test_skills_are_the_guide_and_what_plugins_say(here, canary):
    skill = learned(canary, "skills", "core.start")["data"]
    assert skill["title"] == "A first session"
    assert skill["text"].startswith("# A first session")
    extras = learned(canary, "skills", "extras.overview")["data"]
    assert "canary fetch" in extras["text"]
    canary("learn", "skills", "core", "--markdown", "all.md")
    assert skill["text"].strip() in (here / "all.md").read_text()


def test_capabilities_as_markdown(here, canary):
    canary("learn", "capabilities", "core.exit_codes", "--markdown", "codes.md")
    text = (here / "codes.md").read_text()
    assert text.startswith("# core.exit_codes\n")
    assert json.loads(text.partition("```json\n")[2].partition("```")[0])["GATE"] == 64
    done = canary("learn", "capabilities", "--markdown", "no/where.md", expect=2)
    assert "no/where.md" in done.stderr


def test_a_wrong_query_is_one_line(canary):
    done = canary("learn", "capabilities", "core.comands.run", expect=2)
    assert done.stderr == "ERROR: there is no 'comands.run' in core [did you mean commands?]\n"


def test_names_with_dots_are_found():
    tree = {"a": {"b.c": {"d": 1}, "b": {"x": 2}}}
    assert select(tree, ".") is tree
    assert select(tree, "a.b.c.d") == 1
    assert select(tree, "a.b.x") == 2
    assert list(names_below(tree, ".")) == ["a", "a.b.c", "a.b"]
    with pytest.raises(UsageError, match="it has no parts"):
        select(tree, "a.b.x.y")
