"""Names that stay where they belong."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from canary.names import encode_name, encode_path

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


@given(texts)
@example("..")
@example(".")
@example("-rf")
@example("a/b")
@example("a%2Fb")
@example("%%2541%4\n1%")
@example("\u202eevil")
@example("new\nline")
@example("nul\0")
def test_a_name_is_one_component_and_can_be_read_back(name):
    made = encode_name(name)
    assert made
    assert made not in (".", "..")
    assert "/" not in made
    assert "\0" not in made
    assert not made.startswith("-")
    assert len(os.fsencode(made)) <= 255
    if "~" not in made:
        assert unquote_to_bytes(made).decode() == name


@given(texts, texts)
def test_different_names_stay_different(a, b):
    assume(a != b)
    assert encode_name(a) != encode_name(b)


@pytest.mark.parametrize("name", ["a.cpus=2.x=0.25", "Größe", "a b", "...", "x=50%", "s=%q"])
def test_what_is_harmless_is_kept(name):
    assert encode_name(name) == name


@pytest.mark.parametrize("name", ["x" * 256, "ß" * 200, "a" * 10_000, "€" * 90])
def test_a_long_name_is_cut_and_stays_different(name, tmp_path):
    one, other = encode_name(name + "1"), encode_name(name + "2")
    assert one != other
    assert one[:20] == name[:20]
    for made in (one, other):
        (tmp_path / made).touch()
        (tmp_path / f"{made}~1234567").touch()


def test_a_name_that_is_not_utf8_is_kept_apart():
    one, other = os.fsdecode(b"a\xff"), os.fsdecode(b"a\xfe")
    assert encode_name(one) == "a%FF"
    assert encode_name(other) == "a%FE"


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("a/b", "a/b"),
        ("/a//b/", "a/b"),
        ("a/../../b", "a/%2E%2E/%2E%2E/b"),
        ("./a", "%2E/a"),
        ("", ""),
    ],
)
def test_a_path_cannot_leave(path, made):
    assert encode_path(path) == made


@given(st.text(st.characters(max_codepoint=0x80), max_size=8) | st.text("./-%a\n", max_size=8))
def test_a_path_is_its_parts(path):
    """Also where one look tells that nothing is to be encoded."""
    parts = [encode_name(part) for part in path.split("/") if part]
    assert encode_path(path) == "/".join(parts)
