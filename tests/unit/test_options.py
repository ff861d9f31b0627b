"""Settings classes as options: what they declare, and what is a value of theirs."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.declare import Settings
from canary.discovery import Declared
from canary.errors import ConfigError, PluginError
from canary.options import Option, Schema, options_of


def doc(**more: Any) -> dict[str, Any]:
    return {"help": "help", **more}


@dataclass(frozen=True)
class Mine(Settings):
    section: ClassVar[str] = "mine.part"
    commands: ClassVar[tuple[str, ...]] = ("run", "find")
    count: int = field(default=3, metadata=doc())
    ratio: float = field(default=0.5, metadata=doc(flag="--ratio", short="-x"))
    mode: str = field(default="a", metadata=doc(choices=("a", "b")))
    maybe: str | None = field(default=None, metadata=doc(const="yes"))
    other: Optional[int] = field(default=None, metadata=doc())  # noqa: UP045 - also written so
    on: bool = field(default=False, metadata=doc())
    names: tuple[str, ...] = field(default=("x",), metadata=doc(choices=("x", "y")))
    table: dict[str, str] = field(default_factory=dict, metadata=doc())
    counts: dict[str, int] = field(default_factory=dict, metadata=doc())
    wait: float = field(default=1.0, metadata=doc(kind="duration"))
    waits: dict[str, float] = field(default_factory=dict, metadata=doc())
    size: int | None = field(default=None, metadata=doc(kind="size"))
    anything: Any = field(default=None, metadata=doc(flag=None))


@pytest.fixture(scope="module")
def mine() -> dict[str, Option]:
    return {option.name: option for option in options_of(Mine, "plugin 'mine' (mine 1.0)")}


def test_what_is_declared(mine):
    count = mine["count"]
    assert count.key == "mine.part.count"
    assert count.variable == "CANARY_MINE_PART_COUNT"
    assert count.flag == "--mine-part-count"
    assert count.commands == ("run", "find")
    assert mine["ratio"].flag == "--ratio"
    assert mine["anything"].flag is None
    kinds = {name: (o.kind, o.optional) for name, o in mine.items()}
    assert kinds["maybe"] == ("str", True)
    assert kinds["other"] == ("int", True)
    assert kinds["waits"] == ("durations", False)
    assert kinds["names"] == ("list", False)


def test_types_that_are_not_texts():
    """A module without `from __future__ import annotations` has the types themselves."""

    class Other(Settings):
        section = "other"
        a: int = field(default=1, metadata=doc())
        b: str = field(default="", metadata=doc())
        c: tuple[str, ...] = field(default=(), metadata=doc())

    Other.__annotations__ = {"a": int, "b": str | None, "c": tuple[str, ...]}
    kinds = [(o.kind, o.optional) for o in options_of(dataclass(frozen=True)(Other))]
    assert kinds == [("int", False), ("str", True), ("list", False)]


def test_options_survive_storage(mine):
    offered = Declared((("c", "help", ("alias",)),), tuple(mine.values()))
    assert Declared.read(json.loads(json.dumps(offered))) == offered


@pytest.mark.parametrize(
    ("name", "data", "value"),
    [
        ("count", 7, 7),
        ("ratio", 2, 2.0),
        ("mode", "B", "b"),
        ("maybe", None, None),
        ("on", True, True),
        ("names", ["X", "y"], ("x", "y")),
        ("table", {"a": 1, "b": "c"}, {"a": "1", "b": "c"}),
        ("counts", {"cpus": 4}, {"cpus": 4}),
        ("wait", "1m 30s", 90.0),
        ("wait", 5, 5.0),
        ("waits", {"a": "1h", "b": -1}, {"a": 3600.0, "b": -1.0}),
        ("size", 10, 10),
        ("size", "1.5K", 1536),
        ("size", "2GiB", 2 << 30),
        ("anything", {"a": [1]}, {"a": [1]}),
    ],
)
def test_value(mine, name, data, value):
    made = mine[name].value(data)
    assert made == value
    assert type(made) is type(value) or isinstance(made, type(value))


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("count", "7", "must be a whole number, not '7'"),
        ("count", True, "must be a whole number, not True"),
        ("count", 1.5, "must be a whole number"),
        ("count", None, "must be a whole number, not nothing"),
        ("other", "x", "must be a whole number, or none"),
        ("ratio", "x", "must be a number"),
        ("mode", "c", "must be a or b, not 'c'"),
        ("on", 1, "must be true or false, not 1"),
        ("names", "x", "must be"),
        ("names", ["z"], "must be x or y, not 'z'"),
        ("table", ["a"], "must be a table of texts"),
        ("table", {"a": True}, "must be a text, not True"),
        ("counts", {"a": -1}, "must be a whole number, not -1"),
        ("counts", {"a": "x"}, "must be a whole number, not 'x'"),
        ("wait", "soon", "not a duration"),
        ("wait", -1, "cannot be negative"),
        ("waits", {"a": "soon"}, "not a duration"),
        ("size", "inf", "must be a number of bytes"),
        ("size", "nanK", "must be a number of bytes"),
        ("size", "big", "must be a number of bytes"),
        ("size", -1, "must be a number of bytes"),
        ("size", "-5", "must be a number of bytes"),
        ("size", "-1K", "must be a number of bytes"),
    ],
)
def test_no_value(mine, name, data, problem):
    with pytest.raises(ConfigError) as caught:
        mine[name].value(data)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "7", 7),
        ("other", "none", None),
        ("on", "Yes", True),
        ("on", "0", False),
        ("names", "x, y,", ("x", "y")),
        ("table", "a=1,b=c=d", {"a": "1", "b": "c=d"}),
        ("counts", "cpus=4", {"cpus": 4}),
        ("waits", "a=1h,b=5", {"a": 3600.0, "b": 5.0}),
        ("size", "10M", 10 << 20),
        ("maybe", "None", None),
        ("mode", "a", "a"),
    ],
)
def test_read(mine, name, text, value):
    assert mine[name].read(text) == value


@pytest.mark.parametrize(("name", "text"), [("count", "x"), ("on", "maybe"), ("table", "a")])
def test_text_that_is_no_value_is_shown(mine, name, text):
    with pytest.raises(ConfigError, match=repr(text)):
        mine[name].read(text)


def test_entry_below_an_option(mine):
    assert mine["table"].entry(("PATH",), "/a") == {"PATH": "/a"}
    assert mine["table"].entry(("PATH", "/a"), "/b") == {"PATH": "/a:/b"}
    assert mine["waits"].entry(("long",), "1h") == {"long": 3600.0}
    assert mine["counts"].entry(("cpus",), "4") == {"cpus": 4}
    assert mine["anything"].entry(("a", "b"), "c") == {"a": {"b": "c"}}


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_an_error(text):
    """And nothing else is ever raised."""
    for option in options_of(Mine):
        with contextlib.suppress(ConfigError):
            option.read(text)


def test_schema_finds_and_hints(mine):
    schema = Schema(mine.values())
    found = schema.find(("mine", "part", "waits", "a", "b"))
    assert found is not None
    assert (found[0].name, found[1]) == ("waits", ("a", "b"))
    assert schema.find(("mine", "part")) is None
    assert schema.is_section(("mine", "part"))
    assert schema.is_section(())
    assert not schema.is_section(("mine", "part", "count"))
    assert schema.hint(("mine", "part", "cuont")) == "did you mean mine.part.count?"
    assert schema.by_flag("--no-mine-part-on") is mine["on"]
    assert schema.by_flag("-x") is None
    assert [o.name for o in schema.of_command("find")] == [n for n in mine if n != "anything"]


def test_two_of_one_key_or_flag():
    class A(Settings):
        section = "a"
        commands = ("run",)
        x: int = field(default=1, metadata=doc(flag="--same"))

    class B(Settings):
        section = "b"
        commands = ("run",)
        x: int = field(default=1, metadata=doc(flag="--same"))

    one = options_of(dataclass(frozen=True)(A), "plugin 'one'")
    two = options_of(dataclass(frozen=True)(B), "plugin 'two'")
    with pytest.raises(PluginError, match="--same is declared by plugin 'one' and plugin 'two'"):
        Schema([*one, *two])
    with pytest.raises(PluginError, match=r"setting a.x is declared by plugin 'one' and canary it"):
        Schema([*one, *options_of(A)])


def test_what_is_no_settings_class():
    class Plain:
        pass

    with pytest.raises(PluginError, match="settings are a dataclass with `section`"):
        options_of(Plain)
