"""Files that people write: read with a place for each error, and edited without losing a line."""

from __future__ import annotations

import sys

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import textdata
from canary.errors import ConfigError

TOML = """\
# a comment
debug = true

[run]  # of runs
workers = 3  # enough
[run.timeout]
default = [
  1,
  2,
]
"long one" = "1h"
# the end
"""


@pytest.mark.parametrize(
    ("name", "text", "data"),
    [
        ("a.toml", "a = 1\n", {"a": 1}),
        ("a.toml", "\ufeffa = 1\n", {"a": 1}),
        ("a.json", '{"a": [1, null]}', {"a": [1, None]}),
        ("a.yaml", "a: {b: [1, 2]}\n", {"a": {"b": [1, 2]}}),
        ("a.yml", "", None),
        ("pool", '  {"a": 1}', {"a": 1}),
        ("config", "a = 1", {"a": 1}),
    ],
)
def test_read(tmp_path, name, text, data):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert textdata.read(tmp_path / name) == data


@pytest.mark.parametrize(
    ("name", "data", "line", "problem"),
    [
        ("a.toml", b"a = 1\nb = \n", 2, "not TOML: Invalid value"),
        ("a.toml", b"a = 1\na = 2\n", None, "not TOML: Cannot overwrite a value"),
        ("a.toml", b"[a\n", 1, "not TOML"),
        ("a.toml", b"a = '''\n\n", 3, "not TOML"),
        ("a.json", b'{"a": 1,\n "b"}', 2, "not JSON"),
        ("a.json", b"[" * 100000, None, "nested too deep"),
        ("a.json", b'{"a": %s}' % (b"9" * 10000), None, "a number of too many digits"),
        ("a.yaml", b"a: 1\nb: [1\n", 3, "expected ',' or ']'"),
        ("a.toml", b"a = '\xff'\n", 1, "not UTF-8"),
        ("a.toml", b"\n\nb\xff", 3, "not UTF-8"),
    ],
)
def test_what_is_wrong_has_a_place(tmp_path, name, data, line, problem):
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        textdata.read(file)
    assert caught.value.file == str(file)
    assert line is None or caught.value.line == line
    assert problem in caught.value.message
    assert "\n" not in str(caught.value)


def test_unreadable(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        textdata.read(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        textdata.read(tmp_path)


KEY = ".".join(["a"] * 60)


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY} = 1",
        f"[{KEY}]",
        f"[[{KEY}]]",
        f"x = {{ y = 1, {KEY} = 1 }}",
        KEY.replace("a", '"a\\""') + " = 1",
        KEY.replace("a", '"\u2028"') + " = 1",
        KEY.replace("a", " 'a' ") + " = 1",
    ],
)
def test_a_key_of_very_many_parts(text):
    """The parser of Python would take seconds and a GB for 32 kB of them."""
    with pytest.raises(ConfigError) as caught:
        textdata.parse_toml(f"z = '#'\n{text}\n", "f.toml")
    assert str(caught.value) == "f.toml:2: a key of more than 50 parts"


def test_dots_elsewhere_are_fine():
    text = (
        f'a = "\\"{KEY} = 1"\nb = \'{KEY} = 1\' # {KEY} = 1\n# {KEY} = 1\n'
        f'c = """\n{KEY} = 1\n\\"""{KEY} = 1"""\nd = \'\'\'\n[{KEY}]\n\'\'\'\n'
        f"[{'.'.join('e' * 50)}]\n"
    )
    assert set(textdata.parse_toml(text, "f.toml")) == {"a", "b", "c", "d", "e"}


def test_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(textdata, "MAX_SIZE", 2**20)
    (tmp_path / "a.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        textdata.read(tmp_path / "a.toml")


def test_yaml_without_pyyaml_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "canary.yamldata", raising=False)
    (tmp_path / "a.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError) as caught:
        textdata.read(tmp_path / "a.yaml")
    assert "canary-core[yaml]" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("run", "workers"), 4, "workers = 3  # enough", "workers = 4"),
        (("debug",), False, "debug = true", "debug = false"),
        (("run", "timeout", "default"), "5m", "default = [\n  1,\n  2,\n]", 'default = "5m"'),
        (("run", "timeout", "long one"), 7, '"long one" = "1h"', '"long one" = 7'),
        (("plugins",), ["a"], "debug = true\n", 'debug = true\nplugins = ["a"]\n'),
        (
            ("run", "grace"),
            1.5,
            "workers = 3  # enough\n",
            "workers = 3  # enough\ngrace = 1.5\n",
        ),
        (("view", "x", "y"), 1, "# the end\n", "# the end\n\n[view.x]\ny = 1\n"),
    ],
)
def test_set_value_changes_one_thing(path, value, old, new):
    assert textdata.set_value(TOML, path, value, "f") == TOML.replace(old, new)


def test_set_value_in_an_empty_file():
    assert textdata.set_value("", ("a", "b"), "c", "f") == '[a]\nb = "c"\n'
    assert textdata.set_value("", ("a",), {"x": 1}, "f") == "a = { x = 1 }\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("run = { a = 1 }\n", ("run", "b")),
        ("[run]\nx = '''\n[run]\ny = 2\n'''\n", ("run", "y")),
        ("[[run]]\na = 1\n", ("run", "a")),
        ("run = 1\n", ("run", "a")),
    ],
)
def test_what_cannot_be_edited_is_left_alone(text, path):
    with pytest.raises(ConfigError) as caught:
        textdata.set_value(text, path, 1, "f")
    assert caught.value.file == "f"


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_documents_survive(data):
    assert textdata.parse_toml(textdata.format_document(data), "f") == data


@given(st.lists(KEYS, min_size=1, max_size=3), VALUES)
def test_what_was_set_is_there(path, value):
    edited = textdata.set_value(TOML, ["new", *path], value, "f")
    data = textdata.parse_toml(edited, "f")
    place = data["new"]
    for key in path:
        place = place[key]
    assert place == value
    assert edited.startswith(TOML)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("debug",), 2),
        (("run",), 4),
        (("run", "workers"), 5),
        (("run", "timeout", "default"), 7),
        (("run", "timeout", "long one"), 11),
        (("nowhere",), None),
    ],
)
def test_find_line(path, line):
    assert textdata.find_line(TOML, path) == line


def test_find_line_in_yaml():
    assert textdata.find_line("run:\n  workers: 3\n", ("run", "workers")) == 2


@given(st.text(max_size=60), st.sampled_from(["a.toml", "a.json", "a.yaml", "pool"]))
def test_any_text_is_data_or_one_line_that_names_the_file(tmp_path_factory, text, name):
    file = tmp_path_factory.getbasetemp() / name
    try:
        file.write_text(text, encoding="utf-8")
    except UnicodeEncodeError:
        return
    assert_read(file)


@pytest.mark.parametrize(
    ("name", "begin"), [("a.toml", "a = "), ("a.json", ""), ("a.yaml", "a: "), ("pool", "")]
)
@given(text=hostile.texts())
def test_data_of_any_form_is_read_or_refused_in_a_line(tmp_path_factory, name, begin, text):
    file = tmp_path_factory.getbasetemp() / name
    file.write_text(begin + text, encoding="utf-8")
    assert_read(file)


def assert_read(file):
    """It is data, or the error is one line that names the file."""
    told = str(file)
    try:
        repr(textdata.read(file))  # whatever is said of it
    except ConfigError as e:
        told = str(e)
    assert str(file) in told
    assert "\n" not in told
