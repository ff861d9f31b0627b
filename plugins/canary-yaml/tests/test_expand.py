"""From fields to what a job is."""

from __future__ import annotations

import pytest

from canary.errors import SpecError
from canary.spec import Artifact, Asset, Baseline, DependencyPattern


def test_parameters_are_combined_and_zipped(jobs):
    found = jobs(
        "tests:\n"
        "  t:\n"
        "    command: 'true'\n"
        "    parameters: {a: [1, 2], zip: {b: [x, y], c: [0.5, 1.0]}}\n"
    )
    assert list(found) == ["t.a=1.b=x.c=0.5", "t.a=1.b=y.c=1", "t.a=2.b=x.c=0.5", "t.a=2.b=y.c=1"]
    assert dict(found["t.a=2.b=y.c=1"].parameters) == {"a": 2, "b": "y", "c": 1.0}


def test_defaults_are_replaced_or_added_to(jobs):
    found = jobs(
        "defaults: {command: [x], keywords: [k], environment: {A: 1, B: 1}, timeout: 2m}\n"
        "tests:\n"
        "  a: {keywords: [own], environment: {B: 2}}\n"
        "  b: {command: [y], timeout: 3}\n"
    )
    a, b = found["a"], found["b"]
    assert (a.command, a.keywords, a.timeout) == (("x",), ("own",), 120.0)
    assert dict(a.environment) == {"A": "1", "B": "2"}
    assert (b.command, b.keywords, b.timeout, b.timeout_explicit) == (("y",), ("k",), 3.0, True)


def test_every_field_arrives(job):
    spec = job(
        "owners: me\n"
        "parameters: {n: 3}\n"
        "resources: {cpus: '${n}', fpgas: 1}\n"
        "environment: {A: 'n is ${n}', B: null}\n"
        "assets: {copy: 'in${n}.txt', link: [{src: a, dst: b}]}\n"
        "depends_on: [x, {job: 'y.n=${n}', when: always, expects: '?'}]\n"
        "artifacts: [log, {pattern: core, when: failure}]\n"
        "attributes: {a: [1]}\n"
        "expect: diff\n"
        "skip_codes: [77]\n"
        "exclusive: true\n"
        "launcher: {name: sge, sge_queue: short.q}\n"
        "baseline: [{src: new, dst: old}, {flag: --bless}]"
    )
    assert spec.owners == ("me",)
    assert dict(spec.meta_parameters) == {"cpus": 3, "fpgas": 1, "runtime": 300.0}
    assert dict(spec.environment) == {"A": "n is 3", "B": None}
    assert spec.assets == (Asset("in3.txt", None, "copy"), Asset("a", "b", "link"))
    assert spec.dependencies == (
        DependencyPattern("x", line=9),
        DependencyPattern("y.n=3", "always", "?", line=9),
    )
    assert spec.artifacts == (Artifact("log"), Artifact("core", "failure"))
    assert dict(spec.attributes) == {"a": [1]}
    assert (spec.xstatus, spec.skip_codes, spec.exclusive) == (64, (77,), True)
    assert dict(spec.options) == {"launcher": "sge", "sge_queue": "short.q"}
    assert spec.baseline == (Baseline("new", "old"), Baseline(flag="--bless"))


def test_what_is_no_parameter_is_left_to_the_shell(job):
    spec = job("parameters: {n: 3}", "command: 'echo ${n} ${HOME} {n} $n $$'")
    assert spec.command == ("/bin/sh", "-ec", "echo 3 ${HOME} {n} $n $$")


def test_bounds_are_made_of_the_value(job):
    spec = job(
        "parameters: {v: -10}\n"
        "references:\n"
        "  a: {pattern: (x), value: '${v}', lower: -5%, upper: 1}\n"
        "  b: {pattern: (x), value: 2}\n"
        "  c: {pattern: (x)}"
    )
    found = spec.attributes["canary_yaml"]["references"]
    assert found["a"] == {"pattern": "(x)", "value": -10.0, "lower": -10.5, "upper": -9.0}
    assert found["b"] == {"pattern": "(x)", "value": 2.0, "lower": 2.0, "upper": 2.0}
    assert found["c"] == {"pattern": "(x)"}


@pytest.mark.parametrize(
    ("fields", "key", "said"),
    [
        ("resources: {cpus: '${n}'}", "resources.cpus", "no parameter n [the test has none]"),
        (
            "parameters: {m: 1, size: 2}\nresources: {cpus: '${n}'}",
            "resources.cpus",
            "no parameter n [there are m, size]",
        ),
        (
            "parameters: {size: 2}\nreferences: {r: {pattern: (.), value: '${sise}'}}",
            "references.r.value",
            "no parameter sise [did you mean size?]",
        ),
        ("parameters: {n: x}\nresources: {cpus: '${n}'}", "resources.cpus", "becomes 'x', which"),
        ("parameters: {cpus: 1}\nresources: {cpus: 2}", "resources.cpus", "is a parameter, too"),
        ("pass_regex: '(${n}'\nparameters: {n: 1}", "pass_regex", "not a regular expression"),
        ("references: {r: {pattern: '${n}'}}", "references.r.pattern", "0 groups"),
        ("parameters: {zip: {a: [1, 1], b: [2, 2]}}", "parameters", "two jobs 't.a=1.b=2'"),
        ("parameters: {a: [1, 1.0]}", "parameters", "two jobs 't.a=1'"),
        ("parameters: {a: [1, true]}", "parameters", "two jobs 't.a=1'"),
    ],
)
def test_what_shows_only_with_parameters_is_named_too(job, fields, key, said):
    with pytest.raises(SpecError) as caught:
        job(fields)
    assert caught.value.key == f"tests.t.{key}"
    assert caught.value.line
    assert said in str(caught.value)
