"""The core's own settings."""

from __future__ import annotations

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
