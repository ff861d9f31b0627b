"""Where directives are found, and what ends them."""

from __future__ import annotations

import io
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import SpecError
from canary_vvtest.scan import scan


def texts(source):
    raw = source if isinstance(source, bytes) else source.encode()
    return [line.text for line in scan(raw).lines]


@pytest.mark.parametrize(
    "comment", ["#VVT: x", "# VVT: x", "#VVT :x", "#  VVT  :  x  ", "\t #VVT:x", "\f#VVT:x"]
)
def test_blanks_around_the_marker_are_free(comment):
    assert texts(comment) == ["x"]


@pytest.mark.parametrize("comment", ["#vvt: x", "#VVT x", "##VVT: x", "# VVTX: x", "VVT: x"])
def test_other_comments_are_remarks(comment):
    assert texts(comment) == []


@pytest.mark.parametrize(
    "head",
    [
        "#!/usr/bin/env python3\n\n# about\n",
        "'one' \"two\"\n",
        "r'a\\'b'\n",
        "'''\n#VVT: inside\n'''\n",
        '"""a "quoted" \\""" word"""\n',
        "f'a'\n",
        "b'a'\n",
        "'a' \\\n 'b'\n",
        "'a\\\nb'\n",
        "  'a'\n",
        "\\\n",
        "''\n",
        "''''''\n",
    ],
)
def test_comments_and_strings_may_come_first(head):
    assert texts(f"{head}#VVT: x\n") == ["x"]


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "pass",
        "('a')",
        "'a'.foo()",
        ";",
        "$x = 1",
        "'unclosed",
        "echo it's",
        "x = '''",
        "if [ -f a ]; then",
        "u = 1",
    ],
)
def test_code_ends_the_head(code):
    assert texts(f"#VVT: a\n{code}\n#VVT: b\n") == ["a"]


def test_a_comment_behind_a_string_is_a_remark():
    assert texts("'a' #VVT: no\n'''\n''' #VVT: no\n#VVT: yes\n") == ["yes"]


def test_lines_are_counted_from_one():
    head = scan(b"#!/bin/sh\r\n'''\n\n'''\n#VVT: a\n#VVT:: b\n\n'x\\\ny'\n#VVT: c\n")
    assert [(x.number, x.continued, x.text) for x in head.lines] == [
        (5, False, "a"),
        (6, True, "b"),
        (10, False, "c"),
    ]


def test_a_string_without_end_is_an_error_with_its_line():
    with pytest.raises(SpecError, match="without end") as caught:
        scan(b"#VVT: a\n\n'''never\n#VVT: b\n")
    assert caught.value.line == 3


def test_bytes_that_are_no_text():
    with pytest.raises(SpecError, match="0xe9 is not utf-8") as caught:
        scan(b"#VVT: a\n# caf\xe9\n#VVT: b\n")
    assert caught.value.line == 2
    # what comes after the head is Python's affair
    assert texts(b"#VVT: a\nimport os\n# caf\xe9\n") == ["a"]


def test_a_file_may_name_its_encoding():
    assert texts(b"# -*- coding: latin-1 -*-\n#VVT: caf\xe9\n") == ["café"]
    assert texts(b"\n# coding=latin-1\n#VVT: caf\xe9\n") == ["café"]
    assert texts(b"\xef\xbb\xbf#VVT: caf\xc3\xa9\n") == ["café"]
    with pytest.raises(SpecError, match="unknown encoding 'rot13'"):
        scan(b"# coding: rot13\n")
    with pytest.raises(SpecError, match="unknown encoding 'klingon'") as caught:
        scan(b"#!/bin/sh\n# coding: klingon\n")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("#!/bin/sh", ("/bin/sh",)),
        ("#! /usr/bin/env bash", ("/usr/bin/env", "bash")),
        ("#!/usr/bin/env -S perl -w", ("/usr/bin/env", "-S perl -w")),
        ("#!", ()),
        (" #!/bin/sh", ()),
    ],
)
def test_shebang(line, words):
    assert scan(f"{line}\nx\n".encode()).shebang == words


PIECES = [
    *("#VVT: a", "# VVT:: b", "#VVT", "# x", "#", "'s'", '"s"', "'''t\n#VVT: i\n'''", "'''''' "),
    *('"""q"""', "r'\\'", "rb''", "\n", "\n", "\n", " ", "\\\n", "x", "x = 1", "(", "f'{a}'", ";"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
def test_agrees_with_pythons_own_tokeniser(source):
    """For what is Python: the comments before the first token of code that begin their line."""
    expected = []
    try:
        compile(source, "x", "exec")
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError, IndentationError):
        return
    layout = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.STRING}
    seen = 0
    for token in tokens:
        if token.type == tokenize.COMMENT:
            first = token.line[: token.start[1]].strip() == "" and token.start[0] != seen
            text = token.string[1:].lstrip()
            marked = text.startswith("VVT") and text[3:].lstrip().startswith(":")
            if first and marked:
                expected.append((token.start[0], text[3:].lstrip().lstrip(":").strip()))
        elif token.type not in layout:
            break
        elif token.type == tokenize.STRING:
            seen = token.end[0]
    assert [(x.number, x.text) for x in scan(source.encode()).lines] == expected
