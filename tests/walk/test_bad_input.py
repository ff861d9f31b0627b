"""Bad input is one clear line, and never a traceback; what else there is runs if that is wanted.

By default nothing runs, the exit code is 3 and each error is one line. With
`--parsing-policy permissive` every other file runs; the bad one is a FAIL (INVALID) row with that
line as its reason, and adds 8.
"""

from __future__ import annotations

import itertools
import json

import pytest

GOOD = {"good.pyt": 'if __name__ == "__main__":\n    print("well")\n'}


class Said:
    """What a command wrote to the standard error, and how to look at it."""

    def __init__(self, done):
        self.code = done.returncode
        self.lines = done.stderr.splitlines()
        self.all = f"{done.stdout}\n{done.stderr}"

    def once(self, *words):
        """The one line that holds all these words."""
        found = [line for line in self.lines if all(word in line for word in words)]
        assert len(found) == 1, f"{words}: {len(found)} lines\n{self.all}"
        return found[0]


@pytest.fixture
def run(canary, tree):
    """`run(policy, files)` runs a tree; a traceback is never to be seen."""

    def walk(policy, files, *words, **more):
        done = canary("run", "--parsing-policy", policy, *words, tree(files), **more)
        said = Said(done)
        assert "Traceback" not in said.all
        return said

    return walk


@pytest.fixture
def reasons(canary):
    """`reasons(names)`: the reason of each of these jobs."""

    def ask(names):
        jobs = json.loads(canary("query", "jobs", expect=0).stdout)
        return [job["status"]["reason"] for job in jobs if job["fullname"] in names]

    return ask


@pytest.fixture
def both(run, results, reasons, tmp_path):
    """Run a tree with either policy: each of `places` is what one line says, `bad` are the jobs
    that are invalid under the permissive policy."""

    def walk(files, *places, bad):
        said = run("pedantic", {**GOOD, **files})
        for place in places:
            said.once(*place)
        assert said.code == 3, said.all
        assert not list(tmp_path.glob(".canary/sessions/*/good")), "something has run"
        said = run("permissive", {**GOOD, **files})
        assert said.code == 8, said.all
        found = results()
        assert found["good"] == "PASS SUCCESS"
        invalid = {name for name, result in found.items() if result == "FAIL INVALID"}
        assert invalid == bad, found
        for place in places:
            assert any(all(word in reason for word in place) for reason in reasons(bad))
        return found

    return walk


def test_syntax_error_in_one_of_100_files(both):
    files = {f"d{i % 7}/t{i:03d}.pyt": "" for i in range(99)}
    found = both(
        {**files, "d3/bad.pyt": "import sys\nx = (1,\nprint(\n"},
        ("d3/bad.pyt:", "syntax"),
        bad={"d3/bad"},
    )
    assert len(found) == 101
    assert sum(result == "PASS SUCCESS" for result in found.values()) == 100


def test_line_of_a_syntax_error(run):
    said = run("pedantic", {"bad.pyt": "import sys\n\nif True\n    pass\n"})
    said.once("bad.pyt:3")


def test_module_level_exit(both):
    both(
        {"bad.pyt": "import sys\n\nsys.exit(0)\n"},
        ("bad.pyt:3", "exit"),
        bad={"bad"},
    )


def test_exception_while_collecting(both):
    both(
        {"bad.pyt": "def f():\n    return 1 / 0\n\n\nf()\n"},
        ("bad.pyt:", "ZeroDivisionError"),
        bad={"bad"},
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('parameterize("a,b", [(1, 2), (3,)])', "parameterize"),
        ('depends_on("good", weather="fine")', "depends_on"),
        ('cpus("two")', "cpus"),
        ('timeout("soon")', "timeout"),
        ("keywords()  ; canary.directives.nonsense(1)", "nonsense"),
        ('enable(True, when="planet=earth")', "planet"),
        ("baseline(src='a')", "baseline"),
    ],
)
def test_directive_with_wrong_arguments(both, line, word):
    both(
        {"bad.pyt": f"import canary\n\ncanary.directives.{line}\n"},
        ("bad.pyt:3", word),
        bad={"bad"},
    )


def test_unmatched_dependency(both):
    both(
        {"bad.pyt": "import canary\n\ncanary.directives.depends_on('nobody')\n"},
        ("bad.pyt:3", "nobody"),
        bad={"bad"},
    )


def test_dependency_matched_too_often(both):
    text = "import canary\ncanary.directives.depends_on({'job': 'g*', 'expects': 1})\n"
    both({"good2.pyt": "", "bad.pyt": text}, ("bad.pyt:2", "g*", "2"), bad={"bad"})


def test_cycle_names_its_jobs_in_order(run, results, reasons):
    files = {
        f"{name}.pyt": f"import canary\ncanary.directives.depends_on('{other}')\n"
        for name, other in (("ant", "bee"), ("bee", "cat"), ("cat", "ant"))
    }
    for policy, code in (("pedantic", 3), ("permissive", 8)):
        said = run(policy, {**GOOD, **files})
        line = said.once("ant", "bee", "cat") if code == 3 else reasons({"bee"})[0]
        # an arrow may point either way, and the walk may begin anywhere
        path = [word for word in line.replace(":", " ").split() if word in {"ant", "bee", "cat"}]
        assert len(path) >= 3
        steps = set(itertools.pairwise(path))
        forward = {("ant", "bee"), ("bee", "cat"), ("cat", "ant")}
        backward = {(b, a) for a, b in forward}
        assert steps <= forward or steps <= backward, line
        assert ".pyt:2" in line
        assert said.code == code, said.all
    found = results()
    assert found.pop("good") == "PASS SUCCESS"
    assert set(found.values()) == {"FAIL INVALID"}


def test_duplicate_ids(run, results, reasons):
    text = "import canary\ncanary.directives.set_id('0123456789abcdef')\n"
    for policy, code in (("pedantic", 3), ("permissive", 8)):
        said = run(policy, {**GOOD, "one.pyt": text, "two.pyt": text})
        if policy == "pedantic":
            said.once("two.pyt:2: 'two' has the same ID as 'one' of ", "one.pyt:2")
        assert said.code == code, said.all
    found = results()
    assert found == {"good": "PASS SUCCESS", "one": "FAIL INVALID", "two": "FAIL INVALID"}
    for reason in reasons({"one", "two"}):
        assert "one" in reason
        assert "two" in reason


def test_one_path_in_two_repositories(run, results):
    files = {f"{name}/{place}": "" for name in "ab" for place in (".git/x", "t.pyt")}
    assert run("pedantic", {**GOOD, **files}).code == 3
    assert run("permissive", {**GOOD, **files}).code == 8
    found = results()
    assert found == {"good": "PASS SUCCESS", "a/t": "FAIL INVALID", "b/t": "FAIL INVALID"}


def test_all_errors_are_shown_at_once(run):
    said = run(
        "pedantic",
        {
            "one.pyt": "x = (\n",
            "two.pyt": "import canary\ncanary.directives.cpus('two')\n",
            "three.pyt": "import sys\nsys.exit()\n",
        },
    )
    said.once("one.pyt:1")
    said.once("two.pyt:2")
    said.once("three.pyt:2")
    assert said.code == 3


@pytest.mark.parametrize("policy", ["pedantic", "permissive"])
def test_wrong_configuration_key(run, tmp_path, policy):
    (tmp_path / "canary.toml").write_text("[run]\nworkerz = 3\n")
    said = run(policy, GOOD)
    said.once("canary.toml", "workerz")
    assert said.code == 2, said.all
    assert not (tmp_path / "TestResults").exists()


@pytest.mark.parametrize("policy", ["pedantic", "permissive"])
def test_wrong_type_in_the_configuration(run, tmp_path, policy):
    (tmp_path / "canary.toml").write_text('[run.timeout]\nfast = "soon"\n')
    said = run(policy, GOOD)
    said.once("canary.toml", "fast")
    assert said.code == 2, said.all


@pytest.mark.parametrize("policy", ["pedantic", "permissive"])
def test_missing_asset(run, results, canary, policy):
    files = {"bad.pyt": "import canary\ncanary.directives.copy('nothing.txt')\n"}
    said = run(policy, {**GOOD, **files})
    assert said.code == 8, said.all
    assert results() == {"good": "PASS SUCCESS", "bad": "FAIL BROKEN"}
    assert "nothing.txt" in canary("status", env={"COLUMNS": "200"}, expect=0).stdout


@pytest.mark.parametrize("policy", ["pedantic", "permissive"])
def test_job_wider_than_the_machine(run, results, canary, policy):
    files = {
        "wide.pyt": "import canary\ncanary.directives.cpus(64)\n",
        "exotic.pyt": "import canary\ncanary.directives.gpus(64)\n",
        "after.pyt": "import canary\ncanary.directives.depends_on('wide')\n",
    }
    said = run(policy, {**GOOD, **files})
    assert said.code == 32, said.all
    assert results() == {
        "good": "PASS SUCCESS",
        "wide": "NOTRUN OVERSIZED",
        "exotic": "NOTRUN OVERSIZED",
        "after": "NOTRUN BLOCKED",
    }
    assert "64" in canary("status", env={"COLUMNS": "200"}, expect=0).stdout


def test_file_that_is_not_text(both):
    both({"bad.pyt": "x = 1\n\0\n"}, ("bad.pyt",), bad={"bad"})


def test_unreadable_encoding(run, tree, results):
    (tree(GOOD) / "bad.pyt").write_bytes(b"# caf\xe9\n")
    said = run("pedantic", {})
    said.once("bad.pyt")
    assert said.code == 3, said.all
    assert run("permissive", {}).code == 8
    assert results() == {"good": "PASS SUCCESS", "bad": "FAIL INVALID"}


@pytest.mark.parametrize("command", ["log", "location", "describe", "run"])
def test_unknown_job(canary, tree, command):
    canary("run", tree(GOOD), expect=0)
    done = canary(command, "nobody", expect=2)
    assert "nobody" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["run", "no/such/place"], "no/such/place"),
        (["run", "-k", "and or", "t"], "and or"),
        (["run", "--only", "sometimes", "t"], "sometimes"),
        (["run", "--workers", "many", "t"], "many"),
        (["run", "--no-such-option", "t"], "--no-such-option"),
        (["sing"], "sing"),
        (["-p", "no_such_plugin", "run", "t"], "no_such_plugin"),
        (["-c", "run:workerz:3", "run", "t"], "workerz"),
    ],
)
def test_wrong_words_are_one_line_and_change_nothing(canary, tree, tmp_path, words, word):
    tree(GOOD)
    canary("init", expect=0)
    done = canary(*words)
    assert done.returncode in {1, 2, 3}, done
    assert "Traceback" not in done.stderr
    assert word in done.stderr
    assert not (tmp_path / "TestResults").exists()
