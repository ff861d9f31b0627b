"""`canary report junit`: what two parsers and the schema of Jenkins make of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET

import pytest
from lxml import etree

from canary.events import JobFinished
from canary.reporting import recover
from canary.status import Outcome, Status
from canary.testing.reporters import (
    HOSTILE,
    ReporterContract,
    SampleResults,
    hostile_results,
    sample_job,
)
from canary_junit.reporter import JunitReporter, encode

TEST = """\
import os, sys
import canary
canary.directives.parameterize("a", [0, 1, 80])
canary.directives.keywords("fast", "small")
if __name__ == "__main__":
    print("this is output <b>")
    sys.exit(canary.get_instance().parameters.a)
"""
FLAKY = """\
import os, sys
if __name__ == "__main__":
    path = "../../../seen"
    seen = os.path.exists(path)
    open(path, "w").close()
    sys.exit(0 if seen else 3)
"""


class TestContract(ReporterContract):
    reporter = JunitReporter


def write(results, *, full=False, limit=16384):
    return "".join(encode(results, full=full, limit=limit)).encode()


@pytest.fixture(scope="session")
def schema(tmp_path_factory):
    """The schema of Jenkins, from a distribution that carries it."""
    directory = tmp_path_factory.mktemp("schema")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=pytest"]
    command += ["--disable-pip-version-check", "-d", str(directory)]
    try:
        done = subprocess.run(
            [*command, "pytest"], capture_output=True, text=True, timeout=25, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("junit-10.xsd: the sdist of pytest did not come in time")
    archive = next(directory.glob("*.tar.gz"), None)
    if archive is None:
        why = done.stderr.strip().splitlines() or ["nothing was downloaded"]
        pytest.skip(f"junit-10.xsd: no sdist of pytest to be had: {why[-1]}")
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("/junit-10.xsd"))
        file = tar.extractfile(member)
        assert file is not None
        return etree.XMLSchema(etree.parse(file))


def both(data):
    """What both parsers read, once it is the same: a list of (tag, attributes, text)."""
    one = [(e.tag, dict(e.attrib), e.text or "") for e in ET.fromstring(data).iter()]
    parser = etree.XMLParser(huge_tree=True)
    two = [(e.tag, dict(e.attrib), e.text or "") for e in etree.fromstring(data, parser).iter()]
    assert one == two
    return one


@pytest.mark.parametrize("make", [SampleResults, hostile_results])
def test_it_is_valid_for_jenkins(tmp_path, schema, make):
    schema.assertValid(etree.fromstring(write(make(tmp_path / "s"))))


@pytest.mark.parametrize("full", [False, True])
def test_what_jobs_say_comes_back(tmp_path, full):
    results = hostile_results(tmp_path / "s")
    read = both(write(results, full=full, limit=6 << 20))
    cases = [a for tag, a, _ in read if tag == "testcase"]
    reasons = [a["message"] for tag, a, _ in read if tag == "failure"]
    outputs = [text for tag, _, text in read if tag == "system-out"]
    jobs = list(results.jobs())
    assert len(cases) == len(jobs) == len(HOSTILE)
    for job, case, reason, output in zip(jobs, cases, reasons, outputs, strict=True):
        data = HOSTILE[job["attributes"]["text"]]
        assert recover(case["name"]) == job["name"].encode(errors="surrogateescape")
        assert recover(reason) == data[: len(recover(reason))]
        assert recover(output) == data


def test_only_the_ends_of_long_output_are_kept(tmp_path):
    data = write(hostile_results(tmp_path / "s"), limit=1000)
    assert len(data) < 100_000
    assert f"... {(10 << 20) - 2000} bytes left out ..." in data.decode()


def test_a_real_session(tmp_path, canary, schema):
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "x.pyt").write_text(TEST)
    (tmp_path / "t" / "top.pyt").write_text("")
    canary("run", "--report", "junit", "t", expect=8)
    data = (tmp_path / "junit.xml").read_bytes()
    schema.assertValid(etree.fromstring(data))
    root = ET.fromstring(data)
    assert root.attrib["tests"] == "4"
    assert [s.attrib["name"] for s in root] == ["", "sub"]
    counts = {k: root[1].attrib[k] for k in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    cases = {c.attrib["name"]: c for c in root.iter("testcase")}
    assert cases["x.a=0"].attrib["classname"] == "sub"
    assert list(cases["x.a=0"]) == []
    assert [e.tag for e in cases["x.a=80"]] == ["skipped"]
    failed = cases["x.a=1"]
    assert failed.find("failure").attrib == {"message": "exit code 1", "type": "FAILED"}
    assert "this is output <b>" in failed.findtext("system-out")
    assert float(failed.attrib["time"]) > 0
    properties = {p.attrib["name"]: p.attrib["value"] for p in root.iter("property")}
    assert properties["x.a=1: file"] == "sub/x.pyt"
    assert properties["x.a=1: parameter a"] == "1"
    assert properties["x.a=1: keywords"] == "fast small"
    assert float(properties["x.a=1: measurement duration"]) > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", root[1].attrib["timestamp"])


def test_full_puts_properties_and_file_into_the_case(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    canary("run", "t", expect=8)
    canary("report", "junit", "--full", "-o", "full.xml", expect=0)
    root = ET.fromstring((tmp_path / "full.xml").read_bytes())
    case = next(root.iter("testcase"))
    assert case.attrib["file"] == "x.pyt"
    properties = {p.attrib["name"]: p.attrib["value"] for p in case.find("properties")}
    assert properties["parameter a"] == "0"
    assert root[0].find("properties") is None


def test_attempts_of_a_job_that_passed_in_the_end(tmp_path, canary, schema):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(FLAKY)
    canary("run", "--repeat-until-pass", "2", "--report", "junit", "t", expect=0)
    root = etree.fromstring((tmp_path / "junit.xml").read_bytes())
    schema.assertValid(root)
    assert root.attrib["failures"] == "0"
    assert [e.attrib["type"] for e in root.iter("flakyFailure")] == ["FAILED"]
    assert "exit code 3" in next(root.iter("flakyFailure")).attrib["message"]
    values = {p.attrib["name"]: p.attrib["value"] for p in root.iter("property")}
    assert values["x: attempts"] == "2"


class Repeated(SampleResults):
    """One job, tried three times."""

    outcomes = ("ERROR", "TIMEOUT")

    def events(self):
        for number, outcome in enumerate(self.outcomes, 1):
            status = Status.make(outcome=outcome, reason=f"no {number}")
            id = next(iter(self.jobs()))["id"]
            yield JobFinished(0.0, id, "x", status, {}, {}, number, retry=True)


def test_attempts_of_a_job_that_never_passed(tmp_path):
    job = sample_job(1, Outcome.FAILED, tmp_path, attempt=3)
    read = both(write(Repeated(tmp_path / "s", [job])))
    assert [(t, a["message"]) for t, a, _ in read if t.startswith("rerun")] == [
        ("rerunError", "no 1"),
        ("rerunFailure", "no 2"),
    ]


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.category.name != "NONE"], ids=str)
def test_each_outcome_has_its_element(tmp_path, outcome):
    elements = {
        "PASS": [],
        "NOTRUN": ["skipped"],
        "ABORTED": ["error"],
        "FAIL": ["error" if outcome.name in ("ERROR", "BROKEN", "INVALID") else "failure"],
    }
    data = write(SampleResults(tmp_path / "s", [sample_job(1, outcome, tmp_path)]))
    case = next(ET.fromstring(data).iter("testcase"))
    assert [e.tag for e in case] == elements[outcome.category.name]


def test_what_the_session_left_out_is_no_case(tmp_path):
    jobs = [sample_job(1, Outcome.SKIPPED, tmp_path, excluded="not wanted")]
    assert [tag for tag, _, _ in both(write(SampleResults(tmp_path / "s", jobs)))] == ["testsuites"]


# copies the one job of a workspace ten thousand times, each fiftieth as a failure
MANY = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
def columns(table):
    return [r[1] for r in db.execute(f"pragma table_info({table})")]
numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)"
for table in ("results", "specs", "specs_meta"):
    new = {c: c for c in columns(table)}
    new["spec_id"] = "printf('%064x', n.i)"
    if table == "results":
        new["spec_fullname"] = "printf('dir%d/job%d', n.i % 100, n.i)"
        new["spec_name"] = "printf('job%d', n.i)"
        new["status_category"] = "case when n.i % 50 then 'PASS' else 'FAIL' end"
        new["status_outcome"] = "case when n.i % 50 then 'SUCCESS' else 'FAILED' end"
    if table == "specs":
        new["data"] = "json_set(data, '$.id', printf('%064x', n.i))"
    names, values = ", ".join(new), ", ".join(new.values())
    db.execute(f"{numbers} insert into {table}({names}) select {values} from {table}, n")
db.commit()
"""
# the peak of its own memory: what rusage says begins with that of the process that started it
MEASURE = """
import resource, sys
from canary.__main__ import main
sys.argv[1:] = ["report", "junit", "--session", "latest"]
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(used.ru_utime + used.ru_stime, status["VmHWM"].split()[0])
"""


@pytest.mark.slow
def test_ten_thousand_jobs_take_less_than_200_megabytes(tmp_path, canary, canary_environment):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text("if __name__ == '__main__': print('y' * 20000)\n")
    canary("run", "t", expect=0)
    database = tmp_path / ".canary" / "workspace.sqlite3"
    subprocess.run([sys.executable, "-c", MANY, database], check=True)
    environ = {k: v for k, v in canary_environment.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert str(tmp_path / "junit.xml") in done.stdout, done.stderr
    seconds, kilobytes = map(float, done.stdout.split()[-2:])
    root = ET.parse(tmp_path / "junit.xml").getroot()
    assert (root.attrib["tests"], root.attrib["failures"]) == ("10001", "200")
    print(f"10,000 jobs: {seconds:.2f} s of CPU, {kilobytes / 1024:.0f} MB")
    assert kilobytes <= 200 * 1024
