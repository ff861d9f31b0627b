"""`canary rebaseline` through the installed command line: look, take, ask, refuse."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import html5lib
import pytest

TEST = """\
import sys
import canary

canary.directives.keywords("heat")
canary.directives.copy("ref.txt")
canary.directives.baseline(src="out.txt", dst="ref.txt")
if __name__ == "__main__":
    with open("out.txt", "w") as f:
        f.write("flux = 2.5\\n")
    sys.exit(64 if open("out.txt").read() != open("ref.txt").read() else 0)
"""


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "heat.pyt").write_text(TEST)
    (tmp_path / "t" / "ref.txt").write_text("flux = 2.0\n")
    return tmp_path


def canary(tree, *words, expect=None, stdin=""):
    command = [sys.executable, "-m", "canary", *words]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, input=stdin, timeout=60, check=False
    )
    if expect is not None:
        assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_a_difference_is_shown_then_taken(tree):
    canary(tree, "run", "t", expect=2)
    shown = canary(tree, "rebaseline", "--dry-run", expect=0).stdout
    assert "1 numbers differ, by at most 0.2 relatively" in shown
    assert "-flux = 2.0" in shown
    assert "+flux = 2.5" in shown
    assert (tree / "t" / "ref.txt").read_text() == "flux = 2.0\n"
    done = canary(tree, "rebaseline", expect=0)
    assert done.stdout.endswith("Rebaselined 1 job(s)\n")
    assert (tree / "t" / "ref.txt").read_text() == "flux = 2.5\n"
    canary(tree, "run", "t", expect=0)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (["TestResults"], True),
        (["TestResults/heat"], True),
        (["heat"], True),
        (["-k", "heat"], True),
        (["-k", "cold"], False),
    ],
)
def test_what_is_named_is_rebaselined(tree, words, taken):
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", *words, expect=0)
    assert f"Rebaselined {int(taken)} job(s)" in done.stdout
    assert ("2.5" in (tree / "t" / "ref.txt").read_text()) is taken


@pytest.mark.parametrize(
    ("answer", "taken"),
    [("y\n", 1), ("n\n", 0), ("q\n", 0), ("", 0), ("?\na\n", 1)],
)
def test_one_is_asked(tree, answer, taken):
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", "-i", stdin=answer, expect=0)
    assert f"Rebaselined {taken} job(s)" in done.stdout


def test_nothing_outside_the_tests_directory_is_written(tree):
    (tree / "t" / "heat.pyt").write_text(TEST.replace('dst="ref.txt"', 'dst="../outside.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "../outside.txt: leaves" in done.stderr
    assert not (tree / "outside.txt").exists()


def test_a_link_on_the_way_is_not_followed(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (tree / "t" / "refs").symlink_to(elsewhere)
    (tree / "t" / "heat.pyt").write_text(TEST.replace('dst="ref.txt"', 'dst="refs/ref.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "a link on the way leaves" in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_a_source_that_was_not_made_is_an_error(tree):
    (tree / "t" / "heat.pyt").write_text(TEST.replace('src="out.txt"', 'src="other.txt"'))
    canary(tree, "run", "t", expect=2)
    done = canary(tree, "rebaseline", expect=1)
    assert "other.txt: not made by heat" in done.stderr
    assert "Rebaselined 0 job(s), 1 could not be" in done.stdout


def test_a_job_that_cannot_be_read_hides_no_other(tree):
    (tree / "t" / "first.pyt").write_text(TEST)
    canary(tree, "run", "t", expect=2)
    (lock,) = tree.glob(".canary/sessions/*/first/testcase.lock")
    lock.write_text("{")
    done = canary(tree, "rebaseline", expect=1)
    assert "the job's lock is damaged [canary doctor --rebuild" in done.stderr
    assert done.stdout.endswith("Rebaselined 1 job(s), 1 could not be\n")
    assert (tree / "t" / "ref.txt").read_text() == "flux = 2.5\n"


def test_a_flag_runs_the_test_again(tree):
    (tree / "t" / "heat.pyt").write_text(
        "import sys\nimport canary\ncanary.directives.baseline(flag='--renew')\n"
        "if __name__ == '__main__' and '--renew' in sys.argv:\n    open('renewed', 'w').close()\n"
    )
    canary(tree, "run", "t", expect=0)
    canary(tree, "rebaseline", expect=0)
    assert (tree / "TestResults" / "heat" / "renewed").exists()


def test_hook_canary_rebaseline(tree):
    (tree / "mine.py").write_text(
        "import canary\n@canary.hookimpl\ndef canary_rebaseline(job, config):\n"
        "    job.workspace.joinpath('seen').touch()\n"
    )
    canary(tree, "run", "t", expect=2)
    canary(tree, "-p", "mine.py", "rebaseline", expect=0)
    assert (tree / "TestResults" / "heat" / "seen").exists()


SEVERAL = """\
import canary

for name in ("text.txt", "numbers.txt", "picture.png", "blob.bin", "odd.txt", "fresh.txt"):
    canary.directives.baseline(src=name, dst=f"refs/{name}")
    canary.directives.copy(f"new/{name}")
if __name__ == "__main__":
    pass
"""


def png(colour):
    """A picture of 60 by 40 pixels with a square in it."""
    rows = b"".join(
        b"\0"
        + b"".join(colour if 10 < x < 30 and 5 < y < 25 else b"\xff\xff\xff" for x in range(60))
        for y in range(40)
    )
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def several(tmp_path):
    """A job with a difference of each kind."""
    lines = [f"line {n} of the text" for n in range(40)]
    changed = [*lines[:9], "line 9 of another text", *lines[10:30], "one more", *lines[30:]]
    numbers = "step {} residual {:.10e}\n"
    files = {
        "text.txt": ("\n".join(lines).encode(), "\n".join(changed).encode()),
        "numbers.txt": (
            "".join(numbers.format(n, 1 / (n + 1)) for n in range(5)).encode(),
            "".join(numbers.format(n, (1 + n * 1e-8) / (n + 1)) for n in range(5)).encode(),
        ),
        "picture.png": (png(b"\xff\0\0"), png(b"\0\0\xff")),
        "blob.bin": (b"\0\1\2", b"\0\1\3\4"),
        "odd.txt": (b"<b>old</b> & \x1b[31m", b"</td><script>alert(1)</script> \xe2\x80\xae"),
        "fresh.txt": (None, b"the first\n"),
    }
    (tmp_path / "t" / "refs").mkdir(parents=True)
    (tmp_path / "t" / "new").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(SEVERAL)
    for name, (old, new) in files.items():
        (tmp_path / "t" / "new" / name).write_bytes(new)
        if old is not None:
            (tmp_path / "t" / "refs" / name).write_bytes(old)
    canary(tmp_path, "run", "t", expect=0)
    return tmp_path


def test_differences_are_shown_on_a_page(several):
    words = ["--dry-run", "--rtol", "1.5e-8", "--html", "out/d.html"]
    done = canary(several, "rebaseline", *words, expect=0)
    assert (
        "4 numbers differ, by at most 4e-08 relatively; 3 by more than the tolerance" in done.stdout
    )
    assert done.stdout.endswith("The differences are in out/d.html\n")
    data = (several / "out" / "d.html").read_bytes()
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(data)
    said = ["".join(e.itertext()).partition("refs/")[2] for e in tree.iter("summary")]
    assert said == [
        "text.txt the text differs",
        "numbers.txt 4 numbers differ, by at most 4e-08 relatively; 3 by more than the tolerance",
        "picture.png the picture differs",
        "blob.bin 3 bytes become 4",
        "odd.txt the text differs",
        "fresh.txt new, 10 bytes",
    ]
    verdicts = [e.text for e in tree.iter("td") if e.get("class") in ("within", "beyond")]
    assert verdicts == ["✗ beyond"] * 3 + ["✓ within"]
    marks = ["".join(e.itertext()) for e in tree.iter("mark")]
    assert marks[0] == "the"
    assert marks[1] == "another"
    added = ["".join(e.itertext()) for e in tree.iter("td") if e.get("class") == "new"]
    assert added[1] == "one more"
    assert "</td><script>alert(1)</script> \\u202e" in added
    assert added[-1] == "the first"
    assert len(list(tree.iter("img"))) == 4
    assert not list(tree.iter("script"))
    assert (several / "t" / "refs" / "blob.bin").read_bytes() == b"\0\1\2"


def test_each_file_is_asked_for(several):
    answers = "n\ny\nn\ny\nq\n"
    done = canary(several, "rebaseline", "-i", stdin=answers, expect=0)
    assert "take refs/numbers.txt of x?" in done.stdout
    assert done.stdout.endswith("Rebaselined 1 job(s)\n")
    taken = {
        file.name
        for file in (several / "t" / "refs").iterdir()
        if file.read_bytes() == (several / "t" / "new" / file.name).read_bytes()
    }
    assert taken == {"numbers.txt", "blob.bin"}
