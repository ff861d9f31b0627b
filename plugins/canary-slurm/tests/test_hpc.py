"""`canary hpc`: its actions' own words, and batches that are run by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ACTIONS = ("exec", "info", "status", "log", "attach", "cancel")


@pytest.mark.parametrize("word", ["-h", "--help"])
@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_has_help(canary, action, word):
    done = canary("hpc", action, word, expect=0)
    assert done.stdout.startswith(f"usage: canary hpc {action} ")
    assert done.stderr == ""


def test_the_help_of_a_run_is_that_of_run(canary):
    assert canary("hpc", "run", "--help", expect=0).stdout.startswith("usage: canary run ")


@pytest.fixture
def batch(canary, tools, tmp_path):
    """A batch that is over: four tests that, once there is a file `alone`, fail if two of them run
    at once."""
    body = (
        f"if not os.path.exists({str(tmp_path / 'alone')!r}):\n    return 0\n"
        f"os.mkdir({str(tmp_path / 'busy')!r})\n"
        "time.sleep(0.2)\n"
        f"os.rmdir({str(tmp_path / 'busy')!r})"
    )
    tools.write_test(tmp_path / "t/a.pyt", body, 'parameterize("n", [0, 1, 2, 3])')
    canary("run", "-b", "backend=local", "-b", "workers=4", "-b", "spec=count:1", "t", expect=0)
    (found,) = tmp_path.glob(".canary/sessions/*/hpc.batches/*")
    return found


def forget(batch):
    """As if none of it had run."""
    (batch / "events.jsonl").unlink()


def passed(batch):
    lines = [json.loads(line) for line in (batch / "events.jsonl").read_text().splitlines()]
    return [line["name"] for line in lines if line["e"] == "job_finished"]


FOUR = [f"a.n={n}" for n in range(4)]


def test_a_batch_is_run_by_its_directory(canary, batch, tmp_path):
    (tmp_path / "alone").touch()
    for words in (
        ("--workers=1", "--backend=slurm", f"--workspace={batch}"),
        ("--workers", "1", "--workspace", batch.parent.relative_to(tmp_path), batch.name),
        ("--workers=1", batch / "manifest.json"),
    ):
        forget(batch)
        done = canary("-C", tmp_path, "hpc", "exec", *words, cwd=Path("/"), expect=0)
        assert done.stdout.count("PASS (SUCCESS)") == 4
        assert sorted(passed(batch)) == FOUR
    assert json.loads((batch / "manifest.json").read_text())["policy"]["workers"] == 4
    assert canary("hpc", "status").stdout.count(batch.name) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which batch?"),
        (("--workers=0", "x"), "'0' is no number from 1"),
        (("--workers=1", "x"), "x is not the manifest of a batch"),
        (("--workers=1", "--workspace=."), "is not the manifest of a batch"),
    ],
)
def test_what_is_no_batch_is_a_line(canary, words, said):
    done = canary("hpc", "exec", *words, expect=2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_main_options_hold_for_what_is_run(canary, tools, tmp_path):
    tools.write_test(tmp_path / "t/a.pyt", "return 0", 'parameterize("licences", [1])')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    canary(
        "-C", elsewhere, "-r", "licences=1", "batch", "run", "-b", "backend=local", "../t", expect=0
    )
    assert (elsewhere / ".canary").is_dir()
