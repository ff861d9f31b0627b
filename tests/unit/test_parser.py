"""One command's options: before, between and after paths, strict, and in one line when wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from canary.declare import Settings
from canary.errors import PluginError, UsageError
from canary.options import options_of
from canary.parser import Finished, Parser, add_options, given_options


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="canary work", description="Work.")
    made.add_argument("paths", nargs="*")
    made.add_argument("-k", action="append", default=[])
    made.add_argument("--workers", type=int)
    made.add_argument("-w", action="store_true")
    made.add_argument("-n", "--number", nargs="?", type=int, const=10)
    made.add_argument("--show", nargs="?", choices=("o", "e"), const="o")
    return made


@pytest.mark.parametrize(
    "line",
    [
        "-k x --workers 3 a b",
        "a -k x b --workers 3",
        "a b -k x --workers=3",
        "-k x a --workers 3 b",
    ],
)
def test_options_stand_anywhere(parser, line):
    args = parser.parse(line.split())
    assert (args.paths, args.k, args.workers, args.w) == (["a", "b"], ["x"], 3, False)


@pytest.mark.parametrize(
    ("line", "number", "paths"),
    [
        ("-n a", 10, ["a"]),
        ("--number a", 10, ["a"]),
        ("--number 3 a", 3, ["a"]),
        ("a -n", 10, ["a"]),
        ("-n5 a", 5, ["a"]),
        ("-n -w a", 10, ["a"]),
        ("a -- -n", None, ["a", "-n"]),
    ],
)
def test_a_value_that_may_be_left_out_takes_no_path(parser, line, number, paths):
    args = parser.parse(line.split())
    assert (args.number, args.paths) == (number, paths)


def test_choices_tell_a_value_from_a_path(parser):
    assert vars(parser.parse(["--show", "t"]))["show"] == "o"
    assert vars(parser.parse(["--show", "e"]))["show"] == "e"


def test_words_after_the_dashes(parser):
    assert parser.parse(["a", "--", "-b"]).paths == ["a", "-b"]
    parser.set_defaults(script_args=())
    args = parser.parse(["a", "--", "-b", "--", "c"])
    assert (args.paths, args.script_args) == (["a"], ("-b", "--", "c"))
    assert parser.parse(["a"]).script_args == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--wokers 3", "canary work: unknown option --wokers [did you mean --workers?]"),
        ("--work 3", "unknown option --work [did you mean --workers?]"),
        ("a --zzz", "unknown option --zzz [see canary work --help]"),
        ("--workers x", "argument --workers: invalid int value: 'x'"),
        ("--workers", "argument --workers: expected one argument"),
        ("--show=x", "invalid choice: 'x'"),
    ],
)
def test_what_is_wrong_is_one_line(parser, line, problem):
    with pytest.raises(UsageError) as caught:
        parser.parse(line.split())
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_ends_the_parsing_and_not_the_process(parser, capsys):
    with pytest.raises(Finished):
        parser.parse(["--help"])
    assert capsys.readouterr().out.startswith("usage: canary work")


def test_subcommands():
    made = Parser(prog="canary query")
    made.add_argument("--all", action="store_true")
    actions = made.add_subparsers(dest="what", required=True)
    job = actions.add_parser("job")
    job.add_argument("id")
    job.add_argument("--clean", action="store_true")
    args = made.parse(["--all", "job", "abc", "--clean"])
    assert (args.what, args.id, args.all, args.clean) == ("job", "abc", True, True)
    with pytest.raises(UsageError, match=r"canary query.*invalid choice"):
        made.parse(["jbo"])
    with pytest.raises(UsageError, match=r"unknown option --claen"):
        made.parse(["job", "abc", "--claen"])


@dataclass(frozen=True)
class Mine(Settings):
    section: ClassVar[str] = "mine"
    depth: int = field(default=3, metadata={"help": "how deep, 100% sure"})
    names: tuple[str, ...] = field(default=(), metadata={"help": "whom"})
    table: dict[str, str] = field(default_factory=dict, metadata={"help": "pairs"})
    on: bool = field(default=True, metadata={"help": "hurry"})
    show: str = field(
        default="a", metadata={"help": "what", "const": "b", "choices": ("a", "b", "c")}
    )
    mode: str = field(default="x", metadata={"help": "how", "flag": "--mode", "short": "-k"})


def given(parser: Parser, line: str) -> dict[str, object]:
    options = options_of(Mine, "plugin 'mine' (mine 1.0)")
    add_options(parser, options)
    args = parser.parse(line.split())
    found = {option.name: value for option, value in given_options(args, options)}
    assert not [name for name in vars(args) if name.startswith("setting")]
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a b", {}),
        ("a --mine-depth 5", {"depth": "5"}),
        ("--mine-names x a --mine-names y", {"names": ["x", "y"]}),
        ("--mine-table a=1", {"table": ["a=1"]}),
        ("--mine-on", {"on": True}),
        ("--no-mine-on", {"on": False}),
        ("--mine-show a.pyt", {"show": "b"}),
        ("--mine-show c", {"show": "c"}),
        ("--mode y -k z", {"mode": "y"}),
    ],
)
def test_settings_are_options(parser, line, found):
    assert given(parser, line) == found


def test_help_of_settings(parser, capsys):
    with pytest.raises(Finished):
        given(parser, "--help")
    out = capsys.readouterr().out
    assert "settings of plugin 'mine' (mine 1.0)" in out
    assert "how deep, 100% sure (default: 3)" in out
    assert "--no-mine-on" not in out


def test_a_plugin_cannot_take_an_option_of_the_command(parser):
    parser.add_argument("--mode")
    with pytest.raises(PluginError, match=r"plugin 'mine'.*has an option --mode of its own"):
        given(parser, "")
