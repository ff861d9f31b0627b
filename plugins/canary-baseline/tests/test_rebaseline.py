"""`canary rebaseline` through the installed command line: look, take, ask, refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

TEST = """\
import sys
import canary

canary.directives.keywords("heat")
canary.directives.copy("ref.txt")
canary.directives.baseline(src="out.txt", dst="ref.txt")
if __name__ == "__main__":
    with open("out.txt", "w") as f:
        f.write("flux = 2.5\\n")
    sys.exit(64 if open("out.txt").read() != open("ref.txt").read() else 0)
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "heat.pyt").write_text(TEST)
    (tmp_path / "t" / "ref.txt").write_text("flux = 2.0\n")
    return tmp_path


def canary(tree, *words, expect=None, stdin=""):
    command = [sys.executable, "-m", "canary", *words]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, input=stdin, timeout=60, check=False
    )
    if expect is not None:
        assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_a_difference_is_shown_then_taken(tree):
    canary(tree, "run", "t", expect=2)
    shown = canary(tree, "rebaseline", "--dry-run", expect=0).stdout
    assert "1 numbers differ, by at most 0.2 relatively" in shown
    assert "-flux = 2.0" in shown
    assert "+flux = 2.5" in shown
    assert (tree / "t" / "ref.txt").read_text() == "flux = 2.0\n"
    done = canary(tree, "rebaseline", expect=0)
    assert done.stdout.endswith("Rebaselined 1 job(s)\n")
    assert (tree / "t" / "ref.txt").read_text() == "flux = 2.5\n"
    canary(tree, "run", "t", expect=0)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (["TestResults"], True),
        (["TestResults/heat"], True),
        (["heat"], True),
        (["-k", "heat"], True),
        (["-k", "cold"], False),
    ],
)
def test_what_is_named_is_rebaselined(tree, words, taken):
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", *words, expect=0)
    assert f"Rebaselined {int(taken)} job(s)" in done.stdout
    assert ("2.5" in (tree / "t" / "ref.txt").read_text()) is taken


@pytest.mark.parametrize(
    ("answer", "taken"), [("y\n", 1), ("n\n", 0), ("q\n", 0), ("", 0), ("?\na\n", 1)]
)
def test_one_is_asked(tree, answer, taken):
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", "-i", stdin=answer, expect=0)
    assert f"Rebaselined {taken} job(s)" in done.stdout


def test_nothing_outside_the_tests_directory_is_written(tree):
    (tree / "t" / "heat.pyt").write_text(TEST.replace('dst="ref.txt"', 'dst="../outside.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "../outside.txt: leaves" in done.stderr
    assert not (tree / "outside.txt").exists()


def test_a_link_on_the_way_is_not_followed(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tree / "t" / "refs").symlink_to(elsewhere)
    (tree / "t" / "heat.pyt").write_text(TEST.replace('dst="ref.txt"', 'dst="refs/ref.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "a link on the way leaves" in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_a_source_that_was_not_made_is_an_error(tree):
    (tree / "t" / "heat.pyt").write_text(TEST.replace('src="out.txt"', 'src="other.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "other.txt: not made by heat" in done.stderr
    assert "Rebaselined 0 job(s), 1 could not be" in done.stdout


def test_a_flag_runs_the_test_again(tree):
    (tree / "t" / "heat.pyt").write_text(
        "import sys\nimport canary\ncanary.directives.baseline(flag='--renew')\n"
        "if __name__ == '__main__' and '--renew' in sys.argv:\n    open('renewed', 'w').close()\n"
    )
    canary(tree, "run", "t", expect=0)
    canary(tree, "rebaseline", expect=0)
    assert (tree / "TestResults" / "heat" / "renewed").exists()


def test_hook_canary_rebaseline(tree):
    (tree / "mine.py").write_text(
        "import canary\n@canary.hookimpl\ndef canary_rebaseline(job, config):\n"
        "    job.workspace.joinpath('seen').touch()\n"
    )
    canary(tree, "run", "t", expect=2)
    canary(tree, "-p", "mine.py", "rebaseline", expect=0)
    assert (tree / "TestResults" / "heat" / "seen").exists()
