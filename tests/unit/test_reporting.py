from __future__ import annotations

import argparse
import html
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from canary import reporting
from canary.reporting import (
    add_limit,
    add_output,
    excerpt,
    is_failure,
    markdown_block,
    markdown_code,
    output,
    recover,
    replacing,
    target,
    visible,
    write,
)
from canary.testing.reporters import HOSTILE


@given(st.binary(max_size=200))
def test_any_bytes_come_back(data):
    shown = visible(data.decode(errors="surrogateescape"))
    assert recover(shown) == data
    shown.encode()  # no surrogates are left
    assert not {c for c in shown if ord(c) < 32} - {"\n", "\t"}


@given(st.text(max_size=200))
def test_any_text_comes_back(text):
    assert recover(visible(text)) == text.encode()


@pytest.mark.parametrize(
    "text", ["\\", "\\x41", "\\\\x41", "\\u202e", "\\\x1b", "\\x\x1b", "C:\\x"]
)
def test_backslashes_come_back(text):
    assert recover(visible(text)) == text.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é שלום 漢\t\n", "plain é שלום 漢\t\n"),
        ("\x00\x1b[31m\r", "\\x00\\x1b[31m\\x0d"),
        ("\u202eevil", "\\u202eevil"),
        ("\x85", "\\u0085"),
        ("\udcff", "\\xff"),
        ("a\\b", "a\\b"),
    ],
    ids=["plain", "control", "direction", "c1", "byte", "backslash"],
)
def test_what_is_shown(text, shown):
    assert visible(text) == shown


def test_a_short_file_is_shown_whole(tmp_path):
    (tmp_path / "f").write_bytes(b"a\xff\x1b\n")
    assert excerpt(str(tmp_path / "f")) == "a\\xff\\x1b\n"


def test_a_long_file_is_cut_between_characters(tmp_path):
    (tmp_path / "f").write_bytes("é漢😀".encode() * 100)
    for limit in range(20, 40):
        shown = excerpt(str(tmp_path / "f"), limit)
        head, _, rest = shown.partition("\n... ")
        count, _, tail = rest.partition(" bytes left out ...\n")
        assert "\\x" not in shown
        assert len((head + tail).encode()) + int(count) == 900


def test_what_is_no_file_is_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory", "missing"):
        assert excerpt(str(tmp_path / name)) == ""


def test_output_is_both_streams(tmp_path):
    (tmp_path / "o").write_text("out\n")
    (tmp_path / "e").write_text("err\n")
    job = {"stdout": str(tmp_path / "o"), "stderr": str(tmp_path / "e")}
    assert output(job) == "out\n\nerr\n"
    assert output({"stdout": job["stdout"], "stderr": None}) == "out\n"
    assert output({}) == ""


def test_targets_are_relative_to_the_directory_given(tmp_path):
    assert target({"cwd": tmp_path, "output": "a/b"}) == tmp_path / "a" / "b"
    assert target({"cwd": tmp_path, "output": "/b"}) == reporting.Path("/b")
    assert target({"output": "b"}).is_absolute()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "f"
    with replacing(path) as f:
        f.write(b"one")
        assert not path.exists()

    def fail():
        with replacing(path) as f:
            f.write(b"two")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"one"
    assert os.listdir(path.parent) == ["f"]


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write({"text"}, {"cwd": tmp_path, "output": "pipe"})
    assert os.read(read, 100) == b"text"
    assert os.listdir(tmp_path) == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()
    os.close(read)


def test_a_pipe_without_a_name_is_written_to():
    read, end = os.pipe()  # as the shell's >(command) gives it
    write({"text"}, {"output": f"/dev/fd/{end}"})
    os.close(end)
    assert os.read(read, 100) == b"text"
    os.close(read)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(tmp_path, exists):
    (tmp_path / "store").mkdir()
    if exists:
        (tmp_path / "store" / "real").write_text("before")
    (tmp_path / "link").symlink_to("store/real")
    write({"text"}, {"cwd": tmp_path, "output": "link"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "store" / "real").read_text() == "text"
    assert os.listdir(tmp_path / "store") == ["real"]


def test_the_options_say_where_to_write(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_output(parser, "out/r.txt")
    add_limit(parser, 5)
    options = {"cwd": tmp_path, **vars(parser.parse_args([]))}
    assert options["limit"] == 5
    assert write(iter(["é", "\n"]), options) == [tmp_path / "out" / "r.txt"]
    assert (tmp_path / "out" / "r.txt").read_bytes() == "é\n".encode()
    assert write(iter(["a", "b"]), {**options, "output": "-"}) == []
    assert capsys.readouterr().out == "ab"


def test_a_limit_below_nothing_is_nothing(tmp_path):
    (tmp_path / "f").write_text("text")
    assert excerpt(str(tmp_path / "f"), -3) == "\n... 4 bytes left out ...\n"


def test_what_was_left_out_is_no_failure():
    def job(category, excluded=None):
        return {"status": {"category": category}, "excluded": excluded}

    failures = [c for c in ("PASS", "FAIL", "ABORTED", "NOTRUN") if is_failure(job(c))]
    assert failures == ["FAIL", "ABORTED"]
    assert not is_failure(job("FAIL", "not wanted"))


def test_more_characters_are_escaped_on_request():
    assert visible("a#\n\t\\x23", "#\n") == "a\\x23\\x0a\t\\x5cx23"
    assert recover(visible("a#\n\t\\x23", "#\n")) == b"a#\n\t\\x23"


def rendered(text):
    """As GitHub does: with HTML let through, tables, and addresses made links."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)


NASTY = st.text("`~*_|<>&\\[]()!@#:/ \n\tawx.-+=1\u202e\x00\x1b", max_size=60)


@given(NASTY)
def test_code_in_a_table_shows_exactly_the_text(text):
    shown = rendered(f"| a | b |\n| --- | --- |\n| {markdown_code(text)} | x |\n")
    cells = re.findall(r"<td>(.*?)</td>", shown, re.S)
    assert len(cells) == 2
    code = re.fullmatch("<code>([^<]*)</code>", cells[0])
    assert code
    assert recover(html.unescape(code[1])) == text.encode()


@given(NASTY)
def test_a_block_shows_exactly_the_text(text):
    shown = rendered(f"before\n\n{markdown_block(visible(text))}\nafter\n")
    block = re.fullmatch(
        r'<p>before</p>\n<pre><code class="language-text">(.*)</code></pre>\n<p>after</p>\n',
        shown,
        re.S,
    )
    assert block
    assert recover(html.unescape(block[1])).rstrip(b"\n") == text.encode().rstrip(b"\n")


@pytest.mark.parametrize("key", HOSTILE)
def test_no_line_of_a_block_begins_in_the_first_column(key):
    text = visible(HOSTILE[key][:5000].decode(errors="surrogateescape"))
    assert {line[:1] for line in markdown_block(text).splitlines()} == {" "}
