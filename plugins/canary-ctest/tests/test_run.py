"""Build trees run by canary, beside ctest where ctest has something to say."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

PASS, FAIL, SKIP = "PASS (SUCCESS)", "FAIL (FAILED)", "NOTRUN (SKIPPED)"
SPEC = {
    "version": {"major": 1, "minor": 0},
    "local": [{"gpus": [{"id": "0", "slots": 2}, {"id": "1", "slots": 1}], "chips": [{"id": "c"}]}],
}


def sh(name, text, **properties):
    """A test that runs a shell's words, with properties."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    lines = f'add_test({name} "/bin/sh" "-c" "{escaped}")\n'
    if properties:
        words = " ".join(f'{k} "{v}"' for k, v in properties.items())
        lines += f"set_tests_properties({name} PROPERTIES {words})\n"
    return lines


def test_verdicts_are_those_of_ctest(tree, by_ctest, by_canary):
    root = tree(
        sh("ok", "exit 0")
        + sh("bad", "exit 3")
        + sh("crash", "kill -SEGV $$")
        + sh("crash_wanted", "kill -SEGV $$", WILL_FAIL=1)
        + sh("crash_matching", "echo ok; kill -SEGV $$", PASS_REGULAR_EXPRESSION="ok")
        + sh("wanted", "exit 1", WILL_FAIL=1)
        + sh("unwanted", "exit 0", WILL_FAIL=1)
        + sh("matches", "echo all is well; exit 3", PASS_REGULAR_EXPRESSION="nothing;is.well")
        + sh("over_lines", "echo one; echo two", PASS_REGULAR_EXPRESSION="one.*two")
        + sh("no_match", "echo all is well", PASS_REGULAR_EXPRESSION="nothing")
        + sh("on_stderr", "echo error 7 >&2", FAIL_REGULAR_EXPRESSION="error [0-9]+")
        + sh("fails_as_wanted", "echo error", FAIL_REGULAR_EXPRESSION="error", WILL_FAIL=1)
        + sh("skips", "exit 77", SKIP_RETURN_CODE=77)
        + sh("skips_by_text", "echo no MPI", SKIP_REGULAR_EXPRESSION="no MPI")
        + sh("slow", "exec sleep 30", TIMEOUT="0.3")
        + sh("slow_wanted", "exec sleep 30", TIMEOUT="0.3", WILL_FAIL=1)
        + sh("needs", "exit 0", REQUIRED_FILES="CTestTestfile.cmake;/bin/sh")
        + sh("lacks", "exit 0", REQUIRED_FILES="CTestTestfile.cmake;not-there")
        + sh("nowhere", "exit 0", WORKING_DIRECTORY="/no/such/directory")
        + sh("odd_environment", "exit 0", ENVIRONMENT_MODIFICATION="A=frobnicate:1")
    )
    passed = {"ok", "wanted", "matches", "over_lines", "fails_as_wanted", "needs"}
    skipped = {"skips", "skips_by_text"}
    ctest, ours = by_ctest(root), by_canary(root, expect=4 | 8)
    assert {n for n, v in ctest.items() if v == "passed"} == passed
    assert {n for n, v in ctest.items() if v == "skipped"} == skipped
    assert {n for n, v in ours.items() if v == PASS} == passed
    assert {n for n, v in ours.items() if v == SKIP} == skipped
    failed = {n: v for n, v in ours.items() if v.startswith("FAIL")}
    assert failed.keys() == ctest.keys() - passed - skipped
    assert failed["slow"] == failed["slow_wanted"] == "FAIL (TIMEOUT)"
    assert failed["lacks"] == failed["odd_environment"] == "FAIL (BROKEN)"
    assert "not-there" in by_canary.jobs["lacks"]["status"]["reason"]
    assert "frobnicate" in by_canary.jobs["odd_environment"]["status"]["reason"]
    assert "/no/such/directory" in by_canary.jobs["nowhere"]["status"]["reason"]


def test_jobs_run_in_the_build_tree(tree, by_canary):
    root = tree(
        sh("here", "pwd; cat data.txt") + sh("there", "pwd", WORKING_DIRECTORY="/usr"),
        {"data.txt": "content\n"},
    )
    by_canary(root, expect=0)
    assert (by_canary.results / "here/canary-out.txt").read_text() == f"{root}\ncontent\n"
    assert (by_canary.results / "there/canary-out.txt").read_text() == "/usr\n"
    assert {p.name for p in (by_canary.results / "here").iterdir()} == {
        "canary-out.txt",
        "testcase.lock",
    }
    lock = json.loads((by_canary.results / "there/testcase.lock").read_text())
    assert lock["spec"]["attributes"]["ctest_exec_dir"] == "/usr"


def test_words_are_as_ctest_has_them(tree, by_canary):
    root = tree(
        'add_test(a "/usr/bin/printf" "<%s>" "a b" "it\'s" "x;y" "\\$HOME" "*" "" "q\\"q")\n'
    )
    by_canary(root, expect=0)
    want = "<a b><it's><x;y><$HOME><*><><q\"q>"
    assert (by_canary.results / "a/canary-out.txt").read_text() == want


def test_words_of_the_command_line_are_not_for_ctest_jobs(tree, canary, by_canary):
    root = tree('add_test(a "/bin/echo" "one")\n')
    canary("run", root, "--", "--verbose", expect=0)
    assert (by_canary.results / "a/canary-out.txt").read_text() == "one\n"


def test_environment(tree, by_canary):
    root = tree(
        sh(
            "a",
            "echo $A-$B-$C; echo $PATH",
            ENVIRONMENT="A=1;B=x y",
            ENVIRONMENT_MODIFICATION="C=set:3;A=string_append:2;PATH=path_list_prepend:/first",
        )
    )
    by_canary(root, expect=0)
    first, path = (by_canary.results / "a/canary-out.txt").read_text().splitlines()
    assert first == "12-x y-3"
    # the job's own directory is before all, as for every job
    assert path.split(":")[1] == "/first"


@pytest.mark.parametrize("reader", ["auto", "ctest"])
def test_expressions_that_cmake_cannot_compile(tree, by_canary, tmp_path, reader):
    """They fail their test, and nothing else; ctest complains where it is asked for JSON."""
    (tmp_path / "canary.toml").write_text(f'[ctest]\nreader = "{reader}"\n')
    root = tree(
        sh("a", "exit 0")
        + sh("p", "echo x", PASS_REGULAR_EXPRESSION="y;(?i)x")
        + sh("f", "echo y", FAIL_REGULAR_EXPRESSION="x**")
        + sh("s", "echo y", SKIP_REGULAR_EXPRESSION="[x")
    )
    broken = "FAIL (BROKEN)"
    assert by_canary(root, expect=8) == {"a": PASS, "p": broken, "f": broken, "s": broken}
    reason = by_canary.jobs["p"]["status"]["reason"]
    assert reason.startswith(f"{root}/CTestTestfile.cmake: p was not run: ")
    assert "PASS_REGULAR_EXPRESSION '(?i)x'" in reason
    assert ("WARNING" in by_canary.done.stderr) == (reader == "ctest")


def test_a_limit_after_an_expression_that_cannot_be_compiled(tree, by_canary):
    root = tree(sh("a", "exit 0", TIMEOUT_AFTER_MATCH="9;(x") + sh("b", "exit 0"))
    assert by_canary(root, expect=8) == {"a": "FAIL (BROKEN)", "b": PASS}
    assert "TIMEOUT_AFTER_MATCH '(x'" in by_canary.jobs["a"]["status"]["reason"]


# --- order ---------------------------------------------------------------------------------------


def order(root):
    return (root / "order").read_text().split()


def fixture_tree(use="true", up="true"):
    return (
        sh("down", "echo down >> order", FIXTURES_CLEANUP="db")
        + sh("use1", f"echo use1 >> order; {use}", FIXTURES_REQUIRED="db")
        + sh("use2", "echo use2 >> order", FIXTURES_REQUIRED="db")
        + sh("off", "exit 0", FIXTURES_REQUIRED="db", DISABLED="TRUE")
        + sh("up", f"echo up >> order; {up}", FIXTURES_SETUP="db")
    )


def test_fixtures_stand_around_their_users(tree, by_canary):
    root = tree(fixture_tree())
    assert by_canary(root, expect=0) == dict.fromkeys(("up", "use1", "use2", "down"), PASS)
    assert order(root)[0] == "up"
    assert order(root)[-1] == "down"


def test_a_fixture_is_cleaned_up_whatever_its_users_did(tree, by_canary):
    root = tree(fixture_tree(use="exit 1"))
    results = by_canary(root, expect=8)
    assert (results["use1"], results["down"]) == (FAIL, PASS)
    assert order(root)[-1] == "down"


def test_a_fixture_that_cannot_be_set_up(tree, by_canary):
    root = tree(fixture_tree(up="exit 1"))
    results = by_canary(root, expect=8)
    assert results == {
        "up": FAIL,
        "use1": "NOTRUN (BLOCKED)",
        "use2": "NOTRUN (BLOCKED)",
        "down": PASS,
    }
    assert order(root) == ["up", "down"]


def test_a_fixture_is_cleaned_up_whichever_of_its_users_are_run(tree, canary, by_canary):
    """Left out by a filter, by a name, or because they passed before; from the store, too."""
    root = tree(fixture_tree(use="exit 1"))
    results = by_canary(root, "-k", "not use2", expect=8)
    assert results == {"up": PASS, "use1": FAIL, "down": PASS}
    assert order(root) == ["up", "use1", "down"]
    (root / "order").unlink()
    canary("run", "-k", "not use1", expect=0)
    assert order(root) == ["up", "use2", "down"]
    (root / "order").unlink()
    canary("run", f"/{by_canary.jobs['use1']['id']}", expect=8)
    assert order(root) == ["up", "use1", "down"]


def test_a_fixture_with_a_setup_that_is_disabled(tree, by_ctest, by_canary):
    root = tree(
        sh("up", "echo up >> order", FIXTURES_SETUP="db")
        + sh("off", "exit 1", FIXTURES_SETUP="db", DISABLED="TRUE")
        + sh("use", "echo use >> order; exit 1", FIXTURES_REQUIRED="db")
        + sh("after", "echo after >> order; exit 1", DEPENDS="off")
        + sh("down", "echo down >> order", FIXTURES_CLEANUP="db")
    )
    by_ctest(root)
    theirs = order(root)
    (root / "order").unlink()
    assert by_canary(root, expect=8) == {"up": PASS, "use": FAIL, "after": FAIL, "down": PASS}
    assert sorted(order(root)) == sorted(theirs)
    assert [name for name in order(root) if name != "after"] == ["up", "use", "down"]


def test_what_is_not_built_is_not_green(tree, by_ctest, by_canary):
    """Nor are the users of a fixture whose setup it is; `_NOT_BUILT` is what GoogleTest's module
    writes."""
    root = tree(
        sh("on", "exit 0")
        + "add_test(g_NOT_BUILT g_NOT_BUILT)\n"
        + 'add_test(up "/no/such/program")\n'
        + "set_tests_properties(up PROPERTIES FIXTURES_SETUP db)\n"
        + sh("use", "exit 0", FIXTURES_REQUIRED="db")
    )
    theirs = by_ctest(root)
    assert {name for name, verdict in theirs.items() if verdict == "passed"} == {"on"}
    assert by_canary(root, expect=8) == {
        "on": PASS,
        "g_NOT_BUILT": "FAIL (BROKEN)",
        "up": "FAIL (BROKEN)",
        "use": "NOTRUN (BLOCKED)",
    }
    assert "no program" in by_canary.jobs["up"]["status"]["reason"]
    assert str(root) in by_canary.jobs["up"]["status"]["reason"]


def test_a_rerun_sets_the_fixture_up_again(tree, canary):
    root = tree(fixture_tree(use="exit 1"))
    canary("run", root, expect=8)
    (root / "order").unlink()
    canary("run", root, expect=8)
    assert order(root) == ["up", "use1", "down"]


def test_depends_is_by_success(tree, by_canary):
    root = tree(
        sh("bad", "exit 1")
        + sh("after_bad", "exit 0", DEPENDS="bad")
        + sh("after_none", "exit 0", DEPENDS="no_such_test")
    )
    assert by_canary(root, expect=8) == {
        "bad": FAIL,
        "after_bad": "NOTRUN (BLOCKED)",
        "after_none": PASS,
    }


def test_locks_and_serial_tests(tree, by_canary):
    """Nobody meets the serial one; of those with a lock only one is there at a time."""
    said = "printf '%s ' '<{0}' >> order; sleep 0.05; printf '%s ' '{0}>' >> order"
    root = tree(
        "".join(sh(f"db{i}", said.format("d"), RESOURCE_LOCK="db;other") for i in range(3))
        + "".join(sh(f"f{i}", said.format("f")) for i in range(3))
        + sh("alone", said.format("s"), RUN_SERIAL="TRUE")
    )
    by_canary(root, main=("-r", "cpus=4"), expect=0)
    words = order(root)
    at = words.index("<s")
    assert words[at + 1] == "s>"
    assert words[:at].count("<d") == words[:at].count("d>")
    assert [w for w in words if "d" in w] == ["<d", "d>"] * 3


def test_processors_are_taken_from_the_pool(tree, by_canary):
    said = "echo '<' >> order; sleep 0.05; echo '>' >> order"
    root = tree("".join(sh(f"w{i}", said, PROCESSORS=2) for i in range(3)))
    assert set(by_canary(root, main=("-r", "cpus=3"), expect=0)) == {
        f"w{i}.cpus=2" for i in range(3)
    }
    assert order(root) == ["<", ">"] * 3


def test_cost_decides_who_starts(tree, canary):
    root = tree(
        "".join(
            sh(n, f"echo {n} >> order", **({"COST": c} if c else {}))
            for n, c in {"a": None, "b": 1, "c": 7, "d": -1}.items()
        )
    )
    canary("run", "--workers", "1", root, expect=0)
    assert order(root) == ["c", "b", "a", "d"]


# --- limits --------------------------------------------------------------------------------------


def test_limits(tree, canary, by_canary):
    root = tree(sh("own", "exec sleep 0.8", TIMEOUT=20) + sh("usual", "exec sleep 20"))
    for options, env in (
        (("--ctest-test-timeout", "0.3"), {}),
        ((), {"CTEST_TEST_TIMEOUT": "0.3"}),
        (("--timeout", "ctest=0.3"), {}),
    ):
        canary("run", "-w", *options, root, env=env, expect=4)
        jobs = {j["name"]: j["status"] for j in json.loads(canary("query", "jobs").stdout)}
        assert jobs["own"]["outcome"] == "SUCCESS"
        assert jobs["usual"]["outcome"] == "TIMEOUT"
        assert "0.3" in jobs["usual"]["reason"]


def test_a_bad_variable_is_one_line(tree, canary):
    root = tree(sh("a", "exit 0"))
    done = canary("run", root, env={"CTEST_TEST_TIMEOUT": "soon"}, expect=2)
    assert "CTEST_TEST_TIMEOUT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_that_the_output_changes(tree, by_canary):
    root = tree(
        sh("long", "echo ready; sleep 1; exit 0", TIMEOUT="0.7", TIMEOUT_AFTER_MATCH="20;ready")
        + sh("short", "echo ready; exec sleep 30", TIMEOUT=30, TIMEOUT_AFTER_MATCH="0.3;^ready")
        + sh("bad", "echo other; exit 3", TIMEOUT_AFTER_MATCH="0.3;^ready")
        + sh(
            "matched",
            "echo ready; exit 3",
            TIMEOUT_AFTER_MATCH="9;r",
            PASS_REGULAR_EXPRESSION="ready",
        )
    )
    assert by_canary(root, expect=4 | 8) == {
        "long": PASS,
        "short": "FAIL (TIMEOUT)",
        "bad": FAIL,
        "matched": PASS,
    }
    assert "0.3 s" in by_canary.jobs["short"]["status"]["reason"]
    assert (by_canary.results / "short/canary-out.txt").read_text() == "ready\n"


def test_multiplied_limits(tree, by_canary):
    root = tree(
        sh("a", "exec sleep 30", TIMEOUT="0.1", TIMEOUT_AFTER_MATCH="0.1;x")
        + sh("b", "echo x; exec sleep 30", TIMEOUT="9", TIMEOUT_AFTER_MATCH="0.1;x")
    )
    by_canary(root, "--timeout", "multiplier=4", expect=4)
    reasons = {n: j["status"]["reason"] for n, j in by_canary.jobs.items()}
    assert "0.4 s" in reasons["a"]
    assert "0.4 s" in reasons["b"]


def test_a_signal_at_the_limit(tree, by_canary):
    properties = {"TIMEOUT_SIGNAL_NAME": "SIGUSR1", "TIMEOUT_SIGNAL_GRACE_PERIOD": 9}
    text = "trap 'echo asked; exit 0' USR1; echo on; while :; do sleep 0.05; done"
    root = tree(sh("a", text, TIMEOUT="0.5", **properties))
    listed = subprocess.run(
        ["ctest", "--show-only=json-v1"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    if "TIMEOUT_SIGNAL_NAME" not in listed:
        pytest.skip("this ctest does not know TIMEOUT_SIGNAL_NAME: it came with CMake 3.27")
    assert by_canary(root, expect=4) == {"a": "FAIL (TIMEOUT)"}
    assert (by_canary.results / "a/canary-out.txt").read_text() == "on\nasked\n"


# --- resources -----------------------------------------------------------------------------------


@pytest.fixture
def spec_file(tmp_path):
    file = tmp_path / "resources.json"
    file.write_text(json.dumps(SPEC))
    return file


def groups_in(text):
    return sorted(x for x in text.splitlines() if x.startswith("CTEST_RESOURCE_GROUP"))


def test_resource_groups_are_as_with_ctest(tree, by_canary, spec_file):
    root = tree(
        sh("a", "env > a.env", RESOURCE_GROUPS="gpus:2,chips:1")
        + sh("b", "env > b.env", RESOURCE_GROUPS="2,gpus:1;chips:1")
        + sh("c", "env > c.env")
        + sh("d", "env > d.env", RESOURCE_GROUPS="gpus:1,gpus:2")
    )
    subprocess.run(
        ["ctest", "--resource-spec-file", spec_file], cwd=root, check=True, capture_output=True
    )
    want = {n: groups_in((root / f"{n}.env").read_text()) for n in "abcd"}
    found = by_canary(root, "--ctest-resource-spec-file", spec_file, expect=0)
    assert set(found) == {"a.chips=1.gpus=2", "b.chips=1.gpus=2", "c", "d.gpus=3"}
    have = {n: groups_in((root / f"{n}.env").read_text()) for n in "abcd"}
    for name in "acd":
        assert have[name] == want[name]
    # which of the two equal groups gets which instance is nobody's business
    assert [x.partition("=")[0] for x in have["b"]] == [x.partition("=")[0] for x in want["b"]]
    assert have["c"] == ["CTEST_RESOURCE_GROUP_COUNT=0"]


def test_slots_are_never_given_twice(tree, by_canary, spec_file):
    said = "echo \"<$CTEST_RESOURCE_GROUP_0_CHIPS\" >> order; sleep 0.05; echo '>' >> order"
    root = tree("".join(sh(f"j{i}", said, RESOURCE_GROUPS="chips:1") for i in range(3)))
    by_canary(root, "--ctest-resource-spec-file", spec_file, main=("-r", "cpus=4"), expect=0)
    assert order(root) == ["<id:c,slots:1", ">"] * 3


def test_more_than_there_is(tree, by_canary, spec_file):
    root = tree(sh("a", "exit 0", RESOURCE_GROUPS="chips:2"))
    found = by_canary(root, "--ctest-resource-spec-file", spec_file, expect=32)
    assert found == {"a.chips=2": "NOTRUN (OVERSIZED)"}


def test_a_resource_that_is_not_there(tree, by_ctest, by_canary, spec_file):
    """None of a type, one slot of no type, and no slot of a type that is there."""
    said = "echo $CTEST_RESOURCE_GROUP_COUNT ${CTEST_RESOURCE_GROUP_0_GPUS#*,}"
    root = tree(
        sh("a", "exit 0", RESOURCE_GROUPS="nosuch:1") + sh("b", said, RESOURCE_GROUPS="gpus:0")
    )
    theirs = by_ctest(root, "--resource-spec-file", spec_file)
    assert theirs == {"a": "not run", "b": "passed"}
    found = by_canary(root, "--ctest-resource-spec-file", spec_file, expect=8)
    assert found == {"a.nosuch=1": "FAIL (BROKEN)", "b.gpus=0": PASS}
    assert str(spec_file) in by_canary.jobs["a.nosuch=1"]["status"]["reason"]
    assert (by_canary.results / "b.gpus=0/canary-out.txt").read_text() == "1 slots:0\n"


def test_without_a_file_the_groups_are_not_there(tree, by_canary):
    """As with ctest: the count is what tests ask for, to know whether slots were assigned."""
    root = tree(sh("a", 'test -z "$CTEST_RESOURCE_GROUP_COUNT"', RESOURCE_GROUPS="widgets:1"))
    assert by_canary(root, expect=0) == {"a.widgets=1": PASS}


@pytest.mark.parametrize("text", ["{", '{"local": 3}', None])
def test_a_bad_resource_file_is_one_line(tree, canary, tmp_path, text):
    file = tmp_path / "r.json"
    if text is not None:
        file.write_text(text)
    done = canary("run", "--ctest-resource-spec-file", file, tree(sh("a", "exit 0")))
    assert done.returncode not in (0, 1)
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_two_descriptions_of_the_machine(tree, canary, spec_file):
    pool = ("--resource-pool-file", spec_file)
    done = canary(*pool, "run", "--ctest-resource-spec-file", spec_file, tree(sh("a", "exit 0")))
    assert done.returncode == 2
    assert "both describe the machine" in done.stderr


def test_resources_that_a_test_of_the_tree_finds(tree, by_canary, tmp_path):
    file = tmp_path / "found.json"
    text = json.dumps({"local": [{"gpus": [{"id": "g", "slots": 2}]}]}).replace(" ", "")
    said = "echo $CTEST_RESOURCE_GROUP_0_GPUS >> order; sleep 0.05; echo over >> order"
    root = tree(
        sh(
            "find",
            f"echo '{text}' > {file}",
            FIXTURES_SETUP="gpus",
            GENERATED_RESOURCE_SPEC_FILE=file,
        )
        + sh("one", said, FIXTURES_REQUIRED="gpus", RESOURCE_GROUPS="gpus:2")
        + sh("two", said, FIXTURES_REQUIRED="gpus", RESOURCE_GROUPS="gpus:2")
        + sh("many", "exit 0", FIXTURES_REQUIRED="gpus", RESOURCE_GROUPS="gpus:3")
    )
    assert by_canary(root, main=("-r", "cpus=4"), expect=8) == {
        "find": PASS,
        "one.gpus=2": PASS,
        "two.gpus=2": PASS,
        "many.gpus=3": "FAIL (BROKEN)",
    }
    assert order(root) == ["id:g,slots:2", "over"] * 2


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs CPU affinity")
def test_affinity(tree, by_canary):
    count = "python3 -c 'import os; print(len(os.sched_getaffinity(0)))'"
    root = tree(sh("bound", count, PROCESSOR_AFFINITY="TRUE") + sh("free", count))
    by_canary(root, expect=0)
    assert (by_canary.results / "bound/canary-out.txt").read_text() == "1\n"
    free = (by_canary.results / "free/canary-out.txt").read_text()
    assert free == f"{len(os.sched_getaffinity(0))}\n"


# --- what is kept --------------------------------------------------------------------------------


def test_measurements(tree, by_canary):
    tag = '<CTestMeasurement type="numeric/double" name="speed">2.5</CTestMeasurement>'
    root = tree(sh("a", f"echo '{tag}'", MEASUREMENT="fixed=7"))
    by_canary(root, expect=0)
    lock = json.loads((by_canary.results / "a/testcase.lock").read_text())
    measured = lock["measurements"]["data"]
    assert (measured["speed"], measured["fixed"]) == (2.5, "7")


def test_attached_files(tree, canary, by_canary):
    kinds = {"ATTACHED_FILES": "sub/a.log;gone.log", "ATTACHED_FILES_ON_FAIL": "b.log"}
    root = tree(
        sh("good", "exit 0", **kinds) + sh("bad", "exit 1", **kinds),
        {"sub/a.log": "a\n", "b.log": "b\n"},
    )
    by_canary(root, expect=8)
    for name, want in (("good", {"a.log"}), ("bad", {"a.log", "b.log"})):
        attached = by_canary.results / name / "attached"
        assert {p.name for p in attached.iterdir()} == want
    (root / "sub/a.log").write_text("later\n")
    assert (by_canary.results / "good/attached/a.log").read_text() == "a\n"


def test_labels_are_keywords(tree, by_canary):
    root = tree(sh("a", "exit 0", LABELS="quick;unit") + sh("b", "exit 0", LABELS="slow"))
    assert by_canary(root, "-k", "quick and ctest", expect=0) == {"a": PASS}


# --- trees ---------------------------------------------------------------------------------------


def test_trees_beside_each_other_are_all_run(tree, by_canary, tmp_path):
    for name in ("one", "two"):
        tree(sh("t", "exit 0"), name=f"all/{name}")
    assert by_canary(tmp_path / "all", expect=0) == {"one/t": PASS, "two/t": PASS}


def test_configurations(tree, by_canary):
    root = tree(
        'if(CTEST_CONFIGURATION_TYPE MATCHES "^(Debug)$")\n'
        + sh("a", "echo debug")
        + "else()\n  add_test(a NOT_AVAILABLE)\nendif()\n"
    )
    by_canary(root, expect=7)
    assert "--ctest-config" in by_canary.done.stderr
    assert by_canary(root, "--ctest-config", "Debug", expect=0) == {"a": PASS}


def test_what_is_wrong_is_one_line(tree, canary):
    root = tree("\nadd_test(a\n")
    done = canary("run", root, expect=3)
    assert f"{root}/CTestTestfile.cmake:2: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_ctest_its_tests_are_left_out(tree, canary, tmp_path):
    root = tree(sh("a", "exit 0"))
    done = canary("run", root, env={"PATH": str(tmp_path)}, expect=7)
    assert "no ctest on PATH" in done.stderr


def test_masked_tests_say_why(tree, canary, by_canary):
    root = tree(sh("on", "exit 0") + sh("off", "exit 0", DISABLED="TRUE"))
    assert by_canary(root, expect=0) == {"on": PASS}
    assert "DISABLED" in canary("status", "--show-excluded").stdout


def test_options_are_accepted(tree, by_canary):
    root = tree(sh("a", "exit 0"))
    assert by_canary(root, "--recurse-ctest", "--output-on-failure", expect=0) == {"a": PASS}


def test_what_the_store_knows_runs_as_before(tree, canary, by_canary, spec_file):
    """Without a path nothing is read again: all that a job needs is in its stored spec."""
    root = tree(
        sh(
            "a",
            "echo $X $CTEST_RESOURCE_GROUP_0_GPUS; exit 1",
            RESOURCE_GROUPS="gpus:2",
            RESOURCE_LOCK="db",
            ENVIRONMENT_MODIFICATION="X=set:1",
            FAIL_REGULAR_EXPRESSION="slots",
        )
    )
    given = ("--ctest-resource-spec-file", spec_file)
    first = by_canary(root, *given, expect=8)
    (root / "CTestTestfile.cmake").unlink()
    canary("run", *given, expect=8)
    again = {j["fullname"]: j for j in json.loads(canary("query", "jobs").stdout)}
    assert again.keys() == first.keys() == {"a.gpus=2"}
    assert "slots" in again["a.gpus=2"]["status"]["reason"]
    output = (by_canary.results / "a.gpus=2/canary-out.txt").read_text()
    assert output == "1 id:0,slots:2\n"


def test_a_bad_tree_beside_good_ones(tree, by_canary, tmp_path):
    tree(sh("good", "exit 0"), name="all/one")
    tree("add_test(", name="all/two")
    found = by_canary(tmp_path / "all", "--parsing-policy", "permissive", expect=8)
    assert found["one/good"] == PASS
    assert [v for n, v in found.items() if n.startswith("two/")] == ["FAIL (INVALID)"]
