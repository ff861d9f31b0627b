"""What `load` makes of a file: includes, expressions, errors, and whether it may be kept."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest

from canary.errors import SpecError
from canary_vvtest.generator import VvtGenerator


@pytest.fixture
def wrong(load):
    """The error of a file that consists of these directives."""

    def make(*lines):
        with pytest.raises(SpecError) as caught:
            load("".join(f"#VVT: {line}\n" for line in lines))
        assert caught.value.file.endswith(".vvt") or len(lines) == 1
        assert "\n" not in str(caught.value)
        return caught.value

    return make


def keywords(loaded):
    return [word for entry in loaded.data.get("keywords", ()) for word in entry[2]]


def test_continued_lines_are_one_directive(load):
    _, loaded = load("#VVT: keywords : a\n#VVT:: b\n# remark\n\n#VVT:: c\n#VVT: owner : x\n")
    assert keywords(loaded) == ["a", "b", "c"]
    assert loaded.data["keywords"][0][1] == 1


def test_a_line_that_continues_nothing(wrong, load):
    with pytest.raises(SpecError, match="no directive to continue") as caught:
        load("\n#VVT:: a\n")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("frobnicate : x", "unknown directive 'frobnicate'", None),
        ("Keywords : x", "unknown directive 'Keywords'", "did you mean 'keywords'?"),
        ("depends : x", "unknown directive 'depends'", "did you mean 'depends on'?"),
        ("keywords x y", "unknown directive 'keywords_x_y'", "write keywords : x y"),
        ("keywords (platfroms=linux) : x", "unknown option", "did you mean 'platforms'?"),
        ("analyze (foo=2)", "unknown option 'foo'", "there is flag, script, requires"),
        ("xfail (cde=3)", "unknown option 'cde'", "did you mean 'code'?"),
        ("xfail (3)", "unknown option '3'", "there is code"),
        ("artifact (saveon=failure) : x", "unknown option 'saveon'", "did you mean 'save_on'?"),
        ("load_module (usr=/x) : gcc", "unknown option 'usr'", "there is use"),
        ("parameterize (autotyp) : a = 1", "unknown option", "did you mean 'autotype'?"),
        ("parameterize (staged) : a = 1", "staged is not supported", "depends on"),
        ("copy (renam) : a,b", "unknown option", "did you mean 'rename'?"),
        ("depends on (reslt=fail) : x", "unknown option", "did you mean 'result'?"),
        ("skipif (reson=later) : True", "unknown option", "did you mean 'reason'?"),
        ("include (platfroms=linux) : x", "unknown option", "did you mean 'platforms'?"),
        ("analyze (requires=nonsense)", "'nonsense' is no result", None),
        ("analyze (flag)", "flag wants a value", "write flag=…"),
        ("aggregate", "needs parameters", "parameterize"),
        ("keywords (platforms='a and') : x", "expected a name", None),
        ("keywords (parameters='a and') : x", "expected a name", None),
        ("timeout : 3 fortnights", "not a duration", None),
        ("timeout : -5", "cannot be negative", None),
        ("timeout : 1:2:3:4", "not a duration", None),
        ("skipif : nothing", "NameError", None),
        ("skipif : 1 +", "no expression", None),
        ("skipif :", "no expression", None),
        ("skipif : sys.exit(3)", "SystemExit", None),
        ("skipif : 1/0", "ZeroDivisionError", None),
        ("filter_warnings : 1 +", "no expression", None),
        ("filter_warnings", "no expression", None),
        ("cpus : x", "'x' is no whole number from 1", None),
        ("cpus : 0", "no whole number from 1", None),
        ("nodes : +-1", "no whole number from 1", None),
        ("gpus : -1", "no whole number from 0", None),
        ("copy (rename) : a", "'a' is no pair of files", "copy : from,to"),
        ("copy (rename) : a,b,c", "'a,b,c' is no pair of files", None),
        ("copy (rename) : a,,b", "an empty value", None),
        ("copy : a\0b", "is no name of a file", None),
        ("baseline", "are missing", None),
        ("baseline : a", "no pair of files", None),
        ("baseline : --a b", "no pair of files", None),
        ("depends on", "the pattern of a job is missing", None),
        ("depends on (expect=x) : a", "expect=x", "+ (one or more)"),
        ("depends on (expect=0) : a", "expect=0", None),
        ("depends on (result=nonsense) : a", "is no result", None),
        ("xfail : x", "'x' is no exit code", None),
        ("xfail (code=x)", "'x' is no exit code", None),
        ("artifact", "the pattern is missing", None),
        ("artifact (save_on=x) : f", "save_on=x", "always"),
        ("set_attribute", "the attributes are missing", None),
        ("set_attribute : a", "'a' is no KEY=VALUE", None),
        ("set_attribute : a='b", "quotation", None),
        ("set_id : ab", "'ab' is no ID", None),
        ("set_id", "the ID is missing", None),
        ("execution_path", "the path is missing", None),
        ("execution_path : ../x", "leaves the session's directory", None),
        ("execution_path : /x", "leaves the session's directory", None),
        ("load_module", "missing", None),
        ("source", "missing", None),
        ("owner", "the owner is missing", None),
        ("include", "the name of the file is missing", None),
        ("include : nowhere", "no file 'nowhere'", "looked for"),
        ("insert directive file (platforms=x) : nowhere", "no file 'nowhere'", None),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(wrong, line, message, hint):
    error = wrong("keywords : first", line)
    assert error.line == 2
    assert message in error.message
    assert hint is None or hint in error.hint
    assert error.key is None or error.key.startswith(line.split()[0])


@pytest.mark.parametrize(
    "line",
    [
        "parameterize (wide) : a = 1",
        "copy (from=here) : a",
        "depends on (because=of it) : x",
        "timeout (soft) : 5",
        "set_attribute (reslt=1)",
    ],
)
def test_an_option_that_is_like_no_other_is_ignored_where_it_always_was(load, line):
    assert load(f"#VVT: {line}\n")[1].data


def test_a_file_that_is_not_there(load):
    file, _ = load("")
    Path(file.file).unlink()
    with pytest.raises(SpecError, match="cannot read it: No such file") as caught:
        VvtGenerator().load(file)
    assert caught.value.file == file.file


def test_an_included_file_is_read_in_its_place(load, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one").write_text(
        "#VVT: keywords : b\n#VVT: include : two\ncode\n#VVT: x\n"
    )
    (tmp_path / "sub" / "two").write_text("#VVT: keywords : c\n")
    _, loaded = load("#VVT: keywords : a\n#VVT: include : 'sub/one'\n#VVT: keywords : d\n")
    assert keywords(loaded) == ["a", "b", "c", "d"]


def test_an_included_file_is_sought_where_canary_was_started_first(load, tmp_path, monkeypatch):
    for place in ("start", "tests"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "inc").write_text(f"#VVT: keywords : {place}\n")
    monkeypatch.chdir(tmp_path / "start")
    assert keywords(load("#VVT: include : inc\n", "tests/a.vvt")[1]) == ["start"]
    monkeypatch.chdir(tmp_path)
    assert keywords(load("#VVT: include : inc\n", "tests/a.vvt")[1]) == ["tests"]


def test_an_error_in_an_included_file_names_that_file(load, tmp_path):
    inner = tmp_path / "inc"
    inner.write_text("\n#VVT: timeout : x\n")
    with pytest.raises(SpecError, match="not a duration") as caught:
        load("#VVT: include : inc\n")
    assert (caught.value.file, caught.value.line) == (str(inner), 2)
    inner.write_text("#VVT: keywords : x\n'''\n")
    with pytest.raises(SpecError, match="without end") as caught:
        load("#VVT: include : inc\n")
    assert (caught.value.file, caught.value.line) == (str(inner), 2)
    inner.write_text("#VVT:: x\n")
    with pytest.raises(SpecError, match="to continue") as caught:
        load("#VVT: include : inc\n")
    assert (caught.value.file, caught.value.line) == (str(inner), 1)


def test_a_circle_of_includes_is_an_error(load, tmp_path):
    (tmp_path / "one").write_text("#VVT: include : two\n")
    (tmp_path / "two").write_text("#VVT: include : one\n")
    with pytest.raises(SpecError, match="'one' includes itself") as caught:
        load("#VVT: include : one\n")
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "two"), 1)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["keywords : x", "parameterize : a = 1 2", "timeout (platforms=linux) : 5"], True),
        (["skipif : True"], True),
        (["skipif : 1 > 2"], True),
        (["skipif : importable('json')"], False),
        (["skipif : os.environ.get('X')"], False),
        (["skipif : (lambda: sys.platform == 'x')()"], False),
        (["skipif : any(len(c) for c in '')"], False),
        (["include : inc"], False),
        (["parameterize (generator) : echo '[{\"a\": 1}]'"], False),
        (["parameterize (generator, platforms=vax) : x"], False),
    ],
)
def test_what_depends_on_the_file_alone_is_kept(load, tmp_path, lines, kept):
    (tmp_path / "inc").write_text("#VVT: keywords : x\n")
    _, loaded = load("".join(f"#VVT: {line}\n" for line in lines))
    assert loaded.cacheable is kept
    assert marshal.loads(marshal.dumps(loaded.data)) == loaded.data


def test_the_file_itself_is_not_executed(load, tmp_path):
    load("#VVT: keywords : x\nopen('made', 'w').close()\nraise SystemExit(3)\n")
    assert not (tmp_path / "made").exists()
