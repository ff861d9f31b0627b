"""`canary resume` goes on as the session that was cut off was asked to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

# writes a letter a run; while `hold` names this many of them for it, it stays
COUNTS = """\
import os
import sys
import time
import canary
canary.directives.parameterize("n", [1, 2])
if __name__ == "__main__":
    here = os.environ["HERE"]
    mine = f"{here}/runs.{canary.get_instance().parameters.n}"
    with open(mine, "a") as file:
        file.write("x")
    with open(f"{here}/words", "w") as file:
        file.write(" ".join([*sys.argv[1:], os.environ.get("ADDED", "")]))
    while os.path.exists(f"{mine}.{os.path.getsize(mine)}"):
        open(f"{here}/ready", "w").close()
        time.sleep(0.01)
"""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """`killed(n, count, *words)` kills a run once job `n` has begun for the `count`-th time."""
    monkeypatch.setenv("HERE", str(tmp_path))

    def run(n, count, *words):
        hold, ready = tmp_path / f"runs.{n}.{count}", tmp_path / "ready"
        hold.touch()
        command = [sys.executable, "-m", "canary", *map(str, words)]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
            deadline = time.monotonic() + 20
            while not ready.exists():
                assert time.monotonic() < deadline
                assert run.poll() is None
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
            said = run.stderr.readline()
        hold.unlink()
        ready.unlink()
        return said

    return run


@pytest.fixture
def runs(tmp_path):
    """`runs()` is how often each job began."""
    return lambda: {f.name[5:]: f.stat().st_size for f in tmp_path.glob("runs.?")}


def test_repeats_and_settings_are_those_of_the_session(canary, tree, killed, runs, tmp_path):
    words = ["--workers", "1", "--repeat-until-fail", "4", tree({"r.pyt": COUNTS}), "--", "--more"]
    given = ["-e", "ADDED=too", "-e", "MY_TOKEN=hidden", "run", "--fail-fast"]
    killed(2, 3, *given, *words)
    first = runs()["1"]
    assert first in (0, 4)  # the other job comes before, or after
    said = killed(2, 5, "resume")
    for part in ("--repeat-until-fail 4", "run.workers 1", "--fail-fast", "-- --more"):
        assert part in said
    assert "hidden" not in said
    done = canary("resume", expect=0)
    assert "not recorded, so to be given again if needed: environment.set.MY_TOKEN" in done.stderr
    assert runs() == {"1": 4, "2": 3 + 2 + 4}
    assert (tmp_path / "words").read_text() == "--more too"
    (job,) = [
        job
        for job in json.loads(canary("query", "jobs", expect=0).stdout)
        if job["fullname"] == "r.n=2"
    ]
    assert job["attempt"] == 9


def test_what_is_given_again_holds(canary, tree, killed, runs):
    killed(1, 2, "run", "--workers", "1", "--repeat-until-fail", "4", tree({"r.pyt": COUNTS}))
    before = runs().get("2", 0)
    done = canary("resume", "--repeat-until-fail", "0", "--workers", "2", expect=0)
    assert "was asked" not in done.stderr
    assert runs() == {"1": 3, "2": before or 1}


def test_a_limit_that_is_given_again_holds(canary, tree, killed):
    killed(1, 1, "run", "--session-timeout", "1h", "--workers", "1", tree({"r.pyt": COUNTS}))
    assert "run.timeout.session 3600" in canary("resume", "--dry-run", expect=0).stderr
    for flag in ("--timeout=session=2h", "--session-timeout=2h"):
        assert "run.timeout" not in canary("resume", flag, "--dry-run", expect=0).stderr


def test_without_a_session_there_is_nothing_to_resume(canary, tree):
    canary("collect", tree({"r.pyt": COUNTS}), expect=0)
    assert "there is no session yet" in canary("resume", expect=7).stderr
