"""Past run times: right numbers from one pass, and a cache that may be lost."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import history
from canary.history import RunHistory

seconds = st.floats(0, 1e6)
KNOWN = RunHistory(1, 2.0, 0.0, 2.0, 2.0, {"PASS": 1}, 3.0).asdict()


@given(st.lists(seconds, min_size=1))
def test_one_pass_gives_what_all_values_would(durations):
    known = RunHistory()
    for i, duration in enumerate(durations):
        known.add("PASS", duration, float(i))
    assert known.count == len(durations)
    assert known.mean == pytest.approx(statistics.fmean(durations), rel=1e-9, abs=1e-9)
    assert (known.min, known.max) == (min(durations), max(durations))
    wanted = statistics.variance(durations) if len(durations) > 1 else 0.0
    assert known.variance == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert known.last == len(durations) - 1


def test_only_passing_runs_tell_how_long_it_takes():
    known = RunHistory()
    known.add("FAIL", 1000.0, 5.0)
    known.add("PASS", 2.0, 3.0)
    known.add("PASS", -1.0, 4.0)
    assert (known.count, known.mean, known.min, known.max) == (1, 2.0, 2.0, 2.0)
    assert known.categories == {"FAIL": 1, "PASS": 2}
    assert known.last == 5.0


@given(st.lists(st.tuples(st.sampled_from(["PASS", "FAIL", "NOTRUN"]), seconds, seconds)))
def test_what_is_written_is_read_again(runs):
    known = RunHistory()
    for run in runs:
        known.add(*run)
    data = json.loads(json.dumps(known.asdict()))
    assert RunHistory.fromdict(data) == known
    assert data["variance"] == known.variance


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"count": "x"},
        {"count": 1, "categories": 3},
        {"count": 1, "categories": {"a": ""}},
        *({**KNOWN, "count": n} for n in (math.inf, math.nan, -1, 10**4000)),
        {**KNOWN, "categories": {"PASS": math.inf}},
        *({**KNOWN, "mean": x} for x in (math.inf, math.nan, 10**4000)),
    ],
)
def test_anything_else_is_an_empty_history(data):
    known = RunHistory.fromdict(data)
    assert known == RunHistory()
    known.add("PASS", 1.0, 2.0)
    assert known.mean == 1.0


def test_a_cache_gives_back_what_it_got(tmp_path):
    known = RunHistory()
    known.add("PASS", 2.0, 3.0)
    assert history.load(tmp_path, "abcdef") == RunHistory()
    history.store(tmp_path, "abcdef", known)
    assert history.load(tmp_path, "abcdef") == known
    assert history.load(tmp_path, "abcdee") == RunHistory()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"count": 1e400}']
)
def test_a_damaged_cache_is_an_empty_one(tmp_path, damage):
    history.store(tmp_path, "abcdef", RunHistory())
    (file,) = (p for p in tmp_path.rglob("*.json"))
    file.write_bytes(damage)
    assert history.load(tmp_path, "abcdef") == RunHistory()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "cache").write_text("a file, not a directory")
    history.store(tmp_path / "cache", "abcdef", RunHistory())
    assert (tmp_path / "cache").read_text() == "a file, not a directory"
