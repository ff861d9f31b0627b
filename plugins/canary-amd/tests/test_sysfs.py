"""What trees of machines with AMD GPUs are read as."""

from __future__ import annotations

import pytest

from canary_amd import sysfs


def test_a_machine_without_the_driver(tmp_path):
    assert sysfs.find(tmp_path) == []


@pytest.mark.parametrize("count", [0, 1, 8, 12])
def test_gpus_are_counted_as_rocm_does(tree, count):
    tree.cpu()
    tree.cpu()
    for n in range(count):
        tree.gpu(n + 1, bus=0x10 + n)
    found = sysfs.find(tree.root)
    assert [d.id for d in found] == [str(n) for n in range(count)]
    assert [d.word for d in found] == [f"GPU-{n + 1:016x}" for n in range(count)]
    for n, device in enumerate(found):
        assert device.properties == {
            "pci": f"0000:{0x10 + n:02x}:00.0",
            "memory": 64 << 30,
            "architecture": "gfx90a",
            "uuid": f"GPU-{n + 1:016x}",
        }


def test_a_gpu_without_a_number_of_its_own_goes_by_its_place(tree):
    """Older GPUs have none; the parts of a split GPU share one."""
    for number in (0, 7, 7, 9):
        tree.gpu(number)
    found = sysfs.find(tree.root)
    assert [d.word for d in found] == ["0", "1", "2", "GPU-0000000000000009"]
    assert ["uuid" in d.properties for d in found] == [False, False, False, True]


def test_what_cannot_be_read_is_not_ours(tree):
    tree.gpu(1)
    (tree.gpu(2) / "properties").write_text("")  # so it reads where a container may not use it
    (tree.gpu(3) / "gpu_id").unlink()
    (tree.gpu(4) / "properties").unlink()
    tree.gpu(5)
    assert [d.uuid[-1] for d in sysfs.find(tree.root)] == ["1", "5"]


@pytest.mark.parametrize(
    ("rocr", "hip", "ids"),
    [
        (None, None, ["0", "1", "2", "3"]),
        ("", None, []),
        ("2,0", None, ["2", "0"]),
        ("GPU-0000000000000002", None, ["1"]),
        ("gpu-0000000000000002,3", None, ["1", "3"]),
        ("1,9,2", None, ["1"]),
        ("-1", None, []),
        (None, "3,1", ["3", "1"]),
        (None, "", []),
        ("3,2", "1", ["2"]),
        ("3", "3", []),
    ],
)
def test_what_a_scheduler_has_given_is_all_there_is(tree, rocr, hip, ids):
    """The second variable counts within what the first has left."""
    for number in (1, 2, 3, 4):
        tree.gpu(number)
    assert [d.id for d in sysfs.visible(sysfs.find(tree.root), rocr, hip)] == ids
