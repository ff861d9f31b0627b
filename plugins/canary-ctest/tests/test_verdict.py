"""Exit code, output and properties give a verdict in the order of the older tool."""

from __future__ import annotations

import pytest

import canary_ctest.verdict
from canary.status import Outcome
from canary_ctest.verdict import judge

TEXT = "hello\nfoo bar\nlast line\n"


def never():
    raise AssertionError("the output was read for nothing")


def verdict(code, text=TEXT, **attributes):
    named = {
        k + "_regular_expression" if k in ("pass_", "skip", "fail") else k: v
        for k, v in attributes.items()
    }
    named = {k.replace("pass__", "pass_"): v for k, v in named.items()}
    status = judge(named, code, lambda: text)
    return status and status.outcome.name


@pytest.mark.parametrize("code", [0, 1, 64, 80, -11])
def test_nothing_is_read_where_the_code_is_all(code):
    assert judge({"will_fail": False}, code, never) is None


@pytest.mark.parametrize("code", [0, 1, 3, 64])
def test_a_pass_expression_overrules_the_code(code):
    assert verdict(code, pass_=["foo"]) == "SUCCESS"
    assert verdict(code, pass_=["nothing", "^foo bar$"]) == "SUCCESS"
    assert verdict(code, pass_=["nothing"]) == "FAILED"


def test_expressions_go_over_lines_as_in_cmake():
    assert verdict(0, pass_=["hello.*last"]) == "SUCCESS"
    assert verdict(0, fail=["hello.*last"]) == "FAILED"


def test_the_skip_code():
    assert verdict(77, skip_return_code=77) == "SKIPPED"
    assert verdict(64, skip_return_code=64) == "SKIPPED"
    assert verdict(0, skip_return_code=0) == "SKIPPED"
    assert verdict(78, skip_return_code=77) == "FAILED"
    assert verdict(77, skip_return_code=77, pass_=["foo"]) == "SKIPPED"


def test_skip_and_fail_expressions():
    assert verdict(0, skip=["foo"]) == "SKIPPED"
    assert verdict(1, skip=["foo"]) == "SKIPPED"
    assert verdict(0, fail=["foo"]) == "FAILED"
    assert verdict(0, fail=["nothing"]) == "SUCCESS"
    # fail goes over all others
    assert verdict(0, pass_=["foo"], skip=["hello"], fail=["last"], skip_return_code=0) == "FAILED"


def test_will_fail_reverses():
    assert verdict(0, will_fail=True) == "FAILED"
    assert verdict(1, will_fail=True) == "SUCCESS"
    assert verdict(64, will_fail=True) == "SUCCESS"
    assert verdict(77, will_fail=True, skip_return_code=77) == "SKIPPED"
    assert verdict(0, will_fail=True, pass_=["nothing"]) == "SUCCESS"
    assert verdict(0, will_fail=True, fail=["foo"]) == "SUCCESS"
    assert verdict(80, will_fail=True) == "SKIPPED"


@pytest.mark.parametrize("more", [{"will_fail": True}, {"pass_": ["foo"]}, {"skip": ["foo"]}])
def test_a_crash_is_a_failure_whatever_was_expected(more):
    """None: the core says that it was killed by a signal."""
    assert verdict(-11, **more) is None


def test_a_passing_status_has_code_and_no_reason():
    status = judge({"will_fail": True}, 3, never)
    assert (status.code, status.reason) == (3, None)


@pytest.mark.parametrize("kind", ["pass_", "skip", "fail"])
def test_an_expression_that_cannot_be_read_fails_the_test(kind):
    assert verdict(0, **{kind: ["*foo("]}) == "FAILED"


def test_expressions_of_cmake_raise_no_warning():
    assert verdict(0, text="a[b", pass_=["a[[]b"]) == "SUCCESS"
    assert verdict(0, text="a{b}", pass_=["a{b}"]) == "SUCCESS"


def test_an_expression_that_takes_for_ever_fails_the_test(monkeypatch):
    monkeypatch.setattr(canary_ctest.verdict, "SECONDS", 0.1)
    wanted = {"pass_regular_expression": ["(a+)+$"]}
    status = judge(wanted, 0, lambda: "a" * 64 + "b")
    assert status.outcome is Outcome.FAILED
    assert "not done after 0.1 s" in status.reason
