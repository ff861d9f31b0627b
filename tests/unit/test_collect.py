"""Words become roots or names, and roots become test files."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from canary import collect
from canary.collect import ScanRoot, Words
from canary.errors import UsageError
from canary.spec import Loaded, SpecGenerator


class Generator(SpecGenerator):
    def __init__(self, name, *patterns):
        self.name, self.patterns = name, patterns

    def load(self, file):
        return Loaded(None)

    def expand(self, file, data, context):
        return []


PYT = Generator("pyt", "*.pyt", "canary_*.py")
VVT = Generator("vvt", "*.vvt")


@pytest.fixture
def tree(tmp_path):
    """`tree("a/b.pyt", …)` makes files below the current directory."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return tmp_path

    return make


# words


def classify(*words, cwd=None):
    return collect.classify(words, str(cwd or Path.cwd()))


def test_directories_and_files_are_roots(tree):
    here = tree("t/a.pyt", "t/d/b.pyt", "u/c.pyt")
    t = str(here / "t")
    assert classify("t") == Words((ScanRoot(t),))
    assert classify("./t/", "t/../t") == Words((ScanRoot(t),))
    assert classify("t/a.pyt") == Words((ScanRoot(t, ("a.pyt",)),))
    assert classify(t, "u") == Words((ScanRoot(t), ScanRoot(str(here / "u"))))
    assert classify("a.pyt", cwd=here / "t") == Words((ScanRoot(t, ("a.pyt",)),))
    assert classify(".", cwd=here / "t") == Words((ScanRoot(t),))


def test_a_root_as_a_whole_takes_its_parts_in(tree):
    t = str(tree("t/a.pyt", "t/b.pyt") / "t")
    assert classify("t/a.pyt", "t") == Words((ScanRoot(t),))
    assert classify("t/b.pyt", "t/a.pyt", "t/b.pyt") == Words((ScanRoot(t, ("b.pyt", "a.pyt")),))


def test_a_root_may_be_named_apart_from_the_path_below(tree):
    t = str(tree("t/d/b.pyt") / "t")
    assert classify("t:d/b.pyt") == Words((ScanRoot(t, ("d/b.pyt",)),))
    assert classify("t:d") == Words((ScanRoot(t, ("d",)),))
    assert classify("t:../t/d") == Words((ScanRoot(t, ("d",)),))


@pytest.mark.parametrize("word", ["t:nothing", "t:../u", "t:", ":d", "x:y"])
def test_what_is_not_below_the_root_is_a_name(tree, word):
    tree("t/d/b.pyt", "u/c.pyt")
    assert classify(word) == Words((), (word,))


def git(directory, *words):
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(directory), *words]
    subprocess.run(command, check=True, capture_output=True)


def test_what_git_knows_of_a_directory(tree):
    here = tree("r/a.pyt", "r/d/b.pyt", "r/unknown.pyt", "r/gone.pyt")
    git(here, "init", "r")
    with pytest.raises(UsageError, match="git knows no files"):
        classify("git@r")
    git(here / "r", "add", "a.pyt", "d", "gone.pyt")
    (here / "r" / "gone.pyt").unlink()
    assert classify("git@r") == Words((ScanRoot(str(here / "r"), ("a.pyt", "d/b.pyt")),))
    assert classify("git@r/d") == Words((ScanRoot(str(here / "r/d"), ("b.pyt",)),))
    assert classify("git@", cwd=here / "r/d") == Words((ScanRoot(str(here / "r/d"), ("b.pyt",)),))


def test_what_git_knows_of_a_checkout_made_by_repo(tree):
    here = tree("r/one/a.pyt", "r/one/in/b.pyt", "r/two/d/c.pyt", "r/loose.pyt", "t/a.pyt")
    for name in ("one", "one/in", "two"):
        git(here, "init", f"r/{name}")
    git(here / "r/one", "add", "a.pyt")
    git(here / "r/one/in", "add", "b.pyt")
    git(here / "r/two", "add", "d")
    (here / "r/.repo").mkdir()
    (here / "r/.repo/project.list").write_text("one\none/in\ntwo\nremoved\n")
    known = ("one/a.pyt", "one/in/b.pyt", "two/d/c.pyt")
    assert classify("repo@r") == Words((ScanRoot(str(here / "r"), known),))
    assert classify("repo@", cwd=here / "r/one") == Words(
        (ScanRoot(str(here / "r/one"), ("a.pyt", "in/b.pyt")),)
    )
    assert classify("repo@r/two/d") == Words((ScanRoot(str(here / "r/two/d"), ("c.pyt",)),))
    for word in ("repo@t", "repo@nowhere", "repo@r/.repo"):
        with pytest.raises(UsageError, match=r"no projects there|no such directory|knows no files"):
            classify(word)


def test_a_tag_comes_before_a_directory_of_its_name(tree):
    tree("t/a.pyt", "u/a.pyt")
    tags = {"t": ["1"], "empty": []}
    assert collect.classify(("t", "empty"), str(Path.cwd()), tags.get) == Words((), ("t", "empty"))
    with pytest.raises(UsageError, match="cannot be mixed with tags and names of jobs: 't'"):
        collect.classify(("u", "t"), str(Path.cwd()), tags.get)


def test_what_git_cannot_list_is_an_error(tree):
    tree("t/a.pyt")
    with pytest.raises(UsageError, match="no such directory"):
        classify("git@nowhere")
    with pytest.raises(UsageError, match="git cannot list it: fatal: not a git repository"):
        classify("git@t")


def test_a_lock_is_no_word():
    with pytest.raises(UsageError, match="a lock cannot be run"):
        classify("some/testcases.lock")


def test_anything_else_is_a_name():
    assert classify("abc123", "/d/mesh.n=1") == Words((), ("abc123", "/d/mesh.n=1"))
    assert classify() == Words()


def test_a_mixture_is_refused_and_names_what_is_no_path(tree):
    tree("t/a.pyt")
    with pytest.raises(UsageError, match=r"names of jobs: 'tt' \[check the spelling"):
        classify("t", "tt")


@pytest.mark.parametrize("tag", ["a", "A-1_b", "nightly.2", "größe", "a b"])
def test_a_tag(tag):
    collect.valid_tag(tag)


@pytest.mark.parametrize("tag", ["", "-a", "a/b", ".", "..", "a\nb", "\x1b[31m"])
def test_no_tag(tag):
    with pytest.raises(UsageError, match="cannot be a tag"):
        collect.valid_tag(tag)


# files


def refuse(kept, other, what):
    raise AssertionError(f"{kept} and {other} both claim {what}")


def found(*roots, generators=(PYT, VVT), ignore=None, clash=refuse):
    made = [
        ScanRoot(str(r[0]), tuple(r[1:])) if isinstance(r, tuple) else ScanRoot(str(r))
        for r in roots
    ]
    named = {g.name: g for g in generators}
    return [(f.path, f.generator) for f in collect.find(made, named, ignore, clash)]


def test_files_are_found_by_name_in_the_order_of_their_paths(tree):
    here = tree("b.pyt", "a/z.vvt", "a/canary_x.py", "a/x.py", "a.pyt", "README", "c.PYT")
    assert found(here) == [
        ("a.pyt", "pyt"),
        ("a/canary_x.py", "pyt"),
        ("a/z.vvt", "vvt"),
        ("b.pyt", "pyt"),
    ]


def test_a_file_knows_what_stat_says(tree):
    here = tree("d/a.pyt")
    (file,) = collect.find([ScanRoot(str(here))], {"pyt": PYT}, None, refuse)
    stat = (here / "d" / "a.pyt").stat()
    assert (file.root, file.path) == (str(here), "d/a.pyt")
    assert (file.mtime_ns, file.size, file.inode) == (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def test_parts_of_a_root(tree):
    here = tree("a.pyt", "d/b.pyt", "d/e/c.pyt", "f/g.pyt")
    assert found((here, "d", "a.pyt")) == [
        ("a.pyt", "pyt"),
        ("d/b.pyt", "pyt"),
        ("d/e/c.pyt", "pyt"),
    ]


def test_a_file_that_is_named_though_nobody_claims_it_is_no_test(tree):
    assert found((tree("README"), "README")) == []


def test_roots_are_scanned_one_after_the_other(tree):
    here = tree("b/x.pyt", "a/y.pyt")
    assert found(here / "b", here / "a") == [("x.pyt", "pyt"), ("y.pyt", "pyt")]


def test_the_root_of_the_file_system_is_a_root(tree):
    """Paths are relative to it without a slash in front."""
    here = tree("x.pyt")
    relative = str(here).lstrip("/")
    assert found(("/", relative)) == [(f"{relative}/x.pyt", "pyt")]


def test_links_to_files_are_files_and_links_to_directories_are_not_entered(tree):
    here = tree("t/a.pyt", "far/b.pyt")
    (here / "t" / "link.pyt").symlink_to("a.pyt")
    (here / "t" / "broken.pyt").symlink_to("nowhere")
    (here / "t" / "far").symlink_to(here / "far")
    (here / "t" / "loop").symlink_to(here / "t")
    assert found(here / "t") == [("a.pyt", "pyt"), ("link.pyt", "pyt")]


def test_a_directory_may_have_the_name_of_a_test(tree):
    assert found(tree("d.pyt/a.pyt")) == [("d.pyt/a.pyt", "pyt")]


@pytest.mark.parametrize(
    "directory",
    ["__pycache__", ".git", ".svn", ".hg", ".canary", "TestResults", ".canary.old", "sub/.git"],
)
def test_directories_that_hold_no_tests_are_left_out(tree, directory):
    assert found(tree(f"{directory}/a.pyt", "b.pyt")) == [("b.pyt", "pyt")]


def test_a_view_of_any_name_is_left_out(tree):
    assert found(tree("Results/.canary-view.json", "Results/a.pyt", "b.pyt")) == [("b.pyt", "pyt")]


def test_hidden_directories_are_entered(tree):
    assert found(tree(".hidden/a.pyt")) == [(".hidden/a.pyt", "pyt")]


def test_what_is_ignored_is_not_entered(tree):
    here = tree("third/a.pyt", "mine/b.pyt", "mine/third/c.pyt")
    asked = []

    def ignore(path):
        asked.append(os.path.relpath(path, here))
        return path.endswith("/third")

    assert found(here, ignore=ignore) == [("mine/b.pyt", "pyt")]
    assert sorted(asked) == ["mine", "mine/third", "third"]


def test_a_directory_that_cannot_be_read_is_an_error_naming_it(tree):
    """It is gone between the look at its parent and the look into it."""
    here = tree("gone/a.pyt", "b.pyt")

    def ignore(path):
        shutil.rmtree(path)
        return False

    with pytest.raises(UsageError, match=r"gone: cannot look for tests here: No such file"):
        found(here, ignore=ignore)


def test_a_path_that_is_not_there_is_an_error_naming_it(tree):
    with pytest.raises(UsageError, match=r"gone\.pyt: cannot look for tests here"):
        found((tree("a.pyt"), "gone.pyt"))


def test_a_deep_tree_needs_no_stack(tmp_path):
    """Deeper than Python may recurse; removed here, because Python would recurse for that too."""
    top = tmp_path / "top"
    directory = Path(top, *["d"] * 1200)
    subprocess.run(["mkdir", "-p", directory], check=True)
    try:
        (directory / "a.pyt").touch()
        ((path, _),) = found(top)
        assert path.count("/") == 1200
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


@pytest.mark.parametrize(
    ("pattern", "what", "others"),
    [("*.pyt", "*.pyt", []), ("canary_*", "canary_a.pyt", ["canary_b.x"])],
)
def test_of_two_generators_that_claim_a_file_the_first_has_it(tree, pattern, what, others):
    here = tree("canary_a.pyt", "canary_b.x", "b.pyt")
    told = []
    both = (PYT, Generator("other", pattern))
    files = found(here, generators=both, clash=lambda *clash: told.append(clash))
    assert told == [("pyt", "other", what)]
    ours = [("b.pyt", "pyt"), ("canary_a.pyt", "pyt")]
    assert sorted(files) == [*ours, *((name, "other") for name in others)]
    if others:
        assert found((here, "b.pyt"), generators=both) == [("b.pyt", "pyt")]


@pytest.mark.parametrize("pattern", ["CTestTestfile.cmake", "*.x.y", "t?st.*", "*.[ab]x", "*"])
def test_patterns_of_any_shape(tree, pattern):
    here = tree("CTestTestfile.cmake", "a.x.y", "test.z", "b.ax")
    names = {"CTestTestfile.cmake": "CTestTestfile.cmake", "*.x.y": "a.x.y", "t?st.*": "test.z"}
    names["*.[ab]x"] = "b.ax"
    one = [(names[pattern], "g")] if pattern in names else sorted((n, "g") for n in names.values())
    assert found(here, generators=(Generator("g", pattern),)) == one


def test_a_generator_may_leave_out_what_others_of_its_files_cover(tree):
    class Top(Generator):
        def prune(self, files):
            return [f for f in files if "/" not in f.path]

    here = tree("a.top", "d/b.top", "d/c.pyt")
    assert found(here, generators=(PYT, Top("top", "*.top"))) == [
        ("a.top", "top"),
        ("d/c.pyt", "pyt"),
    ]


def test_a_thousand_directories_are_looked_at_once_each(tree, monkeypatch):
    here = tree(*(f"d{i % 50}/e{i % 20}/f{i}.pyt" for i in range(1000)))
    looked = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looked.append(path), real(path))[1])
    assert len(found(here)) == 1000
    assert len(looked) == len(set(looked)) == 1 + 50 + len({(i % 50, i % 20) for i in range(1000)})


# repositories


@pytest.mark.parametrize("mark", [".git", ".repo", ".canary-root"])
def test_the_path_in_the_repository(tree, mark):
    here = tree(f"r/{mark}", "r/d/e/a.pyt", "r/b.pyt")
    marks = {}
    assert collect.repository_path(marks, str(here / "r/d/e/a.pyt")) == "d/e/a.pyt"
    assert collect.repository_path(marks, str(here / "r/b.pyt")) == "b.pyt"
    assert collect.repository_path(marks, str(here / "r/d/x.pyt")) == "d/x.pyt"


def test_the_nearest_repository_counts(tree):
    here = tree("r/.git/HEAD", "r/sub/.git", "r/sub/a.pyt", "r/a.pyt")
    marks = {}
    assert collect.repository_path(marks, str(here / "r/sub/a.pyt")) == "a.pyt"
    assert collect.repository_path(marks, str(here / "r/a.pyt")) == "a.pyt"


def test_without_a_repository_it_is_the_path_from_the_root(tree):
    here = tree("d/a.pyt")
    path = str(here / "d/a.pyt")
    assert collect.repository_path({}, path) == path[1:]
    assert collect.repository_path({}, "/a.pyt") == "a.pyt"


def test_scanning_starts_no_thread(tree):
    before = threading.active_count()
    found(tree("a.pyt"))
    assert threading.active_count() == before
