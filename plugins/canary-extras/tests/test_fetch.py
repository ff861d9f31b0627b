"""`canary fetch`: what there is, copied, and nothing overwritten."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from canary.errors import PluginError, UsageError
from canary_extras.fetch import GROUP, assets, fetch, locate


def test_without_a_name_all_are_listed(canary):
    rows = canary("fetch").stdout.splitlines()
    assert rows[0].split() == ["Name", "Distribution", "What"]
    assert any(row.startswith("canary.cmake") and "canary-ctest" in row for row in rows)
    assert any(row.startswith("examples") and "tests that pass" in row for row in rows)


def test_examples_pass(here, canary):
    assert canary("fetch", "examples").stdout == f"{here}/examples\n"
    canary("run", "examples")
    jobs = json.loads(canary("query", "jobs").stdout)
    assert {job["name"]: job["status"]["category"] for job in jobs} == {
        "mean.n=10": "PASS",
        "mean.n=100": "PASS",
        "mean.n=1000": "PASS",
        "squares": "PASS",
        "total": "PASS",
    }


def test_a_file_goes_where_told(here, canary):
    canary("fetch", "canary.cmake", "-o", "a/b")
    assert "function" in (here / "a" / "b" / "Canary.cmake").read_text()


@pytest.mark.parametrize(
    ("name", "file"), [("examples", "examples"), ("canary.cmake", "Canary.cmake")]
)
def test_nothing_is_overwritten(here, canary, name, file):
    (here / file).write_text("mine")
    done = canary("fetch", name, expect=2)
    assert f"{file} is there already" in done.stderr
    assert (here / file).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_written_through(here):
    (here / "Canary.cmake").symlink_to(here / "elsewhere")
    with pytest.raises(UsageError, match="there already"):
        fetch("canary.cmake", here, assets())
    assert not (here / "elsewhere").exists()


def test_what_is_not_there(canary):
    done = canary("fetch", "nothing", expect=2)
    assert "nothing called 'nothing'" in done.stderr
    assert "examples" in done.stderr


def test_a_missing_giver_is_named(here):
    with pytest.raises(UsageError, match="pip install canary-ctest"):
        fetch("canary.cmake", here, {})


@pytest.mark.parametrize("value", ["no_such_module:f", "os:getcwdb", "os.path:join"])
def test_a_broken_asset_is_named(value):
    with pytest.raises(PluginError, match="broken, given by"):
        locate(EntryPoint("broken", value, GROUP))
