"""What is handed in wrong, and random draws hardly ever come to: for the strategies of properties.

Lone bools, integers and floats out of every range, half a surrogate, nesting without end, values
of another type than the one beside them.
"""

from __future__ import annotations

import math

from hypothesis import strategies as st

DEPTH = 100_000  # more than any reader goes down

# of more digits than an integer may have as text: made when drawn, for nobody can print them
HUGE = st.builds(pow, st.sampled_from([10, -10]), st.sampled_from([400, 5001]))
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 0.5, -0.5, math.inf, -math.inf, math.nan]),
    st.sampled_from([1e308, 5e-324, 2**63, 2**1000]),
    HUGE,
    st.integers(),
    st.floats(),
)
SCALARS = st.one_of(
    st.sampled_from([None, True, False]),
    NUMBERS,
    st.sampled_from(["", "x", "1", "0", "true", "null", "\ud800", "\0", "9" * 5000]),
    st.text(max_size=5),
)


def nested(depth, value):
    """`value` in so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def _any_values():
    """Plain data of whatever form; at times a list in lists, deeper than any call may go."""
    inner = st.recursive(
        SCALARS,
        lambda v: st.one_of(
            st.lists(v, max_size=3), st.dictionaries(st.sampled_from("abc"), v, max_size=3)
        ),
        max_leaves=6,
    )
    return st.one_of(SCALARS, inner, st.builds(nested, st.sampled_from([1, 2, 10_000]), SCALARS))


VALUES = _any_values()

# the same as text: JSON, values of TOML, and what is much like them
_PAIRS = (("[", "]"), ('{"a":', "}"), ("{a=", "}"), ("[", ""))
_ODD = st.sampled_from(
    ["1e400", "9" * 5000, "0x" + "f" * 5000, "NaN", "-Infinity", '"\\ud800"', "true", ""]
)
_PLAIN = st.sampled_from(["0", "1", "2", "-1", "1.5", "null", "{}", "[]", '"x"', '"1"', "x"])
_DEEP = st.builds(
    lambda pair, depth: pair[0] * depth + pair[1] * depth,
    st.sampled_from(_PAIRS),
    st.sampled_from([60, DEPTH]),
)


def _as_table(pairs):
    return "{" + ",".join(f'"{key}":{text}' for key, text in pairs.items()) + "}"


LEAF_TEXTS = st.one_of(_ODD, _PLAIN, _DEEP)


def texts(keys=("a", "b")):
    """Such texts, whose tables have some of these keys."""
    table = st.dictionaries(st.sampled_from(keys), LEAF_TEXTS, min_size=1)
    return st.one_of(LEAF_TEXTS, LEAF_TEXTS.map("[{}]".format), table.map(_as_table))
