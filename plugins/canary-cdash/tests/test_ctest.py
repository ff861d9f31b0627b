"""What ctest itself writes and sends for a tree of tests, and what canary does for the same."""

from __future__ import annotations

import base64
import gzip
import io
import shutil
import subprocess
import tarfile
import zlib
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("ctest") is None or shutil.which("cmake") is None, reason="no CMake here"
)

LISTS = """\
cmake_minimum_required(VERSION 3.18)
project(Demo NONE)
set(BUILDNAME "some build" CACHE STRING "")
set(SITE "some site" CACHE STRING "")
include(CTest)
add_test(NAME good COMMAND sh -c
  "echo '<CTestMeasurement type=\\"numeric/double\\" name=\\"speed\\">1.5</CTestMeasurement>'")
add_test(NAME text COMMAND sh -c
  "echo '<CTestMeasurement type=\\"text/string\\" name=\\"colour\\">red</CTestMeasurement>'")
add_test(NAME bad COMMAND sh -c "echo 'a ]]> <b> &'; exit 3")
set_tests_properties(bad PROPERTIES PROCESSORS 2 LABELS "part;fast")
add_test(NAME absent COMMAND no-such-program)
add_test(NAME off COMMAND true)
set_tests_properties(off PROPERTIES DISABLED TRUE LABELS "fast")
add_test(NAME skip COMMAND sh -c "exit 77")
set_tests_properties(skip PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME late COMMAND sleep 20)
set_tests_properties(late PROPERTIES TIMEOUT 1)
add_test(NAME required COMMAND true)
set_tests_properties(required PROPERTIES REQUIRED_FILES nothing.txt)
add_test(NAME crash COMMAND sh -c "kill -SEGV $$")
add_test(NAME long COMMAND seq 1 200)
add_test(NAME attach COMMAND sh -c "echo data > file.txt")
set_tests_properties(attach PROPERTIES
  ATTACHED_FILES "${CMAKE_CURRENT_BINARY_DIR}/file.txt" ENVIRONMENT "A=1;B=2")
add_subdirectory(sub)
"""
CONFIG = """\
set(CTEST_PROJECT_NAME "Demo")
set(CTEST_DROP_METHOD "http")
set(CTEST_DROP_SITE "%s")
set(CTEST_DROP_LOCATION "/submit.php?project=Demo")
set(CTEST_LABELS_FOR_SUBPROJECTS "part;other")
"""
# of a machine at another moment
MOVING = {"BuildStamp", "Generator", "ProcessorClockFrequency", "TotalVirtualMemory"}


@pytest.fixture
def tree(tmp_path, cdash, canary_environment):
    """A build, with ctest's own files about it; what ran there is removed."""
    source, build = tmp_path / "source", tmp_path / "build"
    (source / "sub").mkdir(parents=True)
    (source / "CMakeLists.txt").write_text(LISTS)
    (source / "sub" / "CMakeLists.txt").write_text("add_test(NAME below COMMAND true)\n")
    (source / "CTestConfig.cmake").write_text(CONFIG % cdash.url.removeprefix("http://"))
    environ = {k: v for k, v in canary_environment.items() if not k.lower().endswith("_proxy")}

    def run(*words):
        subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, check=False)

    run("cmake", "-S", "source", "-B", "build")
    environ["CTEST_PARALLEL_LEVEL"] = "4"
    for step in ("Start", "Configure", "Build", "Test", "Submit"):
        run("ctest", "--test-dir", str(build), "-D", f"Experimental{step}")
    (build / "file.txt").unlink()
    return build


def shape(element):
    """Its tag, the names of its attributes, and the shapes of what is in it; the names of
    measurements count, and values of attributes that say how a value is to be read."""
    told = {k: v for k, v in element.attrib.items() if k != "filename"}
    attributes = (
        [*told.items()] if element.tag in ("NamedMeasurement", "Value", "Test") else [*told]
    )
    return (element.tag, attributes, [shape(inner) for inner in element])


def cases_of(root):
    return {test.findtext("Name"): test for test in root.iter("Test") if len(test)}


def values(test):
    return {m.get("name"): m.findtext("Value") for m in test.iter("NamedMeasurement")}


def output(test):
    value = test.find("Results/Measurement/Value")
    text = value.text or ""
    return zlib.decompress(base64.b64decode(text)).decode() if value.attrib else text


def attached(test):
    for element in test.findall("NamedMeasurement"):
        data = gzip.decompress(base64.b64decode(element.findtext("Value")))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                yield element.get("filename"), member.name, tar.extractfile(member).read()


def test_the_files_are_those_of_ctest(tree, canary):
    canary("run", ".", cwd=tree, expect=12)
    canary("report", "cdash", "create", "-d", "ours", cwd=tree, expect=0)
    stamp = (tree / "Testing" / "TAG").read_text().splitlines()[0]
    pairs = {}
    for name, mine in (("Configure", "Configure"), ("Build", "Build"), ("Test", "Test-0")):
        theirs = ElementTree.parse(tree / "Testing" / stamp / f"{name}.xml").getroot()
        ours = ElementTree.parse(tree / "ours" / f"{mine}.xml").getroot()
        pairs[name] = (theirs, ours)
        assert list(ours.attrib) == list(theirs.attrib)
        for key in set(theirs.attrib) - MOVING:
            assert ours.get(key) == theirs.get(key), key
    for name in ("Configure", "Build"):
        theirs, ours = pairs[name]
        assert shape(ours) == shape(theirs)
        assert ours.findtext(f".//{name}Command") == theirs.findtext(f".//{name}Command")
    theirs, ours = pairs["Test"]
    assert shape(ours.find("Subproject")) == shape(theirs.find("Subproject"))
    around = [[e.tag for e in root.find("Testing") if e.tag != "Test"] for root in (ours, theirs)]
    assert around[0] == around[1]
    lists = [sorted(e.text for e in root.find("Testing/TestList")) for root in (ours, theirs)]
    assert lists[0] == lists[1]
    mine, other = cases_of(ours), cases_of(theirs)
    assert mine.keys() == other.keys()
    for name, test in other.items():
        assert shape(mine[name]) == shape(test), name
        same = ("Path", "FullName", "FullCommandLine")
        assert [mine[name].findtext(n) for n in same] == [test.findtext(n) for n in same]
        for key in {"speed", "colour", "Processors", "Exit Code", "Exit Value", "Command Line"}:
            assert values(mine[name]).get(key) == values(test).get(key), (name, key)
        if test.get("Status") != "notrun":
            assert output(mine[name]) == output(test), name
        labels = [[e.text for e in t.iter("Label")] for t in (mine[name], test)]
        assert labels[0] == labels[1]
    assert [*attached(mine["attach"])] == [("file.txt", "file.txt", b"data\n")]
    assert [data for _, _, data in attached(other["attach"])] == [b"data\n"]


def test_they_are_sent_as_ctest_sends_them(tree, canary, cdash):
    theirs = {query["FileName"].rpartition("___")[2]: query for query, _, _ in cdash.puts}
    assert {"Configure.xml", "Build.xml", "Test.xml"} <= theirs.keys()
    cdash.puts.clear()
    canary("run", ".", cwd=tree, expect=12)
    files = canary("report", "cdash", "create", cwd=tree, expect=0).stdout.split()
    assert all("/_reports/cdash/" in file for file in files)
    words = ("--project", "Demo", "--url", cdash.url, "--done")
    env = {"no_proxy": "127.0.0.1", "CANARY_CDASH_TOKEN": "s3cret"}
    done = canary("report", "cdash", "post", *words, *files, cwd=tree, env=env, expect=0)
    assert "s3cret" not in done.stdout + done.stderr
    assert [root.tag for _, _, root in cdash.puts] == ["Site", "Site", "Site", "Done"]
    for query, headers, _ in cdash.puts[:3]:
        name = query["FileName"].rpartition("___")[2].replace("-0", "")
        wanted = {k: v for k, v in theirs[name].items() if v and k != "subproject"}
        assert query.keys() == wanted.keys()
        assert (query["build"], query["site"]) == (wanted["build"], wanted["site"])
        assert headers["Authorization"] == "Bearer s3cret"
        assert headers["Content-Type"] == "text/xml"
    assert len(cdash.builds) <= 2
