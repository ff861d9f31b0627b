"""One line that says where, and what the process then exits with."""

from __future__ import annotations

import pytest

from canary import errors
from canary.errors import CanaryError, CanaryErrors, ConfigError, ExitCode, NothingToRun, SpecError


def test_a_line_names_file_line_key_column_and_hint():
    error = CanaryError("no", hint="write yes", file="a.toml", line=3, key="run.x", column=7)
    assert str(error) == "a.toml:3: run.x: no (column 7) [write yes]"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "no"),
        ({"file": "f"}, "f: no"),
        ({"file": "f", "line": 0}, "f:0: no"),
        ({"line": 3}, "no"),
        ({"key": "k"}, "k: no"),
        ({"column": 1}, "no (column 1)"),
    ],
)
def test_what_is_not_known_is_not_said(place, text):
    assert str(CanaryError("no", **place)) == text


def test_located_fills_in_what_is_missing_and_keeps_the_kind():
    error = SpecError("no", hint="h", line=4, column=2)
    found = error.located(file="f", line=9, key="k")
    assert type(found) is SpecError
    assert (found.file, found.line, found.key, found.hint, found.column) == ("f", 4, "k", "h", 2)
    assert str(error) == "no (column 2) [h]"


def test_located_never_replaces_a_place():
    found = CanaryError("no", file="mine", line=0, key="here").located(file="f", line=9, key="k")
    assert (found.file, found.line, found.key) == ("mine", 0, "here")


def test_several_errors_are_shown_one_a_line_and_exit_as_the_first():
    both = CanaryErrors([ConfigError("one"), SpecError("two")])
    assert str(both) == "one\ntwo"
    assert both.exit_code == ExitCode.USAGE
    assert CanaryErrors([]).exit_code == ExitCode.COLLECTION


def test_several_errors_can_be_located_together():
    both = CanaryErrors([SpecError("one", file="mine"), SpecError("two")]).located(file="f", line=1)
    assert str(both) == "mine:1: one\nf:1: two"


def test_every_error_is_a_canary_error_with_a_failing_exit_code():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert len(kinds) >= 12
    for kind in kinds:
        assert issubclass(kind, CanaryError)
        assert int(kind.exit_code) > 0


def test_nothing_to_run_has_an_exit_code_of_its_own():
    assert NothingToRun("none").exit_code == 7


def test_bits_of_a_session_are_bits():
    bits = [
        ExitCode.DIFFED,
        ExitCode.TIMEOUT,
        ExitCode.FAILED,
        ExitCode.ABORTED,
        ExitCode.NOT_RUN,
        ExitCode.GATE,
    ]
    assert [int(b) for b in bits] == [2, 4, 8, 16, 32, 64]
