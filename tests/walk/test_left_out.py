"""Jobs that a run leaves out are known with their reason, also where it leaves out all of them."""

from __future__ import annotations

import json

import pytest

MASKED = "import canary\ncanary.directives.skipif(True, reason='because')\n"


@pytest.fixture
def excluded(canary):
    """`excluded()`: the reason of each job that the last run left out, as two commands have it."""

    def ask():
        rows = json.loads(canary("query", "jobs", "--excluded", expect=0).stdout)
        shown = canary("status", "--show-excluded", expect=0).stdout
        for row in rows:
            assert row["id"][:7] in shown
            assert row["reason"] in shown
        return {row["fullname"]: row["reason"] for row in rows}

    return ask


def described(canary, name):
    return json.loads(canary("describe", "--json", name, expect=0).stdout)


def test_a_masked_job_is_described_with_its_reason(canary, tree, excluded):
    canary("run", tree({"m.pyt": MASKED, "mend.pyt": ""}), expect=0)
    assert excluded() == {"m": "because"}
    data = described(canary, "m")
    assert (data["excluded"], data["spec"]["name"]) == ("because", "m")
    assert described(canary, data["spec"]["id"][:7]) == data
    assert "excluded" not in described(canary, "mend")


def test_a_run_that_leaves_out_everything(canary, tree, excluded, tmp_path):
    root = tree({"m.pyt": MASKED, "n.pyt": ""})
    canary("run", "-k", "fast", root, expect=7)
    assert excluded() == {"m": "because", "n": "keyword expression 'fast'"}
    assert described(canary, "n")["excluded"] == "keyword expression 'fast'"
    assert not list(tmp_path.glob(".canary/sessions/*"))
    # the next run that has something to do has the word
    canary("run", root, expect=0)
    assert excluded() == {"m": "because"}
    # one that passed is described as it ran, and why it is not run again
    canary("run", root, expect=7)
    data = described(canary, "n")
    assert "passed" in data["excluded"]
    assert data["status"]["category"] == "PASS"


def test_nothing_was_run_yet(canary, tmp_path):
    canary("init", tmp_path, expect=0)
    for words in ("status --show-excluded", "query jobs --excluded", "describe m"):
        assert "there is no session yet" in canary(*words.split(), expect=2).stderr


def test_find_says_that_it_found_nothing(canary, tree):
    root = tree({"a.pyt": ""})
    said = [canary(*w, "-k", "first", root, expect=7).stderr for w in (("find",), ("run",))]
    assert said == ["ERROR: no jobs to run (1 left out: keyword expression 'first')\n"] * 2
    done = canary("find", "--json", "-k", "first", root, expect=7)
    assert json.loads(done.stdout) == []
