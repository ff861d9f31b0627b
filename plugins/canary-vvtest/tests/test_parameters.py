"""`parameterize`: values, their texts, and programs that print them."""

from __future__ import annotations

import json
import math

import pytest

from canary.errors import SpecError


def test_values_are_texts_unless_the_file_asks(jobs):
    made = jobs("parameterize : s = 1 2.0 three 007")
    assert [job.parameters["s"] for job in made] == ["1", "2.0", "three", "007"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "2", 2),
        ("int", "2.0", 2),
        ("int", "1e3", 1000),
        ("int", "123456789012345678901", 123456789012345678901),
        ("float", "1", 1.0),
        ("float", "1.00e-2", 0.01),
        ("str", "1", "1"),
        ("autotype", "+4", 4),
        ("autotype", "2.50", 2.5),
        ("autotype", "abc", "abc"),
        ("autotype", "0x10", "0x10"),
        ("autotype", "'3'", "3"),
        ("autotype", "inf", math.inf),
    ],
)
def test_types(job, kind, text, value):
    one = job(f"parameterize ({kind}) : v = {text}")
    assert one.parameters == {"v": value}
    assert type(one.parameters["v"]) is type(value)
    assert one.name == f"a.v={text}"


def test_a_type_for_all_columns_or_for_each(job):
    line = "parameterize ({}) : a,b,c = 1,2,3"
    assert job(line.format("int")).parameters == {"a": 1, "b": 2, "c": 3}
    assert job(line.format("int, str, float")).parameters == {"a": 1, "b": "2", "c": 3.0}


@pytest.mark.parametrize("name", ["np", "ndevice", "nnode", "cpus", "gpus", "nodes"])
def test_counts_are_whole_numbers_whatever_the_type(job, name):
    one = job(f"parameterize (str) : {name},b = 2,3")
    assert one.parameters == {name: 2, "b": "3"}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("(int) : v = 1 x", "x is no whole number"),
        ("(int) : v = inf", "inf is no whole number"),
        ("(int) : v = 1.5", "1.5 is no whole number"),
        (": np = 1.5", "1.5 is no whole number"),
        ("(float) : v = x", "x is no number"),
        (": np = x", "x is no whole number"),
        ("(int,str) : a,b,c = 1,2,3", "2 types for 3 parameters"),
        (": a,b = 1,2 3", "the row '3' has 1 values, not 2"),
        (": a", "expected NAMES = VALUES"),
        ("", "expected NAMES = VALUES"),
        (": a,a = 1,2", "the name a is given twice"),
        (": a,,b = 1,2", "an empty name"),
        (": a b = 1", "a blank in the name"),
        ("(parameters='a=1') : a = 1", "cannot ask for parameters"),
        ("(platforms='a and') : a = 1", "expected a name"),
    ],
)
def test_malformed(jobs, argument, message):
    with pytest.raises(SpecError, match=message) as caught:
        jobs("keywords : x", f"parameterize {argument}")
    assert caught.value.line == 2
    assert caught.value.file.endswith("/a.vvt")


def test_rows_of_equal_values_are_one(jobs):
    assert [j.name for j in jobs("parameterize (float) : x = 1 1.0 2")] == ["a.x=1", "a.x=2"]


def test_no_value_is_an_empty_one(job):
    assert job("parameterize : a =").name == "a.a="


def test_several_are_combined_in_their_order(jobs):
    made = jobs("parameterize : b,a = 1,x 2,y", "parameterize (int) : c = 3 4")
    assert [j.name for j in made] == [
        "a.a=x.b=1.c=3",
        "a.a=x.b=1.c=4",
        "a.a=y.b=2.c=3",
        "a.a=y.b=2.c=4",
    ]
    assert list(made[0].parameters) == ["b", "a", "c"]


def test_a_name_in_two_that_hold_is_an_error_and_in_two_that_exclude_each_other_is_not(jobs):
    with pytest.raises(SpecError, match="with the same ID: a is given twice") as caught:
        jobs("parameterize : a = 1 2", "parameterize : a = 3")
    assert caught.value.line == 2
    lines = ("parameterize (platforms=linux) : a = 1", "parameterize (platforms=sun) : a = 2 3")
    assert [j.name for j in jobs(*lines)] == ["a.a=1"]
    assert [j.name for j in jobs(*lines, platforms=["sun"])] == ["a.a=2", "a.a=3"]


def program(tmp_path, *lines, name="g.py"):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (tmp_path / name).write_text("".join(f"print({text!r})\n" for text in texts))


def test_a_program_makes_the_rows(jobs, tmp_path):
    program(tmp_path, [{"a": 1, "b": 2.5, "c": "s"}, {"a": True, "b": 0.001, "c": None}])
    made = jobs("parameterize (generator, int) : python3 g.py")
    assert [j.name for j in made] == ["a.a=1.b=2.5.c=s", "a.a=True.b=0.001.c=None"]
    assert made[0].parameters == {"a": 1, "b": 2.5, "c": "s"}


def test_ids_of_generated_values_are_those_of_canary_wm(jobs, tmp_path):
    program(tmp_path, [{"a": 1, "b": 2.5, "c": "s"}, {"a": True, "b": 0.001, "c": "t"}])
    made = jobs("parameterize (generator) : python g.py")
    assert [j.id for j in made] == [
        "027aff1e8c7674d7f5cfbdb2f0876f65b909fcf94a2cd172e5b5e47b6152c136",
        "192e1eef427015b4f377404d9c0d8537a16b8fc4e45adfe12de1e410ad2429e4",
    ]


def test_the_program_runs_in_the_files_directory_with_its_arguments(jobs, tmp_path):
    (tmp_path / "sub").mkdir()
    script = tmp_path / "sub" / "g.sh"
    script.write_text('#!/bin/sh\necho "[{\\"where\\": \\"${PWD##*/}\\", \\"what\\": \\"$1\\"}]"\n')
    script.chmod(0o755)
    for command in ("./g.sh 'x y'", "g.sh 'x y'"):
        (one,) = jobs(f"parameterize (generator) : {command}", name="sub/a.vvt")
        assert one.parameters == {"where": "sub", "what": "x y"}


def test_each_row_may_say_what_it_depends_on(jobs, tmp_path):
    second = [None, "up.i=1", {"mesh": {"n": 2, "m": 0.5}}, ["x", {"y": {}}]]
    program(tmp_path, [{"a": i} for i in range(4)], second)
    made = jobs("depends on : all", "parameterize (generator) : python3 g.py")
    assert [[d.pattern for d in j.dependencies] for j in made] == [
        ["all"],
        ["all", "up.i=1"],
        ["all", "mesh.m=0.5.n=2"],
        ["all", "x", "y"],
    ]
    assert {d.line for j in made for d in j.dependencies[1:]} == {2}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nonsense"], "no JSON"),
        ([], "no JSON"),
        (["["], "no JSON"),
        ([{"a": [1]}], "no JSON list of objects"),
        ([[]], "no JSON list of objects"),
        ([[{}]], "no names"),
        ([[{"a": 1}, {"b": 1}]], "other names"),
        ([[{"a": [1]}]], "neither text nor number"),
        ([[{"np": "1"}]], "no whole number"),
        ([[{"np": True}]], "no whole number"),
        ([[{"a": 1}], []], "no list of 1 entries"),
        ([[{"a": 1}], [7]], "says no dependency"),
        ([[{"a": 1}], ["  "]], "says no dependency"),
        ([[{"a": 1}], [{"x": 1}]], "says no dependency"),
    ],
)
def test_a_program_that_prints_something_else(jobs, tmp_path, lines, message):
    program(tmp_path, *lines)
    with pytest.raises(SpecError, match=message) as caught:
        jobs("parameterize (generator) : python3 g.py")
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python3 -c 'raise SystemExit(3)'", "exit code 3"),
        ("no-such-program", "cannot run no-such-program"),
        ("'unclosed", "is no command"),
        ("", "no program"),
    ],
)
def test_a_program_that_does_not_work(jobs, command, message):
    with pytest.raises(SpecError, match=message):
        jobs(f"parameterize (generator) : {command}")


def test_a_program_for_another_platform_is_not_run(jobs, tmp_path):
    program(tmp_path, [{"a": 1}])
    lines = (
        "parameterize (generator, platforms=vax) : no-such-program",
        "parameterize (generator, platforms='linux or vax') : python3 g.py",
    )
    assert [j.name for j in jobs(*lines)] == ["a.a=1"]
