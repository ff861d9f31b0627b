from __future__ import annotations

import copy
import pickle

import pytest

from canary_pyt.parameters import MultiParameters, Parameters

P = Parameters({"a": 1, "b": "x", "c,d": 2})
M = MultiParameters.of([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])


def test_one_job():
    assert P["a"] == P.a == 1
    assert P["a,b"] == P["a, b"] == P[("a", "b")] == (1, "x")
    assert P["c,d"] == 2
    assert "a" in P
    assert "z" not in P
    assert P == {"a": 1, "b": "x", "c,d": 2}
    assert P != {"a": 1}
    assert list(P.keys()) == ["a", "b", "c,d"]
    assert list(P.values()) == [1, "x", 2]
    assert dict(P.items()) == P.asdict()
    assert (P.get("a"), P.get("z"), P.get("z", 5)) == (1, None, 5)
    assert repr(Parameters({"a": 1})) == "Parameters(a=1)"


def test_what_is_refused():
    with pytest.raises(TypeError, match="not iterable"):
        iter(P)
    with pytest.raises(KeyError):
        P["z"]
    with pytest.raises(KeyError):
        P["a,z"]
    with pytest.raises(AttributeError, match="no attribute 'z'"):
        P.z  # noqa: B018 - it raises
    with pytest.raises(AttributeError, match="cannot be changed"):
        P.a = 2
    with pytest.raises(TypeError):
        len(P)


def test_children():
    assert M.a == M["a"] == (1, 2)
    assert M["a,b"] == ((1, "x"), (2, "y"))
    assert M == {"a": (1, 2), "b": ("x", "y")}
    assert repr(M) == "MultiParameters(a=(1, 2), b=('x', 'y'))"


def test_copies():
    assert copy.copy(P) == copy.deepcopy(P) == pickle.loads(pickle.dumps(P)) == P
    assert "a" in dir(P)
