"""The examples that canary-wm hands out (`canary fetch examples`) run here as they run there.

The tree is fetched anew for each run and is no part of this repository. With `PEER=path/to/canary`
in the environment both executables run it and are compared: the jobs, category and outcome of each,
and the exit codes. Rows of `differences.tsv` whose case is `peer-examples` are about this tree.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

import pytest

OURS = Path(sys.executable).parent / "canary"
CASE = "peer-examples"
NEEDED = ("canary-pyt", "canary-vvtest", "canary-ctest")

# the peer needs most of a minute for them
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def peer():
    name = os.environ.get("PEER")
    if not name:
        pytest.skip("PEER names no executable to compare with")
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    for missing in sorted({*NEEDED} - installed):
        pytest.skip(f"{missing} is not installed")
    if shutil.which("ctest") is None:
        pytest.skip("ctest is not on this machine")
    return Path(name).absolute()


@pytest.fixture(scope="module")
def examples(compare, peer, tmp_path_factory):
    place = tmp_path_factory.mktemp("fetched")
    words = [str(peer), "fetch", "examples"]
    done = compare.call(words, place, {**os.environ, "HOME": str(place)}, 100)
    tree = place / "examples"
    assert tree.is_dir(), f"{done.stdout}{done.stderr}"
    # what the tree has been run with before is not part of it
    for cache in [*tree.rglob("__pycache__")]:
        shutil.rmtree(cache)
    return tree


def test_the_examples_end_as_they_do_there(compare, peer, examples):
    want = compare.perform(peer, examples, limit=180)
    have = compare.perform(OURS, examples, limit=120)
    assert want.codes == (14,), want.log
    assert len(want.jobs) > 60, want.log
    table = compare.meant()
    # what can never fit is shown here, and is a bit of the exit code
    if ("NOTRUN", "OVERSIZED") in have.jobs.values():
        assert have.codes == (14 | 32,), have.log
    found = [
        difference.text
        for difference in compare.differences(want, have)
        if not any(row.covers(CASE, difference) for row in table)
    ]
    assert found == [], have.log


def test_where_all_of_it_fits_the_code_is_theirs(compare, examples):
    """The peer leaves out what does not fit and says nothing; here it is a bit of the code.

    With `-r` only ours is asked: the peer's nodes stay as wide as this machine.
    """
    room = ("-r", "cpus=1000", "-r", "gpus=1000")
    have = compare.perform(OURS, examples, limit=120, options=room)
    assert ("NOTRUN", "OVERSIZED") not in have.jobs.values()
    assert have.codes == (14,), have.log
