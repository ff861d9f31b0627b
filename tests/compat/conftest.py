"""Makes the harness beside this file importable, and keeps pytest out of the cases' trees."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

collect_ignore = ["cases"]


def _load():
    """`compare.py` as a module: tests are imported without a package here."""
    spec = importlib.util.spec_from_file_location("compare", Path(__file__).with_name("compare.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare"] = module
    spec.loader.exec_module(module)
    return module


compare = _load()


def pytest_generate_tests(metafunc):
    """One test a case, named after it."""
    if "case" in metafunc.fixturenames:
        wanted = metafunc.function.__name__.removeprefix("test_")
        found = compare.cases(wanted)
        metafunc.parametrize("case", found, ids=[c.name.partition("-")[2] for c in found])


@pytest.fixture(scope="session", name="compare")
def _compare():
    return compare
