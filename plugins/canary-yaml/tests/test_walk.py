"""From files to results: the real command line."""

from __future__ import annotations

import json
import math

import pytest

from canary.status import Outcome
from canary_yaml import verdict


@pytest.fixture
def run(canary, tmp_path):
    """Run a file of tests: `{name: job}` as the record has them."""

    def make(text, name="a.canary.yaml", expect=None):
        root = tmp_path / "tree"
        root.mkdir()
        (root / "in.txt").write_text("given\n")
        (root / name).write_text(text)
        canary("run", ".", cwd=root, expect=expect)
        done = canary("query", "jobs", cwd=root, expect=0)
        return {job["name"]: job for job in json.loads(done.stdout)}

    return make


def outcome(job):
    return job["status"]["outcome"]


def test_a_study(run):
    found = run(
        "tests:\n"
        "  s:\n"
        '    command: cat in.txt; echo "n = ${n} $MINE"; test $MINE = m${n}\n'
        "    parameters: {n: [1, 2]}\n"
        "    resources: {cpus: 1}\n"
        "    environment: {MINE: 'm${n}'}\n"
        "    assets: {copy: in.txt}\n"
        "    pass_regex: ['^given$', 'n = ${n}']\n"
        "  after:\n"
        "    command: ['true']\n"
        "    depends_on: {job: 's.*', expects: 2}\n",
        expect=0,
    )
    assert {n: outcome(j) for n, j in found.items()} == {
        "s.n=1": "SUCCESS",
        "s.n=2": "SUCCESS",
        "after": "SUCCESS",
    }


CODES = """\
tests:
  ok: {command: exit 0}
  stops: {command: "false\\ntrue"}
  diff: {command: exit 64}
  skip: {command: exit 77, skip_codes: 77, pass_regex: never}
  xfail: {command: exit 3, expect: fail}
  xcode: {command: exit 3, expect: 3}
  not_xcode: {command: exit 4, expect: 3}
  message: {command: echo no; exit 3, expect: fail, pass_regex: singular}
  matches: {command: echo ERROR 3, fail_regex: '^ERROR (\\d)'}
  crash: {command: kill -SEGV $$, pass_regex: x}
"""


def test_exit_codes_and_expressions(run):
    found = run(CODES)
    assert {n: outcome(j) for n, j in found.items()} == {
        "ok": "SUCCESS",
        "stops": "FAILED",
        "diff": "DIFFED",
        "skip": "SKIPPED",
        "xfail": "XFAIL",
        "xcode": "XFAIL",
        "not_xcode": "FAILED",
        "message": "FAILED",
        "matches": "FAILED",
        "crash": "FAILED",
    }
    reason = {n: j["status"]["reason"] for n, j in found.items()}
    assert reason["message"] == "the output has no match of pass_regex 'singular'"
    assert reason["matches"] == r"the output matches fail_regex '^ERROR (\\d)': 'ERROR 3'"


REFERENCES = """
[defaults]
command = "echo 'rate = 1'; echo 'rate = ${printed} MB/s'"

[defaults.references.rate]
pattern = 'rate = (\\S+)'
value = 100
lower = "-5%"
upper = 2
unit = "MB/s"

[tests.t.parameters]
printed = ["95", "94.9", "102", "103", "1.0D2", "nan", "fast"]

[tests.none]
command = ["true"]

[tests.expected]
expect = "diff"
parameters = {printed = ["90", "100"]}

[tests.measured]
command = "echo 'rate = 7'; exit 1"
"""


def test_references(run):
    found = run(REFERENCES, "canary_r.toml")
    assert {n: outcome(j) for n, j in found.items()} == {
        "t.printed=95": "SUCCESS",
        "t.printed=94.9": "DIFFED",
        "t.printed=102": "SUCCESS",
        "t.printed=103": "DIFFED",
        "t.printed=1.0D2": "SUCCESS",
        "t.printed=nan": "DIFFED",
        "t.printed=fast": "FAILED",
        "none": "FAILED",
        "expected.printed=90": "XDIFF",
        "expected.printed=100": "FAILED",
        "measured": "FAILED",
    }
    reason = {n: j["status"]["reason"] for n, j in found.items()}
    assert (
        reason["t.printed=94.9"] == "rate = 94.9 MB/s (-5.1%), reference 100 MB/s, bounds 95 to 102"
    )
    assert reason["none"].startswith("rate: the output has no match of")
    measured = {n: j["measurements"].get("rate") for n, j in found.items()}
    assert math.isclose(measured["t.printed=94.9"], 94.9)
    assert measured["t.printed=1.0D2"] == 100.0
    assert measured["t.printed=nan"] == "nan"
    assert measured["measured"] == 7.0
    assert measured["none"] is None


def test_a_number_without_a_value_must_be_finite(run):
    found = run(
        "tests:\n"
        "  t:\n"
        "    command: echo x = ${printed}\n"
        "    parameters: {printed: ['1', nan, '-Infinity']}\n"
        "    references: {x: {pattern: '^x = (.*)'}}\n"
    )
    assert {n: outcome(j) for n, j in found.items()} == {
        "t.printed=1": "SUCCESS",
        "t.printed=nan": "FAILED",
        "t.printed=-Infinity": "FAILED",
    }
    assert found["t.printed=nan"]["status"]["reason"] == "x: 'nan' is not a finite number"


def test_a_long_output_is_read_in_part(run):
    found = run(
        "tests:\n"
        "  t:\n"
        "    command: echo x = 1; head -c 20000000 /dev/zero; echo; echo x = 2\n"
        "    references: {x: {pattern: '^x = (.)', value: 2}}\n",
        expect=0,
    )
    assert found["t"]["measurements"]["x"] == 2.0


def test_what_is_wrong_is_one_line_each_and_nothing_runs(canary, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.canary.yaml").write_text("tests:\n  x:\n    comand: ls\n    timeout: soon\n")
    (root / "canary_b.toml").write_text("[tests.y]\ncommand = 3\n")
    (root / "good.canary.yaml").write_text(f"tests: {{z: {{command: touch {root}/ran}}}}\n")
    done = canary("run", ".", cwd=root, expect=3)
    for said in (
        "a.canary.yaml:3: tests.x.comand: unknown key [did you mean command?]",
        "a.canary.yaml:4: tests.x.timeout: not a duration",
        "canary_b.toml:2: tests.y.command: expected a text, not a number",
    ):
        assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "ran").exists()


def test_rebaseline(canary, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "ref.txt").write_text("old\n")
    (root / "a.canary.yaml").write_text(
        "tests:\n  t:\n    command: echo new > out; exit 64\n"
        "    baseline: {src: out, dst: ref.txt}\n"
    )
    canary("run", ".", cwd=root, expect=2)
    canary("rebaseline", "t", cwd=root, expect=0)
    assert (root / "ref.txt").read_text() == "new\n"


def test_an_expression_that_takes_for_ever_fails_its_test(job, tmp_path, monkeypatch):
    monkeypatch.setattr(verdict, "SECONDS", 0.1)
    output = tmp_path / "output"
    output.write_text("a" * 64 + "b\n")
    for fields in ("pass_regex: (a+)+$", "references:\n  x: {pattern: '((?:a+)+)$'}"):
        status = verdict.judge(job(fields), 0, str(output))
        assert status.outcome is Outcome.FAILED
        assert "not done after 0.1 s" in status.reason
    assert verdict.measurements(job(fields), str(output)) == {}


def test_an_output_that_is_no_file_fails_its_test(run):
    """The job has put a pipe in its place, or removed it: that is said, and nothing waits."""
    found = run(
        "tests:\n"
        "  pipe:\n"
        "    command: [sh, -c, 'rm canary-out.txt; mkfifo canary-out.txt']\n"
        "    pass_regex: hello\n"
        "    references: {x: {pattern: '^x = (.)', value: 2}}\n"
        "  gone:\n"
        "    command: [rm, canary-out.txt]\n"
        "    fail_regex: hello\n",
        expect=8,
    )
    for name, why in {"pipe": "not a file", "gone": "No such file or directory"}.items():
        assert found[name]["status"]["outcome"] == "FAILED"
        assert found[name]["status"]["reason"] == f"its output cannot be read: {why}"
