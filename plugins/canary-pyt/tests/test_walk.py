"""Whole runs: files on disk, `canary run`, what is recorded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Write files, run canary over them; the results by full name, and the process."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [n for n in os.environ if n.startswith(("CANARY_", "XDG_"))]:
        monkeypatch.delenv(name)

    def go(files, *words, cwd=tmp_path / "tree"):
        cwd.mkdir(exist_ok=True)
        for name, text in files.items():
            path = cwd / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        call = [sys.executable, "-m", "canary"]
        done = subprocess.run(
            [*call, "run", *words, "."],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )
        rows = subprocess.run(
            [*call, "query", "jobs"],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )
        jobs = json.loads(rows.stdout or "[]")
        return done, {j["fullname"]: j for j in jobs}

    return go


def lock(job):
    with open(f"{job['exec_dir']}/testcase.lock") as f:
        return json.load(f)


def output(job):
    with open(f"{job['exec_dir']}/canary-out.txt") as f:
        return f.read()


def outcome(job):
    return job["status"]["outcome"]


def test_measurements_and_attributes_stick(run):
    text = (
        "import canary\nimport os\ncanary.directives.set_attribute(a=1)\n"
        "if __name__ == '__main__':\n    self = canary.get_instance()\n    os.chdir('/')\n"
        "    self.set_attribute(b=2)\n    self.add_measurement('speed', 9.5)\n"
        "    canary.get_job().add_measurement('size', 3)\n"
    )
    done, jobs = run({"t.pyt": text})
    assert done.returncode == 0, done.stderr
    state = lock(jobs["t"])
    assert state["measurements"]["data"]["speed"] == 9.5
    assert state["measurements"]["data"]["size"] == 3
    assert state["spec"]["attributes"] == {"a": 1, "b": 2}
    assert ".canary-remarks.jsonl" not in os.listdir(jobs["t"]["exec_dir"])


def test_the_reason_is_that_of_the_exception(run):
    files = {
        "skip.pyt": "import canary\nif __name__ == '__main__': raise canary.TestSkipped('key')\n",
        "diff.pyt": "import canary\nif __name__ == '__main__': raise canary.TestDiffed('by 3')\n",
        "xdiff.pyt": "import canary\ncanary.directives.xdiff()\n"
        "if __name__ == '__main__':\n    raise canary.TestDiffed('by 4')\n",
        "xfail.pyt": "import canary\ncanary.directives.xfail(code=3)\n"
        "if __name__ == '__main__':\n    raise canary.TestDiffed('by 5')\n",
    }
    done, jobs = run(files)
    assert done.returncode == 2 + 8
    found = {n: (outcome(j), j["status"]["reason"]) for n, j in jobs.items()}
    assert found["skip"] == ("SKIPPED", "TestSkipped: key")
    assert found["diff"] == ("DIFFED", "TestDiffed: by 3")
    assert found["xdiff"][0] == "XDIFF"
    assert found["xdiff"][1].endswith("by 4")
    assert found["xfail"][0] == "FAILED"
    assert found["xfail"][1].endswith("by 5")


def test_setup_and_teardown(run):
    around = (
        "import canary_pyt.directives as d\n@d.setup\ndef before(job):\n    {before}\n"
        "@d.teardown\ndef after(job):\n    {after}\n"
        "if __name__ == '__main__':\n    print('body')\n    raise SystemExit({code})\n"
    )
    files = {
        "good.pyt": around.format(before="print('b')", after="print('a')", code=0),
        "broken.pyt": around.format(before="raise ValueError('no')", after="print('a')", code=0),
        "late.pyt": around.format(before="pass", after="raise ValueError('late')", code=64),
    }
    done, jobs = run(files)
    assert {n: outcome(j) for n, j in jobs.items()} == {
        "good": "SUCCESS",
        "broken": "BROKEN",
        "late": "DIFFED",
    }
    assert jobs["broken"]["status"]["reason"] == "setup: ValueError: no"
    assert output(jobs["good"]).split() == ["b", "body", "a"]
    assert "body" not in output(jobs["broken"])
    assert "ValueError: late" in output(jobs["late"])
    assert done.returncode == 2 + 8


def test_directories_with_setup_and_teardown(run):
    files = {
        "s/canaryconf.py": "def canary_setup(ctx):\n    print('up', ctx.name)\n"
        "def canary_teardown(ctx):\n    print('down')\n",
        "s/t.pyt": "",
        "s/deep/t.pyt": "",
        "bad/canaryconf.py": "def canary_setup(ctx):\n    1 / 0\n",
        "bad/t.pyt": "",
        "out.pyt": "",
    }
    done, jobs = run(files)
    assert {n: outcome(j) for n, j in jobs.items()} == {
        "s/canaryconf.py::setup": "SUCCESS",
        "s/t": "SUCCESS",
        "s/deep/t": "SUCCESS",
        "s/canaryconf.py::teardown": "SUCCESS",
        "bad/canaryconf.py::setup": "FAILED",
        "bad/t": "BLOCKED",
        "out": "SUCCESS",
    }
    assert output(jobs["s/canaryconf.py::setup"]) == "up canaryconf.py::setup\n"
    assert jobs["s/canaryconf.py::teardown"]["started_at"] >= jobs["s/deep/t"]["stopped_at"]
    assert done.returncode == 8


def test_errors_of_all_files_at_once(run):
    files = {
        "a.pyt": "import canary\ncanary.directives.keyword('x')\n",
        "b.pyt": "def broken(:\n",
        "c.pyt": "import sys\nsys.exit(0)\n",
        "d.pyt": "import canary\ncanary.directives.parameterize('cpus', [1.5])\n",
        "good.pyt": "",
    }
    done, jobs = run(files)
    assert done.returncode == 3
    assert jobs == {}
    for place in ("a.pyt:2", "b.pyt:1", "c.pyt:2", "d.pyt:2"):
        assert re.search(rf"{re.escape(place)}: ", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_world_is_seen_although_the_file_is_not(run, monkeypatch):
    """A file that asks the environment is executed in every run."""
    text = (
        "import os\nimport canary\n"
        "canary.directives.parameterize('n', os.environ['WANTED'].split())\n"
    )
    monkeypatch.setenv("WANTED", "1 2")
    _, jobs = run({"t.pyt": text, "u.pyt": "import canary\ncanary.directives.keywords('x')\n"})
    assert set(jobs) == {"t.n=1", "t.n=2", "u"}
    monkeypatch.setenv("WANTED", "3")
    _, jobs = run({}, "--only", "all")
    assert jobs["t.n=3"]["status"]["outcome"] == "SUCCESS"


def test_configuration_in_a_test(run):
    text = (
        "import canary\nif __name__ == '__main__':\n"
        "    assert canary.config.get('run:timeout:fast') == 120.0\n"
        "    assert canary.config.get('no:such', 5) == 5\n"
        "    assert canary.status.Outcome.DIFFED == 64\n"
        "    assert canary.config.getoption('nonsense') is None\n"
    )
    done, jobs = run({"t.pyt": text})
    assert done.returncode == 0, output(jobs["t"])


def test_what_a_job_sees_of_one_that_was_blocked(run):
    """It was never staged and has no lock of its own."""
    show = (
        "import canary\nd = canary.directives\nd.depends_on({'job': 'b', 'when': 'always'})\n"
        "if __name__ == '__main__':\n"
        "    (b,) = canary.get_instance().dependencies\n"
        "    print(b.name, b.parameters.n, b.status.outcome.name, b.status.reason)\n"
    )
    blocked = "import canary\nd = canary.directives\nd.depends_on('a')\nd.parameterize('n', [1])\n"
    fails = "if __name__ == '__main__':\n    raise SystemExit(1)\n"
    _, jobs = run({"a.pyt": fails, "b.pyt": blocked, "c.pyt": show})
    assert jobs["c"]["status"]["outcome"] == "SUCCESS", output(jobs["c"])
    assert "b.n=1 1 BLOCKED a came to FAILED" in output(jobs["c"])


def test_a_parameter_that_is_no_number(run):
    """JSON has no NaN, so the lock has null."""
    text = (
        "import canary\ncanary.directives.parameterize('x', [float('nan'), 1.0])\n"
        "if __name__ == '__main__':\n"
        "    from math import isnan\n"
        "    x = canary.get_instance().parameters.x\n"
        "    assert x == 1.0 or isnan(x), x\n"
    )
    _, jobs = run({"a.pyt": text})
    assert {name: job["status"]["outcome"] for name, job in jobs.items()} == {
        "a.x=nan": "SUCCESS",
        "a.x=1": "SUCCESS",
    }


def test_what_setup_and_teardown_do_to_the_job_is_kept(run):
    text = (
        "import os\nfrom canary_pyt.directives import *\n"
        "@setup\ndef before(job):\n    job.add_variables(ADDED='yes')\n    job.set_attribute(a=1)\n"
        "@teardown\ndef after(job):\n    job.add_measurement('m', 2)\n"
        "if __name__ == '__main__':\n    assert os.environ['ADDED'] == 'yes'\n"
    )
    failing = (
        "from canary_pyt.directives import *\n@teardown\ndef after(job):\n"
        "    job.set_status(outcome='FAILED', reason='left a mess')\n"
    )
    skipped = (
        "from canary_pyt.directives import *\n@setup\ndef before(job):\n"
        "    job.set_status(outcome='SKIPPED', reason='no licence')\n1 / (__name__ != '__main__')\n"
    )
    done, jobs = run({"t.pyt": text, "mess.pyt": failing, "skipped.pyt": skipped})
    assert done.returncode == 8, done.stderr
    assert outcome(jobs["t"]) == "SUCCESS"
    state = lock(jobs["t"])
    assert state["variables"]["ADDED"] == "yes"
    assert state["spec"]["attributes"]["a"] == 1
    assert state["measurements"]["data"]["m"] == 2
    assert jobs["mess"]["status"]["reason"] == "left a mess"
    assert outcome(jobs["mess"]) == "FAILED"
    assert outcome(jobs["skipped"]) == "SKIPPED"
    assert jobs["skipped"]["status"]["reason"] == "no licence"


def test_a_canaryconf_that_ends_as_it_is_loaded_is_broken(run):
    text = "import sys\ndef canary_setup(ctx): open('CALLED', 'w')\nsys.exit(0)\n"
    done, jobs = run({"canaryconf.py": text, "t.pyt": "import canary\n"})
    assert done.returncode == 8
    assert outcome(jobs["canaryconf.py::setup"]) == "BROKEN"
    assert jobs["canaryconf.py::setup"]["status"]["reason"] == "canaryconf.py: SystemExit: 0"
    assert outcome(jobs["t"]) == "BLOCKED"
