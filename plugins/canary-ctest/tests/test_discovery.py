"""Tests that a build finds by asking its programs, as with GoogleTest, in a real build.

The program answers as one of GoogleTest does; CMake's own module asks it.
"""

from __future__ import annotations

import shutil

import pytest

PROGRAM = r"""
#include <stdio.h>
#include <string.h>

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

int main(int n, char **words) {
  const char *filter = "";
  for (int i = 1; i < n; ++i) {
    if (is(words[i], "--gtest_list_tests")) {
      puts("Suite.\n  good\n  bad\n  DISABLED_off\nMany/Sizes.\n  fits/0  # GetParam() = 1\n"
           "  fits/1  # GetParam() = a b");
      return 0;
    }
    if (strncmp(words[i], "--gtest_filter=", 15) == 0)
      filter = words[i] + 15;
  }
  printf("running %s\n", filter);
  return is(filter, "Suite.bad");
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(P C)
enable_testing()
include(GoogleTest)
add_subdirectory(sub)
"""
SUB = """
add_executable(program program.c)
gtest_discover_tests(program DISCOVERY_MODE {mode} PROPERTIES LABELS found TIMEOUT 20)
add_test(NAME plain COMMAND program)
"""


@pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("make")), reason="needs a C compiler and make"
)
@pytest.mark.parametrize("mode", ["POST_BUILD", "PRE_TEST"])
def test_discovered_tests(built, by_ctest, by_canary, mode):
    files = {"sub/CMakeLists.txt": SUB.format(mode=mode), "sub/program.c": PROGRAM}
    root = built(PROJECT, files, build=True)
    # the module names a test by the value of its parameter
    names = {"Suite.good", "Suite.bad", "Many/Sizes.fits/1", "Many/Sizes.fits/a b", "plain"}
    theirs = by_ctest(root)
    assert names < theirs.keys()
    ours = by_canary(root, expect=8)
    run = {name: verdict for name, verdict in theirs.items() if "isabled" not in verdict}
    assert {n.removeprefix("sub/"): v for n, v in ours.items()} == {
        name: "PASS (SUCCESS)" if verdict == "passed" else "FAIL (FAILED)"
        for name, verdict in run.items()
        if verdict != "not run"
    }
    job = by_canary.jobs["sub/Many/Sizes.fits/1"]
    assert job["file_path"] == "sub/CTestTestfile.cmake"
    output = by_canary.results / "sub/Many/Sizes.fits/1/canary-out.txt"
    assert "Many/Sizes.fits/0" in output.read_text()


def test_before_the_build_nothing_is_green(built, by_canary):
    """What has yet to be built is not run, and says so."""
    files = {"sub/CMakeLists.txt": SUB.format(mode="POST_BUILD"), "sub/program.c": PROGRAM}
    root = built(PROJECT, files)
    assert set(by_canary(root, expect=8).values()) == {"FAIL (BROKEN)"}
    assert all("build it" in j["status"]["reason"] for j in by_canary.jobs.values())
