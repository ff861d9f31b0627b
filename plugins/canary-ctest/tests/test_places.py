"""Which file a test is said to be defined in: names and IDs depend on it.

What is expected here was observed with the older tool on the same projects.
"""

from __future__ import annotations

HEAD = "cmake_minimum_required(VERSION 3.20)\nproject(P NONE)\nenable_testing()\n"
MODULE = """\
function(modtest n)
  add_test(NAME ${n} COMMAND /bin/true ${ARGN})
endfunction()
"""


def test_the_directory_being_configured_defines_a_test(built, specs):
    root = built(
        HEAD + "include(cmake/mod.cmake)\nadd_subdirectory(sub)\nadd_subdirectory(other moved)\n",
        {
            "cmake/mod.cmake": MODULE,
            "sub/CMakeLists.txt": """\
add_test(NAME A COMMAND /bin/true WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
modtest(C0)
modtest(C1 WORKING_DIRECTORY /tmp)
modtest(F WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
modtest(H WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/moved)
add_subdirectory(deep)
""",
            "sub/deep/CMakeLists.txt": "modtest(D WORKING_DIRECTORY /tmp)\ninclude(x.cmake)\n",
            "sub/deep/x.cmake": "add_test(NAME X COMMAND /bin/true WORKING_DIRECTORY /tmp)\n",
            "other/CMakeLists.txt": """\
add_test(NAME B COMMAND /bin/true WORKING_DIRECTORY /tmp)
modtest(B2)
""",
        },
    )
    assert set(specs(root)) == {
        *("sub/A", "sub/C0", "sub/C1", "sub/F", "sub/H", "sub/deep/D", "sub/deep/X"),
        # nothing tells where it comes from: the directory was moved, and it runs elsewhere
        "B",
        "moved/B2",
    }


def test_a_part_of_a_tree_keeps_its_names(built, specs):
    """A scan may begin below the top of the build tree; the cache is above it."""
    root = built(
        HEAD + "add_subdirectory(sub)\n",
        {"sub/CMakeLists.txt": "add_test(NAME A COMMAND /bin/true WORKING_DIRECTORY /tmp)\n"},
    )
    assert set(specs(root / "sub")) == {"A"}
    (whole,) = specs(root).values()
    (part,) = specs(root / "sub").values()
    assert whole.file == part.file


def test_a_tree_of_its_own_hand(tree, specs):
    """Without CMake's cache and backtraces the directory of a test is all there is."""
    files = {"sub/CTestTestfile.cmake": 'add_test(b "/bin/true")\n'}
    assert set(specs(tree('add_test(a "/bin/true")\nsubdirs(sub)\n', files))) == {"a", "sub/b"}


def test_a_directory_outside_the_tree_is_not_followed(tree, specs, tmp_path):
    tree('add_test(x "/bin/true")\n', name="elsewhere")
    root = tree(f'subdirs("{tmp_path}/elsewhere")\n')
    assert set(specs(root)) == {"x"}
    assert specs(root)["x"].file == str(root / "CTestTestfile.cmake")
