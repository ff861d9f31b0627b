"""`canary help --json`: what people read in `--help`, as data."""

from __future__ import annotations

import json

from canary.commands import CORE


def test_every_command_and_its_options_are_described(canary):
    made = json.loads(canary("help", "--json", expect=0).stdout)
    assert {name for name, _, _ in CORE} <= set(made["commands"])
    status = made["commands"]["status"]
    flags = {flag for row in status["arguments"] for flag in row["flags"]}
    shown = canary("status", "--help", expect=0).stdout
    assert flags
    assert {flag for flag in flags if flag not in shown} == set()
    assert {"flag": "-C", "value": "PATH", "help": "work in this directory"} in made["main_options"]
    assert "--color" in {row["flag"] for row in made["main_options"]}


def test_one_shape_at_a_time(canary):
    assert "not allowed with" in canary("help", "--json", "--all", expect=2).stderr


def test_help_fits_a_screen(canary):
    shown = canary("--help", expect=0).stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert len(shown) <= 62
    assert "  canary run tests       run what is below a directory" in shown
    assert "--log-level" not in "".join(shown)
    assert "--log-level" in canary("help", "--all", expect=0).stdout
    usage, empty = canary("run", "--help", expect=0).stdout.splitlines()[:2]
    assert (usage, empty) == ("usage: canary run [options] [PATH|JOB|TAG ...]", "")
