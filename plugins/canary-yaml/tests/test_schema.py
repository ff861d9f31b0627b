"""Every wrong key, type and value is one line that says where; the JSON Schema says the same."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import pytest
import yaml

from canary.errors import CanaryErrors, SpecError
from canary_yaml import schema
from canary_yaml.assets import schema as published
from canary_yaml.reader import read


def readme():
    return (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def validator():
    document = json.loads(published().read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


@pytest.fixture
def load(tmp_path):
    def make(text, name="a.canary.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return schema.check(*read(str(path)))

    return make


# (fields of a test, key that is named, part of the message, does the JSON Schema see it)
WRONG = [
    ("comand: ls", "comand", "did you mean command?", True),
    ("command: 1", "command", "expected a text, not a number", True),
    ("command: []", "command", "an empty command", True),
    ("command: [ls, [a]]", "command[1]", "expected a text, not a list", True),
    ("command: ''", "command", "an empty text", True),
    ("timeout: 3 fortnights", "timeout", "not a duration", False),
    ("timeout: 0", "timeout", "a timeout of nothing", True),
    ("timeout: true", "timeout", "not a duration", True),
    ("keywords: [1]", "keywords[0]", "expected a text, not a number", True),
    ("parameters: [1]", "parameters", "expected a mapping, not a list", True),
    ("parameters: {a: []}", "parameters.a", "a parameter without values", True),
    ("parameters: {a: [[1]]}", "parameters.a[0]", "expected a text or a number", True),
    ("parameters: {a: 2020-01-01}", "parameters.a", "is no value of JSON", False),
    ("parameters: {a: [1, 1]}", "parameters.a", "given twice", False),
    ("parameters: {a-b: 1}", "parameters.a-b", "not a name for a parameter", True),
    (
        "parameters: {zip: {a: [1, 2], b: [1]}}",
        "parameters.zip.b",
        "1 values, where a has 2",
        False,
    ),
    ("parameters: {a: 1, zip: [{a: 1}]}", "parameters.zip[0].a", "given twice", False),
    ("resources: {cpus: -1}", "resources.cpus", "expected a whole number", True),
    ("resources: {cpus: 1.5}", "resources.cpus", "expected a whole number", True),
    ("environment: {A: true}", "environment.A", "not true or false", True),
    ("environment: {A=B: x}", "environment.A=B", "not a name of a variable", False),
    ("assets: {cop: x}", "assets.cop", "did you mean copy?", True),
    ("assets: {copy: [{src: a, dst: b/c}]}", "assets.copy[0].dst", "not a plain name", True),
    ("assets: {copy: {dst: b}}", "assets.copy", "the key src is missing", True),
    ("depends_on: {job: x, when: somtimes}", "depends_on.when", "", False),
    ("depends_on: {job: x, expects: many}", "depends_on.expects", "one of + ? *", True),
    ("depends_on: {when: always}", "depends_on", "the key job is missing", True),
    ("artifacts: ../x", "artifacts", "leaves the job's directory", False),
    ("artifacts: {pattern: x, when: sucess}", "artifacts.when", "did you mean success?", True),
    ("attributes: {canary_yaml: 1}", "attributes.canary_yaml", "this name is taken", False),
    ("attributes: {a: .nan}", "attributes.a", "no value of JSON", False),
    ("expect: fial", "expect", "did you mean fail?", True),
    ("expect: true", "expect", "expected pass, fail, diff or an exit code", True),
    ("expect: 256", "expect", "from 0 to 255", True),
    ("skip_codes: [x]", "skip_codes[0]", "expected an exit code", True),
    ("exclusive: 1", "exclusive", "expected true or false", True),
    ("launcher: 1", "launcher", "expected a text", True),
    ("launcher: {sge_queue: q}", "launcher", "the key name is missing", True),
    ("launcher: {name: ''}", "launcher.name", "an empty text", True),
    ("baseline: {src: a}", "baseline", "the key dst is missing", True),
    ("baseline: {src: /a, dst: b}", "baseline.src", "leaves", False),
    ("pass_regex: '('", "pass_regex", "not a regular expression", False),
    ("references: {r: {value: 1}}", "references.r", "the key pattern is missing", True),
    ("references: {r: {pattern: a}}", "references.r.pattern", "0 groups", False),
    ("references: {r: {pattern: (a), low: 1}}", "references.r.low", "did you mean lower?", True),
    ("references: {r: {pattern: (a), lower: -1}}", "references.r.lower", "without a value", True),
    (
        "references: {r: {pattern: (a), value: 1, lower: 5%}}",
        "references.r.lower",
        "wrong side",
        False,
    ),
    ("references: {r: {pattern: (a), value: x}}", "references.r.value", "expected a number", True),
    ("references: {duration: {pattern: (a)}}", "references.duration", "canary measures", False),
    ("1: x", "", "the key 1 is not a text", False),
]


@pytest.mark.parametrize(("fields", "key", "said", "seen"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_named(load, validator, fields, key, said, seen):
    command = "" if "command" in fields else "    command: ls\n"
    text = f"# first\ntests:\n  t:\n{command}    {fields}\n"
    with pytest.raises(SpecError) as caught:
        load(text)
    error = caught.value
    assert error.key == f"tests.t.{key}".rstrip(".")
    assert error.file.endswith("a.canary.yaml")
    assert error.line == (3 if not key else len(text.splitlines()))
    assert said in str(error)
    assert "\n" not in str(error)
    if seen:
        assert not validator.is_valid(yaml.safe_load(text))


def test_all_errors_of_a_file_are_said(load):
    with pytest.raises(CanaryErrors) as caught:
        load(
            "defaults: {timeout: x}\n"
            "tests:\n"
            "  a: {command: ls, bad: 1, expect: 1000}\n"
            "  b: {}\n"
            "  -c: {command: ls}\n"
        )
    places = [(e.line, e.key) for e in caught.value.errors]
    assert places == [
        (1, "defaults.timeout"),
        (3, "tests.a.bad"),
        (3, "tests.a.expect"),
        (4, "tests.b"),
        (5, "tests.-c"),
    ]


def test_lines_of_toml_are_found(load):
    with pytest.raises(CanaryErrors) as caught:
        load(
            "# first\n[tests.a]\ncommand = 'ls'\ntimeot = 3\n"
            "[tests.a.references.r]\npattern = 'x'\n"
            "[tests.\"b\"]\ncommand = 'ls'\nresources.cpus = -1\n",
            "a.canary.toml",
        )
    places = [(e.line, e.key) for e in caught.value.errors]
    assert places == [
        (4, "tests.a.timeot"),
        (6, "tests.a.references.r.pattern"),
        (9, "tests.b.resources.cpus"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)),
        "tests: " + "[" * 60 + "]" * 60,
        "tests: {a: 1, a: 2}",
    ],
    ids=["aliases", "nesting", "twice"],
)
def test_limits_of_yaml_hold(load, text):
    with pytest.raises(SpecError) as caught:
        load(text)
    assert caught.value.line


def test_the_schema_has_the_keys_that_are_read(validator):
    document = validator.schema
    assert set(document["properties"]) == set(schema.FILE_KEYS)
    assert set(document["$defs"]["test"]["properties"]) == set(schema.KEYS)


def test_the_schema_is_handed_out():
    (found,) = entry_points(group="canary.assets", name="canary-yaml.schema.json")
    assert found.load()() == published()
    assert published().is_file()


def test_the_page_has_the_keys_that_are_read():
    rows = re.findall(r"^\| (`\w+`.*?) \|", readme(), re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`(\w+)`", row)} == set(schema.KEYS)


def test_the_example_of_the_page_is_good(load, validator):
    (text,) = re.findall(r"```yaml\n(.*?)```", readme(), re.DOTALL)
    assert [t["name"] for t in load(text)["tests"]] == ["strong", "plot"]
    validator.validate(yaml.safe_load(text))


def test_good_files_are_good_for_the_schema(validator):
    text = (
        "defaults: {command: [a, 1], keywords: x, environment: {A: null}}\n"
        "tests:\n"
        "  a:\n"
        "    parameters: {x: [1, w], y: true, zip: [{c: [1, 2], d: [p, q]}]}\n"
        "    resources: {cpus: '${c}', gpus: 0}\n"
        "    references: {r: {pattern: (.), value: '${c}', lower: -1%, upper: 2}}\n"
        "    depends_on: [b, {job: c, expects: 2}]\n"
        "    timeout: 1h\n"
        "    expect: 3\n"
        "    skip_codes: 77\n"
    )
    validator.validate(yaml.safe_load(text))
