"""What the real binding says of a machine, and how long it may take to say it."""

from __future__ import annotations

import time

import pytest

from canary_nvidia import detect
from canary_nvidia.detect import DetectionError, Device
from canary_nvidia.plugin import has_driver

WHOLE = [f"GPU-{n:08x}-0000-0000-0000-000000000000" for n in range(8)]
SLICES = [f"MIG-00000000-0000-0000-0000-{n:012x}" for n in (0, 2)]


@pytest.mark.parametrize("count", [0, 1, 8])
def test_gpus_are_found_with_what_they_are(standin, count):
    standin(GPUS=count)
    devices, problems = detect.find(20.0)
    assert [d.id for d in devices] == [str(n) for n in range(count)]
    assert [d.uuid for d in devices] == WHOLE[:count]
    assert problems == []
    for n, device in enumerate(devices):
        assert device.properties == {
            "uuid": WHOLE[n],
            "name": f"Stand-in {n}",
            "memory": 16 << 30,
            "pci": f"00000000:{n + 1:02X}:00.0",
            "capability": "9.0",
        }


def test_slices_stand_in_for_the_gpu_that_they_are_cut_from(standin):
    standin(GPUS=2, MIG=1)
    devices, problems = detect.find(20.0)
    assert [(d.id, d.index, d.uuid) for d in devices] == [
        ("0:0", 0, SLICES[0]),
        ("0:2", 0, SLICES[1]),
        ("1", 1, WHOLE[1]),
    ]
    assert devices[0].properties["memory"] == 8 << 30
    assert "pci" not in devices[0].properties
    assert problems == []


def test_a_gpu_that_is_lost_does_not_hide_the_others(standin):
    standin(GPUS=3, LOST=1)
    devices, problems = detect.find(20.0)
    assert [d.id for d in devices] == ["0", "2"]
    assert problems == ["GPU 1: GPU is lost"]


def test_an_error_of_the_library_is_told(standin):
    standin(ERROR=9)
    with pytest.raises(DetectionError, match="Driver Not Loaded"):
        detect.find(20.0)


def test_no_library_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    if has_driver():
        pytest.skip("this machine has the real library")
    with pytest.raises(DetectionError, match="NVML Shared Library Not Found"):
        detect.find(20.0)


def test_a_crash_is_the_crash_of_another_process(standin):
    standin(DOES="crash")
    with pytest.raises(DetectionError, match="process ended with code -6"):
        detect.find(20.0)


def test_a_library_that_hangs_costs_the_time_that_it_is_given(standin):
    standin(DOES="hang")
    began = time.monotonic()
    with pytest.raises(DetectionError, match=r"no answer in 0\.5 s"):
        detect.find(0.5)
    assert 0.5 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (None, ["0:0", "0:2", "1", "2"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2,1", ["2", "1"]),
        ("0", ["0:0", "0:2"]),
        (WHOLE[2], ["2"]),
        ("GPU-00000001", ["1"]),
        (f"{SLICES[1]},1", ["0:2", "1"]),
        ("1,7,2", ["1"]),
        (" 1 , 2 ", ["1", "2"]),
        ("1,1", ["1"]),
    ],
)
def test_what_a_scheduler_has_given_is_all_there_is(given, ids):
    """As CUDA reads the variable: in its order, up to the first word that names nothing."""
    rows = [("0:0", 0, SLICES[0]), ("0:2", 0, SLICES[1]), ("1", 1, WHOLE[1]), ("2", 2, WHOLE[2])]
    devices = [Device(id, index, uuid, {}) for id, index, uuid in rows]
    assert [d.id for d in detect.visible(devices, given)] == ids
