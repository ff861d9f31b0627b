"""Asking the real ctest, and what is made of its complaints."""

from __future__ import annotations

import os

import pytest

from canary.errors import SpecError
from canary_ctest import query
from canary_ctest.query import NoCTestError


def test_rows_are_what_ctest_lists(tree):
    root = tree(
        'add_test(a "/bin/echo" "x y" "z;w")\n'
        'set_tests_properties(a PROPERTIES LABELS "p;q" TIMEOUT 3 WORKING_DIRECTORY "/tmp")\n'
        'add_test(nowhere "/no/such/program")\n'
        "subdirs(sub)\n",
        {"sub/CTestTestfile.cmake": 'add_test(b "/bin/true")\n'},
    )
    a, nowhere, b = query.read(str(root), None)
    assert a["name"] == "a"
    assert a["command"] == ["/bin/echo", "x y", "z;w"]
    assert a["directory"] == "/tmp"
    assert a["properties"] == {"LABELS": ["p", "q"], "TIMEOUT": 3.0}
    assert nowhere["command"] is None
    assert (b["file"], b["directory"]) == (str(root / "sub/CTestTestfile.cmake"), f"{root}/sub")


def test_what_fixtures_imply_is_no_dependency_of_its_own(tree):
    """ctest 4 lists it as one."""
    root = tree(
        'add_test(down "/bin/true")\nadd_test(use "/bin/true")\nadd_test(up "/bin/true")\n'
        'add_test(other "/bin/true")\n'
        'set_tests_properties(down PROPERTIES FIXTURES_CLEANUP "db" DEPENDS "use;up;other")\n'
        'set_tests_properties(use PROPERTIES FIXTURES_REQUIRED "db" DEPENDS "up")\n'
        'set_tests_properties(up PROPERTIES FIXTURES_SETUP "db" DEPENDS "other")\n'
    )
    found = {r["name"]: r["properties"].get("DEPENDS") for r in query.read(str(root), None)}
    assert found == {"down": ["other"], "use": None, "up": ["other"], "other": None}


def test_configurations(tree):
    root = tree(
        'if(CTEST_CONFIGURATION_TYPE MATCHES "^(Debug)$")\n'
        '  add_test(a "/bin/true")\n'
        "else()\n"
        "  add_test(a NOT_AVAILABLE)\n"
        "endif()\n"
    )
    assert query.read(str(root), None) == []
    assert query.unavailable(str(root), None) == 1
    assert query.read(str(root), "Debug")[0]["command"] == ["/bin/true"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('add_test(a "/bin/true"\n', 1, "missing ending"),
        ('add_test(a "/bin/true")\n\nno_such_command()\n', 3, "no_such_command"),
        (
            'add_test(a "/bin/true")\nset_tests_properties(a PROPERTIES RESOURCE_GROUPS "x")\n',
            2,
            "",
        ),
    ],
)
def test_what_is_wrong_has_file_and_line(tree, text, line, says):
    root = tree(text)
    with pytest.raises(SpecError) as caught:
        query.read(str(root), None)
    assert caught.value.file == str(root / "CTestTestfile.cmake")
    assert caught.value.line == line
    assert says in caught.value.message
    assert "\n" not in str(caught.value)


def test_what_is_wrong_in_a_subdirectory(tree):
    root = tree("subdirs(sub)\n", {"sub/CTestTestfile.cmake": "\nadd_test(\n"})
    with pytest.raises(SpecError) as caught:
        query.read(str(root), None)
    assert (caught.value.file, caught.value.line) == (str(root / "sub/CTestTestfile.cmake"), 2)


def test_no_ctest(tree, monkeypatch, tmp_path):
    root = tree('add_test(a "/bin/true")\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCTestError):
        query.read(str(root), None)


def test_an_old_ctest_is_named(tree, monkeypatch, tmp_path):
    """One that cannot print JSON: it takes the option for something else and fails."""
    root = tree('add_test(a "/bin/true")\n')
    old = tmp_path / "bin" / "ctest"
    old.parent.mkdir()
    old.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "ctest version 3.13.4"; exit; }\nexit 1\n'
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(NoCTestError) as caught:
        query.read(str(root), None, ask_always=True)
    assert "3.13" in str(caught.value)
    assert "3.21" in str(caught.value)


def test_what_nobody_can_read_is_told_as_it_is(tmp_path):
    error = query.explain("\nsomething odd\n", str(tmp_path), 9)
    assert "something odd" in error.message
    assert "9" in error.message


def test_generated_resource_files_are_found(tree):
    """Releases of ctest differ in whether they show the property."""
    root = tree(
        'add_test([=[make it]=] "/bin/true")\n'
        "set_tests_properties([=[make it]=] PROPERTIES FIXTURES_SETUP r "
        'GENERATED_RESOURCE_SPEC_FILE "/x/y.json")\n'
        'add_test(other "/bin/true")\n'
        "set_tests_properties(other PROPERTIES FIXTURES_SETUP s)\n"
        'add_test(use "/bin/true")\n'
        'set_tests_properties(use PROPERTIES FIXTURES_REQUIRED r RESOURCE_GROUPS "gpus:1")\n'
    )
    make, other, _ = query.read(str(root), None)
    assert make["properties"]["GENERATED_RESOURCE_SPEC_FILE"] == "/x/y.json"
    assert "GENERATED_RESOURCE_SPEC_FILE" not in other["properties"]


def test_a_tree_that_is_not_ours(tree, monkeypatch):
    """ctest writes a log where it stands, and fails if it cannot."""
    root = tree(
        'add_test(a "/bin/true")\nadd_test(b "/bin/true")\nsubdirs(sub)\n',
        {
            "sub/CTestTestfile.cmake": 'add_test(c "/bin/true")\n',
            "CTestCustom.cmake": "set(CTEST_CUSTOM_TESTS_IGNORE b)\n",
            # a file where ctest wants its directory: not even root can write there
            "Testing": "",
        },
    )
    rows = query.read(str(root), None)
    assert [(r["name"], r["file"], r["directory"]) for r in rows] == [
        ("a", str(root / "CTestTestfile.cmake"), str(root)),
        ("c", str(root / "sub/CTestTestfile.cmake"), str(root / "sub")),
    ]


def test_what_is_wrong_in_a_tree_that_is_not_ours(tree):
    root = tree("\nadd_test(a\n", {"Testing": ""})
    with pytest.raises(SpecError) as caught:
        query.read(str(root), None)
    assert (caught.value.file, caught.value.line) == (str(root / "CTestTestfile.cmake"), 2)
