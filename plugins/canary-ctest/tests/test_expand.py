"""From rows to jobs: names, IDs, limits, parameters. IDs and names are those of the older tool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canary.spec import DependencyPattern, SpecFile, job_id
from canary.testing.generators import GeneratorContract, context, spec_file
from canary_ctest.expand import cpus_of, watched
from canary_ctest.generator import CTestGenerator

GOOD = """\
add_test(a "/bin/true")
add_test(mp "mpirun" "-np" "4" "x")
set_tests_properties(a PROPERTIES LABELS "p;q" FIXTURES_SETUP f ENVIRONMENT "A=1" COST 2
  RESOURCE_LOCK "db;net" REQUIRED_FILES "x;y" MEASUREMENT "m=1" ATTACHED_FILES "a[1].txt"
  ENVIRONMENT_MODIFICATION "PATH=path_list_append:/x" RESOURCE_GROUPS "2,widgets:3" PROCESSORS 2)
add_test(b "/bin/true")
set_tests_properties(b PROPERTIES FIXTURES_REQUIRED f SKIP_RETURN_CODE 3 WILL_FAIL TRUE
  PASS_REGULAR_EXPRESSION "x;y" FAIL_REGULAR_EXPRESSION "z" SKIP_REGULAR_EXPRESSION "w")
"""


class TestContract(GeneratorContract):
    """What canary asks of every format."""

    generator = CTestGenerator
    good = {"CTestTestfile.cmake": GOOD}
    bad = {"bad/CTestTestfile.cmake": "add_test(a\n"}


def test_names_and_ids(tree, specs):
    """Those that the older tool gave the jobs of such a tree in /tmp/ct/p1."""
    root = tree(
        'add_test(plain "/bin/true")\n'
        'add_test("odd/na me[1]" "/bin/true")\n'
        'add_test(mp "/bin/echo" "-n" "2" "a b")\n'
        'add_test(rg "/usr/bin/env")\n'
        'set_tests_properties(rg PROPERTIES RESOURCE_GROUPS "2,gizmos:1;widgets:2,widgets:1")\n'
        'add_test(one "/bin/true")\n'
        "set_tests_properties(one PROPERTIES PROCESSORS 1)\n"
        "subdirs(sub)\n",
        {"sub/CTestTestfile.cmake": 'add_test(t "/bin/true")\n'},
    )
    made = CTestGenerator()
    file = spec_file(root, "CTestTestfile.cmake", made)
    place = context()
    place = type(place)(
        place.options,
        place.platforms,
        place.timeout_for,
        lambda path: str(Path("tmp/ct/p1", Path(path).relative_to(root))),
    )
    found = {s.fullname: s.id[:12] for s in made.expand(file, made.load(file).data, place)}
    assert found == {
        "plain": "ec993ba2f78a",
        "odd/na me[1]": "269db9e75081",
        "mp.cpus=2": "c2b29144d265",
        "rg.gizmos=2.widgets=3": "bb159190ad80",
        "one": "4ccc46646fa8",
        "sub/t": "ed565bffc5aa",
    }


@pytest.mark.parametrize(
    ("words", "cpus"),
    [
        (["mpirun", "-n", "4", "x"], 4),
        (["mpirun", "-np", "3", "x"], 3),
        (["srun", "-c", "2"], 2),
        (["mpirun", "-n8"], 8),
        (["mpirun", "-np16"], 16),
        (["mpirun", "--np", "5"], 5),
        (["mpirun", "--np=6"], 6),
        (["sort", "-n", "file"], None),
        (["x", "-n"], None),
        (["x", "-nx"], None),
        (["x", "--n", "4"], None),
        (["x", "-n", "0"], None),
        (["x"], None),
        ([], None),
    ],
)
def test_processes_are_read_from_the_command(words, cpus):
    assert cpus_of(words) == cpus


def test_cpus(tree, specs):
    root = tree(
        'add_test(p "mpirun" "-n" "4")\nset_tests_properties(p PROPERTIES PROCESSORS 3)\n'
        'add_test(r "/bin/true")\nset_tests_properties(r PROPERTIES RESOURCE_GROUPS "2,cpus:2")\n'
        'add_test(n "/bin/true")\n'
    )
    found = specs(root)
    assert found["p.cpus=3"].parameters == {"cpus": 3}
    assert found["r.cpus=4"].parameters == {"cpus": 4}
    assert found["n"].parameters == {}
    assert found["n"].meta_parameters["cpus"] == 1


def test_what_a_job_is(tree, specs):
    root = tree(GOOD)
    found = specs(root)
    a, b = found["a.cpus=2.widgets=6"], found["b"]
    assert a.command == ("/bin/true",)
    assert (a.cwd, a.stage_file, a.takes_args) == (str(root), False, False)
    assert a.keywords == ("ctest", "p", "q")
    assert a.environment == {"A": "1"}
    assert a.locks == ("db", "net")
    assert a.renew
    assert not b.renew
    assert a.weight > 1e6
    assert [x.pattern for x in a.artifacts] == ["attached/a[[]1].txt"]
    assert b.dependencies == (DependencyPattern("a", "on_success", "+", ids=(a.id,)),)
    assert b.attributes["fixtures"] == {"cleanup": [], "required": ["f"], "setup": []}
    assert b.attributes["pass_regular_expression"] == ["x", "y"]
    assert b.attributes["will_fail"] is True
    assert b.attributes["skip_return_code"] == 3
    assert a.attributes["ctestfile"] == str(root / "CTestTestfile.cmake")
    assert a.attributes["binary_dir"] == a.attributes["ctest_exec_dir"] == str(root)
    assert a.attributes["ctest_command"] == ["/bin/true"]
    assert a.attributes["required_files"] == ["x", "y"]
    assert a.attributes["resource_groups"] == [[{"type": "widgets", "slots": 3}]] * 2
    json.dumps(a.full())


def test_limits(tree, specs):
    root = tree(
        'add_test(own "/bin/true")\nset_tests_properties(own PROPERTIES TIMEOUT 7.5)\n'
        'add_test(none "/bin/true")\nset_tests_properties(none PROPERTIES TIMEOUT 0)\n'
        'add_test(usual "/bin/true")\n'
    )
    found = specs(root)
    assert (found["own"].timeout, found["own"].timeout_explicit) == (7.5, True)
    assert found["none"].timeout == 0
    assert (found["usual"].timeout, found["usual"].timeout_explicit) == (300.0, False)
    assert specs(root, CTestGenerator(limit=9.0))["usual"].timeout == 9.0
    assert specs(root, CTestGenerator(limit=9.0))["own"].timeout == 7.5
    assert found["own"].meta_parameters["runtime"] == 7.5


def test_costs_keep_their_order(tree, specs):
    names = {"first": 10, "second": 2.5, "last": -1}
    root = tree(
        "".join(
            f'add_test({n} "/bin/true")\nset_tests_properties({n} PROPERTIES COST {c})\n'
            for n, c in names.items()
        )
        + 'add_test(usual "/bin/true")\n'
    )
    found = specs(root)
    assert found["first"].weight > found["second"].weight > 1e6
    assert found["last"].weight < 0
    assert found["usual"].weight is None


def test_who_is_left_out_says_why(tree, specs):
    root = tree(
        'add_test(off "/bin/true")\nset_tests_properties(off PROPERTIES DISABLED TRUE)\n'
        'add_test(gone "/no/such/program")\n'
    )
    found = specs(root)
    assert found["off"].mask
    assert "DISABLED" in found["off"].mask.reason
    assert not found["gone"].mask
    assert found["gone"].command == ()


def test_a_script_without_a_head_is_for_the_shell(tree, specs, tmp_path):
    """So `execvp` has it, and ctest with it."""
    texts = {"plain": "exit 0\n", "empty": "", "headed": "#!/bin/sh\n", "closed": "exit 0\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == "closed" else 0o755)
    root = tree(
        "".join(f'add_test({name} "{tmp_path}/{name}" "w")\n' for name in texts)
        + 'add_test(program "/bin/true" "w")\n'
    )
    found = specs(root)
    assert {name for name in found if found[name].command[0] == "/bin/sh"} == {"plain", "empty"}
    assert found["plain"].command == ("/bin/sh", f"{tmp_path}/plain", "w")


def test_two_tests_of_one_name_are_two_jobs(tree, specs):
    """CMake refuses that, but not ctest; both run there."""
    root = tree('add_test(x "/bin/true")\nadd_test(x "/bin/false")\n')
    made = CTestGenerator()
    file = spec_file(root, "CTestTestfile.cmake", made)
    one, two = made.expand(file, made.load(file).data, context())
    assert one.id != two.id
    assert {one.name, two.name} == {"x"}
    assert one.id == job_id("x", "CTestTestfile.cmake", {"cpus": 1})


def test_resources_that_a_test_generates(tree, specs):
    root = tree(
        'add_test(make "/bin/true")\n'
        "set_tests_properties(make PROPERTIES FIXTURES_SETUP r "
        'GENERATED_RESOURCE_SPEC_FILE "out/r.json")\n'
        'add_test(use "/bin/true")\n'
        "set_tests_properties(use PROPERTIES FIXTURES_REQUIRED r PROCESSORS 2 "
        'RESOURCE_GROUPS "gpus:1")\n'
    )
    use = specs(root)["use.cpus=2.gpus=1"]
    assert use.parameters == {"cpus": 2}
    assert use.attributes["resource_spec_file"] == str(root / "out/r.json")
    assert len(use.locks) == 1


def test_limits_that_are_watched():
    assert watched(["x"], {"TIMEOUT": 3}, 3.0) == (["x"], 3.0)
    match = {"TIMEOUT_AFTER_MATCH": {"timeout": 5.0, "regex": ["r"]}}
    command, limit = watched(["x", "y"], match, 20.0)
    assert command[-2:] == ("x", "y")
    assert limit > 25
    assert watched(["x"], match, 0.0)[1] == 0
    assert watched([], match, 3.0) == ([], 3.0)
    brackets = {"TIMEOUT_AFTER_MATCH": {"timeout": 5.0, "regex": [r"x[\]\d"]}}
    assert json.loads(watched(["x"], brackets, 20.0)[0][-2])["match"] == [r"x[\\]d"]
    signal = {"TIMEOUT_SIGNAL_NAME": "SIGUSR1", "TIMEOUT_SIGNAL_GRACE_PERIOD": 4.0}
    command, limit = watched(["x"], signal, 20.0)
    assert json.loads(command[-2]) == {"timeout": 20.0, "signal": "SIGUSR1", "grace": 4.0}
    assert limit > 24


def test_only_the_top_of_a_tree_is_asked():
    made = CTestGenerator()
    names = ["b/CTestTestfile.cmake", "b/sub/x/CTestTestfile.cmake", "bb/CTestTestfile.cmake"]
    files = [SpecFile("/r", name, "ctest") for name in names]
    assert [f.path for f in made.prune(files)] == [names[0], names[2]]
    top = SpecFile("/r", "CTestTestfile.cmake", "ctest")
    assert made.prune([top, *files]) == [top]
    assert made.prune([]) == []


def test_a_description(tree):
    made = CTestGenerator()
    root = tree(GOOD)
    file = spec_file(root, "CTestTestfile.cmake", made)
    assert made.describe(file, made.load(file).data) == {
        "tests": 3,
        "directories": 1,
        "labels": ["p", "q"],
    }
