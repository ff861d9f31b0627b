"""From directives to jobs: names, IDs, conditions, substitution, the composite base case."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.errors import SpecError
from canary.spec import Artifact, Asset, Baseline, JobSpec, job_id, job_name
from canary_pyt.expand import expand
from canary_pyt.generator import PytGenerator

PX = "tmp/px/e/f.pyt"


def names(jobs):
    return [j.name for j in jobs]


def kept(spec):
    return [(a.pattern, a.when) for a in spec.artifacts]


# names and IDs


def test_a_file_without_directives(job):
    spec = job("", name="sub/solo.pyt")
    assert spec.name == spec.family == "solo"
    assert spec.fullname == "sub/solo"
    assert spec.file_path == "sub/solo.pyt"
    assert spec.generator == "pyt"
    assert spec.command[1:] == ("solo.pyt",)
    assert spec.timeout == 300.0
    assert not spec.timeout_explicit
    assert dict(spec.meta_parameters) == {"runtime": 300.0}
    assert kept(spec) == [
        ("testcase.lock", "always"),
        ("canary-out.txt", "always"),
        ("solo.pyt", "always"),
    ]


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("canary_x.py", "canary_x"),
        ("a.b.pyt", "a.b"),
        ("br{ace}[1].pyt", "br{ace}[1]"),
        (".pyt", ".pyt"),
    ],
)
def test_family_is_the_stem(job, file, family):
    assert job("", name=file).family == family


# recorded from the older tool: first digits of the IDs of /tmp/px/e/f.pyt outside of a repository
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"f": "3ca1087a"}),
        ("d.parameterize('a', [1, 2])", {"f.a=1": "2450faf9", "f.a=2": "3ec4958e"}),
        ("d.parameterize('a,b', [(1, 2)])", {"f.a=1.b=2": "bcd6cd3a"}),
        ("d.parameterize('a-b', [1, 2])", {"f.a-b=1": "8db9eccb", "f.a-b=2": "94bc1141"}),
        ("d.cpus(2)", {"f": "a37b07c3"}),
        ("d.testname('x')", {"x": "62144db1"}),
        (
            "d.parameterize('a', ['x/y', '..', '', ' s'])",
            {"f.a=x/y": "8881f18d", "f.a=..": "d086c4b0", "f.a=": "bbb6831b", "f.a= s": "d914819e"},
        ),
        (
            "d.parameterize('a,b', [(0.5, 0.1, 2), (10, 5, 1)],"
            " type=canary.centered_parameter_space)",
            {
                "f.a=0.3.b=10": "4790bd32",
                "f.a=0.4.b=10": "9707bc30",
                "f.a=0.5.b=10": "86478fbd",
                "f.a=0.5.b=15": "03bef532",
                "f.a=0.5.b=5": "da09a3c1",
                "f.a=0.6.b=10": "f88a2cb2",
                "f.a=0.7.b=10": "915f4a0d",
            },
        ),
    ],
)
def test_recorded_ids(jobs, text, expected):
    assert {s.name: s.id[:8] for s in jobs(text, repository=PX)} == expected


def test_recorded_ids_of_a_larger_file(jobs):
    text = (
        "d.cpus(2)\nd.parameterize('x,y', [(1, 0.5), (2, 1e-7)])\n"
        "d.parameterize('z', ['p q', True])\nd.analyze()"
    )
    found = {s.name: s.id[:7] for s in jobs(text, "comp.pyt", repository="tmp/px/a/sub/comp.pyt")}
    assert found == {
        "comp.x=1.y=0.5.z=p q": "3966222",
        "comp.x=1.y=0.5.z=1": "794e279",
        "comp.x=2.y=1e-07.z=p q": "f8a912e",
        "comp.x=2.y=1e-07.z=1": "50b4d76",
        "comp": "ff81545",
    }


VALUES = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(max_size=8))


@settings(max_examples=50)
@given(
    keys=st.lists(
        st.from_regex(r"[a-z]{1,4}", fullmatch=True), min_size=1, max_size=4, unique=True
    ),
    data=st.data(),
)
def test_fast_names_and_ids_are_those_of_the_core(keys, data):
    from canary.spec import ExpandContext, SpecFile

    rows = data.draw(st.lists(st.tuples(*[VALUES for _ in keys]), min_size=1, max_size=4))
    rows = tuple(dict.fromkeys(rows))
    fixed = data.draw(st.sampled_from([[], [(None, 1, "cpus", 2)]]))
    if "cpus" in keys:
        return
    plain = {"parameterize": [(None, 1, tuple(keys), rows)], "meta": fixed}
    file = SpecFile("/r", "fam.pyt", "pyt")
    context = ExpandContext(frozenset(), frozenset(), lambda _: 1.0, lambda path: path[1:])
    fast = expand(file, plain, context)
    slow = expand(file, {**plain, "dynamic": True}, context)
    assert fast == slow
    for spec, row in zip(fast, rows, strict=True):
        params = dict(zip(keys, row, strict=True))
        assert dict(spec.parameters) == params
        assert spec.name == job_name("fam", params)
        meta = {"cpus": 2} if fixed else {}
        assert spec.id == job_id("fam", "r/fam.pyt", {**params, **meta})


def test_a_spec_made_fast_is_like_any_other(jobs):
    spec = jobs("d.parameterize('a', [1, 2])")[0]
    fields = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    assert spec == JobSpec(**fields)
    assert type(spec) is JobSpec
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "x"
    with pytest.raises(TypeError):
        spec.parameters["a"] = 2
    assert JobSpec.fromdict(spec.asdict()) == spec
    assert dataclasses.replace(spec, name="y").name == "y"


def test_value_texts(jobs):
    text = "d.parameterize('v', [1.0, 1e-7, 123456789.0, 0.1 + 0.2, False, 'a=b c'])"
    assert names(jobs(text)) == [
        "f.v=1",
        "f.v=1e-07",
        "f.v=1.23457e+08",
        "f.v=0.3",
        "f.v=0",
        "f.v=a=b c",
    ]


def test_keys_are_sorted_in_names_not_in_parameters(job):
    spec = job("d.parameterize('b,a', [(1, 2)])")
    assert spec.name == "f.a=2.b=1"
    assert list(spec.parameters) == ["b", "a"]


def test_every_family_gets_the_product(jobs):
    text = (
        "d.testname('x')\nd.testname('y')\nd.parameterize('a', [1, 2])\nd.parameterize('b', [3, 4])"
    )
    assert names(jobs(text)) == [
        f"{family}.a={a}.b={b}" for family in "xy" for a in (1, 2) for b in (3, 4)
    ]


def test_no_values_make_one_job_without_parameters(jobs):
    assert names(jobs("d.parameterize('a', [])\nd.parameterize('b', [1, 2])")) == ["f"]


# resources


def test_fixed_resources_count_in_the_id_but_not_in_the_name(job):
    spec = job("d.cpus(2)\nd.gpus(1)\nd.nodes(1)\nd.cpus(4)")
    assert spec.name == "f"
    assert dict(spec.meta_parameters) == {"cpus": 4, "gpus": 1, "nodes": 1, "runtime": 300.0}
    assert spec.id == job_id("f", spec.file[1:], {"cpus": 4, "gpus": 1, "nodes": 1})


def test_a_resource_that_is_a_parameter_already(jobs):
    with pytest.raises(SpecError, match=r"f.pyt:4: cpus is a parameter already"):
        jobs("d.parameterize('cpus', [1, 2])\nd.cpus(2)")
    with pytest.raises(SpecError, match=r"f.pyt:4: cpus is a parameter already"):
        jobs("d.parameterize('cpus', [1, 2])\nd.cpus(2, when='parameters=\"cpus=2\"')")


@pytest.mark.parametrize("value", ["1.5", "'2'", "True"])
def test_a_resource_that_is_no_whole_number(jobs, value):
    with pytest.raises(SpecError, match=r"f.pyt:3: gpus=.* is no whole number"):
        jobs(f"d.parameterize('gpus', [{value}])")


@pytest.mark.parametrize(("kind", "value", "least"), [("cpus", 0, 1), ("gpus", -1, 0)])
def test_a_resource_of_which_nobody_can_have_so_few(jobs, kind, value, least):
    with pytest.raises(SpecError, match=f"f.pyt:3: {kind}={value} .* from {least}"):
        jobs(f"d.parameterize('{kind}', [{value}])")


# conditions


def test_conditions_on_platform_options_and_family(jobs):
    text = (
        "d.testname('s')\nd.testname('t')\n"
        "d.keywords('p', when='platforms=LINUX')\nd.keywords('q', when='platforms=darwin')\n"
        "d.keywords('o', when='options=big')\nd.keywords('n', when=\"options='not big'\")\n"
        "d.keywords('f', when='testname=s')\nd.keywords('k', when='keywords=p')\n"
        "d.keywords('m', when={'platforms': 'linux', 'testname': 't'})\nd.keywords('z', when=False)"
    )
    s, t = jobs(text, options=["big"])
    assert s.keywords == ("p", "o", "f")
    assert t.keywords == ("p", "o", "m")
    s, t = jobs(text)
    assert s.keywords == ("p", "n", "f")


def test_conditions_on_parameters(jobs):
    text = (
        "d.parameterize('n', [1, 2, 3])\nd.keywords('many', when='parameters=\"n>1\"')\n"
        "d.keywords('all')"
    )
    assert [j.keywords for j in jobs(text)] == [("all",), ("many", "all"), ("many", "all")]


def test_conditions_do_not_see_fixed_resources(job):
    assert job("d.cpus(2)\nd.keywords('k', when='parameters=\"cpus=2\"')").keywords == ()


def test_conditions_with_substitution(jobs):
    text = "d.parameterize('n', [1, 2])\nd.keywords('k', when='options=\"opt{n}\"')"
    assert [j.keywords for j in jobs(text, options=["opt2"])] == [(), ("k",)]


def test_a_condition_that_substitution_spoils(jobs):
    with pytest.raises(SpecError, match=r"f.pyt:3: .*unknown name 'nope'"):
        jobs("d.keywords('k', when='options=\"{nope}\"')")


def test_the_last_active_one_holds(jobs):
    text = (
        "d.parameterize('n', [1, 2])\nd.timeout(5)\nd.timeout(7, when='parameters=\"n=2\"')\n"
        "d.xfail(code=3)\nd.xdiff(when='parameters=\"n=2\"')"
    )
    one, two = jobs(text)
    assert (one.timeout, one.xstatus) == (5, 3)
    assert (two.timeout, two.xstatus) == (7, 64)
    assert two.meta_parameters["runtime"] == 7


def test_timeouts(job):
    assert job("d.timeout('1m 30s')").timeout == 90
    assert job("d.timeout('1m 30s')").timeout_explicit
    assert job("d.keywords('fast')").timeout == 120.0
    negative = job("d.timeout(-1)")
    assert (negative.timeout, negative.timeout_explicit) == (300.0, False)


# masks


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("d.skipif(True, reason='because')", "because"),
        ("d.skipif(False, reason='because')", None),
        ("d.enable()", None),
        ("d.enable(True)", None),
        ("d.enable(False)", "enable(False)"),
        ("d.enable(when='platforms=linux')", None),
        ("d.enable(when='platforms=darwin')", "platforms='darwin'"),
        ("d.enable(True, when='options=x')", "options='x'"),
        ("d.enable(False, when='platforms=linux')", "enable(False)"),
        ("d.enable(False, when='platforms=darwin')", None),
        ("d.enable(False, when='keywords=fast')\nd.keywords('fast')", None),
    ],
)
def test_masks(job, text, masked):
    mask = job(text).mask
    assert bool(mask) is (masked is not None)
    if masked:
        assert masked in mask.reason


# texts


def test_assets(jobs):
    text = (
        "d.parameterize('n', [1, 2])\nd.copy('a.txt', '{n}.txt')\n"
        "d.link(src='x', dst='$n-${N}.$name')\n"
        "d.sources('s')\nd.copy('only', when='parameters=\"n=2\"')\nd.link('part?.dat')"
    )
    one, two = jobs(text)
    assert one.assets == (
        Asset("a.txt", None, "copy"),
        Asset("1.txt", None, "copy"),
        Asset("x", "1-1.f", "link"),
        Asset("s", None, "none"),
        Asset("part?.dat", None, "link"),
    )
    assert Asset("only", None, "copy") in two.assets


def test_texts_name_fixed_resources(job):
    assert job("d.cpus(3)\nd.copy('{cpus}-{CPUS}.{name}')").assets == (
        Asset("3-3.f", None, "copy"),
    )


@pytest.mark.parametrize("text", ["d.copy('{nope}')", "d.artifact('{')", "d.depends_on('{x.y}')"])
def test_texts_that_cannot_be_filled_in(jobs, text):
    with pytest.raises(SpecError) as caught:
        jobs(text)
    assert caught.value.line == 3


def test_baseline_artifacts_attributes(jobs):
    text = (
        "d.parameterize('n', [1])\nd.baseline('a{n}', 'b{n}')\nd.baseline(flag='--re')\n"
        "d.artifact('x{n}', save_on='failure')\nd.set_attribute(a=(1, 2), b='{n}')\n"
        "d.set_attribute(b=3, when='platforms=darwin')"
    )
    (spec,) = jobs(text)
    assert spec.baseline == (Baseline("a1", "b1"), Baseline(flag="--re"))
    assert spec.artifacts[0] == Artifact("x1", "failure")
    assert spec.attributes == {"a": [1, 2], "b": "{n}"}


def test_the_rest(job):
    spec = job(
        "d.owners('a')\nd.owner('b')\nd.exclusive()\nd.load_module('gcc', use='/m')\n"
        "d.source('rc.sh')\nd.source('/abs.sh')\nd.preload('p')\nd.keywords('k', 'l', 'k')"
    )
    assert spec.owners == ("a", "b")
    assert spec.exclusive
    assert spec.modules == (("gcc", "/m"),)
    assert spec.rcfiles == (f"{spec.file_root}/rc.sh", "/abs.sh")
    assert spec.preload == "p"
    assert spec.keywords == ("k", "l")


def test_the_last_launcher_that_applies_counts(jobs):
    one, two, three = jobs(
        "d.parameterize('n', [1, 2, 3])\n"
        "d.launcher('sge', sge_queue='short.q', when=\"parameters='n>1'\")"
        "\nd.launcher('local', when=\"parameters='n>2'\")"
    )
    assert dict(one.options) == {}
    assert dict(two.options) == {"launcher": "sge", "sge_queue": "short.q"}
    assert dict(three.options) == {"launcher": "local"}
    with pytest.raises(SpecError, match=r"f.pyt:3: .*the name must not be empty"):
        jobs("d.launcher('')")
    with pytest.raises(SpecError, match=r"f.pyt:3: .*no JSON value"):
        jobs("d.launcher('sge', sge_args={1, 2})")


def test_execution_path(jobs):
    one, two = jobs("d.parameterize('n', [1, 2])\nd.execution_path('here/case-{n}')")
    assert (one.work_path, two.work_path) == ("here/case-1", "here/case-2")
    assert one.result_path == "f.n=1"
    with pytest.raises(SpecError, match=r"f.pyt:4: .*leaves the session's directory"):
        jobs("d.parameterize('n', ['..'])\nd.execution_path('here/{n}')")
    assert jobs("d.execution_path('./a//b/./')")[0].work_path == "a/b"
    assert jobs("d.execution_path('.')")[0].work_path == "f"


def test_set_id(jobs):
    one, two = jobs("d.parameterize('n', [1, 2])\nd.set_id('ABCDEF12_{n}')")
    assert (one.id, two.id) == ("abcdef12_1", "abcdef12_2")
    with pytest.raises(SpecError, match=r"f.pyt:4: set_id: .*becomes 'short1'"):
        jobs("d.parameterize('n', [1])\nd.set_id('short{n}')")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("d.parameterize('a', [1, 2])\nd.parameterize('a', [3])", 4),
        ("d.testname('x')\nd.testname('x')", 4),
        ("d.parameterize('a', [1, 2])\nd.set_id('abcdef12')", 4),
        ("d.parameterize('a', [1])\nd.set_id('abcdef12')\nd.analyze()", 4),
    ],
)
def test_jobs_of_the_same_id(jobs, text, line):
    with pytest.raises(SpecError, match="with the same ID") as caught:
        jobs(text)
    assert caught.value.line == line


def test_a_name_that_is_given_twice_has_its_later_value(jobs):
    assert names(jobs("d.parameterize('a', [1])\nd.parameterize('a,b', [(2, 3)])")) == ["f.a=2.b=3"]


def test_conditions_that_exclude_each_other(jobs):
    text = (
        "d.parameterize('a', [1], when='platforms=darwin')\n"
        "d.parameterize('a', [2], when='platforms=linux')"
    )
    assert names(jobs(text)) == ["f.a=2"]


# dependencies


def test_dependencies(jobs):
    text = (
        "d.parameterize('n', [1])\nd.depends_on('up.n={n}')\n"
        "d.depends_on(['x y', {'job': 'z', 'when': 'diffed or success', 'expects': '?'}])\n"
        "d.depends_on('old', result='failed', expect=2)\n"
        "d.depends_on('no', when='platforms=darwin')"
    )
    (spec,) = jobs(text)
    found = [(x.pattern, x.when, x.expects, x.line) for x in spec.dependencies]
    assert found == [
        ("up.n=1", "on_success", "+", 4),
        ("x y", "on_success", "+", 5),
        ("z", "diffed or success", "?", 5),
        ("old", "failed", 2, 6),
    ]


# the composite base case


def test_composite(jobs):
    text = (
        "d.keywords('k')\nd.keywords('p', when='parameters=\"n=1\"')\nd.cpus(2)\nd.xfail()\n"
        "d.parameterize('n', [1, 2])\nd.parameterize('m', ['a'])\nd.depends_on('up')\n"
        "d.baseline('a', 'b')\nd.set_attribute(who='me')\nd.copy('{n}.txt', 'c')\nd.analyze()"
    )
    one, two, base = jobs(text)
    assert base.name == base.family == "f"
    assert base.command[-1] == "--analyze"
    assert base.id == job_id("f", base.file[1:], {})
    (wait,) = base.dependencies
    assert wait.ids == (one.id, two.id)
    assert (wait.when, wait.expects) == ("success", 2)
    assert base.keywords == ("k",)
    assert base.xstatus == -1
    assert base.baseline == ()
    assert dict(base.meta_parameters) == {"runtime": 300.0}
    assert base.assets == (Asset("c", None, "copy"),)
    assert dict(base.parameters) == {}
    assert base.attributes == {
        "who": "me",
        "multicase": True,
        "paramsets": [
            {"keys": ["n"], "values": [[1], [2]]},
            {"keys": ["m"], "values": [["a"]]},
        ],
    }
    assert one.command[-1] == "f.pyt"


@pytest.mark.parametrize(
    ("call", "tail"),
    [
        ("aggregate()", ("f.pyt",)),
        ("aggregate(flag='--{name}')", ("f.pyt", "--f")),
        ("generate_composite_base_case(flag='--b', script='s.sh')", ("f.pyt", "--b")),
        ("analyze(flag='--c')", ("f.pyt", "--c")),
    ],
)
def test_commands_of_the_base_case(jobs, call, tail):
    base = jobs(f"d.parameterize('n', [1])\nd.{call}")[-1]
    assert base.command[1:] == tail


def test_a_script_as_base_case(jobs):
    base = jobs("d.parameterize('n', [1])\nd.analyze(script='s.sh', requires='always')")[-1]
    assert base.command == (f"{base.file_root}/s.sh",)
    assert base.assets == (Asset("s.sh", None, "link"),)
    assert base.dependencies[0].when == "always"


def test_the_last_active_composite_holds(jobs):
    text = (
        "d.testname('s')\nd.testname('t')\nd.parameterize('n', [1])\n"
        "d.analyze(when='testname=s options=agg')\nd.aggregate(flag='--x', when='testname=t')"
    )
    assert names(jobs(text)) == ["s.n=1", "t.n=1", "t"]
    assert names(jobs(text, options=["agg"])) == ["s.n=1", "s", "t.n=1", "t"]


def test_a_composite_whose_parameters_are_off(jobs):
    with pytest.raises(SpecError, match=r"f.pyt:4: a composite base case needs parameters"):
        jobs("d.parameterize('n', [1], when='platforms=darwin')\nd.analyze()")


def test_ids_and_paths_of_the_base_case(jobs):
    text = (
        "d.parameterize('n', [1, 2])\nd.set_id('abcdef12_{n}')\n"
        "d.execution_path('x/{n}')\nd.analyze()"
    )
    one, _, base = jobs(text)
    assert base.id == "abcdef12_"
    assert base.work_path == "f"
    assert one.work_path == "x/1"


# set-up, teardown, exit codes of one's own


def test_functions_around_a_test(job):
    spec = job("@d.setup\ndef before(j): ...\n@d.teardown\ndef after(j): ...")
    assert spec.attributes == {"__setup_fn__": "before", "__teardown_fn__": "after"}
    assert spec.command[1].endswith("canary_pyt/run.py")
    assert spec.command[2:] == ("--around", "f.pyt")


def test_own_exit_codes(job):
    spec = job("class Mine(Exception): exit_code = 80")
    assert spec.command[2:] == ("--exit-codes", "f.pyt")


def test_describe(write):
    generator = PytGenerator()
    text = (
        "import canary\nd = canary.directives\nd.description('what for')\nd.keywords('a', 'b')\n"
        "d.owners('me')\nd.copy(src='x', dst='y')\nd.link('z')\n@d.setup\ndef f(j): ...\n"
        "d.keywords('a', when=\"options='big and not (tiny or big)' platforms=linux\")\n"
        "d.enable(True, when={'options': 'huge'})\n"
    )
    file = write(text)
    assert generator.describe(file, generator.load(file).data) == {
        "description": "what for",
        "keywords": ["a", "b"],
        "owners": ["me"],
        "options": ["big", "huge", "tiny"],
        "sources": {"copy": ["x -> y"], "link": ["z"]},
        "setup": "f",
    }


def test_what_is_claimed():
    generator = PytGenerator()
    claimed = ["a.pyt", "canary_x.py", ".pyt"]
    assert [
        n for n in [*claimed, "canaryconf.py", "x.py", "a.pyt~"] if generator.claims(n)
    ] == claimed
