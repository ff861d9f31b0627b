"""`import canary`: names that come when they are asked for, also from other distributions."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def python(tmp_path):
    """`python(code)` runs code in a new interpreter that sees `canary_api` of this test."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        # the installed distributions that give names are left out: only this test's are to be seen
        setup = "import sys; sys.path[:] = [p for p in sys.path if '/plugins/' not in p]\n"
        setup += f"sys.path.insert(0, {str(tmp_path)!r})\n"
        return subprocess.run(
            [sys.executable, "-c", setup + textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def give(tmp_path):
    """`give("file", text)` ships a file in the namespace package."""

    def write(name: str, text: str) -> None:
        path = tmp_path / "canary_api" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    return write


def test_names_of_the_core(python):
    done = python(
        """
        import canary
        from canary import BaseJob, CanaryError, Command, Job, JobSpec, Launcher, Reporter
        from canary import Settings, SpecGenerator, Status, hookimpl, hookspec, version
        assert (version, canary.__version__, canary.version_info) == ("1.0.0", "1.0.0", (1, 0, 0))
        assert canary.FILE_SCANNING is False
        assert canary.Job is Job and "Job" in vars(canary)
        assert canary.errors.CanaryError is CanaryError
        """
    )
    assert done.returncode == 0, done.stderr


def test_import_loads_nothing(python):
    done = python("before = set(sys.modules); import canary; print(set(sys.modules) - before)")
    assert done.stdout == "{'canary'}\n"


def test_unknown_name(python, give):
    done = python("import canary; canary.get_instance")
    assert "AttributeError: module 'canary' has no attribute 'get_instance'; names for test" in (
        done.stderr
    )
    assert "pip install canary-pyt" in done.stderr
    give("x.py", "NAMES = {'other': 'os'}\n")
    done = python("import canary; canary.get_instance")
    assert done.stderr.endswith("module 'canary' has no attribute 'get_instance'\n")
    assert "cannot import name 'nothing'" in python("from canary import nothing").stderr
    assert "No module named 'canary.nothing'" in python("import canary.nothing").stderr


def test_names_of_a_distribution(python, give, tmp_path):
    give("x.py", "NAMES = {'join': 'os.path:join', 'deep': 'theirs:A.b', 'theirs': 'theirs'}\n")
    (tmp_path / "theirs.py").write_text("class A:\n    b = 3\n")
    done = python(
        """
        import canary
        assert "theirs" not in sys.modules
        from canary import deep, join
        import os
        assert join is os.path.join and deep == 3 and canary.theirs.A.b == 3
        assert "deep" in vars(canary)
        """
    )
    assert done.returncode == 0, done.stderr


def test_modules_of_a_distribution(python, give):
    give("canary/directives.py", "def copy(): return 7\n")
    give("x.py", "NAMES = {'directives': 'canary.directives'}\n")
    for code in (
        "import canary.directives\nassert canary.directives.copy() == 7",
        "from canary.directives import copy\nassert copy() == 7",
        "import canary\nassert canary.directives.copy() == 7",
        "from canary import directives as d\nassert d.copy() == 7",
    ):
        done = python(code)
        assert done.returncode == 0, done.stderr


def test_a_name_given_twice(python, give):
    give("x.py", "NAMES = {'join': 'os.path:join', 'same': 'os'}\n")
    give("y.py", "NAMES = {'join': 'posixpath:join'}\n")
    done = python("import canary; canary.join")
    assert "canary.join is given by both canary_api.x and canary_api.y" in done.stderr
    assert python("import canary; canary.same").returncode == 0


def test_a_giver_that_is_broken_hurts_only_its_own_names(python, give):
    give("x.py", "raise ValueError('oops')\n")
    give("y.py", "NAMES = {'join': 'os.path:join'}\n")
    assert python("import canary; canary.join").returncode == 0
    done = python("import canary; canary.other")
    assert "canary_api.x cannot be imported: oops" in done.stderr


def test_looking_for_a_method_of_the_package_does_not_search(python, give):
    give("x.py", "print('searched')\n")
    done = python("import canary; hasattr(canary, '__wrapped__'); from canary import errors")
    assert done.stdout == ""
