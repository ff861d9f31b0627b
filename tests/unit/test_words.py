"""From words to main options and entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from canary.config import Entry
from canary.declare import Settings
from canary.errors import UsageError
from canary.options import Schema, closest, options_of
from canary.settings import core_options
from canary.words import MAIN, MainOptions, expand, flag_entries, split


@dataclass(frozen=True)
class Mine(Settings):
    section: ClassVar[str] = "mine"
    depth: int = field(default=3, metadata={"help": "h"})
    kind: str = field(default="a", metadata={"help": "h", "const": "b", "short": "-m"})
    on: bool = field(default=False, metadata={"help": "h"})


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema([*core_options(), *options_of(Mine, "plugin")])


def main(schema: Schema, line: str) -> MainOptions:
    return MainOptions(split(line), schema)


@pytest.mark.parametrize(
    ("line", "given", "command", "rest"),
    [
        ("run a b", [], "run", ["a", "b"]),
        ("", [], None, []),
        ("-C x -C y run -C z", [("-C", "x"), ("-C", "y")], "run", ["-C", "z"]),
        ("-Cx run", [("-C", "x")], "run", []),
        ("-vvq run", [("-v", ""), ("-v", ""), ("-q", "")], "run", []),
        ("-vp mod run", [("-v", ""), ("-p", "mod")], "run", []),
        ("--canary-dir=x run", [("--canary-dir", "x")], "run", []),
        ("--cache-dir x --banner run", [("--cache-dir", "x"), ("--banner", "")], "run", []),
        ("-c run:workers:3 run", [("-c", "run:workers:3")], "run", []),
        ("- run", [], "-", ["run"]),
    ],
)
def test_main_options(schema, line, given, command, rest):
    made = main(schema, line)
    assert (made.given, made.command, made.rest) == (given, command, rest)


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("-d run", [("debug", True)]),
        ("-dP run", [("debug", True), ("no_pager", True)]),
        ("--no-debug run", [("debug", False)]),
        ("--color never run", [("color", "never")]),
        ("--color=never run", [("color", "never")]),
        ("--workers 3 --mine-depth=5 run", [("run.workers", "3"), ("mine.depth", "5")]),
        ("--mine-kind run", [("mine.kind", "b")]),
        ("--mine-kind=c run", [("mine.kind", "c")]),
        ("--mine-on run", [("mine.on", True)]),
    ],
)
def test_flags_of_settings_stand_before_the_command_too(schema, line, flags):
    made = main(schema, line)
    assert [(option.key, value) for option, _, value in made.flags] == flags
    assert made.command == "run"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--wokers 3 run", "unknown option --wokers [did you mean --workers?]"),
        ("-Z run", "unknown option -Z"),
        ("-m run", "unknown option -m"),
        ("-C", "-C needs a value"),
        ("--color", "--color needs a value"),
        ("--version=3", "--version takes no value"),
        ("--debug=yes run", "--debug takes no value"),
    ],
)
def test_main_options_that_are_wrong(schema, line, problem):
    with pytest.raises(UsageError) as caught:
        main(schema, line)
    assert problem in str(caught.value)


def test_entries(schema):
    made = main(schema, "-e A=b=c -r cpus=4 -p x -p no:y -c debug:true --color never run")
    assert list(made.entries()) == [
        Entry(("environment", "set", "A"), "b=c", "-e A=b=c", text=True),
        Entry(("resource_pool", "cpus"), "4", "-r cpus=4", text=True),
        Entry(("debug",), "true", "-c debug:true", text=True),
        Entry(("plugins",), ("x", "no:y"), "-p"),
        Entry(("color",), "never", "--color", text=True),
    ]
    assert made.values("-p") == ["x", "no:y"]
    assert made.has("-h", "-p")
    assert not made.has("-h")


@pytest.mark.parametrize("line", ["-e A run", "-r cpus run", "-e =x run"])
def test_pairs(schema, line):
    with pytest.raises(UsageError, match=r"want -[er] NAME=VALUE"):
        list(main(schema, line).entries())


def test_flags_of_lists_and_tables(schema):
    found = schema.find(("run", "timeout"))
    assert found is not None
    timeout = found[0]
    found = schema.find(("environment", "unset"))
    assert found is not None
    unset = found[0]
    flags = [(timeout, "--timeout", ["a=1h", "b=2"]), (unset, "--unset", ["X"])]
    flags.append((unset, "--unset", "Y"))
    assert list(flag_entries(flags)) == [
        Entry(("run", "timeout", "a"), "1h", "--timeout", text=True),
        Entry(("run", "timeout", "b"), "2", "--timeout", text=True),
        Entry(("environment", "unset"), ("X", "Y"), "--unset"),
    ]
    with pytest.raises(UsageError, match="want --timeout TYPE=T"):
        list(flag_entries([(timeout, "--timeout", ["30"])]))


def test_expand(tmp_path, monkeypatch):
    (tmp_path / "words").write_text("-k\na b\n")
    assert expand(["run", "a%20b", "100%", "%zz", "%C3%BC"], {}) == [
        "run",
        "a b",
        "100%",
        "%zz",
        "ü",
    ]
    assert expand(["run", f"@{tmp_path}/words", "git@x"], {}) == ["run", "-k", "a b", "git@x"]
    assert expand(["run"], {"CANARY_ADDOPTS": "-d -C 'x y'"}) == ["-d", "-C", "x y", "run"]
    with pytest.raises(UsageError, match="@nothing: cannot be read"):
        expand(["@nothing"], {})
    with pytest.raises(UsageError, match="cannot split"):
        expand([], {"CANARY_ADDOPTS": "'"})
    assert expand(["@"], {}) == ["@"]


def test_undecodable_words_survive():
    assert expand(["a\udcff%20b"], {}) == ["a\udcff b"]


def test_closest():
    assert closest("stauts", ["status", "run"]) == "did you mean status?"
    assert closest("zzz", ["status"]) is None


def test_every_option_that_takes_effect_has_help():
    without = {name for name, _, text in MAIN if not text}
    assert without == {
        "--echo",
        "--banner",
        "--no-banner",
        "--cache-dir",
        "--sorted-profile",
        "--lines",
    }
