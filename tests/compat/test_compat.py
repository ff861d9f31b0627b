"""Trees that were run with canary-wm give the names, verdicts and exit codes that they gave there.

Where we differ on purpose, `differences.tsv` has a row with the reason. With `PEER=path/to/canary`
in the environment that executable is run beside ours, and its results of the same minute are taken
in place of the recorded ones.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

import pytest

OURS = Path(sys.executable).parent / "canary"
# format: what reads it, and the program that has to be there besides
READERS = {"vvt": ("canary-vvtest", None), "ctest": ("canary-ctest", "ctest")}

# a case may hold jobs that run into their time limit, and the peer starts slowly
pytestmark = pytest.mark.timeout(240)


def installed(distribution):
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def judge(compare):
    peer = os.environ.get("PEER")
    table = compare.meant()

    def check(case):
        for name in sorted(compare.formats(case)):
            reader, program = READERS[name]
            if not installed(reader):
                pytest.skip(f"{reader} is not installed")
            if program and shutil.which(program) is None:
                pytest.skip(f"{program} is not on this machine")
        verdict = compare.judge(case, OURS, Path(peer) if peer else None, table, limit=110)
        assert not verdict.unmeant, f"{verdict}\n\n{verdict.log}"

    return check


def test_pyt(case, judge):
    judge(case)


def test_deps(case, judge):
    judge(case)


def test_status(case, judge):
    judge(case)


def test_filter(case, judge):
    judge(case)


def test_mixed(case, judge):
    judge(case)


def test_bugs(case, judge):
    """What is broken there: the recorded result is what it should be."""
    judge(case)


def test_vvt(case, judge):
    judge(case)


def test_ctest(case, judge):
    judge(case)


def test_every_case_belongs_to_an_area(compare):
    areas = {compare.area(case) for case in compare.cases()}
    assert areas == set(compare.AREAS)


def test_every_row_of_the_table_names_a_case(compare):
    names = [case.name for case in compare.cases()]
    names.append("peer-examples")  # see test_peer_examples.py
    idle = [
        row
        for row in compare.meant()
        if not any(compare.fnmatch.fnmatchcase(name, row.case) for name in names)
    ]
    assert idle == []


def test_a_difference_is_seen_and_a_row_excuses_only_what_it_names(compare):
    want = compare.Result((0,), {"a": ("PASS", "SUCCESS"), "b": ("PASS", "SUCCESS")})
    have = compare.Result((2,), {"a": ("FAIL", "DIFFED"), "c": ("NOTRUN", "OVERSIZED")})
    found = list(compare.differences(want, have))
    assert [d.what for d in found] == ["exit code", "a", "b", "c"]
    row = compare.Meant("some-*", "*: expected=None ours=('NOTRUN', 'OVERSIZED')", "shown")
    assert [d.what for d in found if row.covers("some-case", d)] == ["c"]
    assert not any(row.covers("other", d) for d in found)


def test_orders_in_args(compare, tmp_path):
    (tmp_path / ".args").write_text("-k\nx\n#! then\n#! sh touch a\n#! no-path\nb\n")
    assert compare.plan(tmp_path) == [
        compare.Run((), ("-k", "x", ".")),
        compare.Run(("touch a",), ("b",)),
    ]
    (tmp_path / ".args").write_text("#! never\n")
    with pytest.raises(compare.BadCase, match="unknown order"):
        compare.plan(tmp_path)
