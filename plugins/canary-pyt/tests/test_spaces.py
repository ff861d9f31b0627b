from __future__ import annotations

import enum
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import SpecError
from canary_pyt import enums
from canary_pyt.spaces import names_of, rows_of

CENTERED = enums.centered_parameter_space
RANDOM = enums.random_parameter_space


def rows(names, values, space=None, samples=10, seed=1234.0):
    return list(rows_of(names_of(names), values, space, samples, seed))


@pytest.mark.parametrize(
    ("names", "expected"),
    [("a", ("a",)), (" a , b ", ("a", "b")), (["a", "b"], ("a", "b")), (("n",), ("n",))],
)
def test_names(names, expected):
    assert names_of(names) == expected


@pytest.mark.parametrize("names", ["", "a,,b", "a,a", 3, ["a", 1], [], None])
def test_names_that_are_none(names):
    with pytest.raises(SpecError):
        names_of(names)


def test_scalars_rows_and_iterables():
    assert rows("a", [1, "x", 2.5, False]) == [(1,), ("x",), (2.5,), (False,)]
    assert rows("a", range(3)) == [(0,), (1,), (2,)]
    assert rows("a", [(1,), [2]]) == [(1,), (2,)]
    assert rows("a,b", [(1, "x"), [2, "y"]]) == [(1, "x"), (2, "y")]
    assert rows("a", (n * n for n in (2, 3))) == [(4,), (9,)]
    assert rows("a", []) == []


def test_equal_rows_are_one():
    found = rows("v", [1, True, 1.0, 2])
    assert found == [(1,), (2,)]
    assert type(found[0][0]) is int


def test_numbers_of_libraries_become_plain():
    class Real(float):
        pass

    class Number:
        def __init__(self, value):
            self.value = value

        def item(self):
            return self.value

    class Kind(enum.IntEnum):
        ONE = 1

    found = rows("a", [Real(0.5), Number(7), Kind.ONE])
    assert found == [(0.5,), (7,), (1,)]
    assert [type(r[0]) for r in found] == [float, int, int]


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        ("a", [None], "None cannot be a parameter"),
        ("a", [{}], "cannot be a parameter"),
        ("a", [b"x"], "cannot be a parameter"),
        ("a", [[1, 2]], "has 2 values, not 1"),
        ("a,b", [(1, 2, 3)], "has 3 values, not 2"),
        ("a,b", ["xy"], "is no row of 2 values"),
        ("a,b", [1], "is no row of 2 values"),
        ("a", "text", "must be a list"),
        ("a", 3, "must be a list"),
    ],
)
def test_wrong_values(names, values, message):
    with pytest.raises(SpecError, match=message):
        rows(names, values)


def test_centered():
    found = rows("a,b", [(0.5, 0.1, 2), (10, 5, 1)], CENTERED)
    assert found == [
        (0.5, 10),
        (0.5 - 2 * 0.1, 10),
        (0.5 - 0.1, 10),
        (0.5 + 0.1, 10),
        (0.5 + 2 * 0.1, 10),
        (0.5, 5),
        (0.5, 15),
    ]
    assert rows("a,b", [(0, 0, 1), (1, 1, 0)], CENTERED) == [(0, 1)]


def test_random_draws_column_after_column():
    found = rows("a,b", [(0, 1), (-10, 10)], RANDOM, samples=3)
    shown = [tuple(f"{v:g}" for v in row) for row in found]
    assert shown == [("0.966454", "8.21952"), ("0.440733", "8.78538"), ("0.00749147", "1.64455")]
    assert found == rows("a,b", [(0, 1), (-10, 10)], "random_parameter_space", samples=3)
    assert found != rows("a,b", [(0, 1), (-10, 10)], RANDOM, samples=3, seed=7)


@pytest.mark.parametrize(
    ("space", "names", "values", "message"),
    [
        (CENTERED, "a", [(0, 1, 2)], "two or more names"),
        (RANDOM, "a", [(0, 1)], "two or more names"),
        (CENTERED, "a,b", [(0, 1, 2)], "1 rows for 2 names"),
        (CENTERED, "a,b", [(0, 1), (0, 1)], "no row of numbers"),
        (CENTERED, "a,b", [(0, 1, 1.5), (0, 1, 1)], "nsteps=1.5"),
        (RANDOM, "a,b", [(0, "x"), (0, 1)], "no row of numbers"),
        ("spiral", "a,b", [(0, 1), (0, 1)], "is no parameter space"),
    ],
)
def test_wrong_spaces(space, names, values, message):
    with pytest.raises(SpecError, match=message):
        rows(names, values, space)


@pytest.mark.parametrize("samples", [0, -1, 2.5, True, None])
def test_wrong_samples(samples):
    with pytest.raises(SpecError, match="samples"):
        rows("a,b", [(0, 1), (0, 1)], RANDOM, samples=samples)


@given(st.lists(st.tuples(st.integers(), st.text()), max_size=20))
def test_list_space_keeps_order_and_drops_repeats(values):
    found = rows("a,b", values)
    assert found == list(dict.fromkeys(values))


@given(
    st.integers(-5, 5),
    st.floats(0.1, 10),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_size_of_centered(initial, step, n, m):
    found = rows("a,b", [(initial, step, n), (0, 1, m)], CENTERED)
    assert len(found) == 1 + 2 * n + 2 * m
    assert found[0] == (initial, 0)
    assert all(math.isfinite(v) for row in found for v in row)
