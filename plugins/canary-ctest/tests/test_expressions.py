"""CMake's expressions in Python: cmake says what they match, and which it cannot compile."""

from __future__ import annotations

import random
import re
import shutil
import subprocess

import pytest

from canary_ctest.expressions import BadExpressionError, fault, translated

SIGNS = r"ab]-^$.[()|?+*\{}dc1x&~"

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (r"x[\]y", r"x\y", "xy"),
        (r"^\d", "dig", "1"),
        (r"\bword\b", "bwordb", "a word"),
        ("x{2}", "x{2}", "xx"),
        ("[^]a]", "b", "]a"),
        ("[]-]x", "-x", "ax"),
        ("[a-c-e]", "d", "-"),
        ("(a|b)+c", "abac", "c"),
        (r"\(x\)", "(x)", "x"),
        ("[[:a]", ":", "b"),
        ("a^?b", "ab", "a^b"),
        ("x.y", "x\ny", "xy"),
    ],
)
def test_what_they_match(text, yes, no):
    found = re.compile(translated(text), re.DOTALL)
    assert found.search(yes)
    assert not found.search(no)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(?i)x", "follows nothing"),
        ("|*", "follows nothing"),
        ("a**", "nested"),
        ("a*?", "nested"),
        ("(a*)*", "could be empty"),
        ("^+", "could be empty"),
        ("(a", r"unmatched \(\)"),
        ("a)", r"unmatched \(\)"),
        ("[a", r"unmatched \[\]"),
        ("[]", r"unmatched \[\]"),
        ("[c-a]", "invalid range"),
        ("a\\", "trailing backslash"),
    ],
)
def test_what_cannot_be_compiled(text, why):
    with pytest.raises(BadExpressionError, match=why):
        translated(text)


def test_the_fault_of_a_test_names_the_property():
    good = {"PASS_REGULAR_EXPRESSION": ["x", "a{}"], "LABELS": ["*"]}
    assert fault(good) is None
    assert "FAIL_REGULAR_EXPRESSION '*x'" in str(fault({**good, "FAIL_REGULAR_EXPRESSION": ["*x"]}))
    after = {"TIMEOUT_AFTER_MATCH": {"timeout": 1.0, "regex": ["x", "("]}}
    assert "TIMEOUT_AFTER_MATCH '('" in str(fault(after))


def word(draw, most):
    return "".join(draw.choice(SIGNS) for _ in range(draw.randrange(1, most)))


def match(expression, text):
    """Lines of CMake that print whether the text matches."""
    sets = f"set(e [==[{expression}]==])\nset(t [==[{text}]==])\n"
    return f'{sets}if("${{t}}" MATCHES "${{e}}")\nmessage(1)\nelse()\nmessage(0)\nendif()\n'


def cmake(file, text):
    file.write_text(f"cmake_minimum_required(VERSION 3.20)\n{text}")
    return subprocess.run(["cmake", "-P", file], capture_output=True, text=True, check=False)


@needs_cmake
def test_cmake_agrees_on_what_matches(tmp_path):
    draw = random.Random(1)
    lines, ours = [], []
    while len(ours) < 3000:
        text = word(draw, 10)
        try:
            found = re.compile(translated(text), re.DOTALL)
        except BadExpressionError:
            continue
        if text.count("(") < 9:  # old releases take no more
            for seen in (word(draw, 6) for _ in range(6)):
                lines.append(match(text, seen))
                ours.append((text, seen, bool(found.search(seen))))
    done = cmake(tmp_path / "all.cmake", "".join(lines))
    theirs = [line == "1" for line in done.stderr.split() if line in ("0", "1")]
    assert len(theirs) == len(ours), done.stderr[-500:]
    assert [o for o, t in zip(ours, theirs, strict=True) if o[2] != t] == []


@needs_cmake
def test_cmake_agrees_on_what_cannot_be_compiled(tmp_path):
    draw = random.Random(2)
    tried = 0
    while tried < 40:
        text = word(draw, 8)
        try:
            translated(text)
        except BadExpressionError:
            tried += 1
            assert cmake(tmp_path / "one.cmake", match(text, "x")).returncode != 0, text
