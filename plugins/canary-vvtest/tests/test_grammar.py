"""Directives, words and rows as written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import SpecError
from canary_vvtest.grammar import parse, rows, words


def read(text):
    directive = parse(text, 1)
    return directive.name, dict(directive.options), directive.when, directive.argument


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("keywords : a b", "keywords", "a b"),
        ("keywords = a", "keywords", "a"),
        ("keywords := a", "keywords", "a"),
        ("keywords:a : b = c", "keywords", "a : b = c"),
        ("keywords", "keywords", ""),
        ("depends   on : x", "depends_on", "x"),
        ("depends_on : x", "depends_on", "x"),
        ("insert directive file : f", "insert_directive_file", "f"),
        ("keywords() : a", "keywords", "a"),
        ("parameterize : a = 1", "parameterize", "a = 1"),
        ("keywords x", "keywords_x", ""),
    ],
)
def test_names_and_arguments(text, name, argument):
    assert read(text) == (name, {}, (), argument)


@pytest.mark.parametrize("text", ["", "   ", ":", " = "])
def test_nothing_is_no_directive(text):
    assert parse(text, 1) is None


@pytest.mark.parametrize(
    ("inside", "options"),
    [
        ("rename", {"rename": True}),
        ("int, float,str", {"int": True, "float": True, "str": True}),
        ("code=7", {"code": "7"}),
        ("reason = it is so ", {"reason": "it is so"}),
        ('reason="a, b) (c"', {"reason": "a, b) (c"}),
        ("reason='a'", {"reason": "a"}),
        ("reason='a' or 'b'", {"reason": "'a' or 'b'"}),
        ("reason=it's so", {"reason": "it's so"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=(b, (c)), d", {"a": "(b, (c))", "d": True}),
        ("a=", {"a": ""}),
        ("a,", {"a": True}),
        ("", {}),
    ],
)
def test_options(inside, options):
    assert read(f"x ({inside}) : y") == ("x", options, (), "y")


@pytest.mark.parametrize(
    ("inside", "condition"),
    [
        ("platforms=linux", {"platforms": "linux"}),
        ("platform = 'linux or darwin'", {"platforms": "linux or darwin"}),
        ("option=(a or b) and not c", {"options": "(a or b) and not c"}),
        ('parameters="n>1", testname=b*', {"parameters": "n>1", "testname": "b*"}),
        ('options=""', {"options": ""}),
    ],
)
def test_conditions_are_kept_apart(inside, condition):
    assert read(f"x ({inside}, other=1) : y") == ("x", {"other": "1"}, (condition,), "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keywords (options=a : x", "no closing parenthesis"),
        ("keywords (", "no closing parenthesis"),
        ("keywords (a b='x : y", "no closing parenthesis"),
        ("keywords (a) x", "expected ':'"),
        ("keywords (a)) : x", "expected ':'"),
        ("(a) : x", "no directive"),
        (": x", "no directive"),
        ("keywords (=a) : x", "an option without a name"),
        ("keywords (platforms) : x", "platforms wants an expression"),
        ("keywords (platforms=a, platform=b) : x", "given twice"),
        ("copy (rename, rename) : x", "given twice"),
    ],
)
def test_malformed(text, message):
    with pytest.raises(SpecError, match=message):
        parse(text, 1)


@given(st.text(alphabet="ab(),=:'\" \\$", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        directive = parse(text, 7)
    except SpecError:
        return
    assert directive is None or directive.line == 7


@given(st.text(alphabet="ab,'\" \t", max_size=30))
def test_any_rows_are_read_or_refused(text):
    try:
        table = rows(text)
    except SpecError:
        return
    assert all(cell.text for row in table for cell in row)
    assert all(row for row in table)


def test_words():
    assert words("a  b\t\"c d\" 'e' it's") == ["a", "b", "c d", "e", "it's"]
    assert words("") == []


def test_rows():
    def read(text):
        return [[tuple(cell) for cell in row] for row in rows(text)]

    assert read("1,x 2,y   3 , z") == [
        [("1", "1"), ("x", "x")],
        [("2", "2"), ("y", "y")],
        [("3", "3"), ("z", "z")],
    ]
    assert read("'x y',\"c,d\" ''") == [[("'x y'", "x y"), ('"c,d"', "c,d")], [("''", "")]]
    assert read("a='b c'd") == [[("a='b c'd", "a=b cd")]]
    assert read("") == []


@pytest.mark.parametrize("text", [",a", "a,", "a,,b", "a, ,b", ","])
def test_empty_cells_are_refused(text):
    with pytest.raises(SpecError, match="an empty value"):
        rows(text)


@pytest.mark.parametrize("text", ["'a", 'a "b', "it's"])
def test_quotes_without_end_are_refused(text):
    with pytest.raises(SpecError, match="a quote without end"):
        rows(text)
