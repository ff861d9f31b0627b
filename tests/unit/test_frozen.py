"""A dictionary that many may share because nobody can change it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from canary.frozen import EMPTY, FrozenDict

CHANGES = {
    "setitem": lambda d: d.__setitem__("a", 2),
    "delitem": lambda d: d.__delitem__("a"),
    "ior": lambda d: d.__ior__({"b": 1}),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "pop missing": lambda d: d.pop("z", None),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("a", 3),
    "update": lambda d: d.update(b=1),
    "attribute": lambda d: setattr(d, "x", 1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_refused(change):
    frozen = FrozenDict({"a": 1})
    with pytest.raises((TypeError, AttributeError)):
        change(frozen)
    assert frozen == {"a": 1}


def test_it_reads_like_a_dict():
    frozen = FrozenDict({"a": 1, "b": 2})
    assert frozen["a"] == 1
    assert frozen.get("z", 9) == 9
    assert {**frozen, "c": 3} == {"a": 1, "b": 2, "c": 3}
    assert frozen | {"c": 3} == {"a": 1, "b": 2, "c": 3}
    assert json.dumps(frozen) == '{"a": 1, "b": 2}'


def test_equal_ones_hash_alike():
    assert hash(FrozenDict(a=1, b=2)) == hash(FrozenDict(b=2, a=1))
    assert len({FrozenDict(a=1), FrozenDict(a=1), EMPTY}) == 2


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_a_copy_is_frozen_too(again):
    made = again(FrozenDict({"a": [1]}))
    assert made == {"a": [1]}
    assert type(made) is FrozenDict
