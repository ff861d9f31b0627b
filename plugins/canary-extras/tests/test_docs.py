"""`canary docs`: pages named, shown and written."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from canary.errors import UsageError
from canary_extras import pages
from canary_extras.docs import show


def test_every_page_is_listed_with_its_title(canary):
    rows = canary("docs", "list").stdout.splitlines()
    assert len(rows) == len(pages.all_pages()) + 1
    assert any(re.fullmatch(r"reference/exit-codes +Exit codes", row) for row in rows)
    assert any(row.startswith("guide/start ") for row in rows)


def test_a_page_is_written_where_there_is_no_terminal(canary):
    done = canary("docs", "open", "exit-codes", env={"PAGER": "false"})
    assert done.stdout == pages.all_pages()["reference/exit-codes"].text


def test_open_without_a_page_lists(canary):
    assert canary("docs", "open").stdout == canary("docs", "list").stdout


def test_a_pager_gets_the_page(capfd, monkeypatch):
    monkeypatch.setenv("PAGER", "sed s/^/paged:/")
    show("one\ntwo\n", paged=True)
    assert capfd.readouterr().out == "paged:one\npaged:two\n"


def test_a_pager_that_reads_nothing_is_no_error(monkeypatch):
    monkeypatch.setenv("PAGER", "true")
    show("x" * 1_000_000, paged=True)


def test_a_pager_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("PAGER", "no-such-pager -x")
    with pytest.raises(UsageError, match="PAGER=no-such-pager"):
        show("one\n", paged=True)


@pytest.mark.parametrize(("words", "paged"), [([], True), (["-P"], False)])
def test_on_a_terminal_it_is_paged_unless_told_otherwise(here, words, paged):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "canary", *words, "docs", "open", "guide/words"],
        cwd=here,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        env={**os.environ, "PAGER": "sed s/^/paged:/"},
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while data := os.read(ours, 65536):
                seen += data
        except OSError:
            pass  # what a terminal says when the other side is closed
    os.close(ours)
    assert process.returncode == 0
    assert seen.startswith(b"paged:# Words" if paged else b"# Words")


def test_built_pages_link_to_pages_that_are_there(here, canary):
    canary("docs", "build", "-d", "manual")
    index = here / "manual" / "index.md"
    linked = re.findall(r"\]\((.+?)\)", index.read_text())
    assert sorted(linked) == sorted(f"{name}.md" for name in pages.all_pages())
    for name in linked:
        page = here / "manual" / name
        assert page.read_text() == pages.all_pages()[name.removesuffix(".md")].text
    done = canary("docs", "build", "-d", "manual", expect=2)
    assert "is not empty" in done.stderr


def test_one_page_is_built(here, canary):
    canary("docs", "build", "guide/start", "-d", "manual")
    found = {str(p.relative_to(here / "manual")) for p in here.glob("manual/**/*.md")}
    assert found == {"guide/start.md", "index.md"}


def test_what_was_built_is_replaced(here, canary):
    canary("docs", "build", "-d", "manual")
    (here / "manual" / "gone.md").write_text("of an earlier version")
    canary("docs", "build", "guide/start", "-w", "--no-cache", "-d", "manual")
    assert {p.name for p in here.glob("manual/**/*.md")} == {"start.md", "index.md"}
    (here / "mine").mkdir()
    (here / "mine" / "index.md").write_text("my own")
    assert "is not empty" in canary("docs", "build", "-w", "-d", "mine", expect=2).stderr
    assert canary("docs", "open", "-w", "exit-codes").stdout.startswith("# Exit codes")


def test_a_file_in_the_way(here, canary):
    (here / "manual").write_text("mine")
    assert "is a file" in canary("docs", "build", "-d", "manual", expect=2).stderr


def test_a_page_is_found_by_the_end_of_its_name():
    known = pages.all_pages()
    assert pages.find("start", known).name == "guide/start"
    assert pages.find("reference/hooks.md", known).name == "reference/hooks"


def test_a_page_that_is_not_there(canary):
    assert "did you mean guide/start?" in canary("docs", "open", "gide/start", expect=2).stderr


def test_two_pages_of_one_name_are_both_named(tmp_path):
    for folder in pages.FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.md").write_text("text without a heading\n")
    known = pages.all_pages(tmp_path)
    assert known["guide/same"].title == "guide/same"
    with pytest.raises(UsageError, match="guide/same or reference/same"):
        pages.find("same", known)


def test_a_summary_is_the_first_paragraph(tmp_path):
    file = tmp_path / "a.md"
    file.write_text("<!-- made -->\n# Title\n\nSee [this\npage](b.md) first.\n\nMore.\n")
    assert pages.Page("a", file).summary == "See this page first."
