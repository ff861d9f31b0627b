"""The core's own settings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from canary.commands import running
from canary.config import load
from canary.options import Schema
from canary.settings import CORE, Environment, core_options


def test_every_setting_has_help_and_a_default_that_is_a_value():
    for option in core_options():
        assert option.help
        assert option.default is None or option.value(option.default) == option.default


def test_they_do_not_clash_with_each_other():
    schema = Schema(core_options())
    assert len({option.variable for option in schema.options.values()}) == len(schema.options)
    assert {cls.section for cls in CORE} == {option.section for option in core_options()}


def test_environment_applies_in_order():
    change = Environment(
        set={"A": "1", "NEW": "2"},
        unset=("GONE",),
        prepend_path={"PATH": "/first", "EMPTY": "/only"},
        append_path={"PATH": "/last", "FRESH": "/it"},
    )
    base = {"A": "0", "GONE": "x", "PATH": "/bin", "EMPTY": ""}
    assert change.apply(base) == {
        "A": "1",
        "NEW": "2",
        "PATH": "/first:/bin:/last",
        "EMPTY": "/only",
        "FRESH": "/it",
    }
    assert base["GONE"] == "x"


@pytest.mark.parametrize(
    ("said", "limit"),
    [((), 1 << 30), (["run:output:limit:2K"], 2048), (["run.output.limit=none"], None)],
)
def test_limit_of_output(said, limit):
    made = running._launch_settings(Namespace(copy_all_resources=False), load(overrides=said))
    assert made.output_limit == limit


def test_the_reference_has_every_setting():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = {row[0].strip("| `"): row for row in rows}
    for option in core_options():
        assert option.key in told
        row = told[option.key]
        assert row[1] == option.kind
        assert option.help in row[4]
        assert all(f"`{choice}`" in row[4] for choice in option.choices)
        assert (f"`{option.flag}`" in row[3]) if option.flag else row[3] == "–"
