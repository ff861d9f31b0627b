"""What trees of machines with Intel GPUs are read as."""

from __future__ import annotations

import pytest

from canary_intel import sysfs

INTEGRATED = "0000:00:02.0"


def rows(devices):
    return [(d.id, d.word, d.properties["pci"]) for d in devices]


def test_a_machine_without_graphics(tmp_path):
    assert sysfs.find(tmp_path, flat=True) == []


@pytest.mark.parametrize("count", [0, 1, 8])
def test_gpus_are_numbered_along_the_bus(tree, count):
    places = [f"0000:{n:02x}:00.0" for n in range(0x40, 0x40 + count)]
    for place in reversed(places):  # cards are numbered as drivers come up
        tree.card(place)
    found = sysfs.find(tree.root, flat=True)
    assert rows(found) == [(str(n), str(n), place) for n, place in enumerate(places)]
    assert not any(d.integrated for d in found)
    assert all(d.properties["device"] == "0x0bd5" for d in found)


def test_other_cards_are_left_alone(tree):
    tree.card("0000:01:00.0", vendor="0x10de")
    tree.card("0000:02:00.0", kind="0x020000")
    tree.card("0000:03:00.0", kind="0x030000")
    assert rows(sysfs.find(tree.root, flat=True)) == [("0", "0", "0000:03:00.0")]


def test_the_gpu_of_the_processor_is_told_apart_and_counted(tree):
    """Level Zero counts it, so the other is number 1."""
    tree.card("0000:03:00.0")
    tree.card(INTEGRATED, kind="0x030000")
    found = sysfs.find(tree.root, flat=True)
    assert rows(found) == [("0", "0", INTEGRATED), ("1", "1", "0000:03:00.0")]
    assert [d.integrated for d in found] == [True, False]


@pytest.mark.parametrize("driver", ["xe", "i915"])
def test_tiles_are_gpus_unless_the_hierarchy_is_kept(tree, driver):
    tree.card("0000:03:00.0", tiles=2, driver=driver)
    tree.card("0000:04:00.0", tiles=2, driver=driver)
    flat = sysfs.find(tree.root, flat=True)
    assert [(d.id, d.word) for d in flat] == [
        ("0.0", "0"),
        ("0.1", "1"),
        ("1.0", "2"),
        ("1.1", "3"),
    ]
    composite = sysfs.find(tree.root, flat=False)
    assert [(d.id, d.word) for d in composite] == [("0", "0"), ("1", "1")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, ["0", "1", "2"]),
        ("", ["0", "1", "2"]),
        ("2,0", ["0", "2"]),
        ("1.0", ["1"]),
        ("7", []),
    ],
)
def test_what_a_scheduler_has_given_is_all_there_is(tree, given, words):
    for n in (3, 4, 5):
        tree.card(f"0000:0{n}:00.0")
    found = sysfs.visible(sysfs.find(tree.root, flat=True), given)
    assert [d.word for d in found] == words
