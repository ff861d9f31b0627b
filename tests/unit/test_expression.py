"""The small languages: what they accept and mean, how they refuse, and that no text harms."""

from __future__ import annotations

import operator
import sys
import time

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.errors import ExpressionError
from canary.expression import (
    Verdict,
    When,
    compile_condition,
    compile_names,
    compile_parameters,
    compile_where,
    parse_when,
    platform_names,
    substitute,
)
from canary.expression.parameters import MAX_BITS
from canary.status import Category, Outcome

JOB = {"n": 1, "m": 0, "s": "fine", "f": 1.5, "cpus": 2}
CASES = (
    {"n": 1, "m": 0, "s": "fine", "f": 1.5, "cpus": 2},
    {"n": 2, "m": 3, "s": "2D", "f": 2.0, "cpus": 2},
    {"n": 10, "m": 1, "s": "x y", "f": 1e-3, "cpus": 2},
)


def names(text, available, ignore_case=False):
    return compile_names(text, ignore_case=ignore_case).matches(available)


def selected(text):
    """The `n` of the cases that a parameter expression selects."""
    expression = compile_parameters(text)
    return [case["n"] for case in CASES if expression.matches(case)]


def refused(function, *args, **kwargs):
    with pytest.raises(ExpressionError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return caught.value


def attempt(function, *args, **kwargs):
    try:
        return function(*args, **kwargs), None
    except ExpressionError as e:
        return None, e


# --- names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fast", True),
        ("slow", False),
        ("not slow", True),
        ("not not fast", True),
        ("not not not fast", False),
        ("fast and mpi", True),
        ("fast and slow", False),
        ("slow or fast and mpi", True),
        ("(slow or fast) and not mpi", False),
        ("not(slow)", True),
        ("not slow and mpi", True),
        ("fa*", True),
        ("f?st", True),
        ("fa[rs]t", True),
        ("*", True),
        ("andy", False),
        ("a:b", True),
        ("c++", True),
        ("x.y-z", True),
        ("dir/file", True),
        ("back\\slash", True),
        ("gpu[1]", True),  # exactly
        ("gpu[0]", False),
        ("gpu1", False),
        ("fa[", False),
        ("[", False),
        ("]", False),
        ("FAST", False),
        ("'a.n=1'", True),
        ('"and"', False),
        ("a.n?1", True),
    ],
)
def test_names(text, expected):
    available = {"fast", "mpi", "a:b", "c++", "x.y-z", "dir/file", "back\\slash", "gpu[1]", "a.n=1"}
    assert names(text, available) is expected


def test_an_empty_text_holds_for_nothing():
    for text in ("", "  \n"):
        assert not names(text, {"a"})
        assert not names(text, set())
        assert not compile_parameters(text).matches(JOB)


def test_case_is_ignored_on_both_sides_when_asked():
    assert names("FaSt and mp?", ["fAST", "MPI"], ignore_case=True)
    assert names("[F]ast", ["FAST"], ignore_case=True)
    assert not names("Fast", ["fast"])


def test_names_with_a_callable_for_membership():
    expression = compile_names("GPU and not (cpu or tpu*)", ignore_case=True)
    asked = []

    def match(name):
        asked.append(name)
        return name == "GPU"

    assert expression.evaluate(match)
    assert asked == ["GPU", "cpu", "tpu*"]
    assert not expression.evaluate(lambda name: True)


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("foo=1", 4, "-p"),
        ("fast and", 9, "the end"),
        ("fast AND slow", 6, "lower case"),
        ("(fast", 6, "')'"),
        ("fast)", 5, "')'"),
        ("()", 2, "')'"),
        ("fast slow", 6, "'slow'"),
        ("fast not", 6, "'not'"),
        ("and", 1, "'and'"),
        ("fast,slow", 5, "','"),
        ("fast & slow", 6, "'and'"),
        ("!fast", 1, "'not'"),
        ("'fast", 1, "unclosed quote"),
        ("a or\nb; c", 7, "';'"),
    ],
)
def test_errors_in_names_point_at_the_column(text, column, word):
    error = refused(compile_names, text, ignore_case=True)
    assert error.column == column
    assert word in str(error)


IDENTS = st.sampled_from(["a", "b", "c", "a*", "?", "[ab]", "d"])


def _trees(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("not"), inner),
            st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        ),
        max_leaves=12,
    )


def _render(tree, leaf):
    """Text of a tree with parentheses only around what needs them."""
    if not isinstance(tree, tuple) or tree[0] not in ("not", "and", "or"):
        return leaf(tree), 4
    if tree[0] == "not":
        text, level = _render(tree[1], leaf)
        return f"not {text}" if level >= 3 else f"not ({text})", 3
    mine = 2 if tree[0] == "and" else 1
    parts = [_render(part, leaf) for part in tree[1:]]
    return f" {tree[0]} ".join(t if lv >= mine else f"({t})" for t, lv in parts), mine


def _truth(tree, leaf):
    if not isinstance(tree, tuple) or tree[0] not in ("not", "and", "or"):
        return leaf(tree)
    if tree[0] == "not":
        return not _truth(tree[1], leaf)
    if tree[0] == "and":
        return _truth(tree[1], leaf) and _truth(tree[2], leaf)
    return _truth(tree[1], leaf) or _truth(tree[2], leaf)


@given(_trees(IDENTS), st.sets(st.sampled_from("abcd")))
def test_names_mean_what_their_tree_means(tree, available):
    def leaf(ident):
        allowed = {"a*": {"a"}, "?": set("abcd"), "[ab]": {"a", "b"}}.get(ident, {ident})
        return bool(allowed & available)

    text, _ = _render(tree, str)
    assert names(text, available) is _truth(tree, leaf)


@given(st.text(alphabet="ab*?[]!-^.:+/\\", min_size=1, max_size=12))
def test_a_name_that_is_spelt_exactly_is_found(name):
    if "!" not in name and "^" not in name:
        assert names(name, {name, "other"})
    assert names(f'"{name}"'.replace("\\", "\\\\"), {name})


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_a_name_expression_or_an_error_in_it(text, ignore_case):
    expression, error = attempt(compile_names, text, ignore_case=ignore_case)
    if error:
        assert 1 <= error.column <= len(text) + 1
        assert len(str(error).splitlines()) == 1
    else:
        assert expression.matches({"a", text}) in (True, False)


# --- parameters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n>1", [2, 10]),
        ("n=1", [1]),
        ("n==1", [1]),
        ("n != 1", [2, 10]),
        ("n=1 or m=*", [1, 2, 10]),
        ("m=*", [2, 10]),
        ("m == *", [2, 10]),
        ("(m=*) and n=2", [2]),
        ("n=*and m=0", [1]),
        ("not m=*", [1]),
        ("zz=*", []),
        ("not zz=*", [1, 2, 10]),
        ("!m", []),
        ("! zz", [1, 2, 10]),
        ("not !m", [1, 2, 10]),
        ("!zz and n=1", [1]),
        ("s=fine", [1]),
        ("s = fine", [1]),
        ("s!=fine", [2, 10]),
        ("s=(fine)", [1]),
        ("s=fine or s=2D", [1, 2]),
        ("s=2D", [2]),
        ("s=2d", []),
        ("s='2D'", [2]),
        ('s="x y"', [10]),
        ("s='''x y'''", [10]),
        ("s in (fine,2D)", [1, 2]),
        ("s not in [fine, 'x y']", [2]),
        ("'x' in s", [10]),
        ("n in (1,2)", [1, 2]),
        ("n in (1+1, 10)", [2, 10]),
        ("n in (2)", [2]),
        ("n in ()", []),
        ("n", [1, 2, 10]),
        ("m", [2, 10]),
        ("not n=1", [2, 10]),
        ("not(n=1)", [2, 10]),
        ("1<n<10", [2]),
        ("1 < n <= 10 > m", [2, 10]),
        ("n>m", [1, 10]),
        ("n+1=2", [1]),
        ("m*2=6", [2]),
        ("2**n=4", [2]),
        ("2**3**n=512", [2]),
        ("-n=-1", [1]),
        ("n=+1", [1]),
        ("-2**2=-4", [1, 2, 10]),
        ("7//2*2+7%2 = 7 and n=1", [1]),
        ("(n+m)*2 = 10", [2]),
        ("f=1.5", [1]),
        ("f=1e-3", [10]),
        ("f<.5", [10]),
        ("f=2", [2]),
        ("n=0x2", [2]),
        ("n=1_0", [10]),
        ("n=1or m=3", [1, 2]),
        ("n/4 = 0.5", [2]),
        ("cpus=2 and n>1", [2, 10]),
        ("True", [1, 2, 10]),
        ("False or n=1", [1]),
        ("n=True", [1]),
        ("s is None", []),
        ("s is not None and n is 1", [1]),
        ("N=1", []),
        ("fine=s", []),
    ],
)
def test_parameters(text, expected):
    assert selected(text) == expected


@pytest.mark.parametrize(
    "text",
    ["zz", "not zz", "zz=1", "not zz=1", "zz=1 or n=1", "n=1 and zz", "zz+1=2", "len=4", "n<zz"],
)
def test_an_unknown_name_makes_the_whole_expression_false(text):
    assert selected(text) == []


def test_what_decides_before_an_unknown_name_decides():
    assert selected("n=1 or zz=1") == [1]
    assert selected("not (n=1 and zz=1)") == [2, 10]


@pytest.mark.parametrize(
    "text",
    ["s>1", "not s>1", "s+1=2", "1<s<2", "s-s=0", "s*2=4", "s%n=1", "n in 5", "-s=1", "n<None"],
)
def test_types_that_do_not_fit_make_the_whole_expression_false(text):
    assert selected(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9>1",
        "9**9**9**9**9>1",
        "10**4000*10**4000>1",
        "2**-99999999>=0",
        "n/0=1",
        "n%0=1 or n=1",
        "0**-1=1",
        "(-8)**0.5=1",
        "1e308*1e308*0=0",
        "1.5**99999>1",
        "10**1000/3>1",
    ],
)
def test_numbers_beyond_bounds_are_harmless(text):
    begin = time.process_time()
    selected(text)
    assert time.process_time() - begin < 0.5
    if "1e308" not in text and "/3" not in text:
        assert selected(text) == []


def test_powers_of_one_are_not_beyond_bounds():
    assert selected("n=1 and 1**99999=1") == [1]


def test_a_number_equals_a_text_parameter_of_the_same_spelling():
    expression = compile_parameters
    assert expression("n=1").matches({"n": "1"})
    assert not expression("n!=1").matches({"n": "1"})
    assert expression("dt=2.50").matches({"dt": "2.50"})
    assert not expression("dt=2.5").matches({"dt": "2.50"})
    assert expression("n=-1").matches({"n": "-1"})
    assert expression("n in (1, 2)").matches({"n": "2"})
    assert expression("flag=True").matches({"flag": "True"})
    assert expression("flag=True").matches({"flag": True})
    assert not expression("n='1'").matches({"n": 1})


def test_a_word_after_an_equal_sign_is_a_text_even_if_it_is_a_parameter():
    assert not compile_parameters("a=b").matches({"a": 1, "b": 1})
    assert compile_parameters("a=b").matches({"a": "b", "b": 1})
    assert compile_parameters("a<b").matches({"a": 1, "b": 2})
    assert compile_parameters("a<b").matches({"a": "a"})


@pytest.mark.parametrize("spelling", ["2D", "1.2.3", "3rd", "1e-3x", "0x1g", "12orange", ".5mm"])
def test_a_number_that_runs_on_is_a_text(spelling):
    assert compile_parameters(f"s={spelling}").matches({"s": spelling})
    assert compile_parameters(f"s={spelling} and n=1").matches({"s": spelling, "n": 1})


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("n=", 3, "the end"),
        ("n=1 and", 8, "the end"),
        ("n=1, m=2", 4, "'and'"),
        ("n=1 m=2", 5, "'and'"),
        ("n=1; m=2", 4, "'and'"),
        ("n & 1", 3, "'and'"),
        ("(n=1", 5, "')'"),
        ("n=1)", 4, "')'"),
        ("n<>2", 3, "'>'"),
        ("n=<2", 3, "'<'"),
        ("n===2", 4, "'='"),
        ("s=fine-x", 3, "quote"),
        ("s=fine**2", 3, "quote"),
        ("s=f*", 3, "quote"),
        ("s=*fine", 4, "quotes"),
        ("m!=*", 4, "'*'"),
        ("1=*", 3, "NAME=*"),
        ("!", 2, "the end"),
        ("!n=1", 3, "!="),
        ("!!n", 2, "'!'"),
        ("n in (1 2)", 9, "','"),
        ("n in (1", 8, "','"),
        ("len(s)=4", 4, "'('"),
        ("s[0]=1", 2, "'['"),
        ("n if m else 0", 3, "'if'"),
        ("s='fine", 3, "unclosed quote"),
        ("lambda: 1", 7, "':'"),
        ("s=and", 3, "'and'"),
        ("*", 1, "'*'"),
        ("n=" + "9" * 500, 3, "400 digits"),
    ],
)
def test_errors_in_parameters_point_at_the_column(text, column, word):
    error = refused(compile_parameters, text)
    assert error.column == column
    assert word in str(error)


NUMBERS = st.one_of(st.integers(0, 9), st.sampled_from([0.5, 2.5]))
ATOMS = st.one_of(st.sampled_from("nmk"), NUMBERS)
SUMS = st.lists(
    st.tuples(
        st.sampled_from(["+", "-", "*", "/", "//", "%", "** 2 *", "** m -", "** -1 +"]),
        st.sampled_from(["", "-", "+"]),
        ATOMS,
    ),
    max_size=4,
)


@st.composite
def comparisons(draw):
    def side():
        text = draw(st.sampled_from(["", "-"])) + str(draw(ATOMS))
        for op, sign, atom in draw(SUMS):
            text += f" {op} {sign}{atom}"
        return text

    text = side()
    for _ in range(draw(st.integers(1, 2))):
        text += f" {draw(st.sampled_from(['<', '<=', '>', '>=', '== 0 +', '!= 0 +']))} {side()}"
    return text


@given(_trees(comparisons()), st.integers(-3, 5), st.integers(0, 3))
def test_arithmetic_and_comparisons_are_those_of_python(tree, n, m):
    """With all names known, and no bare word right after an equality, Python is the reference."""
    params = {"n": n, "m": m, "k": 0.5}
    text, _ = _render(tree, str)
    try:
        expected = bool(eval(text, {"__builtins__": {}}, dict(params)))
    except (ArithmeticError, TypeError):
        expected = False
    assert compile_parameters(text).matches(params) is expected


LIMITS = st.sampled_from([-8, 3, 2, 0.5, 10_000, 2**1000, 2**MAX_BITS])
OPERATIONS = {
    **{"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv},
    **{"//": operator.floordiv, "%": operator.mod, "**": operator.pow},
}


@settings(max_examples=500)
@given(
    st.one_of(*(st.tuples(x, x) for x in (hostile.VALUES, hostile.NUMBERS, LIMITS))),
    st.sampled_from([*OPERATIONS, "*", "**", "**"]),
)
def test_what_comes_of_any_values_is_a_real_number_of_bounded_size_or_nothing(pair, op):
    a, b = pair
    ints = isinstance(a, int) and isinstance(b, int)
    if ints and op == "**" and abs(a) > 1 and a.bit_length() * abs(b) > 10**6:
        return  # Python, which is the reference, would take too long
    found = compile_parameters(f"n {op} m != 'x'").matches({"n": a, "m": b})
    if not all(isinstance(x, (int, float)) for x in (a, b)):
        assert found is (op == "+" and type(a) is type(b) is str and a + b != "x")
        return
    try:
        result = OPERATIONS[op](a, b)
    except ArithmeticError:
        result = 0j
    if isinstance(result, complex):
        assert found is False
    elif ints and op in ("*", "**") and isinstance(result, int):
        assert not (found and result.bit_length() > MAX_BITS)
        assert found or result.bit_length() > MAX_BITS // 2 or 0 in (a, b)
    else:
        assert found or (op == "**" and ints)


@given(
    st.one_of(
        st.text(max_size=50),
        st.text(alphabet="nmsz12.eE+-*/%()[]=!<>, 'orandtix_\"\\", max_size=40),
    )
)
def test_any_text_is_a_parameter_expression_or_an_error_in_it(text):
    expression, error = attempt(compile_parameters, text)
    if error:
        assert 1 <= error.column <= len(text) + 1
    else:
        for case in (*CASES, {}, {"n": "x", "m": None, "s": (1, 2)}):
            assert expression.matches(case) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(" * 100_000 + "n" + ")" * 100_000,
        "not (" * 50_000,
        ")" * 100_000,
        "'" * 99_999,
        "\"'" * 50_000,
        "1" * 100_000 + "x=",
        "1_1" * 30_000 + "=",
        "n=" * 50_000,
    ],
)
def test_hostile_texts_are_refused_at_once(text):
    begin = time.process_time()
    for function in (compile_parameters, lambda t: compile_names(t, ignore_case=True), parse_when):
        error = refused(function, text)
        assert len(str(error)) < 400
    refused(compile_condition, text)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not " * 100_000 + "n", True),
        ("n=0 or " * 50_000 + "n=1", True),
        ("n=1 and " * 50_000 + "n=0", False),
        ("0" + "+n" * 100_000 + "=100000", True),
        ("-" * 100_000 + "n=1", True),
        ("n" + "**n" * 50_000 + "=1", True),
        ("n" + "*n" * 50_000 + "=1", True),
        ("0" + "<n" * 3 + "<=n" * 50_000, False),
        ("n in (" + "0," * 50_000 + "1)", True),
        ("(" * 50 + "n" + ")" * 50 + "=1", True),
    ],
)
def test_long_texts_need_no_deep_stack(text, expected):
    assert compile_parameters(text).matches({"n": 1}) is expected


def test_deep_texts_within_the_limit_work_on_a_deep_stack():
    text = "not (n=1 and (" * 25 + "n" + "))" * 25

    def deep(frames):
        return compile_parameters(text).matches({"n": 1}) if frames == 0 else deep(frames - 1)

    limit = sys.getrecursionlimit()
    assert limit <= 1000
    assert deep(100) is False


def test_many_names_are_matched_in_no_time():
    jobs = [("fast", f"kw{i % 7}", f"job{i}", "family", f"dir/file{i}.pyt") for i in range(50_000)]
    begin = time.process_time()
    expression = compile_names("fast and not slow", ignore_case=True)
    assert all(expression.matches(job) for job in jobs)
    assert time.process_time() - begin < 1.0  # takes some 0.06 s


# --- when


def ask(when, **kwargs):
    given = {
        "platforms": {"linux"},
        "testname": "a",
        "options": {"dbg"},
        "keywords": (),
        "parameters": {"n": 1},
    }
    return when.evaluate(**{**given, **kwargs})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("options=dbg", When(options="dbg")),
        ("options='dbg or opt'", When(options="dbg or opt")),
        ("option=dbg platform=linux", When(options="dbg", platforms="linux")),
        ("parameter='n>1' name=a", When(parameters="n>1", testname="a")),
        ("options = dbg\n\tplatforms = linux", When(options="dbg", platforms="linux")),
        ('options="""dbg"""', When(options="dbg")),
        ("options='d'platforms=\"l\"", When(options="d", platforms="l")),
        ("parameters='s=\"x y\"'", When(parameters='s="x y"')),
        ("parameters='s=\\'x\\''", When(parameters="s='x'")),
        ("keywords=fast", When(keywords="fast")),
        ("options=''", When(options="")),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        (False, When(enabled=False)),
        ({}, None),
        ({"options": "dbg", "parameters": "n>1"}, When(options="dbg", parameters="n>1")),
    ],
)
def test_parse_when(text, expected):
    assert parse_when(text) == expected


@pytest.mark.parametrize(
    ("arg", "word"),
    [
        ("names=a", "when: got an unexpected keyword argument 'names'"),
        ({"foo": "a"}, "when: got an unexpected keyword argument 'foo'"),
        ({"option": "a"}, "when: got an unexpected keyword argument 'option'"),
        ({1: "a"}, "when: got an unexpected keyword argument 1"),
        ({"options": None}, "NoneType"),
        ({"options": ["dbg"]}, "list"),
        (5, "int"),
        ("options=dbg options=opt", "twice"),
        ("option=dbg options=opt", "twice"),
        ("testname=a name=a", "twice"),
        ("options=dbg, platforms=linux", "','"),
        ("options=dbg.x", "'.'"),
        ("parameters=n>1", "'>'"),
        ("options=not dbg", "expected name=value"),
        ("options", "name=value"),
        ("options=", "value"),
        ("options=1", "'1'"),
        ("=dbg", "name=value"),
        ("'options'=dbg", "name=value"),
        ("options==dbg", "value"),
        ("options='dbg", "unclosed quote"),
        ("options='d' 'bg'", "name=value"),
        ("options='foo=1'", "when options: "),
        ("platforms=linux parameters='bad ='", "when parameters: "),
        ({"platforms": "a b"}, "when platforms: "),
    ],
)
def test_parse_when_refuses(arg, word):
    assert word in str(refused(parse_when, arg))


@pytest.mark.parametrize(
    ("text", "kwargs", "ok"),
    [
        ("platforms=LINUX", {}, True),
        ("platforms='lin*'", {}, True),
        ("platforms='not linux'", {}, False),
        ("platforms=darwin", {"platforms": {"any", "linux"}}, True),
        ("platforms='not darwin'", {"platforms": {"any"}}, False),
        ("testname=a", {}, True),
        ("testname=A", {}, False),
        ("testname='?'", {}, True),
        ("testname=a", {"testname": None}, False),
        ("testname='not b'", {"testname": None}, False),
        ("options=dbg", {}, True),
        ("options=DBG", {}, False),
        ("options='not opt'", {"options": ()}, True),
        ("keywords=fast", {}, False),
        ("keywords=FAST", {"keywords": ("fast",)}, True),
        ("parameters='n=1'", {}, True),
        ("parameters='n>1'", {}, False),
        ("parameters='not n>1'", {"parameters": None}, False),
        ("parameters='!x'", {"parameters": None}, False),
        ("options=dbg testname=a parameters='n=1' platforms=linux", {}, True),
        ("options=''", {}, False),
    ],
)
def test_when_evaluates(text, kwargs, ok):
    verdict = ask(parse_when(text), **kwargs)
    assert bool(verdict) is verdict.ok is ok
    assert bool(verdict.reason) is not ok


def test_the_first_condition_that_fails_in_fixed_order_gives_the_reason():
    order = ["platforms", "testname", "options", "keywords", "parameters"]
    false = dict.fromkeys(reversed(order), "zz")
    for field in order:
        verdict = ask(parse_when(false))
        assert verdict == Verdict(False, f"{field}='zz' does not hold")
        del false[field]
    assert ask(parse_when(False)) == Verdict(False, "when=False")


def test_when_substitutes_before_it_is_asked():
    when = parse_when("parameters='n={n}' options='${opt}' testname=a")
    changed = when.substituted({"n": "1", "opt": "dbg"})
    assert changed == When(parameters="n=1", options="dbg", testname="a")
    assert ask(changed)
    plain = parse_when("options=dbg")
    assert plain.substituted({}) is plain
    assert "when parameters: unknown name 'n'" in str(refused(when.substituted, {"opt": "dbg"}))
    wrong = when.substituted({"n": "1 2", "opt": ""})
    assert not ask(wrong, parameters=None)
    refused(ask, When(parameters=wrong.parameters))


# --- platforms, substitution


def test_platform_names():
    assert platform_names({}) == {sys.platform}
    environ = {
        "SNLSYSTEM": "sys",
        "SNLCLUSTER": "clu",
        "SNLOS": "rhel8",
        "CANARY_PLATFORM": "x, y,,any",
        "PATH": "p",
    }
    assert platform_names(environ) == {sys.platform, "sys", "clu", "rhel8", "x", "y", "any"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{n}.txt", "1.txt"),
        ("{n}{name}", "1a"),
        ("{N}", "1"),
        ("{{n}}", "{n}"),
        ("{n:0>4}", "0001"),
        ("{n:>3}", "  1"),
        ("{a.b}-{c[0]}-{d:e}", "x-y-z"),
        ("$n.txt", "1.txt"),
        ("${n}_{n}", "1_{n}"),
        ("${a.b}-${zz}-${", "x-${zz}-${"),
        ("$unknown {", "$unknown {"),
        ("$$n", "$n"),
        ("5$", "5$"),
    ],
)
def test_substitute(text, expected):
    odd = {"a.b": "x", "c[0]": "y", "d:e": "z"}
    assert substitute(text, {"n": "1", "N": "1", "name": "a", **odd}) == expected


@pytest.mark.parametrize(
    ("text", "column", "word"),
    [
        ("a{", 2, "stray '{'"),
        ("a}", 2, "stray '}'"),
        ("{n}}", 4, "stray '}'"),
        ("{{n}", 4, "stray '}'"),
        ("{x{n}}", 1, "stray '{'"),
        ("{}", 1, "unknown name ''"),
        ("{0}", 1, "unknown name '0'"),
        ("{q}", 1, "known names: n"),
        ("{n.__class__}", 1, "more than a name"),
        ("{n[0]}", 1, "more than a name"),
        ("{n!r}", 1, "more than a name"),
        ("{n:03d}", 1, "format"),
        ("{n:99999999}", 1, "format"),
        ("{n:{n}}", 1, "stray '{'"),
    ],
)
def test_substitute_refuses(text, column, word):
    error = refused(substitute, text, {"n": "1"})
    assert error.column == column
    assert word in str(error)
    assert text in str(error)


@given(st.text(max_size=30), st.text(max_size=5))
def test_substitute_gives_back_what_was_escaped(text, value):
    if "$" not in text:
        assert substitute(text.replace("{", "{{").replace("}", "}}"), {}) == text
        wrapped = text.replace("{", "{{").replace("}", "}}") + "{v}"
        assert substitute(wrapped, {"v": value}) == text + value


# --- conditions on results


@pytest.mark.parametrize(
    ("text", "satisfied_by"),
    [
        (None, set(Outcome)),
        ("", set(Outcome)),
        ("*", set(Outcome)),
        ("always", set(Outcome)),
        ("if_run", set(Outcome)),
        ("ALWAYS", set(Outcome)),
        ("on_success", {Outcome.SUCCESS, Outcome.XDIFF, Outcome.XFAIL}),
        ("pass", {Outcome.SUCCESS, Outcome.XDIFF, Outcome.XFAIL}),
        ("On_Failure", {o for o in Outcome if 64 <= o < 70}),
        ("success", {Outcome.SUCCESS}),
        ("Diffed", {Outcome.DIFFED}),
        ("success or diffed", {Outcome.SUCCESS, Outcome.DIFFED}),
        ("not failed", set(Outcome) - {Outcome.FAILED}),
        ("fail and not (timeout or error)", {o for o in Outcome if 64 <= o < 70} - {66, 68}),
        ("on_success or skipped", {0, 10, 11, 80}),
        ("x*", {10, 11}),
        ("notrun", {80, 81, 82}),
        ("aborted", {70, 71}),
    ],
)
def test_conditions(text, satisfied_by):
    condition = compile_condition(text)
    assert {o for o in Outcome if condition.holds(o.category.value, o.name)} == satisfied_by


def test_conditions_know_every_category_and_outcome():
    for result in (*(c.value for c in Category), *(o.name for o in Outcome)):
        assert compile_condition(result).holds(result, result.lower())


@pytest.mark.parametrize(
    ("text", "column"),
    [("diff", 1), ("success or skip", 12), ("q*", 1), ("success or", 11), ("a=b", 2)],
)
def test_unknown_results_are_refused_when_compiled(text, column):
    error = refused(compile_condition, text)
    assert error.column == column
    if " or" not in text and "=" not in text:
        for valid in ("on_success", "diffed", "notrun", "skipped", "pass"):
            assert valid in error.hint


# --- where

RECORD = {
    "name": "a.n=1",
    "session": "2026-01-02T03-04-05",
    "exit_code": 0,
    "last_activity": None,
    "exclusive": True,
    "status": {"category": "PASS", "outcome": "SUCCESS", "reason": ""},
    "timings": {"total": 1.5},
    "parameters": {"n": 2, "s": "x y", "v": "2", "a.b": 1},
    "keywords": ["fast", "mpi"],
    "paths": [{"src": "x"}, {"src": "y"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status.category == PASS", True),
        ("status.category==PASS", True),
        ("  status.category   ==  PASS\n ", True),
        ("status.category == 'PASS'", True),
        ('status.category != "PASS"', False),
        ("status.category == pass", False),
        ("status.reason == ''", True),
        ("exit_code == 0", True),
        ("exit_code == 0.0", True),
        ("exit_code == '0'", False),
        ("exit_code != 0", False),
        ("exit_code >= 0", True),
        ("timings.total > 1", True),
        ("timings.total < 1e0", False),
        ("parameters.n <= 2", True),
        ("parameters.n > abc", False),
        ("parameters.s == x y", True),
        ("parameters.v == 2", True),
        ("parameters.a.b == 1", True),
        ("name == a.n=1", True),
        ("session > 2026-01", True),
        ("session < 2026-01", False),
        ("last_activity == null", True),
        ("last_activity == None", True),
        ("last_activity != null", False),
        ("last_activity > 0", False),
        ("exclusive == true", True),
        ("exclusive == 1", False),
        ("exclusive > 0", False),
        ("nope == 1", False),
        ("nope != 1", True),
        ("nope == null", False),
        ("nope > 1", False),
        ("status.category.x == 1", False),
        ("status == PASS", False),
        ("keywords == fast", True),
        ("keywords != fast", False),
        ("keywords == slow", False),
        ("keywords.1 == mpi", True),
        ("keywords.7 == mpi", False),
        ("paths.1.src == y", True),
    ],
)
def test_where(text, expected):
    assert compile_where(text).matches(RECORD) is expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("status.category", "key.path OP value"),
        ("status.category = PASS", "key.path OP value"),
        ("== PASS", "key.path OP value"),
        ("", "key.path OP value"),
        ("a b == 1", "key.path OP value"),
        ("status.reason ==", "expected a value"),
        ("a == 1 and b == 2", "one predicate"),
        ("a == 1 or b > 2", "one predicate"),
    ],
)
def test_where_refuses(text, word):
    assert word in str(refused(compile_where, text))


@pytest.mark.parametrize(
    ("text", "column"), [("a.b=FAIL", 4), ("a.b FAIL", 5), ("a.b", 4), ("== PASS", 1), ("", 1)]
)
def test_where_points_at_what_is_wrong(text, column):
    assert refused(compile_where, text).column == column


def test_a_quoted_value_of_where_is_taken_as_it_is():
    assert compile_where("a == 'x and b == 2'").matches({"a": "x and b == 2"})


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner)
    ),
    max_leaves=8,
)


LIKES = st.sampled_from([True, False, None, 0, 1, -1, 0.5, "1", "x"])
CONSTANTS = {"true": True, "false": False, "null": None, "0": 0, "1": 1, "-1": -1, "0.5": 0.5}


@settings(max_examples=500)
@given(
    st.one_of(hostile.VALUES, LIKES, st.lists(st.one_of(LIKES, st.lists(LIKES)), max_size=2)),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.one_of(st.sampled_from([*CONSTANTS, "x", "'1'"]), st.text("xy", min_size=1, max_size=3)),
)
def test_where_compares_like_with_like(found, op, value):
    constant, text = CONSTANTS.get(value, ...), value.strip("'")

    def equals(what):
        if type(what) is str:
            return what == text
        numbers = type(what) in (int, float) and type(constant) in (int, float)
        return what == constant if numbers else what is constant

    def holds():
        if op in ("==", "!="):
            inside = [x for x in found if type(x) is not list] if type(found) is list else [found]
            return any(map(equals, inside)) is (op == "==")
        other = text if type(found) is str else constant
        return {type(found), type(other)} in ORDERED and eval(f"a {op} b", {"a": found, "b": other})

    assert compile_where(f"a {op} {value}").matches({"a": found}) is holds()


ORDERED = ({str}, {int}, {float}, {int, float})


@given(
    st.dictionaries(st.sampled_from("abc"), JSON),
    st.lists(st.sampled_from(["a", "b", "0", "1", "", "-1"]), min_size=1, max_size=4),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.one_of(st.integers(), st.text(max_size=8)),
)
def test_where_never_fails_on_a_record(record, path, op, value):
    where, error = attempt(compile_where, f"{'.'.join(path)}{op}{value}")
    if error:
        return
    assert where.matches(record) in (True, False)
    if op == "!=":
        assert where.matches(record) is not compile_where(
            where.text.replace("!=", "==", 1)
        ).matches(record)
