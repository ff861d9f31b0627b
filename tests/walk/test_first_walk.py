"""The commands of a first day: from `canary init` to Ctrl-C, on a few tests, with nothing faked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "hello.pyt": 'if __name__ == "__main__":\n    print("hello from the job")\n',
    "sub/area.pyt": """\
import sys

import canary
from canary_pyt.directives import keywords, parameterize

keywords("geometry", "fast")
parameterize("r", [1, 2, 5])
parameterize("side", ["top"], when="options=deep")


def test():
    r = canary.get_instance().parameters.r
    print(f"radius {r}")
    return 0


if __name__ == "__main__":
    sys.exit(test())
""",
    "diff.pyt": 'import sys\n\nif __name__ == "__main__":\n    sys.exit(64)\n',
}
ALL = {"hello", "diff", "sub/area.r=1", "sub/area.r=2", "sub/area.r=5"}


@pytest.fixture
def root(tree):
    return tree(FILES)


def test_init(canary, tmp_path):
    canary("init", expect=0)
    assert (tmp_path / ".canary").is_dir()
    again = canary("init")
    assert again.returncode not in {0}
    assert "Traceback" not in again.stderr
    canary("init", "-w", expect=0)
    canary("init", tmp_path / "elsewhere", expect=0)
    assert (tmp_path / "elsewhere" / ".canary").is_dir()


def test_run_and_what_it_leaves(canary, root, results, tmp_path):
    done = canary("run", root, expect=2)
    assert "diff" in done.stdout
    assert "DIFFED" in done.stdout
    assert results() == {name: "FAIL DIFFED" if name == "diff" else "PASS SUCCESS" for name in ALL}
    output = tmp_path / "TestResults" / "sub" / "area.r=2" / "canary-out.txt"
    assert "radius 2" in output.read_text()
    lock = json.loads(output.with_name("testcase.lock").read_text())
    assert lock["status"]["category"] == "PASS"
    assert lock["spec"]["parameters"] == {"r": 2}


def test_run_makes_its_workspace(canary, root, tmp_path):
    canary("run", "-k", "geometry", root, expect=0)
    assert (tmp_path / ".canary" / "workspace.sqlite3").is_file()


def test_second_run_has_nothing_to_do(canary, root):
    canary("run", "-k", "geometry", root, expect=0)
    done = canary("run", "-k", "geometry", root, expect=7)
    assert "Traceback" not in done.stderr
    canary("run", "--empty-ok", "-k", "geometry", root, expect=0)
    canary("run", "--only", "all", "-k", "geometry", root, expect=0)


def test_second_run_takes_what_has_not_passed(canary, root, results):
    canary("run", root, expect=2)
    (root / "diff.pyt").write_text("")
    canary("run", root, expect=0)
    assert set(results().values()) == {"PASS SUCCESS"}


def test_run_without_path_runs_again(canary, root):
    canary("run", root, expect=2)
    done = canary("run", expect=2)
    assert "diff" in done.stdout
    assert "area" not in done.stdout


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-k", "geometry and not hello"], {"sub/area.r=1", "sub/area.r=2", "sub/area.r=5"}),
        (["-p", "r > 1"], {"sub/area.r=2", "sub/area.r=5"}),
        (
            ["-o", "deep", "-k", "fast"],
            {"sub/area.r=1.side=top", "sub/area.r=2.side=top", "sub/area.r=5.side=top"},
        ),
        (["-k", "geometry", "-p", "r=1"], {"sub/area.r=1"}),
        (["-k", "fast", "--workers", "1"], {"sub/area.r=1", "sub/area.r=2", "sub/area.r=5"}),
    ],
)
def test_options_before_and_after_paths(canary, root, results, words, names, before):
    canary("run", *([*words, root] if before else [root, *words]), expect=0)
    assert set(results()) == names


def test_paths_of_a_directory_and_of_files(canary, root, results):
    canary("run", root / "sub", root / "hello.pyt", expect=0)
    assert set(results()) == {"hello", "area.r=1", "area.r=2", "area.r=5"}


def test_status(canary, root):
    canary("run", root, expect=2)
    short = canary("status", expect=0).stdout
    assert "diff" in short
    whole = canary("status", "-rA", expect=0).stdout
    assert all(name.rpartition("/")[2] in whole for name in ALL)
    data = json.loads(canary("status", "--json", expect=0).stdout)
    assert data


def test_query(canary, root):
    canary("run", root, expect=2)
    jobs = json.loads(canary("query", "jobs", expect=0).stdout)
    assert {job["fullname"] for job in jobs} == ALL
    digest = canary("query", "jobs", "--digest", expect=0).stdout.splitlines()
    assert len(digest) == 5
    (one,) = [job for job in jobs if job["fullname"] == "hello"]
    job = json.loads(canary("query", "job", one["id"], expect=0).stdout)
    assert "hello" in json.dumps(job)
    assert json.loads(canary("query", "sessions", expect=0).stdout)
    session = json.loads(canary("query", "session", "latest", expect=0).stdout)
    assert session["returncode"] == 2


def test_log(canary, root):
    canary("run", root, expect=2)
    lines = canary("log", "hello", expect=0).stdout.splitlines()
    assert lines[0].rstrip(":").endswith("canary-out.txt")
    assert "hello from the job" in lines
    assert "radius 5" in canary("log", "area.r=5", expect=0).stdout
    canary("log", expect=0)


def test_location(canary, root):
    canary("run", root, expect=2)
    place = Path(canary("location", "area.r=2", expect=0).stdout.strip())
    assert (place / "testcase.lock").is_file()
    file = Path(canary("location", "-i", "area.r=2", expect=0).stdout.strip())
    assert file.samefile(root / "sub" / "area.pyt")
    output = Path(canary("location", "-l", "area.r=2", expect=0).stdout.strip())
    assert "radius 2" in output.read_text()
    source = Path(canary("location", "-s", "area.r=2", expect=0).stdout.strip())
    assert source.samefile(root / "sub")


def test_describe(canary, root):
    text = canary("describe", root / "sub" / "area.pyt", expect=0).stdout
    assert "geometry" in text
    assert "r=5" in text
    canary("run", root, expect=2)
    assert "geometry" in canary("describe", "area.r=2", expect=0).stdout


def test_find_runs_nothing(canary, root, tmp_path):
    for words in (["-r", root], [root]):
        text = canary("find", *words, expect=0).stdout
        assert all(name in text for name in ALL)
    assert "hello" not in canary("find", "-k", "geometry", root, expect=0).stdout.split()
    assert "area.pyt" in canary("find", "--files", "-r", root, expect=0).stdout
    assert not (tmp_path / "TestResults").exists()
    assert not list(tmp_path.glob(".canary/sessions/*"))


def test_collect_keeps_what_it_found(canary, root, results):
    canary("init", expect=0)
    canary("collect", "-r", root, expect=0)
    canary("run", expect=2)
    assert set(results()) == ALL


def test_a_store_made_anew_knows_what_never_ran(canary, root, results, tmp_path):
    canary("run", "-k", "geometry", root, expect=0)
    canary("select", "-k", "fast", "few", expect=0)
    canary("doctor", "--rebuild", expect=0)
    assert "few" in canary("info", expect=0).stdout
    canary("run", expect=2)
    assert set(results()) == ALL
    # nothing of it is taken from a file that makes no sense
    (tmp_path / ".canary/workspace.sqlite3").write_bytes(b"SQLite format 3\0" + bytes(range(200)))
    canary("doctor", "--rebuild", expect=0)
    assert set(results()) == ALL


@pytest.mark.parametrize("words", [["--help"], ["help"], ["-h"]])
def test_help_names_the_commands(canary, words):
    text = canary(*words, expect=0).stdout
    for command in ("init", "run", "find", "status", "log", "location", "describe", "query"):
        assert command in text


@pytest.mark.parametrize("command", ["run", "find", "status", "query", "log", "location"])
def test_help_of_a_command(canary, command):
    text = canary(command, "--help", expect=0).stdout
    assert command in text
    assert len(text.splitlines()) > 3


def test_version(canary):
    assert canary("--version", expect=0).stdout.strip()


def test_outside_a_workspace_one_line_says_so(canary):
    done = canary("status")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_the_job_gets(canary, tree, tmp_path):
    """Its own directory first on PATH and PYTHONPATH, its name and level, no standard input."""
    text = """\
import json, os, sys
if __name__ == "__main__":
    words = ("PATH", "PYTHONPATH", "CANARY_CPU_IDS", "CANARY_LEVEL")
    found = {word: os.environ.get(word) for word in words}
    found |= {"cwd": os.getcwd(), "stdin": sys.stdin.read(), "argv": sys.argv, "name": __name__}
    with open("found.json", "w") as file:
        json.dump(found, file)
"""
    canary("run", tree({"x.pyt": text}), "--", "--more", "1", expect=0)
    (file,) = tmp_path.glob(".canary/sessions/*/x/found.json")
    found = json.loads(file.read_text())
    here = os.path.realpath(file.parent)
    assert os.path.realpath(found["cwd"]) == here
    assert os.path.realpath(found["PATH"].split(os.pathsep)[0]) == here
    assert os.path.realpath(found["PYTHONPATH"].split(os.pathsep)[0]) == here
    assert found["CANARY_CPU_IDS"].isdigit()
    assert found["CANARY_LEVEL"] == "0"
    assert found["stdin"] == ""
    assert found["argv"][0].endswith("x.pyt")
    assert found["argv"][1:] == ["--more", "1"]


STUBBORN = """\
import os, signal, subprocess, sys, time
import canary
canary.directives.parameterize("n", [1, 2])
if __name__ == "__main__":
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    with open({fifo!r}, "w") as fifo:
        fifo.write(f"{{os.getpid()}} {{child.pid}}\\n")
    child.wait()
"""


def alive(pid):
    """Whether a process is there, and not only its entry."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_and_keeps_what_was_done(
    canary, tree, results, tmp_path, number, code
):
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    root = tree({"a.pyt": "", "b.pyt": STUBBORN.format(fifo=str(fifo))})
    canary("run", root / "a.pyt", expect=0)
    with subprocess.Popen(
        [sys.executable, "-m", "canary", "run", "--workers", "2", root],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        pids = []
        # opened for both, so that it does not end when a job closes it; reading waits for a job
        with open(os.open(fifo, os.O_RDWR)) as lines:
            while len(pids) < 4:
                pids += map(int, lines.readline().split())
        assert all(alive(pid) for pid in pids)
        process.send_signal(number)
        out, _ = process.communicate(timeout=25)
    assert process.returncode == code, out
    assert "Traceback" not in out
    assert [pid for pid in pids if alive(pid)] == []
    found = results()
    assert found.pop("a") == "PASS SUCCESS"
    assert found == {"b.n=1": "ABORTED INTERRUPTED", "b.n=2": "ABORTED INTERRUPTED"}
    # the next run takes up the rest, and nothing else
    (root / "b.pyt").write_text("import canary\ncanary.directives.parameterize('n', [1, 2])\n")
    canary("run", root, expect=0)
    assert set(results().values()) == {"PASS SUCCESS"}
