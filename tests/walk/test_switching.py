"""What people who come from canary-wm do on their first days, and what they must find."""

from __future__ import annotations

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


def test_a_tag_that_stands_for_all(canary, tree):
    tree({"a.pyt": ""})
    for name in (":all:", "__all__"):
        done = canary("run", "--tag", name, "t", expect=2)
        assert "stands for all" in done.stderr


def test_a_name_without_parameters_is_nearer_than_a_part_of_a_name(canary, tree):
    tree(
        {
            "a.pyt": "import canary\ncanary.directives.parameterize('n', [1])\n",
            "c/fail.pyt": "",
        }
    )
    canary("run", "t", expect=0)
    assert canary("location", "-i", "a", expect=0).stdout.strip().endswith("t/a.pyt")


def test_one_file_from_two_paths(canary, tree):
    tree({"c/f.pyt": ""})
    done = canary("run", "t", "t/c", expect=3)
    assert "t/c/f.pyt: the file is found from" in done.stderr
    assert "give one of these paths" in done.stderr
