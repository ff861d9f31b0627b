"""What is said of two files: which numbers moved, which lines are others, in what time."""

from __future__ import annotations

import difflib
import random

import pytest

from canary_baseline.changes import MAX_LINES, Change, Lines, Tolerance, numbers_moved
from canary_baseline.page import _change


@pytest.fixture
def said(tmp_path):
    """The preview of a file that would replace another."""

    def make(old, new, relative=1e-6):
        change = Change("job", tmp_path / "new", tmp_path / "old")
        change.source.write_bytes(new)
        change.target.write_bytes(old)
        tolerance = Tolerance(relative)
        first, *lines = change.preview(tolerance)
        page = "".join(_change(change, tolerance))
        what = first.rpartition("old: ")[2]
        assert f"</strong> {what}</summary>" in page
        return what, [line.strip() for line in lines], page

    return make


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"r = 5", b"r = 1e999", "1 numbers differ, by at most inf relatively; 1 by more"),
        (b"r = 1e999", b"r = 5", "1 numbers differ, by at most inf relatively; 1 by more"),
        (b"r = 1e999", b"r = 2e999", "1 numbers differ, by at most inf relatively; 1 by more"),
        (b"5", b"9" * 5000, "1 numbers differ, by at most inf relatively; 1 by more"),
        (b"5,,", b",5,", "the text differs"),
        (b"5.0", b"5.000001", "1 numbers differ, by at most 2e-07 relatively; none by more"),
        (b"a\nb\n", b"a\r\nb\r\n", "only the ends of lines differ"),
        (b"a\nb\n", b"a\nb", "only the ends of lines differ"),
    ],
)
def test_what_differs_is_said(said, old, new, what):
    assert said(old, new)[0].startswith(what)


def test_integers_are_compared_exactly(said):
    old, new = b"9007199254740992", b"9007199254740993"
    (moved,) = numbers_moved(old, new)
    assert moved.absolute == 1
    assert said(old, new, 0)[0] == "1 numbers differ, by at most 1.11e-16 relatively"
    assert new.decode() in said(old, new)[2]


def test_lines_are_those_of_diff(said):
    old = b"a\nb\nc\nd\ne\nf\n"
    new = b"a\nx\ny\nc\ne\nf\nz\n"
    lines = ["@@ -2 +2,2 @@", "-b", "+x", "+y", "@@ -4 +4,0 @@", "-d", "@@ -6,0 +7 @@", "+z"]
    assert said(old, new)[1] == lines
    few = random.Random(1)
    for _ in range(200):
        a, b = (few.choices("abcd", k=few.randrange(12)) for _ in "ab")
        made = [
            line
            for tag, i, j, k, m in Lines(a, b).get_opcodes()
            for line in (a[i:j] if tag == "equal" else b[k:m])
        ]
        assert made == b


def test_long_files_of_few_values_come_to_an_end(said, monkeypatch):
    few = random.Random(2)
    size = 50 * MAX_LINES
    values = [chr(0xC8 + n) for n in range(300)]
    old, new = (few.choices(values, k=size) for _ in "ab")
    sought = []
    matcher = difflib.SequenceMatcher

    def noted(junk, a, b):
        sought.append(max(len(a), len(b)))
        return matcher(junk, a, b)

    monkeypatch.setattr(difflib, "SequenceMatcher", noted)
    what, lines, page = said("\n".join(old).encode(), "\n".join(new).encode())
    assert what == "the text differs"
    assert lines[-1].endswith("more lines")
    assert "... and more" in page
    # what is the same at both ends does not count
    longer = "\n".join([*old, "one", *new]).encode()
    lines = said(longer, "\n".join([*old, *new]).encode())[1]
    assert lines == [f"@@ -{size + 1} +{size},0 @@", "-one"]
    assert max(sought) <= MAX_LINES
