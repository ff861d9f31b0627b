"""The quick way to read YAML gives what the thorough one gives, or nothing."""

from __future__ import annotations

import random

import pytest
import yaml

from canary import yamldata
from canary.errors import ConfigError
from canary_yaml import quick
from canary_yaml.reader import NodeLines

pytestmark = pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML has no libyaml here")

USUAL = """\
description: of a file
tests:
  solver:
    keywords: [fast, "unit"]
    timeout: 20
    command: |
      echo ${n}; exit 3
    parameters: {n: [1, -2, 3.5, 1.0e-5], flag: [true, No, ~, null]}
    depends_on:
    - job: other
      expects: 2
"""
ODD = {
    "an anchor": "a: &x [1]\nb: *x\n",
    "a merge": "b:\n  <<: {a: 1}\n",
    "a key twice": "a: 1\na: 2\n",
    "a key that is no text": "1: a\n",
    "a key of keys": "? [a, b]\n: c\n",
    "a tag": "a: !!str 1\nb: !!map {}\n",
    "a wrong tag": "!!str {a: 1}\n",
    "a date": "a: 2020-01-01\n",
    "octal": "a: 010\n",
    "sixty": "a: 1:30\n",
    "not a number": "a: .nan\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "nothing": "# nothing\n",
    "an error": "a: [1\n",
    "a tab": "a:\n\t- 1\n",
    "deep": "a: " + "[" * 60 + "]" * 60,
    "very deep": "[" * 50_000,
    "a deep list": "- " * 2000,
    "large": f"a: {'x' * quick.MAX_SIZE}\n",
}


def thorough(text):
    try:
        return yamldata.load(text, "f")
    except ConfigError:
        return None


def paths(data, path=()):
    yield path
    if isinstance(data, (dict, list)):
        for part, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from paths(item, (*path, part))


def is_alike(text):
    """Was it read quickly? If so, it is as if it had been read thoroughly."""
    found, wanted = quick.load(text), thorough(text)
    if found is None:
        return False
    assert wanted is not None
    # the text of it shows types, too
    assert repr(found[0]) == repr(wanted[0])
    ours, theirs = NodeLines(found[1]), NodeLines(wanted[1])
    for path in paths(found[0]):
        assert ours.of(path) == theirs.of(path)
    return True


def test_the_usual_file_is_read_quickly():
    assert is_alike(USUAL)
    line = NodeLines(quick.load(USUAL)[1]).of
    assert line(("tests", "solver", "depends_on", 0, "expects")) == 11
    assert line(("tests", "solver", "parameters", "n", 2)) == 8
    assert line(("tests", "solver", "no such", "key")) == 3
    assert line(("nothing",)) == 1


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_read_thoroughly(what):
    assert quick.load(ODD[what]) is None


SIGNS = "ab1-:,[]{}\"'#&*!|>?%@ \n\t~.0xyesnoü\0"


def test_damaged_files():
    """Signs removed, doubled, exchanged."""
    draw = random.Random(3)
    quickly = 0
    for _ in range(1500):
        text = USUAL
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text))
            new = draw.choice(("", text[at] * 2, draw.choice(SIGNS)))
            text = text[:at] + new + text[at + 1 :]
        quickly += is_alike(text)
    assert 100 < quickly < 1400


def tree(draw, depth=0):
    kind = draw.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [tree(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == 7:
        return {word(draw): tree(draw, depth + 1) for _ in range(draw.randrange(4))}
    values = (draw.randrange(-99, 999), draw.uniform(-9, 9), draw.random() < 0.5, None)
    return draw.choice((*values, word(draw), word(draw)))


def word(draw):
    special = ("yes", "null", "1", "1.5", "", "=", "<<", "on", "0x1f", "1e3", "2020-01-01", "~")
    return draw.choice((*special, "".join(draw.choices(SIGNS[:-1], k=draw.randrange(1, 9)))))


def test_all_kinds_of_data():
    draw = random.Random(4)
    quickly = 0
    for _ in range(500):
        style = {"default_flow_style": draw.choice((True, False, None)), "width": 30}
        text = yaml.safe_dump(tree(draw), allow_unicode=True, sort_keys=False, **style)
        quickly += is_alike(text)
    assert quickly > 100
