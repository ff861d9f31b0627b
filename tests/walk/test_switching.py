"""What people who come from canary-wm do on their first days, and what they must find."""

from __future__ import annotations

import os

FAILS = "if __name__ == '__main__':\n    raise SystemExit(1)\n"
BEHIND = "import canary\ncanary.directives.depends_on('f')\n"


def test_a_separator_of_search_paths_in_a_parameter(canary, tree):
    """The directory of such a job cannot be named on PATH and PYTHONPATH."""
    tree(
        {
            "helper.txt": "FOUND = True\n",
            "a.pyt": "import canary\nd = canary.directives\n"
            "d.parameterize('s', ['x:y', 'z'])\n"
            "d.copy(src='helper.txt', dst='helper_of_a.py')\n"
            "if __name__ == '__main__':\n    from helper_of_a import FOUND\n",
        }
    )
    canary("run", "t", expect=0)


def test_changed_leaves_what_stays_blocked(canary, tree, results):
    tree({"f.pyt": FAILS, "b.pyt": BEHIND})
    canary("run", "t", expect=8)
    assert results() == {"f": "FAIL FAILED", "b": "NOTRUN BLOCKED"}
    canary("run", "--only", "changed", expect=7)


def test_dependencies_keep_their_order(canary, tree, tmp_path):
    """When jobs are run again they come from the store, not from their files."""
    text = (
        "import canary\nd = canary.directives\n"
        "d.parameterize('n', [1, 2, 3, 4, 5, 6, 7])\nd.aggregate()\n"
        "if __name__ == '__main__':\n    print(canary.get_instance().parameters.n)\n"
    )
    tree({"g.pyt": text})
    canary("run", "t", expect=0)
    canary("run", "--only", "all", expect=0)
    assert (tmp_path / "TestResults/g/canary-out.txt").read_text() == "(1, 2, 3, 4, 5, 6, 7)\n"


def test_a_tag_that_stands_for_all(canary, tree):
    tree({"a.pyt": ""})
    for name in (":all:", "__all__"):
        done = canary("run", "--tag", name, "t", expect=2)
        assert "cannot be a tag" in done.stderr


def test_a_name_without_parameters_is_nearer_than_a_part_of_a_name(canary, tree):
    tree(
        {
            "a.pyt": "import canary\ncanary.directives.parameterize('n', [1])\n",
            "c/fail.pyt": "",
        }
    )
    canary("run", "t", expect=0)
    assert canary("location", "-i", "a", expect=0).stdout.strip().endswith("t/a.pyt")


def test_what_was_meant(canary, tree):
    """A misspelt name, an option in the wrong place, an expression that is not one."""
    tree({"hello.pyt": "", "s/other.pyt": ""})
    canary("run", "t", expect=0)
    for words, hint in (
        (("run", "t/helo.pyt"), "did you mean hello.pyt?"),
        (("run", "s/othr"), "did you mean s/other?"),
        (("-k", "x", "run", "t"), "a command's own stand after it"),
        (("run", "t"), "--only changed runs what was edited"),
    ):
        done = canary(*words)
        assert done.returncode in (2, 7)
        assert hint in done.stderr
    for option in ("-k", "-p"):
        assert f"ERROR: {option}: expected" in canary("run", option, "(", "t", expect=3).stderr


def test_copies_in_the_workspace_are_no_tests(canary, tree, results, tmp_path):
    tree({"a.pyt": ""})
    canary("run", "t", expect=0)
    for place in (".canary", ".canary/sessions"):
        assert "are no tests" in canary("run", ".", cwd=tmp_path / place, expect=2).stderr
    canary("run", ".", cwd=tmp_path / "TestResults", expect=0)
    assert set(results()) == {"a"}


def test_a_fifo_is_no_test(canary, tree, results):
    """To read it would be to wait for somebody who writes."""
    os.mkfifo(tree({"a.pyt": ""}) / "b.pyt")
    canary("run", "t", expect=0)
    assert set(results()) == {"a"}
    assert "is no path" in canary("run", "t/b.pyt", expect=2).stderr


def test_path_files(canary, tree, tmp_path, results):
    """Several are joined; what is wrong in one is said with its name."""
    tree({"a.pyt": "", "b.pyt": "", "c.pyt": ""})
    for name in "ab":
        text = f'{{"testpaths": [{{"root": "t", "paths": ["{name}.pyt"]}}]}}'
        (tmp_path / f"{name}.json").write_text(text)
    canary("run", "-f", "a.json", "-f", "b.json", expect=0)
    assert set(results()) == {"a", "b"}
    (tmp_path / "bad.json").write_text('{"testpaths": [{"root": "t", "paths": ["z.pyt"]}]}')
    done = canary("run", "-f", "bad.json", expect=2)
    assert "bad.json: z.pyt: no such file below" in done.stderr


def test_one_file_from_two_paths(canary, tree):
    tree({"c/f.pyt": ""})
    done = canary("run", "t", "t/c", expect=3)
    assert "t/c/f.pyt: the file is found from" in done.stderr
    assert "give one of these paths" in done.stderr
