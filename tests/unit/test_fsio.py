"""Files whole or not at all."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from canary import fsio
from canary.errors import WorkspaceError

# writing


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_written_whole(tmp_path, durable):
    fsio.write_atomic(tmp_path / "f", b"new", durable=durable)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


def test_readers_see_the_old_or_the_new_content(tmp_path):
    path = tmp_path / "f"
    contents = [bytes([65 + i]) * 100_000 for i in range(5)]
    fsio.write_atomic(path, contents[0])
    seen = set()
    over = threading.Event()

    def read():
        while not over.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for content in contents:
            fsio.write_atomic(path, content)
    over.set()
    reader.join()
    assert seen <= set(contents)


def test_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    fsio.write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink()


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(OSError, match="directory"):
        fsio.write_atomic(tmp_path / "d", b"x")
    assert os.listdir(tmp_path) == ["d"]


def test_the_mode_is_the_umask_s(tmp_path):
    fsio.write_atomic(tmp_path / "f", b"", mode=0o600)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_all_is_written_through_a_pipe_that_takes_little():
    r, w = os.pipe()
    os.set_blocking(w, True)
    data = os.urandom(300_000)
    got = bytearray()

    def drain():
        while chunk := os.read(r, 1000):
            got.extend(chunk)

    reader = threading.Thread(target=drain)
    reader.start()
    fsio.write_all(w, data)
    os.close(w)
    reader.join()
    os.close(r)
    assert bytes(got) == data


# links and copies


def test_link_or_copy(tmp_path):
    source = tmp_path / "source"
    source.write_text("x")
    fsio.copy_or_link(str(source), str(tmp_path / "link"), link=True)
    fsio.copy_or_link(str(source), str(tmp_path / "copy"), link=False)
    assert (tmp_path / "link").readlink() == source
    assert not (tmp_path / "copy").is_symlink()
    assert (tmp_path / "copy").read_text() == "x"


def test_a_tree_is_copied_with_its_links_as_links(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "loop").symlink_to(".")
    (source / "f").write_text("x")
    fsio.copy_or_link(str(source), str(tmp_path / "copy"), link=False)
    assert (tmp_path / "copy" / "loop").readlink() == Path()
    assert (tmp_path / "copy" / "f").read_text() == "x"


def test_a_device_is_not_copied(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="zero: neither a file nor a directory"):
        fsio.copy_or_link(str(tmp_path / "zero"), str(tmp_path / "copy"), link=False)
    assert not (tmp_path / "copy").exists()


def test_the_first_trouble_of_a_tree_is_told(tmp_path):
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")
    told = f"^{tmp_path / 'tree' / 'pipe'}: neither a file nor a directory$"
    with pytest.raises(OSError, match=told):
        fsio.copy_or_link(str(tmp_path / "tree"), str(tmp_path / "copy"), link=False)


def test_a_directory_is_not_copied_into_itself(tmp_path):
    (tmp_path / "way").symlink_to(".")
    (tmp_path / "in").mkdir()
    for place in (tmp_path / "in" / "copy", tmp_path / "copy", tmp_path / "way" / "copy"):
        with pytest.raises(OSError, match="cannot be copied into itself"):
            fsio.copy_or_link(str(tmp_path), str(place), link=False)
    (tmp_path / "inside").mkdir()
    fsio.copy_or_link(str(tmp_path / "in"), str(tmp_path / "inside" / "in"), link=False)


# reading


def test_output_is_text_whatever_its_bytes(tmp_path):
    (tmp_path / "o").write_bytes(b"a\xff\n")
    assert fsio.read_text(str(tmp_path / "o")) == "a�\n"


def test_output_is_cut_to_its_head_and_tail(tmp_path):
    (tmp_path / "o").write_bytes(b"h" * 10 + b"m" * 100 + b"t" * 10)
    text = fsio.read_text(str(tmp_path / "o"), 10)
    assert text.startswith("h" * 10 + "\n")
    assert text.endswith("\n" + "t" * 10)
    assert "100 bytes" in text
    assert fsio.read_text(str(tmp_path / "o"), 60) == "h" * 10 + "m" * 100 + "t" * 10


def test_output_that_is_not_there_says_so(tmp_path):
    assert "No such file" in fsio.read_text(str(tmp_path / "o"))


@pytest.mark.parametrize("limit", [None, 10])
def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path, limit):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "."):
        assert fsio.read_text(str(tmp_path / name), limit) == "(no output: not a file)"
        with pytest.raises(OSError, match="not a file"):
            fsio.open_left(tmp_path / name)


# the rest


def test_this_directory_is_of_a_mount_that_is_there(tmp_path):
    """The answer agrees with the type that the mount table has for the longest mount above."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split(" ")
        kinds[point] = kind
    above = [p for p in map(str, [tmp_path, *tmp_path.parents]) if p in kinds]
    assert fsio.is_network(tmp_path) == (kinds[above[0]] in ("nfs", "nfs4", "lustre", "9p"))
    assert not fsio.is_network("/proc")


def test_an_os_error_is_one_line():
    try:
        os.open("/nonexistent/x", os.O_RDONLY)
    except OSError as e:
        error = fsio.explain(e, "/nonexistent/x", "read it")
    assert isinstance(error, WorkspaceError)
    assert str(error) == "/nonexistent/x: cannot read it: No such file or directory (ENOENT)"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python itself removes deep trees")
def test_a_tree_deeper_than_the_stack_is_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    fsio.remove_tree(top)
    assert not top.exists()
