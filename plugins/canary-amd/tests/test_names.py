"""What the real binding says GPUs are called, and how long it may take to say it."""

from __future__ import annotations

import time

import pytest

from canary_amd import names


@pytest.fixture
def standin(library, monkeypatch):
    """`standin(GPUS=8)`: processes started from now on find such a library."""

    def use(**values):
        monkeypatch.setenv("ROCM_PATH", str(library))
        for name, value in values.items():
            monkeypatch.setenv(f"STANDIN_{name}", str(value))

    return use


@pytest.mark.parametrize("count", [0, 1, 8])
def test_names_by_place(standin, count):
    standin(GPUS=count)
    found = {f"0000:{n + 1:02x}:00.0": f"Stand-in {n}" for n in range(count)}
    assert names.find(20.0) == (found, "")


def test_no_library_is_told(monkeypatch, tmp_path):
    """The binding then fails with an error of a kind that nobody expects."""
    monkeypatch.setenv("ROCM_PATH", str(tmp_path))
    assert names.find(20.0) == ({}, "amdsmi: KeyError: 'libamd_smi.so'")


def test_an_error_of_the_library_is_told(standin):
    standin(ERROR=34)
    found, problem = names.find(20.0)
    assert found == {}
    assert "34" in problem


def test_a_crash_is_the_crash_of_another_process(standin):
    standin(DOES="crash")
    assert names.find(20.0) == ({}, "amdsmi: its process ended with code -6")


def test_a_library_that_hangs_costs_the_time_that_it_is_given(standin):
    standin(DOES="hang")
    began = time.monotonic()
    assert names.find(0.5) == ({}, "amdsmi: no answer in 0.5 s")
    assert 0.5 <= time.monotonic() - began < 10
