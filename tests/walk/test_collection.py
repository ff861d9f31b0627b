"""Files that start processes, stop the collector or change it: the others run, nothing stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from canary import procfs

WRITES = """
import os
for fd in range(3, 60):
    try:
        os.write(fd, b"\\5\\0\\0\\0hello")
    except OSError:
        pass
"""
PASSES = 'if __name__ == "__main__":\n    print("well")\n'
STARTS = """
import os, subprocess, canary
if canary.FILE_SCANNING:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open({told!r}, "a") as file:
        print(child.pid, os.getpid(), file=file)
    {then}
"""


def await_end(pids):
    """Until none of these processes lives."""
    deadline = time.monotonic() + 20
    while found := [p for p in map(procfs.process, pids) if p and not p.dead]:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def test_nothing_that_files_start_stays_and_the_others_run(canary, tree, results, tmp_path):
    told = str(tmp_path / "told")
    start = {
        then: STARTS.format(told=told, then=then)
        for then in ("pass", "os._exit(3)", "os.kill(os.getpid(), 11)")
    }
    files = {"a": start["pass"], "b": start["os._exit(3)"], "c": start["os.kill(os.getpid(), 11)"]}
    texts = {f"{name}.pyt": text + PASSES for name, text in {**files, "d": WRITES}.items()}
    canary("run", "--parsing-policy", "permissive", tree(texts), expect=8)
    await_end(Path(told).read_text().split())
    assert results() == {"a": "PASS SUCCESS", **dict.fromkeys("bcd", "FAIL INVALID")}


def test_a_runner_that_is_killed_while_it_collects_leaves_nothing(tree, tmp_path):
    """Neither what reads a file, nor what that has started."""
    told = tmp_path / "told"
    root = tree({"a.pyt": STARTS.format(told=str(told), then="__import__('time').sleep(600)")})
    words = [sys.executable, "-m", "canary", "run", str(root)]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 20
        while not (told.exists() and told.read_text().endswith("\n")):
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    await_end(told.read_text().split())


def test_what_a_file_makes_of_the_directives_is_its_own(canary, tree):
    rude = "import canary\ncanary.directives.parameterize = lambda *args, **more: None\n"
    polite = "import canary\ncanary.directives.parameterize('a', [1, 2])\n"
    found = canary("find", "--json", tree({"a.pyt": rude, "b.pyt": polite}), expect=0)
    assert len(json.loads(found.stdout)) == 3
