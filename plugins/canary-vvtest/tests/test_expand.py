"""From a file to its jobs: names, IDs, conditions, the composite base case."""

from __future__ import annotations

import sys

import pytest

from canary.errors import SpecError
from canary.spec import Artifact, Asset, Baseline, DependencyPattern, Mask
from canary_vvtest.generator import VvtGenerator


def test_a_file_without_directives_is_a_job(job):
    one = job()
    assert (one.name, one.family, one.fullname) == ("a", "a", "a")
    assert one.command == (sys.executable, "a.vvt")
    assert (one.generator, one.stdout, one.stderr) == ("vvt", "execute.log", None)
    assert one.skip_codes == (80, 63)
    assert (one.timeout, one.timeout_explicit) == (300.0, False)
    assert one.artifacts == tuple(map(Artifact, ("testcase.lock", "execute.log", "a.vvt")))
    assert one.meta_parameters == {"runtime": 300.0}
    assert not one.attributes


def test_names_and_ids_show_values_as_written(jobs):
    """The IDs are those that canary-wm gives."""
    made = jobs(
        "testname : fam",
        "parameterize (autotype) : dt,np = 1.00e-2,1 2,2",
        "parameterize : mesh = fine",
        "analyze",
        name="all.vvt",
    )
    assert [(j.name, j.id) for j in made] == [
        (
            "fam.dt=1.00e-2.mesh=fine.np=1",
            "de9c70a4dbee919a51cbfd275820c8f70d8b28276231c73e521682c1315e4e32",
        ),
        (
            "fam.dt=2.mesh=fine.np=2",
            "ee29899bb39941cd1b0b40a4fe024e0a90a003d3ee1c63fbdebdd619a225fe08",
        ),
        ("fam", "9d20adef2cf6997e4063f9b153b9b94332ffbfcd2bc8e9901cadd57f24fcef12"),
    ]
    assert made[0].parameters == {"dt": 0.01, "np": 1, "mesh": "fine"}


def test_quotes_are_part_of_names_and_ids_and_not_of_values(jobs):
    one, two = jobs("parameterize : s = 'one two' \"three\"")
    assert (one.name, one.parameters) == ("a.s='one two'", {"s": "one two"})
    assert one.id == "0d98b6a006064129c3477dfc29320cdc7673e751e6b2aea4bfc3cf6ac163d01a"
    assert two.id == "13e463d6ed9933a8a9aa3853eb7585c64e6d680239d44edfa3122bbd7399ac88"


def test_fixed_resources_count_in_the_id_and_np_is_copied_after_it(job):
    """The ID is canary-wm's."""
    one = job("cpus : 2", "parameterize : np = 1")
    assert one.id == "8cd75dc4cce2a26adc4f3ac81200510f28e275d22fef04ec80384b2f80bd1f57"
    assert one.meta_parameters == {"cpus": 1, "runtime": 300.0}


def test_np_ndevice_nnode_ask_for_resources(job):
    one = job("parameterize : np,ndevice,nnode = 4,2,1")
    assert one.meta_parameters == {"cpus": 4, "gpus": 2, "nodes": 1, "runtime": 300.0}
    one = job("parameterize : np,cpus = 4,2")
    assert one.meta_parameters == {"runtime": 300.0}
    assert one.parameters == {"np": 4, "cpus": 2}


def test_a_resource_that_is_fixed_and_a_parameter_is_an_error(jobs):
    with pytest.raises(SpecError, match="cpus is a parameter already") as caught:
        jobs("parameterize : cpus = 1", "cpus : 2")
    assert caught.value.line == 2


def test_families(jobs):
    made = jobs(
        "testname : b",
        "name : c d",
        "testname (platforms=vax) : e",
        "testname :",
        "keywords (testname=b) : K",
    )
    assert [(j.family, j.keywords) for j in made] == [("b", ("K",)), ("c d", ()), ("e", ())]
    with pytest.raises(SpecError, match="two jobs 'b' with the same ID") as caught:
        jobs("testname : b", "testname : b")
    assert caught.value.line == 2


def test_conditions(jobs):
    lines = (
        "keywords : always always",
        "keywords (platforms='linux or vax') : L",
        "keywords (platforms=Linux, options=not wide) : M",
        'keywords (options="wide and (tall or not deep)") : W',
        "keywords (option='') : never",
        "keywords (parameters='n>1 and s=x') : P",
        "keywords (parameters='n=$n') : S",
        "timeout : 5",
        "timeout (parameter='n=1') : 7",
        "parameterize (int, str) : n,s = 1,x 2,x",
    )
    one, two = jobs(*lines)
    assert one.keywords == ("always", "L", "M", "S")
    assert two.keywords == ("always", "L", "M", "P", "S")
    assert (one.timeout, two.timeout) == (7.0, 5.0)
    assert one.timeout_explicit
    one, two = jobs(*lines, options=["wide"], platforms=["vax"])
    assert one.keywords == ("always", "L", "W", "S")


def test_a_condition_counts_a_text_that_is_spelt_like_the_number(jobs):
    one, two = jobs("parameterize : n = 1 2", "link (parameters='n=2') : b")
    assert (one.assets, two.assets) == ((), (Asset("b"),))


def test_a_directive_of_an_included_file_needs_both_conditions(jobs, tmp_path):
    (tmp_path / "inc").write_text(
        '#VVT: keywords (options="c or d") : K\n'
        "#VVT: keywords : L\n#VVT: include (options=e) : two\n"
    )
    (tmp_path / "two").write_text("#VVT: keywords (platforms='linux or x') : M\n")
    lines = ('include (options="a or b") : inc',)
    for options, keywords in {
        "": (),
        "d": (),
        "b": ("L",),
        "b d": ("K", "L"),
        "d e": (),
        "a e": ("L", "M"),
    }.items():
        (one,) = jobs(*lines, options=options.split())
        assert one.keywords == keywords, options


def test_an_error_that_shows_with_a_row_names_the_line(jobs, tmp_path):
    with pytest.raises(SpecError, match="unknown name 'foo'") as caught:
        jobs("keywords : x", "copy : {foo}.txt")
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "a.vvt"), 2)
    (tmp_path / "inc").write_text('\n\n#VVT: keywords (parameters="n=\'$n") : x\n')
    with pytest.raises(SpecError, match="unclosed quote") as caught:
        jobs("parameterize : n = 1", "include : inc")
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "inc"), 3)


def test_files(jobs):
    one, two = jobs(
        "parameterize (float) : n = 1.00 2",
        "copy : in$n.txt *.dat",
        "link (rename) : x,{n}_{N}_{name}.txt 'a b' , c",
        "sources : s",
        "copy :",
        "copy (platforms=vax) : nothing",
    )
    assert one.assets == (
        Asset("in1.00.txt", None, "copy"),
        Asset("*.dat", None, "copy"),
        Asset("x", "1.00_1.00_a.txt", "link"),
        Asset("a b", "c", "link"),
        Asset("s", None, "none"),
    )
    assert two.assets[0].src == "in2.txt"


def test_baseline(job):
    one = job("baseline : a,b c , d", "baseline : --foo", "baseline (platforms=vax) : --no")
    assert one.baseline == (Baseline("a", "b"), Baseline("c", "d"), Baseline(flag="--foo"))


def test_dependencies(jobs):
    made = jobs(
        "parameterize : n = 1 2",
        "depends on : up.n=$n",
        "depends_on (expect=2, result=Pass or DIFF) : 'b*' c",
        "depends on (result=*, expect='?') : d",
        "depends on (result='not fail and not skip') : e",
        "depends on (platforms=vax) : no",
    )
    assert made[1].dependencies == (
        DependencyPattern("up.n=2", "on_success", "+", 2),
        DependencyPattern("'b*' c", "success or diffed", 2, 3),
        DependencyPattern("d", "*", "?", 4),
        DependencyPattern("e", "not failed and not skipped", "+", 5),
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("1:30", 90.0),
        ("01:02:03", 3723.0),
        ("1m 30s", 90.0),
        ("1h20m", 4800.0),
        ("2 hours and 5 min", 7500.0),
        ("3mo", 90 * 86400.0),
        ("1y", 365 * 86400.0),
    ],
)
def test_timeout(job, text, seconds):
    one = job(f"timeout : {text}")
    assert (one.timeout, one.timeout_explicit) == (seconds, True)
    assert one.meta_parameters == {"runtime": seconds}


@pytest.mark.parametrize("text", ["", "0"])
def test_a_timeout_of_nothing_leaves_it_to_the_configuration(job, text):
    one = job("keywords : fast", f"timeout : {text}")
    assert (one.timeout, one.timeout_explicit) == (120.0, False)


@pytest.mark.parametrize(
    ("lines", "xstatus"),
    [
        ([], 0),
        (["xfail"], -1),
        (["xfail : 7"], 7),
        (["xfail (code=7)"], 7),
        (["xdiff"], 64),
        (["xfail", "xdiff"], 64),
        (["xfail", "xdiff (platforms=vax)"], -1),
    ],
)
def test_expected_failures(job, lines, xstatus):
    assert job(*lines).xstatus == xstatus


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["skipif : True"], "skipif expression True evaluating to True"),
        (['skipif (reason="so, it is") : sys.platform and os.sep'], "so, it is"),
        (["skipif : importable('json')"], "importable('json')"),
        (["skipif : not importable('no.such.module')"], "no.such"),
        (["skipif : False"], None),
        (["skipif (platforms=vax) : True"], None),
        (["skipif (platforms=linux) : True"], "evaluating to True"),
        (["enable"], None),
        (["enable : true"], None),
        (["enable : whatever"], None),
        (["enable : FALSE"], "disabled"),
        (["enable (platforms=vax)"], "platforms='vax' does not hold"),
        (["enable (platforms=linux)"], None),
        (["enable (platforms='not vax') : false"], "disabled"),
        (["enable (platforms=vax) : false"], None),
    ],
)
def test_masks(job, lines, reason):
    mask = job(*lines).mask
    assert isinstance(mask, Mask)
    assert mask.value is (reason is not None)
    assert reason is None or reason in mask.reason


def test_masks_of_single_rows(jobs):
    made = jobs("parameterize (int) : a = 1 2", "enable (parameters='a=1')")
    assert [bool(j.mask) for j in made] == [False, True]


def test_the_rest(job, tmp_path):
    one = job(
        "description : about",
        "owner : Me and You",
        "owners : a b",
        "exclusive",
        "load_module (use=/x) : m1 m2",
        "source : s.sh /t.sh",
        "artifact (save_on=on_failure) : *.txt '$name log'",
        'set_attribute (a=1, b="x y", c)',
        "set_attribute : d=2 e='f g'",
        "preload (x) : lib.so",
        "execution_path : foo/{name}",
        "cpus : 2",
        "gpus = 0",
        "nodes : 1",
        "filter_warnings : True",
        "set_id : ABABABAB_12",
    )
    assert one.owners == ("Me and You", "a", "b")
    assert one.exclusive
    assert one.modules == (("m1", "/x"), ("m2", "/x"))
    assert one.rcfiles == (str(tmp_path / "s.sh"), "/t.sh")
    assert one.artifacts[:2] == (Artifact("*.txt", "on_failure"), Artifact("a log", "on_failure"))
    assert one.attributes == {"a": "1", "b": "x y", "c": True, "d": "2", "e": "f g"}
    assert one.preload == "lib.so"
    assert (one.work_path, one.result_path) == ("foo/a", "a")
    assert one.meta_parameters == {"cpus": 2, "gpus": 0, "nodes": 1, "runtime": 300.0}
    assert one.id == "abababab_12"


def test_an_id_that_rows_share_and_one_that_is_none(jobs):
    with pytest.raises(SpecError, match="with the same ID") as caught:
        jobs("parameterize : a = 1 2", "set_id : abababab")
    assert caught.value.line == 2
    with pytest.raises(SpecError, match="becomes 'abababab_x'"):
        jobs("parameterize : a = x", "set_id : abababab_$a")


def test_a_path_that_rows_lead_out(jobs):
    with pytest.raises(SpecError, match="leaves the session's directory"):
        jobs("parameterize : a = ..", "execution_path : x/$a")


def test_a_path_with_idle_parts(jobs):
    assert jobs("execution_path : ./a//b/./")[0].work_path == "a/b"


def test_what_is_said_to_vvtest_util_lies_in_one_attribute(job):
    assert job(options=["b", "a=1"]).attributes == {"vvtest": {"options": ["a=1", "b"]}}
    config = {"cmake": {"compiler": {"vendor": "GNU", "version": "12"}}}
    assert job(config=config).attributes == {"vvtest": {"compiler": "GNU@12"}}


BASE = "parameterize : a,b = 1,x 2,y"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("analyze", ("a.vvt", "--analyze")),
        ("analyze : --foo", ("a.vvt", "--foo")),
        ("analyze (flag=--foo)", ("a.vvt", "--foo")),
        ("analyze (flag=--foo) : --bar", ("a.vvt", "--bar")),
        ("analyze (flag=--foo, script=s.py)", ("a.vvt", "--foo")),
        ("aggregate", ("a.vvt",)),
        ("aggregate : --foo", ("a.vvt", "--foo")),
        ("generate_composite_base_case (flag='--{name}')", ("a.vvt", "--a")),
    ],
)
def test_the_composite_base_case_runs_the_file(jobs, line, words):
    one, two, base = jobs(BASE, line)
    assert base.name == "a"
    assert base.command == (sys.executable, *words)
    assert base.dependencies == (DependencyPattern("a.*", "success", 2, 2, (one.id, two.id)),)
    assert base.attributes == {
        "multicase": True,
        "paramsets": [{"keys": ["a", "b"], "values": [["1", "x"], ["2", "y"]]}],
    }
    assert not base.parameters


@pytest.mark.parametrize("line", ["analyze : post.py", "aggregate (script=post.py)"])
def test_or_a_script_of_its_own(jobs, tmp_path, line):
    *_, base = jobs(BASE, line, "link : x")
    assert base.command == (str(tmp_path / "post.py"),)
    assert base.assets == (Asset("x"), Asset("post.py"))


@pytest.mark.parametrize(
    ("requires", "when"), [("pass", "success"), ("*", "*"), ("diff or PASS", "diffed or success")]
)
def test_what_the_base_case_requires(jobs, requires, when):
    assert jobs(BASE, f"analyze (requires={requires})")[-1].dependencies[0].when == when


def test_what_the_base_case_inherits(jobs):
    *_, base = jobs(
        BASE,
        "analyze",
        "keywords : k",
        "keywords (parameters='a=1') : no",
        "keywords (parameters='not a=1') : no",
        "keywords (parameters='a=$a') : no",
        "timeout (testname=a) : 5",
        "copy : x in$a.txt",
        "depends on : other",
        "baseline : n,r",
        "cpus : 2",
        "exclusive",
        "owner : me",
        "artifact : f $a.log",
        "execution_path : here/$a",
        "set_id : abababab${a}",
    )
    assert base.keywords == ("k",)
    assert base.timeout == 5.0
    assert base.assets == (Asset("x", None, "copy"),)
    assert base.exclusive
    assert base.owners == ("me",)
    assert base.artifacts[0] == Artifact("f")
    assert base.artifacts[1] == Artifact("testcase.lock")
    assert len(base.dependencies) == 1
    assert base.baseline == ()
    assert base.meta_parameters == {"runtime": 5.0}
    assert base.work_path == "a"
    assert base.id == "abababab"


def test_a_base_case_whose_rows_do_not_hold_is_an_error_and_one_that_does_not_hold_is_none(jobs):
    lines = ("parameterize (platforms=vax) : a = 1", "analyze")
    with pytest.raises(SpecError, match="needs parameters") as caught:
        jobs(*lines)
    assert caught.value.line == 2
    assert [j.name for j in jobs(BASE, "analyze (platforms=vax)")] == ["a.a=1.b=x", "a.a=2.b=y"]
    *_, base = jobs(BASE, "analyze : --one", "analyze : --two")
    assert base.command[-1] == "--two"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("#!/bin/sh", ("/bin/sh",)),
        ("#!/usr/bin/env bash", ("/usr/bin/env", "bash")),
        ("#!/usr/bin/perl -w", ("/usr/bin/perl", "-w")),
        ("#!/usr/bin/env -S A=1 bash -x", ("/usr/bin/env", "-S A=1 bash -x")),
        ("#!/usr/bin/env python3", None),
        ("#!/usr/bin/env -S python3 -u", None),
        ("#!/opt/x/bin/python3.12", None),
        ("#!/usr/bin/pypy3", None),
    ],
)
def test_another_program_may_run_the_file(load, context, line, words):
    file, loaded = load(f"{line}\n#VVT: keywords : x\n")
    (one,) = VvtGenerator().expand(file, loaded.data, context())
    assert one.command == (*(words or (sys.executable,)), "a.vvt")


def test_describe(load):
    file, loaded = load(
        "#!/bin/sh\n#VVT: description : about\n"
        "#VVT: keywords : a\n#VVT: keywords (platforms=x) : b\n"
        "#VVT: owner : me\n#VVT: copy (rename) : f,g\n#VVT: copy : h\n"
        "#VVT: timeout (options='big and not tiny') : 3\n"
    )
    assert VvtGenerator().describe(file, loaded.data) == {
        "description": "about",
        "keywords": ["a", "b"],
        "owners": ["me"],
        "options": ["big", "tiny"],
        "sources": {"copy": ["f -> g", "h"]},
        "interpreter": ["/bin/sh"],
    }
