"""The two modes of the directives accept the same calls."""

from __future__ import annotations

import inspect
import sys

import pytest

from canary.errors import SpecError
from canary_pyt import directives
from canary_pyt.digest import _HANDLERS, digest
from canary_pyt.reader import load

CALLS = [
    "testname('x')",
    "name('x')",
    "testname(arg='x')",
    "keywords('a', 'b')",
    "keywords('a', when='platforms=linux')",
    "keywords()",
    "keywords(['a', 'b'])",
    "owners('me')",
    "owner('me', 'you')",
    "owner(name='me')",
    "description('text')",
    "parameterize('a', [1])",
    "parameterize(names='a', values=[1])",
    "parameterize('a,b', [(0, 1), (0, 1)], type=canary.random_parameter_space, samples=1)",
    "cpus(2)",
    "cpus(arg=2, when={'platforms': 'linux'})",
    "cpus(n=2)",
    "gpus(0)",
    "gpus(n=0)",
    "nodes(1)",
    "nodes(n=1, when='options=x')",
    "timeout(5)",
    "timeout('1h 20m')",
    "timeout('00:01:00', 'platforms=linux')",
    "timeout(arg=-1)",
    "copy('a', 'b')",
    "copy(src='a', dst='b')",
    "copy('a', dst='b')",
    "link('a', src='b')",
    "link()",
    "sources('a')",
    "baseline('a', 'b')",
    "baseline(src='a', dst='b')",
    "baseline(flag='--rebase')",
    "baseline('a', 'b', 'platforms=linux')",
    "depends_on('a')",
    "depends_on(['a', 'b'])",
    "depends_on('a', 'options=x')",
    "depends_on(arg='a')",
    "depends_on(['a', {'job': 'b', 'when': 'failed', 'expects': 2}])",
    "depends_on('a', result='diffed', expect=1)",
    "depends_on('a', when='options=x')",
    "aggregate()",
    "aggregate(flag='--x', requires='success or xfail')",
    "generate_composite_base_case(script='s.sh')",
    "analyze()",
    "analyze(when='testname=f')",
    "xfail()",
    "xfail(code=3)",
    "xdiff(when='platforms=linux')",
    "skipif(False, reason='never')",
    "skipif(False, reason='')",
    "skipif(arg=1, reason='always')",
    "enable()",
    "enable(True)",
    "enable(False, when='options=x')",
    "enable(1)",
    "exclusive()",
    "launcher('local')",
    "launcher('sge', when='platforms=linux', sge_queue='short.q')",
    "artifact('x', save_on='failure')",
    "artifact(file='x')",
    "set_attribute(a=1, b=[1, (2,)], c={'d': None})",
    "set_id('abcdef0123')",
    "execution_path('a/b')",
    "load_module('gcc', use='/x')",
    "source('x.sh')",
    "preload('x')",
    "preload('x', source=True)",
    "filter_warnings(True)",
    "setup(f)",
    "teardown(f)",
]


@pytest.mark.parametrize("call", CALLS)
def test_both_modes_accept(write, call, python):
    text = (
        "import canary, canary_pyt\ndef f(job):\n    pass\n"
        f"canary.directives.parameterize('q', [1])\n"
        f"canary.directives.{call}\ncanary_pyt.directives.{call}\n"
    )
    if "teardown" in call or "setup" in call:
        text = text.rpartition("canary_pyt.directives.")[0]
    file = write(text)
    load(file.file)
    done = python(file.file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_directive_is_known_to_the_digest():
    names = {
        n
        for n, o in vars(directives).items()
        if inspect.isfunction(o) and not n.startswith("_") and o.__module__ == directives.__name__
    }
    synonyms = {"name", "owner", "generate_composite_base_case"}
    assert names - synonyms == set(_HANDLERS)


def test_conditions_are_named_alike():
    without = {"testname", "name", "owners", "owner", "description", "skipif", "filter_warnings"}
    without |= {"setup", "teardown", "depends_on"}
    for name, function in vars(directives).items():
        if inspect.isfunction(function) and not name.startswith("_") and name not in without:
            parameter = inspect.signature(function).parameters["when"]
            assert parameter.default is None, name


def test_decorators_give_the_function_back():
    def f(job):
        return job

    assert directives.setup(f) is f
    assert directives.teardown(f) is f


def test_unknown_names_are_plain_attribute_errors():
    assert not hasattr(directives, "__wrapped__")
    assert not hasattr(directives, "include")
    with pytest.raises(AttributeError, match="unknown directive 'parametrize'; did you mean"):
        directives.parametrize  # noqa: B018 - it raises


WRONG = [
    ("testname('')", "must not be empty"),
    ("testname(3)", "must be a text"),
    ("keywords('')", "'' is no word"),
    ("keywords(None)", "None is no word"),
    ("keywords('a', when='foo=bar')", "unexpected keyword argument 'foo'"),
    ("keywords('a', when='platforms')", "expected name=value"),
    ("keywords('a', when='options=a options=b')", "given twice"),
    ("keywords('a', when='platforms=\"a and\"')", "when platforms: expected a name"),
    ("keywords('a', when=3)", "expected a text or a mapping"),
    ("parameterize('a,b', [1])", "is no row of 2"),
    ("parameterize('a', [1], when='parameters=\"b=1\"')", "cannot ask for parameters"),
    ("parameterize('a', [1], type='x')", "is no parameter space"),
    ("cpus(0)", "0 is no whole number from 1"),
    ("cpus(True)", "True is no whole number from 1"),
    ("cpus(1.0)", "1.0 is no whole number"),
    ("gpus(-1)", "-1 is no whole number from 0"),
    ("nodes('1')", "'1' is no whole number"),
    ("timeout('2 minutes')", "not a duration"),
    ("timeout('1 h')", "not a duration"),
    ("timeout(True)", "not a duration"),
    ("copy(3)", "must be a text, not 3"),
    ("copy('')", "must not be empty"),
    ("copy('a\\0b')", "NUL"),
    ("baseline()", "src and dst are needed"),
    ("baseline('a')", "src and dst are needed"),
    ("baseline('a', 'b', flag='--x')", "flag goes without"),
    ("depends_on()", "nothing to depend on"),
    ("depends_on(3)", "3 is no pattern"),
    ("depends_on('')", "must not be empty"),
    ("depends_on({'name': 'a'})", "unknown key 'name'"),
    ("depends_on({'when': 'always'})", "'job' is missing"),
    ("depends_on({'job': 'a', 'when': 'passes'})", "'passes' is no result"),
    ("depends_on({'job': 'a', 'expects': 0})", "expects=0"),
    ("depends_on({'job': 'a', 'expects': True})", "expects=True"),
    ("depends_on({'job': 'a', 'expects': 'many'})", "expects='many'"),
    ("depends_on('a', foo=1)", "unexpected argument 'foo'"),
    ("depends_on(['a', 'b'], result='failed')", "go with one pattern"),
    ("depends_on('a', 'always')", "{'job': …, 'when': 'always'}"),
    ("depends_on('a', when='on_failure')", "{'job': …, 'when': 'on_failure'}"),
    ("aggregate(requires='sucess')", "'sucess' is no result"),
    ("xfail(code='3')", "code='3' is no exit code"),
    ("skipif(True, reason='')", "reason must not be empty"),
    ("skipif(True, reason=None)", "reason must not be empty"),
    ("enable(True, False)", "2 values"),
    ("artifact('a', save_on='never')", "save_on='never'"),
    ("set_attribute(a=object())", "is no JSON value"),
    ("set_id('xyz')", "'xyz' is no ID"),
    ("execution_path('/x')", "leaves the session's directory"),
    ("execution_path('a/../b')", "leaves the session's directory"),
    ("setup(lambda job: None)", "is no function at the top level"),
    ("setup(3)", "is no function at the top level"),
    ("load_module('')", "must not be empty"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_calls_name_file_line_and_directive(write, call, message):
    file = write(f"import canary\n\n\ncanary.directives.{call}\n")
    with pytest.raises(SpecError) as caught:
        load(file.file)
    error = caught.value
    assert message in str(error)
    assert (error.file, error.line) == (file.file, 4)
    assert call.partition("(")[0] in str(error.key)


def test_a_second_setup_function(write):
    text = "from canary_pyt.directives import setup\n@setup\ndef a(j): ...\n@setup\ndef b(j): ...\n"
    with pytest.raises(SpecError, match="a second setup function") as caught:
        load(write(text).file)
    # a decorator is called on its own line, on Python 3.10 on that of the function
    assert caught.value.line == (4 if sys.version_info >= (3, 11) else 5)


def test_a_nested_setup_function(write):
    text = "from canary_pyt.directives import setup\ndef f():\n    @setup\n    def a(j): ...\nf()\n"
    with pytest.raises(SpecError, match="top level") as caught:
        load(write(text).file)
    assert caught.value.line == (3 if sys.version_info >= (3, 11) else 4)


def test_errors_of_the_user_s_objects_are_located():
    class Odd:
        def __iter__(self):
            raise RuntimeError("no")

    with pytest.raises(SpecError, match=r"/f\.pyt:7: parameterize: RuntimeError: no"):
        digest([("parameterize", 7, ("a", Odd(), None, None, 10, 1.0))], "/f.pyt")


def test_a_composite_base_case_without_parameterize(write):
    with pytest.raises(SpecError, match=r"f.pyt:2: a composite base case needs parameters"):
        load(write("import canary\ncanary.directives.analyze()\n").file)


def test_what_is_kept_is_plain(write):
    import marshal

    lines = [c for c in CALLS if "setup" not in c and "teardown" not in c]
    text = "import canary\n" + "".join(f"canary.directives.{c}\n" for c in lines)
    data = load(write(text).file).data
    assert marshal.loads(marshal.dumps(data)) == data
