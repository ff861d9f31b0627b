"""What start-up may load. Every test script imports canary, and every completion runs it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

REPORT = "; print(*sorted(sys.modules), file=sys.stderr)"
HEAVY = {"argparse", "asyncio", "multiprocessing", "pluggy", "psutil", "stevedore", "yaml"}


def loaded(code, cwd):
    """Names of the modules loaded after running `code` in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; " + code + REPORT],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split()), done.stdout


def run_main(*words):
    """Code that runs the command line and goes on."""
    argv = ["canary", *words]
    return f"""sys.argv = {argv!r}
from canary.__main__ import main
try:
    main()
except SystemExit:
    pass
None"""


def test_import_canary_loads_nothing_else(tmp_path):
    bare, _ = loaded("None", tmp_path)
    after, _ = loaded("import canary", tmp_path)
    assert {name for name in after - bare if name.partition(".")[0] != "canary"} == set()
    assert after - bare == {"canary"}


def test_version_loads_no_parser_no_plugin_and_no_store(tmp_path):
    after, stdout = loaded(run_main("--version"), tmp_path)
    assert "1." in stdout
    assert after & (HEAVY | {"sqlite3", "tomllib", "tomli", "importlib.metadata"}) == set()


@pytest.mark.parametrize("words", [("status",), ("query", "jobs")])
def test_questions_load_no_plugin(tmp_path, canary, words):
    canary("init", tmp_path, expect=0)
    after, _ = loaded(run_main(*words), tmp_path)
    assert after & (HEAVY - {"argparse"}) == set()


def cpu_seconds(code, cwd):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=cwd, check=True, env=dict(os.environ))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_import_canary_costs_next_to_nothing(tmp_path):
    """Against a bare interpreter in the same minute; the least of several: load hardly matters."""
    pairs = [
        (cpu_seconds("pass", tmp_path), cpu_seconds("import canary", tmp_path)) for _ in range(9)
    ]
    bare, ours = (min(column) for column in zip(*pairs, strict=True))
    assert ours <= 1.5 * bare
