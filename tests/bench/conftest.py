"""The marker of the benchmarks."""

from __future__ import annotations


def pytest_configure(config):
    config.addinivalue_line("markers", "bench: measures and prints; never fails because of a time")
