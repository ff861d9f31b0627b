"""`canary report json`: valid by its schema, whatever jobs are called and print."""

from __future__ import annotations

import json
import math
import shutil
import subprocess

import jsonschema
import pytest

from canary.status import Outcome
from canary.testing.reporters import (
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_json.reporter import JsonReporter, encode, schema_text

TEST = """\
import sys
import canary
canary.directives.parameterize("a", [1, 2])
canary.directives.keywords("fast")
if __name__ == "__main__":
    print("hello")
    sys.exit(canary.get_instance().parameters.a - 1)
"""


class TestContract(ReporterContract):
    reporter = JsonReporter


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def refuse(word):
    raise ValueError(f"{word} is not JSON")


def read(text):
    return json.loads(text, parse_constant=refuse)


def test_a_real_session_fits_the_schema(tmp_path, canary, validator):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "--report", "json", "t", expect=8)
    at_end = (tmp_path / "canary.json").read_text()
    data = read(at_end)
    validator.validate(data)
    assert sorted(job["name"] for job in data.values()) == ["x.a=1", "x.a=2"]
    assert all(key == job["id"] for key, job in data.items())
    shown = canary("report", "json", "create", "-o", "sub/other.json", expect=0)
    assert shown.stdout == f"{tmp_path / 'sub' / 'other.json'}\n"
    assert (tmp_path / "sub" / "other.json").read_text() == at_end
    assert canary("report", "json", "-o", "-", expect=0).stdout == at_end
    assert canary("report", "json", "-o", "-", "--session", "latest", expect=0).stdout == at_end


def test_the_schema_is_written_on_request(tmp_path, canary):
    canary("init", ".", expect=0)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    canary("report", "json", "--schema", "-o", "s.json", expect=0)
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(schema_text())


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_whatever_jobs_hold_comes_back(tmp_path, validator, make):
    results = make(tmp_path / "s")
    data = read("".join(encode(results.jobs())))
    validator.validate(data)
    assert list(data.values()) == list(results.jobs())


def test_another_reader_takes_it_too(tmp_path):
    if shutil.which("jq") is None:
        pytest.skip("no jq on this machine")
    text = "".join(encode(SampleResults(tmp_path / "s").jobs()))
    done = subprocess.run(["jq", "length"], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "15\n"


def test_numbers_that_json_lacks_are_named(tmp_path, validator):
    speeds = {"a": math.nan, "b": [math.inf, -math.inf], 3: 1e300}
    job = sample_job(1, Outcome.SUCCESS, tmp_path, measurements=speeds)
    data = read("".join(encode([job])))
    validator.validate(data)
    assert data[job["id"]]["measurements"] == {
        "a": "NaN",
        "b": ["Infinity", "-Infinity"],
        "3": 1e300,
    }


@pytest.mark.parametrize(
    "change",
    [{"status": {}}, {"exit_code": "1"}, {"id": "x"}, {"timings": {"running": "long"}}],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_refuses_what_is_wrong(tmp_path, validator, change):
    job = {**sample_job(1, Outcome.SUCCESS, tmp_path), **change}
    assert not validator.is_valid({"0" * 64: job})


def test_no_jobs_are_an_empty_object():
    assert "".join(encode([])) == "{}\n"
