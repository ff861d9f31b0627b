"""Plugins that are files, and failures in one line."""

from __future__ import annotations

import sys

import pytest

from canary.loader import PluginInfo, explain, file_of, load_file


def test_two_files_of_one_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.py").write_text(f"where = {name!r}\n")
    one, two = (load_file(tmp_path / name / "same.py") for name in ("a", "b"))
    assert (one.where, two.where) == ("a", "b")
    assert load_file(tmp_path / "a" / "same.py") is one


def test_a_file_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError) as caught:
        load_file(tmp_path / "bad.py")
    assert {name for name in set(sys.modules) - before if "bad" in name} == set()
    assert explain(caught.value) == "ZeroDivisionError: division by zero (bad.py:1)"
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "none.py")


def test_file_of(tmp_path):
    (tmp_path / "mod.py").write_text("def f(): pass\nclass C: pass\n")
    module = load_file(tmp_path / "mod.py")
    parts = (module, module.f, module.C, module.C())
    assert {file_of(part) for part in parts} == {str(tmp_path / "mod.py")}
    assert file_of(None) is None


def test_explain():
    assert explain(ValueError()) == "ValueError"
    assert explain(ValueError("one\ntwo")) == "ValueError: one"

    class Silent(Exception):
        def __str__(self):
            raise KeyError

    assert explain(Silent()).startswith("Silent: ")


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "plugin 'x'"),
        ({"origin": "/a/x.py"}, "plugin 'x' (/a/x.py)"),
        ({"origin": "m", "distribution": "d", "version": "1"}, "plugin 'x' (d 1)"),
    ],
)
def test_a_plugin_in_words(more, text):
    assert str(PluginInfo(name="x", kind="object", source="s", **more)) == text
