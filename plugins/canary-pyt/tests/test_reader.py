from __future__ import annotations

import sys

import pytest

import canary
import canary_pyt
from canary.errors import SpecError
from canary_pyt import directives
from canary_pyt.reader import load

HEAD = "import canary\nd = canary.directives\n"


def problem(write, text, name="f.pyt"):
    file = write(text, name)
    with pytest.raises(SpecError) as caught:
        load(file.file)
    assert caught.value.file == file.file
    return caught.value


@pytest.mark.parametrize(
    "imports",
    [
        "import canary\nd = canary.directives\n",
        "from canary import directives as d\n\n",
        "import canary.directives\nd = canary.directives\n",
        "import canary.directives as d\n\n",
        "import canary_pyt\nd = canary_pyt.directives\n",
        "from canary_pyt import directives as d\n\n",
        "import canary_pyt.directives as d\n\n",
        "from canary_pyt.directives import *\nclass d: keywords = keywords\n",
    ],
)
def test_every_way_to_reach_the_directives(write, imports):
    data = load(write(imports + "d.keywords('a')\n").file).data
    assert [entry[2] for entry in data["keywords"]] == [("a",)]


def test_the_file_sees_how_it_is_read(write):
    text = HEAD + "d.keywords(__name__, __file__, str(canary.FILE_SCANNING))\n"
    file = write(text)
    data = load(file.file).data
    assert data["keywords"][0][2] == ("__load__", file.file, "True")
    assert canary.FILE_SCANNING is False
    assert canary_pyt.FILE_SCANNING is False


@pytest.mark.parametrize(
    "change",
    ["d.parameterize = lambda *args, **more: None", "del d.parameterize", "d._take = print"],
)
def test_what_a_file_makes_of_the_directives_is_not_what_the_next_one_gets(write, change):
    load(write(HEAD + change, "rude.pyt").file)
    data = load(write(HEAD + "d.parameterize('a', [1, 2])").file).data
    assert len(data["parameterize"]) == 1


def test_lines_are_those_of_the_test_file(write, tmp_path):
    (tmp_path / "helper_of_this.py").write_text(
        "import canary\ndef both():\n    canary.directives.keywords('h')\n"
    )
    text = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport helper_of_this\n"
        "\n\nhelper_of_this.both()\n"
    )
    data = load(write(text).file).data
    assert data["keywords"] == [(None, 6, ("h",))]
    assert "helper_of_this" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_helpers_of_the_same_name_beside_two_files(write):
    head = "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\nimport my_helper\n"
    found = []
    for place in ("a", "b"):
        write(f"WORD = {place!r}\n", f"{place}/my_helper.py")
        file = write(head + HEAD + "d.keywords(my_helper.WORD)\n", f"{place}/f.pyt")
        found.append(load(file.file).data["keywords"][0][2])
    assert found == [("a",), ("b",)]


def test_dataclasses_with_texts_as_annotations_can_be_read(write):
    text = (
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    x: int = 0\n" + HEAD + "d.keywords(str(A().x))\n"
    )
    assert load(write(text).file).data["keywords"][0][2] == ("0",)


def test_nothing_is_recorded_outside_of_reading(write):
    load(write(HEAD + "d.keywords('a')\n").file)
    directives.keywords("b")
    assert load(write(HEAD).file).data == {}
    assert "__load__" not in sys.modules


def test_a_failed_file_leaves_nothing_behind(write):
    problem(write, HEAD + "import sys\nsys.path.append('/x')\nd.keywords('a')\n1 / 0\n")
    assert "/x" not in sys.path
    assert directives._calls is None
    assert canary.FILE_SCANNING is False
    assert load(write(HEAD + "d.keywords('b')\n").file).data["keywords"][0][2] == ("b",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("import canary\ndef broken(:\n", 2, "syntax error"),
        ("x = 1\n  y = 2\n", 2, "syntax error"),
        (HEAD + "undefined_name\n", 3, "NameError: name 'undefined_name' is not defined"),
        (HEAD + "\nd.nonsense('x')\n", 4, "unknown directive 'nonsense'"),
        (HEAD + "\nd.keyword('x')\n", 4, "did you mean 'keywords'"),
        (HEAD + "d.include('x')\n", 3, "unknown directive 'include'"),
        (HEAD + "d.stages('x')\n", 3, "unknown directive 'stages'"),
        (HEAD + "import sys\nsys.exit(3)\n", 4, "exits with 3"),
        (HEAD + "raise SystemExit\n", 3, "exits with None"),
        (HEAD + "def f():\n    return 1 / 0\nf()\n", 4, "ZeroDivisionError: division by zero"),
        (HEAD + "import no_such_module_at_all\n", 3, "ModuleNotFoundError"),
        (HEAD + "import json\njson.loads('x')\n", 4, "JSONDecodeError"),
        (HEAD + "assert False\n", 3, "AssertionError"),
        (HEAD + "d.cpus(1, 2)\n", 3, "takes from 0 to 1 positional arguments but 2"),
        (HEAD + "d.exclusive(True)\n", 3, "takes 0 positional arguments but 1"),
        (HEAD + "d.skipif(True)\n", 3, "missing 1 required keyword-only argument: 'reason'"),
        (HEAD + "d.keywords('a', foo=1)\n", 3, "unexpected keyword argument 'foo'"),
        (b"# caf\xe9\n", 1, "is not UTF-8"),
        (b"x = 1\n# caf\xe9\n", 2, "is not UTF-8"),
        ("x = '\0'\n", None, "null bytes"),
    ],
)
def test_errors_name_file_and_line(write, text, line, message):
    error = problem(write, text)
    assert message in str(error)
    assert error.line == line


def test_a_file_may_name_its_encoding(write):
    file = write(
        b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + HEAD.encode() + b"d.keywords('\xe9')\n"
    )
    assert load(file.file).data["keywords"][0][2] == ("é",)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load(str(tmp_path / "gone.pyt"))


def test_own_exit_codes_are_noted(write):
    text = "import canary\nclass Mine(Exception):\n    exit_code = 80\n"
    assert load(write(text).file).data == {"exit_codes": True}
    assert load(write(text.replace("import canary", "pass")).file).data == {}
