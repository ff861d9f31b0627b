"""Exceptions that end a test with a result, in processes of their own."""

from __future__ import annotations

import json

import pytest

RESULTS = [("TestDiffed", 64), ("TestFailed", 65), ("TestSkipped", 80)]


@pytest.mark.parametrize(("name", "code"), RESULTS)
def test_exit_code_traceback_and_reason(python, tmp_path, name, code):
    (tmp_path / "testcase.lock").touch()
    (tmp_path / "t.py").write_text(f"import canary\nraise canary.{name}('so it is')\n")
    done = python("t.py")
    assert done.returncode == code
    assert f"{name}: so it is" in done.stderr
    assert "Traceback" in done.stderr
    said = json.loads((tmp_path / ".canary-remarks.jsonl").read_text())
    assert said == {"end": {"code": code, "reason": f"{name}: so it is"}}


def test_outside_of_a_job_nothing_is_written(python, tmp_path):
    done = python("-c", "import canary\nraise canary.TestDiffed")
    assert done.returncode == 64
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("class Worse(canary.TestDiffed): pass\nraise Worse('x')", 64),
        ("class Mine(Exception): exit_code = 80\ncanary.TestFailed\nraise Mine", 80),
        ("class Mine(Exception): exit_code = 'x'\ncanary.TestFailed\nraise Mine", 1),
        ("class Mine(Exception): exit_code = True\ncanary.TestFailed\nraise Mine", 1),
        ("try:\n    raise canary.TestFailed\nexcept Exception: pass", 0),
        ("canary.TestFailed\nraise SystemExit(3)", 3),
        ("canary.TestFailed\nraise ValueError", 1),
        ("import atexit\natexit.register(print, 'bye')\nraise canary.TestDiffed", 64),
    ],
)
def test_other_exceptions(python, text, code):
    done = python("-c", f"import canary\n{text}")
    assert done.returncode == code
    assert ("atexit" not in text) or done.stdout == "bye\n"


def test_the_old_place_of_the_names(python):
    done = python("-c", "from _canary.core.error import TestSkipped\nraise TestSkipped('x')")
    assert done.returncode == 80


def test_importing_canary_installs_nothing(python):
    done = python(
        "-c",
        "import sys, canary, canary_pyt\ncanary.directives.keywords('a')\n"
        "print(sys.excepthook is sys.__excepthook__, 'canary_pyt.errors' in sys.modules)",
    )
    assert done.stdout.split() == ["True", "False"]
