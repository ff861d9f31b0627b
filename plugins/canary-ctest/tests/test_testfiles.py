"""Reading CMake's files without ctest: what is read is what ctest says, the rest is left to it.

Fixture `own_rows` reads a tree here, and compares that with what ctest says of it.
"""

from __future__ import annotations

import os
import random
import shutil

import pytest

from canary.errors import SpecError
from canary_ctest import query

T = 'add_test(a "/bin/true")\n'
PROPERTIES = (
    ('ATTACHED_FILES "a;b" ATTACHED_FILES_ON_FAIL "c"', 2),
    ('COST "3" COST_ "x"', None),
    ('COST "3"', 1),
    ('COST "2.7"', None),
    ('DEPENDS "b;c;;b"', 1),
    ('DISABLED "TRUE" RUN_SERIAL "OFF" WILL_FAIL "y" PROCESSOR_AFFINITY "1"', 3),
    ('DISABLED "maybe"', None),
    ('ENVIRONMENT "A=1;B=2" ENVIRONMENT_MODIFICATION "P=path_list_append:/x"', 2),
    ('ENVIRONMENT "A=[1;B=2]"', None),
    ('ENVIRONMENT "A=1\\\\;2"', None),
    ('FAIL_REGULAR_EXPRESSION "^e;[0-9]" PASS_REGULAR_EXPRESSION "[a-c]"', None),
    ('PASS_REGULAR_EXPRESSION "\\\\[  OK \\\\]" SKIP_REGULAR_EXPRESSION [==[\\[  S \\]]==]', 2),
    ('PASS_REGULAR_EXPRESSION "^(ok|good)[0-9]+ .*$|x?;[^a-z_ ]"', None),
    ('PASS_REGULAR_EXPRESSION "^(ok|good)[0-9]+ .*\\$|[^a-z_ ]"', 1),
    ('PASS_REGULAR_EXPRESSION "^(a|b)*"', 1),
    ('FAIL_REGULAR_EXPRESSION "x\\\\"', 1),
    ('FAIL_REGULAR_EXPRESSION "*"', 1),
    ('FIXTURES_SETUP "z;y;z" FIXTURES_REQUIRED "r" FIXTURES_CLEANUP ""', 2),
    ('LABELS "q;p;q;B"', 1),
    ('LABELS "p" LABELS "q"', None),
    ('MEASUREMENT "m=1=2"', 1),
    ('MEASUREMENT "m"', None),
    ('PROCESSORS "4"', 1),
    ('PROCESSORS "1"', 0),
    ('PROCESSORS "many"', None),
    ('REQUIRED_FILES "x;y" RESOURCE_LOCK "b;a"', 2),
    ('RESOURCE_GROUPS "2,gpus:1"', None),
    ('SKIP_RETURN_CODE "77"', 1),
    ('SKIP_RETURN_CODE "777"', None),
    ('TIMEOUT "0"', 1),
    ('TIMEOUT "12.5"', 1),
    ('TIMEOUT "1e2"', None),
    ('TIMEOUT_AFTER_MATCH "1;x"', None),
    ('WORKING_DIRECTORY "/tmp"', 0),
    ('WORKING_DIRECTORY "sub/../sub"', 0),
    ('OF_ANOTHER_RELEASE "x"', None),
)


@pytest.mark.parametrize(("words", "kept"), PROPERTIES, ids=[w for w, _ in PROPERTIES])
def test_properties(tree, own_rows, words, kept):
    """`kept` properties are read, or all of it is left to ctest."""
    rows = own_rows(tree(f"{T}set_tests_properties(a PROPERTIES {words})\n"))
    assert (rows if rows is None else len(rows[0]["properties"])) == kept


PLAIN = {
    "comments": f"# of\n#\n\n   {T} # more\n# [x",
    "words": 'add_test( a\n "/bin/true"  x=y --z "" [[q"]] [=[\nb]]]=] {i} )\n',
    "escapes": 'add_test("a \\"b\\"" "/bin/true" "\\$x" "c:\\\\d" "e;f")\n',
    "variables": f"{T}set(a_TESTS x y)\nset( b_TESTS [==[${{x}}]==])\n",
    "included": f'include("{{root}}/more.cmake")\n{T}',
    "there": f'if(EXISTS "{{root}}/more.cmake")\n  include("{{root}}/more.cmake")\nelse()\n{T}'
    "endif()\n",
    "not there": f'if(EXISTS "{{root}}/x")\n  include("{{root}}/x")\nelse()\n{T}endif()\n',
    "directories": f'{T}subdirs("sub")\nsubdirs(sub/deep sub/none)\nsubdirs("{{root}}/other")\n',
    "in its directory": 'add_test(a "here" "x")\nsubdirs(sub)\n',
    "traced": f'{T}set_tests_properties(a PROPERTIES _BACKTRACE_TRIPLES "/x/i.cmake;7;add_test;'
    '/x/CMakeLists.txt;3;include;/x/CMakeLists.txt;0;")\n',
    "two at once": f'{T}add_test(b "/bin/true")\n'
    'set_tests_properties(a b PROPERTIES TIMEOUT "3" LABELS "x;y")\n',
}
DOUBTFUL = {
    "no tests": "# none\n",
    "a variable": 'set(x "/bin/true")\nadd_test(a ${x})\n',
    "an address": 'add_test(a "/bin/true" "me@there")\n',
    "a list": 'add_test(a "/bin/true" x;y)\n',
    "an argument in pieces": 'add_test(a "/bin/true" -Dx="y z")\n',
    "brackets that end early": 'add_test(a "/bin/true" [[x]]])\n',
    "brackets of lists": 'add_test(a "/bin/true" [x])\n',
    "a comment that may be long": f"#[x\n{T}",
    "a long comment": f"#[[\n{T}]]\nadd_test(b /bin/true)\n",
    "two on a line": f"{T.strip()} add_test(b /bin/true)\n",
    "another spelling": T.upper(),
    "a condition": f"if(UNIX)\n{T}endif()\n",
    "a configuration": f'if(CTEST_CONFIGURATION_TYPE MATCHES "^(Debug)$")\n{T}else()\n'
    'add_test(b "/bin/true")\nendif()\n',
    "two conditions": f'if(EXISTS "/x")\nelseif(EXISTS "/bin/true")\n{T}endif()\n',
    "a function": f"function(f)\n{T}endfunction()\nf()\n",
    "a setting of ctest": f'{T}set(CTEST_RESOURCE_SPEC_FILE "x.json")\n',
    "a name twice": f"{T}subdirs(twin)\n",
    "a property of nobody": f'{T}set_tests_properties(b PROPERTIES TIMEOUT "3")\n',
    "a module": f"{T}include(GoogleTest OPTIONAL)\n",
    "a file that is not there": f'{T}include("/no/such/file" OPTIONAL)\n',
    "what is on PATH": 'add_test(a "sh" "-c" "exit 0")\n',
    "what is not built": "add_test(a_NOT_BUILT a_NOT_BUILT)\n",
    "what cannot be found": 'add_test(a "/no/such/program")\n',
    "a directory above": f"{T}subdirs(../build/sub)\n",
    "a linked directory": f"{T}subdirs(linked)\n",
    "no UTF-8": 'add_test(a "/bin/true" "\udcff")\n',
    "a file of Windows": T.replace("\n", "\r\n"),
    "no end": T.rstrip(")\n"),
    "a command alone": f"{T}add_test(b)\n",
    "half a property": f"{T}set_tests_properties(a PROPERTIES LABELS)\n",
    "an end alone": f"{T}endif()\n",
    "itself": f'{T}include("{{root}}/CTestTestfile.cmake")\n',
}


@pytest.fixture
def place(tree):
    """`place(text)` is a tree with some files beside."""

    def make(text):
        root = tree(
            "",
            {
                "more.cmake": 'add_test(m "/bin/true" "m")\n',
                "sub/CTestTestfile.cmake": 'add_test(s "/bin/true")\nsubdirs(deep)\n',
                "sub/deep/here": "",
                "other/CTestTestfile.cmake": 'add_test(o "/bin/true")\n',
                "twin/CTestTestfile.cmake": T,
                "here": "",
            },
        )
        (root / "linked").symlink_to(root / "sub")
        text = text.replace("{root}", str(root))
        (root / "CTestTestfile.cmake").write_bytes(text.encode(errors="surrogateescape"))
        return root

    return make


@pytest.mark.parametrize("what", PLAIN)
def test_what_cmake_writes_is_read(place, own_rows, what):
    assert own_rows(place(PLAIN[what]))


@pytest.mark.parametrize("what", DOUBTFUL)
def test_what_is_doubtful_is_left_to_ctest(place, own_rows, what):
    assert own_rows(place(DOUBTFUL[what])) is None


@pytest.mark.parametrize("name", ["CTestCustom.cmake", "CTestConfiguration.ini"])
def test_files_that_ctest_reads_besides(place, own_rows, name):
    root = place(T)
    (root / name).write_text("")
    assert own_rows(root) is None


def test_a_tree_behind_a_link(place, own_rows, tmp_path):
    (tmp_path / "link").symlink_to(place(T))
    assert own_rows(tmp_path / "link") is None
    (row,) = query.read(str(tmp_path / "link"), None)
    assert row["directory"] == str(tmp_path / "build")


def test_configurations_have_the_tests_that_have_none(place, own_rows):
    assert own_rows(place(T), "Debug")


SIGNS = "ab \"\\$;@[]#(){}=-'^\n\tü.,%&|"


def hostile(draw):
    return "".join(draw.choices(SIGNS, k=draw.randint(1, 7)))


def escaped(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def test_what_cmake_makes_of_hostile_texts(built, own_rows):
    """Each test in a directory of its own, which is a tree of its own for ctest."""
    draw = random.Random(5)
    files = {}
    for i in range(40):
        kind = draw.choice(("LABELS", "ENVIRONMENT", "PASS_REGULAR_EXPRESSION", "DEPENDS"))
        files[f"d{i}/CMakeLists.txt"] = (
            f"add_test(NAME {escaped('n' + draw.choice(SIGNS[:-9]).strip() + 'm')}"
            f" COMMAND /bin/true {escaped(hostile(draw))} [==[{hostile(draw)}]==])\n"
            f"add_test(NAME p{i} COMMAND /bin/true)\n"
            f"set_tests_properties(p{i} PROPERTIES {kind} {escaped(hostile(draw))})\n"
        )
    directories = "".join(f"add_subdirectory(d{i})\n" for i in range(40))
    top = "cmake_minimum_required(VERSION 3.20)\nproject(P NONE)\nenable_testing()\n"
    root = built(top + directories, files)
    read = [own_rows(root / f"d{i}") for i in range(40)]
    assert sum(rows is not None for rows in read) > 10


def test_what_is_damaged_is_never_read_otherwise(place, own_rows):
    """A few signs of a good file removed, doubled or exchanged: ctest's answer, or its error."""
    ends = PLAIN["not there"].replace("(a", "(c")
    words = PLAIN["words"].replace("( a", "( b")
    whole = f"{PLAIN['escapes']}{ends}{PLAIN['traced']}{words}"
    root = place(whole)
    file = root / "CTestTestfile.cmake"
    text = file.read_text()
    draw = random.Random(7)
    read = 0
    for _ in range(60):
        at = draw.randrange(len(text))
        new = draw.choice(("", text[at] * 2, draw.choice(SIGNS)))
        file.write_text(text[:at] + new + text[at + 1 :])
        read += own_rows(root) is not None
    assert 5 < read < 55


def test_reader_of_the_configuration(place, canary, tmp_path):
    """`reader = "ctest"` asks it where it would not have been asked."""
    real = shutil.which("ctest")
    fake = tmp_path / "bin" / "ctest"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ntouch "{tmp_path}/asked"\nexec {real} "$@"\n')
    fake.chmod(0o755)
    env = {"PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}
    root = place(T)
    canary("run", root, env=env, expect=0)
    assert not (tmp_path / "asked").exists()
    (tmp_path / "canary.toml").write_text('[ctest]\nreader = "ctest"\n')
    canary("run", "-w", root, env=env, expect=0)
    assert (tmp_path / "asked").exists()


def test_what_is_wrong_is_said_by_ctest(place):
    with pytest.raises(SpecError) as caught:
        query.read(str(place(f"{T}add_test(b)\n")), None)
    assert caught.value.line == 2
