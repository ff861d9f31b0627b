"""The JSON that commands print."""

from __future__ import annotations

import json

import pytest

from canary.commands import shapes


@pytest.mark.parametrize("n", [0, 1, shapes.LONG, shapes.LONG + 1])
def test_a_list_of_any_length_reads_the_same(n):
    entries = [{"name": f"job{i}\n", "status": {"code": i}} for i in range(n)]
    assert json.loads(shapes.as_json(entries)) == entries


def test_a_long_list_has_an_entry_a_line():
    text = shapes.as_json([{"i": i} for i in range(shapes.LONG + 1)])
    assert len(text.splitlines()) == shapes.LONG + 3
