"""What people who come from canary-wm do on their first days, and what they must find."""

from __future__ import annotations

import json
import os
from datetime import datetime

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


def test_a_tag_hides_a_directory_of_its_name(canary, tree):
    tree({"a.pyt": "import canary\ncanary.directives.keywords('few')\n", "b.pyt": ""})
    canary("run", "t", expect=0)
    canary("select", "-k", "few", "t", expect=0)
    assert "1 total" in canary("run", "--only", "all", "t", expect=0).stdout
    assert "2 total" in canary("run", "--only", "all", "./t", expect=0).stdout
    assert "collected 2 jobs" in canary("collect", "t", expect=0).stdout


def test_a_test_that_was_edited_since_it_passed_is_told(canary, tree):
    root = tree({"a.pyt": "", "b.pyt": "", "c.pyt": FAILS})
    canary("run", "t", expect=8)
    assert "edited" not in canary("run", "t", expect=8).stderr
    (root / "a.pyt").write_text("# now it is right\n")
    told = "edited since it passed: t/a.pyt; --only changed runs it"
    for _ in range(2):  # what was collected anew is not yet run anew
        assert told in canary("run", "t", expect=8).stderr
    assert told in canary("run", "t/a.pyt", expect=7).stderr
    assert told in canary("run", expect=8).stderr
    (root / "b.pyt").write_text("# this too\n")
    assert "edited since it passed: t/a.pyt and 1 more;" in canary("run", "t", expect=8).stderr
    assert "2 total: 2 pass" in canary("run", "--only", "changed", "t", expect=0).stdout
    assert "edited" not in canary("run", "t", expect=8).stderr


def test_what_scripts_read(canary, tree, tmp_path):
    """Keys and forms of canary-wm that are kept beside ours."""
    tree({"d/a.pyt": "", "b.pyt": "import canary\ncanary.directives.depends_on('d/a')\n"})
    canary("run", "--tag", "mine", "t", expect=0)
    info = json.loads(canary("info", "--json", expect=0).stdout)
    assert info["root"] == info["workspace"] == str(tmp_path / ".canary")
    assert (
        (info["spec_count"], info["session_count"]) == (info["specs"], info["sessions"]) == (2, 1)
    )
    assert info["latest_session"] == info["latest"]
    assert (info["tags"], info["tag_sizes"]) == (["mine"], {"mine": 2})
    canary("find", "-l", "t", expect=0)
    specs = {
        s["name"]: s for s in json.loads((tmp_path / "testspecs.lock").read_text())["testspecs"]
    }
    assert specs["b"]["dependencies"] == [{"spec": {"id": specs["a"]["id"]}, "when": "on_success"}]
    session = tmp_path / ".canary" / "sessions" / info["latest"]
    spec = json.loads((session / "d" / "a" / "testcase.lock").read_text())["spec"]
    for found in (spec, specs["a"]):
        assert (found["exec_path"], found["view_path"]) == ("d/a", "d/a")
    times = json.loads((session / "session.lock").read_text())
    begin, end = (datetime.fromisoformat(times[k]) for k in ("started_on", "finished_on"))
    assert begin <= end <= datetime.now()


def test_every_answer_is_there_for_programs(canary, tree, tmp_path):
    tree({"a.pyt": "", "b.pyt": "import canary\ncanary.directives.depends_on('a')\n"})

    def ask(*words):
        return json.loads(canary(*words, "--json", expect=0).stdout)

    assert [spec["name"] for spec in ask("collect", "t")] == ["a", "b"]
    first, second = ask("run", "--dry-run")
    assert (first["name"], first["cpus"], first["dependencies"]) == ("a", 1, [])
    assert second["dependencies"] == [{"id": first["id"], "when": "on_success"}]
    assert ask("select", "-k", "b", "few") == {}
    assert ask("select", "-k", "a", "few") == {first["id"]: "a"}
    assert ask("select", "-m", "few", "same") == {first["id"]: "a"}
    canary("run", "-k", "a", "t", expect=0)
    (left,) = ask("status", "--show-excluded")
    assert (left["fullname"], sorted(left)) == ("b", ["fullname", "id", "reason"])
    places = ask("location", "a")
    assert set(places) == {"input", "source", "work", "view", "log"}
    for which in ("input", "log", "work", "source"):
        shown = canary("location", f"-{'x' if which == 'work' else which[0]}", "a", expect=0).stdout
        assert shown == places[which] + "\n"
    assert canary("location", "a", expect=0).stdout == places["view"] + "\n"
    assert "goes with --dry-run" in canary("run", "--json", "t", expect=2).stderr
