"""Properties of CTest, each in a tree that the real ctest runs first and canary then.

What is compared is what the tests saw (`seen/NAME`, written by themselves) and what was made of
them. DEPENDS is not here: a test after one that failed is run by ctest and BLOCKED here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

MEANS = {
    "PASS (SUCCESS)": "passed",
    "FAIL (FAILED)": "failed",
    "FAIL (BROKEN)": "not run",
    "FAIL (TIMEOUT)": "timeout",
    "NOTRUN (SKIPPED)": "skipped",
    "NOTRUN (BLOCKED)": "not run",
}
SPEC = {
    "version": {"major": 1, "minor": 0},
    "local": [{"gpus": [{"id": "0", "slots": 2}, {"id": "1", "slots": 1}], "chips": [{"id": "c"}]}],
}
SPAN = "echo '<' >> seen/order; sleep 0.1; echo '>' >> seen/order"


def sh(name, text, *, test=True, **properties):
    """A test that runs a shell's words, with properties."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    lines = f'add_test({name} "/bin/sh" "-c" "{escaped}")\n' if test else ""
    if properties:
        words = " ".join(f'{k} "{v}"' for k, v in properties.items())
        lines += f"set_tests_properties({name} PROPERTIES {words})\n"
    return lines


def show(name, text, **properties):
    """A test that keeps what its words print."""
    return sh(name, f"({text}) > seen/{name}", **properties)


@dataclass
class Seen:
    """`verdicts` by name of the test, and what stands in the files of `seen`."""

    verdicts: dict[str, str]
    files: dict[str, str]


@pytest.fixture
def both(by_ctest, by_canary):
    """`both(root, ctest=(), canary=(), main=())` is what either saw."""

    def run(root, *, ctest=(), canary=(), main=("-r", "cpus=4")):
        out = []
        for runner in (
            lambda: by_ctest(root, *ctest),
            lambda: by_canary(root, *canary, main=main),
        ):
            shutil.rmtree(root / "seen", ignore_errors=True)
            (root / "seen").mkdir()
            verdicts = runner()
            files = {p.name: p.read_text() for p in (root / "seen").iterdir()}
            out.append(Seen(verdicts, files))
        ctest, ours = out
        ours.verdicts = {
            re.sub(r"\.(cpus|gpus|chips)=.*", "", name): MEANS[verdict]
            for name, verdict in ours.verdicts.items()
        }
        return ctest, ours

    return run


ENVIRONMENT = {
    "ENVIRONMENT": "M_A=own;M_PATH=/own;M_GONE=x;M_BACK=kept",
    "ENVIRONMENT_MODIFICATION": ";".join(
        (
            "M_A=set:new",
            "M_S=string_append:end",
            "M_S=string_prepend:begin",
            "M_PATH=path_list_prepend:/first",
            "M_PATH=path_list_append:/last",
            "M_LIST=cmake_list_append:b",
            "M_LIST=cmake_list_prepend:a",
            "M_GONE=unset:",
            "M_BACK=set:lost",
            "M_BACK=reset:",
        )
    ),
}
# what each test of a tree sees is the same, and so is what becomes of it
ALIKE = {
    "ENVIRONMENT_MODIFICATION": show("a", "env | grep '^M_' | sort", **ENVIRONMENT),
    "WORKING_DIRECTORY": sh("a", "pwd > ../../seen/a", WORKING_DIRECTORY="sub/deep"),
    "REQUIRED_FILES": (
        show("has", "echo ran", REQUIRED_FILES="CTestTestfile.cmake;/bin/sh")
        + show("lacks", "echo ran", REQUIRED_FILES="CTestTestfile.cmake;not-there")
    ),
    "WILL_FAIL": sh("wanted", "exit 1", WILL_FAIL=1) + sh("unwanted", "exit 0", WILL_FAIL=1),
    "PASS_REGULAR_EXPRESSION": (
        sh("yes", "echo all is well; exit 3", PASS_REGULAR_EXPRESSION="nothing;is.well")
        + sh("no", "echo all is well", PASS_REGULAR_EXPRESSION="^nothing$")
    ),
    "expressions of CMake": (
        sh("brackets", r"printf '%s\n' 'x\y'", PASS_REGULAR_EXPRESSION=r"x[\]y")
        + sh("letter", "echo dig", PASS_REGULAR_EXPRESSION=r"^\d")
        + sh("word", "echo a word", PASS_REGULAR_EXPRESSION=r"\bword\b")
        + sh("braces", "echo 'x{2}'", PASS_REGULAR_EXPRESSION="x{2}")
        + sh("after", "echo x", TIMEOUT=30, TIMEOUT_AFTER_MATCH=r"30;x[\]y")
    ),
    "FAIL_REGULAR_EXPRESSION": (
        sh("yes", "echo error 7 >&2", FAIL_REGULAR_EXPRESSION="error [0-9]+")
        + sh("no", "echo error", FAIL_REGULAR_EXPRESSION="error [0-9]+")
    ),
    "SKIP_REGULAR_EXPRESSION": (
        sh("yes", "echo no MPI here", SKIP_REGULAR_EXPRESSION="no MPI")
        + sh("no", "echo MPI", SKIP_REGULAR_EXPRESSION="no MPI")
    ),
    "SKIP_RETURN_CODE": (
        sh("yes", "exit 77", SKIP_RETURN_CODE=77) + sh("no", "exit 78", SKIP_RETURN_CODE=77)
    ),
    "TIMEOUT": sh("late", "exec sleep 30", TIMEOUT="0.5") + sh("free", "exit 0", TIMEOUT=0),
    "TIMEOUT_AFTER_MATCH": (
        sh("short", "echo ready; exec sleep 30", TIMEOUT=30, TIMEOUT_AFTER_MATCH="1;^ready")
        + sh("long", "echo ready; sleep 4", TIMEOUT=3, TIMEOUT_AFTER_MATCH="30;^ready")
        + sh("none", "echo other; exec sleep 30", TIMEOUT=2, TIMEOUT_AFTER_MATCH="30;^ready")
    ),
    "FIXTURES_REQUIRED, setup fails": (
        sh("down", "echo down >> seen/order", FIXTURES_CLEANUP="db")
        + sh("use", "echo use >> seen/order", FIXTURES_REQUIRED="db")
        + sh("up", "echo up >> seen/order; exit 1", FIXTURES_SETUP="db")
    ),
    "FIXTURES_REQUIRED, user fails": (
        sh("down", "echo down >> seen/order", FIXTURES_CLEANUP="db")
        + sh("use", "echo use >> seen/order; exit 1", FIXTURES_REQUIRED="db")
        + sh("up", "echo up >> seen/order", FIXTURES_SETUP="db")
    ),
    "RESOURCE_LOCK": "".join(sh(f"w{i}", SPAN, RESOURCE_LOCK="db;other") for i in range(3)),
    "RUN_SERIAL": "".join(sh(f"w{i}", SPAN, RUN_SERIAL="TRUE") for i in range(3)),
    "PROCESSORS": "".join(sh(f"w{i}", SPAN, PROCESSORS=3) for i in range(3)),
    # only one has room at a time, so that the order is that in which they are chosen
    "COST": "".join(
        sh(n, f"echo {n} >> seen/order", PROCESSORS=4, COST=c)
        for n, c in {"b": 1, "c": 7, "d": 3}.items()
    ),
    "DEPENDS": (
        sh("third", "echo 3 >> seen/order", DEPENDS="second")
        + sh("second", "echo 2 >> seen/order", DEPENDS="first;no_such_test")
        + sh("first", "echo 1 >> seen/order")
    ),
    "subdirectories": "subdirs(sub)\n" + show("top", "echo top"),
}


@pytest.mark.parametrize("what", ALIKE)
def test_it_is_as_with_ctest(tree, both, what):
    files = {
        "sub/deep/here": "",
        "sub/CTestTestfile.cmake": sh("inner", "pwd > ../seen/inner"),
    }
    ctest, ours = both(tree(ALIKE[what], files))
    verdicts = {name.rpartition("/")[2]: v for name, v in ours.verdicts.items()}
    assert verdicts == ctest.verdicts
    assert ours.files == ctest.files


def test_disabled_tests_and_their_fixtures(tree, both):
    root = tree(
        show("on", "echo on")
        + show("off", "echo off", DISABLED="TRUE", FIXTURES_REQUIRED="db")
        + show("up", "echo up", FIXTURES_SETUP="db")
    )
    ctest, ours = both(root)
    assert ours.files == ctest.files == {"on": "on\n", "up": "up\n"}
    assert ctest.verdicts.pop("off").startswith("not run")
    assert ours.verdicts == ctest.verdicts


def test_labels_choose(tree, both):
    root = tree("".join(show(n, n, LABELS=w) for n, w in {"echo": "a;b", "ls": "b"}.items()))
    ctest, ours = both(root, ctest=("-L", "a"), canary=("-k", "a"))
    assert ours.files.keys() == ctest.files.keys() == {"echo"}


def test_configurations(tree, both):
    root = tree(
        'if(CTEST_CONFIGURATION_TYPE MATCHES "^(Debug)$")\n'
        + show("a", "echo debug")
        + "else()\n"
        + show("a", "echo other")
        + "endif()\n"
    )
    for config in ("Debug", "Release"):
        ctest, ours = both(root, ctest=("-C", config), canary=("-w", "--ctest-config", config))
        assert ours.files == ctest.files
        assert ours.verdicts == ctest.verdicts


def test_processor_affinity(tree, both):
    root = tree(
        show("one", "nproc", PROCESSOR_AFFINITY="TRUE")
        # not one of two CPUs: on a machine of two, ctest 4.4 waits for them for ever
        + show("free", "nproc", PROCESSORS=1)
    )
    ctest, ours = both(root)
    assert ours.files["one"] == "1\n"
    if ctest.files["one"] != ctest.files["free"]:  # that of Debian is built without it
        assert ours.files == ctest.files


def test_resource_groups(tree, both, tmp_path):
    file = tmp_path / "resources.json"
    file.write_text(json.dumps(SPEC))
    said = "env | grep '^CTEST_RESOURCE_GROUP' | sort"
    root = tree(
        show("a", said, RESOURCE_GROUPS="gpus:2,chips:1")
        + show("c", said)
        + show("d", said, RESOURCE_GROUPS="gpus:1,gpus:2")
    )
    given = ("--ctest-resource-spec-file", file)
    ctest, ours = both(root, ctest=("--resource-spec-file", file), canary=given)
    assert ours.files == ctest.files
    assert ours.verdicts == ctest.verdicts


def test_what_is_kept_of_a_test(tree, by_ctest, by_canary):
    """MEASUREMENT, `<CTestMeasurement>`, ATTACHED_FILES and _ON_FAIL: in ctest's `Test.xml`, and
    here as measurements and as files."""
    tag = '<CTestMeasurement type="numeric/double" name="speed">2.5</CTestMeasurement>'
    kinds = {
        "MEASUREMENT": "fixed=7",
        "ATTACHED_FILES": "a.log;gone.log",
        "ATTACHED_FILES_ON_FAIL": "b.log",
    }
    root = tree(
        sh("good", f"echo '{tag}'", **kinds) + sh("bad", "exit 1", **kinds),
        {"a.log": "a\n", "b.log": "b\n", "DartConfiguration.tcl": "BuildDirectory: .\n"},
    )
    subprocess.run(["ctest", "-T", "Test"], cwd=root, check=False, capture_output=True)
    (xml,) = root.glob("Testing/*/Test.xml")
    by_canary(root)
    for test in ET.parse(xml).iterfind(".//Testing/Test"):
        name = test.findtext("Name")
        values = [(m.get("name"), m) for m in test.iter("NamedMeasurement")]
        theirs = {Path(m.get("filename")) for kind, m in values if kind == "Attached File"}
        attached = by_canary.results / name / "attached"
        # a file that is not there is named by ctest all the same
        assert {p.name for p in attached.iterdir()} == {p.name for p in theirs} - {"gone.log"}
        lock = json.loads((by_canary.results / name / "testcase.lock").read_text())
        measured = lock["measurements"]["data"]
        for kind, m in values:
            if kind in ("fixed", "speed"):
                assert float(measured[kind]) == float(m.findtext("Value"))
        assert "fixed" in dict(values)
