"""`canary history` and `canary compare` on real sessions, and the numbers they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from canary_history.numbers import bars, change, show_change, trend

TEST = """\
import os, sys
import canary
canary.directives.parameterize("n", [1, 2])
if __name__ == "__main__":
    round = int(os.environ["ROUND"])
    canary.add_measurement("steps", 10 * round)
    canary.set_attribute(round=round)
    print("residual =", 1.5e-3 / round, "and not 7")
    n = canary.get_instance().parameters.n
    sys.exit(1 if round == 3 and n == 2 else 0)
"""


def git(directory, *words):
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(directory)}
    subprocess.run(
        ["git", *who, *words], cwd=directory, env=environ, check=True, capture_output=True
    )


class Rounds:
    """Three sessions, the last one on another branch; a tag with one of two jobs."""

    def __init__(self, directory):
        self.directory = directory
        dropped = ("CANARY_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        self.environ["HOME"] = str(directory / "home")

    def __call__(self, *words, expect=0, **env):
        done = subprocess.run(
            [sys.executable, "-m", "canary", *words],
            cwd=self.directory,
            env={**self.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """The command line, in a workspace that no test changes."""
    directory = tmp_path_factory.mktemp("rounds")
    (directory / "t").mkdir()
    (directory / "t" / "x.pyt").write_text(TEST)
    (directory / "other.json").write_text('{"a": {"status": 1}}')
    git(directory, "init", "-q", "-b", "trunk")
    git(directory, "add", "t")
    git(directory, "commit", "-q", "-m", "x")
    run = Rounds(directory)
    words = ("--only", "all", "--measure", r"residual=^residual = ([-+.\deE]+)", "t")
    for number in ("1", "2"):
        run("run", *words, ROUND=number)
    git(directory, "checkout", "-q", "-b", "side-way")
    run("run", "--report", "json", *words, ROUND="3", expect=8)
    run("select", "-p", "n=2", "small")
    run("select", "-p", "n=2", "side-way")
    return run


def rows(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_a_job_over_sessions(canary):
    lines = rows(canary("history", "x.n=2").stdout)
    assert lines[1] == "Session Commit Status Duration steps residual Details"
    assert [line.split()[-1] for line in lines[2:4]] == ["0.0015", "0.00075"]
    assert lines[4].endswith("0.0005 exit code 1")
    assert "steps ▁▅█ 20 30 +50 %" in lines
    assert "residual █▃▁ 0.00075 0.0005 -33 %" in lines
    data = json.loads(canary("history", "x.n=2", "--json", "--sessions", "2").stdout)
    assert [job["source"]["branch"] for job in data] == ["trunk", "side-way"]
    assert [job["measurements"]["residual"] for job in data] == [0.00075, 0.0005]
    asked = canary("history", "x.n=2", "-m", "max_rss", PYTHONIOENCODING="ascii")
    assert "max_rss" in asked.stdout
    assert asked.stdout.isascii()


def test_attributes_that_a_test_sets_stay(canary):
    assert canary("query", "job", "x.n=2", "spec.attributes.round").stdout == "3\n"


def test_all_jobs_over_sessions(canary):
    lines = rows(canary("history").stdout)
    assert [line.split()[1] for line in lines[1:3]] == ["PPF", "PPP"]
    assert lines[-1] == "2 jobs in 3 sessions: 1 fail, 0 changed more than once"
    data = json.loads(canary("history", "--json").stdout)
    assert [job["failed"] for job in data["jobs"]] == [True, False]


@pytest.mark.parametrize(
    ("a", "b", "titles"),
    [
        ("latest~1", "latest", ("session 20", "session 20")),
        ("~1", "branch:side-way", ("session 20", "side-way (")),
        ("trunk", "canary.json", ("trunk (", "canary.json")),
        ("branch:trunk", "file:canary.json", ("trunk (", "canary.json")),
    ],
)
def test_two_sides_are_compared(canary, a, b, titles):
    done = canary("compare", a, b, "--exit-code", expect=1)
    lines = rows(done.stdout)
    assert lines[0] == "Fail now: 1"
    assert lines[2].endswith("SUCCESS FAILED x.n=2 exit code 1")
    moved = [line for line in lines if " steps " in line]
    assert sorted(line.split()[1:] for line in moved) == [
        ["steps", "20", "30", "+50", "%", "x.n=1"],
        ["steps", "20", "30", "+50", "%", "x.n=2"],
    ]
    assert lines[-3].startswith(f"A: {titles[0]}")
    assert lines[-2].startswith(f"B: {titles[1]}")
    assert lines[-1] == "1 fail now, 1 as before"


def test_a_new_job_that_fails_is_one_that_did_not_fail_before(canary):
    (canary.directory / "none.json").write_text("{}")
    assert "1 fail" in canary("compare", "none.json", "latest", "--exit-code", expect=1).stdout
    canary("compare", "none.json", "~1", "--exit-code")


SLOW = """\
import canary
canary.directives.parameterize("n", [1, 2, 3, 4])
if __name__ == "__main__":
    print("a" * 40)
    print("y =", canary.get_instance().parameters.n)
"""


def test_a_slow_pattern_costs_no_other_its_numbers(tmp_path):
    (tmp_path / "x.pyt").write_text(SLOW)
    run = Rounds(tmp_path)
    done = run("run", "--measure", "x=(a+)+$b", "--measure", "y=y = (.*)", "x.pyt")
    jobs = json.loads(run("query", "jobs").stdout)
    measured = {job["name"]: job["measurements"].get("y") for job in jobs}
    assert measured == {f"x.n={n}": n for n in (1, 2, 3, 4)}
    assert done.stderr.count("measurements.patterns.x is left out") == 1


def test_a_number_that_is_no_longer_one(tmp_path):
    (tmp_path / "x.pyt").write_text(
        "import os, canary\n"
        "if __name__ == '__main__':\n"
        "    canary.add_measurement('r', float(os.environ['R']))\n"
        "    canary.add_measurement('big', 10**400)\n"
    )
    run = Rounds(tmp_path)
    run("run", "x.pyt", R="1.5")
    run("run", "--only", "all", "x.pyt", R="nan")
    text = run("compare", "~1", "latest").stdout
    assert "Numbers on one side alone: 1" in text
    assert run("history", "x").stdout
    data = json.loads(run("compare", "~1", "latest", "--json").stdout)
    assert [(m["name"], m["before"], m["now"]) for m in data["alone"]] == [("r", 1.5, None)]


def test_a_tag_has_its_jobs_alone(canary):
    data = json.loads(canary("compare", "latest", "small", "--json").stdout)
    assert [job["fullname"] for job in data["gone"]] == ["x.n=1"]
    assert (data["b"], data["same"]) == ("tag small", 1)
    back = canary("compare", "latest", "~1", "--exit-code").stdout
    assert "Fail no more: 1" in back


def test_a_stream_of_events_can_be_compared(canary):
    lines = [
        {"kind": "stream", "schema": 1},
        *(
            {"kind": "job", "job": job}
            for job in json.loads((canary.directory / "canary.json").read_text()).values()
        ),
    ]
    for job in json.loads((canary.directory / "canary.json").read_text()).values():
        lines.append({"kind": "job_finished", "id": job["id"], "retry": False, "result": {}})
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (canary.directory / "e.jsonl").write_text(text + '{"kind":"torn')
    assert rows(canary("compare", "e.jsonl", "canary.json").stdout)[-1] == "2 as before"


@pytest.mark.parametrize(
    ("expect", "words", "said"),
    [
        (2, ("compare", "nothing", "latest"), "'nothing' is no session, tag, branch or file"),
        (2, ("compare", "side-way", "latest"), "'side-way' is a tag and a branch"),
        (2, ("compare", "~9", "latest"), "there are 3 sessions"),
        (3, ("compare", "t/x.pyt", "latest"), "x.pyt: this holds no results of canary"),
        (3, ("compare", "other.json", "latest"), "other.json: this holds no results of canary"),
        (2, ("compare", "file:gone", "latest"), "cannot be read"),
        (2, ("compare", "~1", "latest", "--threshold", "nan"), "--threshold nan"),
        (2, ("history", "y"), "no job 'y'"),
        (2, ("run", "--measure", "a=(", "t"), "measurements.patterns.a"),
        (2, ("run", "--measure", "a=(b)(c)", "t"), "has 2 groups"),
    ],
)
def test_errors_are_one_line(canary, expect, words, said):
    done = canary(*words, expect=expect)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_numbers():
    assert show_change(change(2.0, 2.2)) == "+10 %"
    assert show_change(change(2.0, 8.0)) == "×4.0"
    assert show_change(change(0.0, 8.0)) == "from 0"
    assert show_change(change(-2.0, -1.0)) == "+50 %"
    assert bars([1.0, None, 1.0]) in ("▁·▁", "_ _")
    assert bars([]) == ""
    assert trend("steps", [None]) == []
    assert trend("steps", [1, 2, 4])[2:] == ["2", "4", "×2.0"]
    assert trend("steps", [1, 2, 4, None])[2:] == ["2", "", ""]
    assert trend("steps", [10**308, -(10**308), 1e308])[1] in ("█▁█", "*_*")
    assert trend("duration", [1.0])[2:] == ["1.00s", "1.00s", ""]
