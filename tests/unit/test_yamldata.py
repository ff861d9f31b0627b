"""YAML with a ceiling: safe, and neither expensive nor ambiguous."""

from __future__ import annotations

import contextlib

import pytest

from canary import yamldata
from canary.errors import ConfigError


def test_plain_data():
    text = "a: &x {b: [1, 2.5, true, null, text]}\nc: *x\nd:\n  <<: *x\n  e: 2020-01-02\n"
    data = yamldata.parse(text, "f")
    assert data["c"] == {"b": [1, 2.5, True, None, "text"]}
    assert data["d"]["b"] == data["a"]["b"]
    assert yamldata.parse("", "f") is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is written twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "the key 'b' is written twice"),
        ("a: *nobody\n", 1, "undefined alias"),
        ("[" * 60 + "]" * 60, 1, "nested more than 50 deep"),
        ("x: &x 1\ny: [" + ", ".join(["*x"] * 101) + "]\n", 2, "more than 100 aliases"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a: [1\n", 2, "expected ',' or ']'"),
        ("\t- a\n", 1, ""),
    ],
)
def test_refused_with_a_place(text, line, problem):
    with pytest.raises(ConfigError) as caught:
        yamldata.parse(text, "f.yaml")
    assert (caught.value.file, caught.value.line) == ("f.yaml", line)
    assert problem in caught.value.message


def test_billion_laughs_is_refused_quickly():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 40)]
    with pytest.raises(ConfigError, match="more than 100 aliases"):
        yamldata.parse("l0: &l0 [lol]\n" + "\n".join(levels), "f")


@pytest.mark.parametrize("text", ["? [1]\n: 2\n", "\x00", "a: \x01", "{a: 1}: 2\n"])
def test_odd_input_is_never_another_exception(text):
    with contextlib.suppress(ConfigError):
        yamldata.parse(text, "f")
