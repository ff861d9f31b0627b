"""`canary run --events`: live, valid by its schema, and all that `canary report json` says."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from canary.errors import RecordError
from canary_json.lines import decode, fold
from canary_json.reporter import schema_text
from canary_json.stream import Writer

TEST = """\
import os, sys
import canary
canary.directives.parameterize("a", [0, 1, 64, 80])
canary.directives.keywords("small", when="parameters='a=80'")
if __name__ == "__main__":
    job = canary.get_job()
    job.add_measurement("speed", float(os.environ.get("SPEED", "inf")))
    job.add_measurement("none", float("nan"))
    canary.get_instance().set_attributes(solver="gmres", tries=[1, {"to\\ud800l": 1e-9}])
    print("n\\u00e9")
    sys.exit(canary.get_instance().parameters.a)
"""
AFTER = """\
import os, sys
import canary
canary.directives.depends_on("x.a=1", result="on_success")
"""
AGAIN = """\
import os, sys
if __name__ == "__main__":
    path = "../../../seen"
    seen = os.path.exists(path)
    open(path, "w").close()
    from canary_pyt.remarks import set_attribute
    set_attribute(solver="cg", **({} if seen else {"lost": 1}))
    sys.exit(0 if seen else 3)
"""


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(schema_text("events"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(TEST)
    (tmp_path / "t" / "later.pyt").write_text(AFTER)
    (tmp_path / "t" / "again.pyt").write_text(AGAIN)
    return tmp_path / "t"


def test_folding_gives_the_report_byte_for_byte(tmp_path, tree, canary, validator):
    env = {"MY_TOKEN": "hush", "PYTHONUTF8": "1"}
    words = ("--events", "e.jsonl", "--repeat-until-pass", "1", "--report", "json")
    canary("run", *words, "-k", "not small", "t", env=env, expect=10)
    text = (tmp_path / "e.jsonl").read_text("ascii")
    lines = list(decode((tmp_path / "e.jsonl").read_bytes().splitlines(keepends=True), "e.jsonl"))
    for line in lines:
        validator.validate(line)
    assert not validator.is_valid({"kind": "job", "job": {"id": "x"}})
    kinds = [line["kind"] for line in lines]
    assert kinds[0] == "stream"
    assert kinds[-1] == "session_finished"
    assert "hush" not in text
    assert [line["retry"] for line in lines if line["kind"] == "job_finished"].count(True) >= 1
    assert len([k for k in kinds if k == "excluded"]) >= 1
    wanted = (tmp_path / "canary.json").read_text()
    jobs = {job["name"]: job for job in json.loads(wanted).values()}
    assert len(jobs) == 6
    assert jobs["again"]["attempt"] == 2
    # what an attempt said that was followed by another is as gone as its measurements
    assert jobs["again"]["attributes"] == jobs["again"]["attributes_set"] == {"solver": "cg"}
    assert jobs["x.a=64"]["attributes"]["solver"] == "gmres"
    assert jobs["later"]["attributes_set"] == {}
    # elsewhere, without a workspace
    (tmp_path / "far").mkdir()
    (tmp_path / "e.jsonl").rename(tmp_path / "far" / "e.jsonl")
    done = canary(
        "report", "json", "--from-events", "e.jsonl", "-o", "-", cwd=tmp_path / "far", expect=0
    )
    assert done.stdout == wanted
    assert done.stderr == ""
    canary("report", "json", "--session", "latest", expect=0)
    assert (tmp_path / "canary.json").read_text() == wanted


def test_lines_come_while_jobs_run(tmp_path, canary_environment):
    """The job waits for a file that is made once the stream has said that it runs."""
    wait = "import os, time\nwhile not os.path.exists('../../../../go'): time.sleep(0.01)\n"
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "w.pyt").write_text(
        f"if __name__ == '__main__':\n    {wait!r}\n    exec({wait!r})\n"
    )
    command = [sys.executable, "-m", "canary", "run", "--events", "-", "t"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=canary_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        seen = []
        for raw in process.stdout:  # each line is JSON: nothing else is on standard output
            seen.append(json.loads(raw)["kind"])
            if seen[-1] == "job_started":
                (tmp_path / "go").touch()
        told = process.stderr.read().decode()
    assert process.returncode == 0, told
    assert seen[0] == "stream"
    assert seen[-2:] == ["job_finished", "session_finished"]
    assert "1 total: 1 pass" in told


def test_a_descriptor_is_written_to(tmp_path, tree, canary_environment):
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "canary", "run", "--events", str(writer), "t/again.pyt"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=canary_environment,
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        with open(reader, "rb") as f:
            kinds = [line["kind"] for line in decode(f, "pipe")]
        process.communicate()
    assert process.returncode == 8
    assert kinds[-1] == "session_finished"


def test_a_reader_who_goes_away_changes_no_verdict(tmp_path, tree, canary_environment):
    command = [sys.executable, "-m", "canary", "run", "--events", "-", "t/again.pyt"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=canary_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        told = process.stderr.read().decode()
    assert process.returncode == 8, told
    assert told.count("the stream of events (-) is incomplete") == 1


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("97", "no file is open as descriptor 97"),
        ("none/such", "there is no such directory"),
    ],
)
def test_what_cannot_be_written_to_is_said_before_anything_runs(tmp_path, tree, canary, to, said):
    done = canary("run", "--events", to, "t")
    assert done.returncode != 0
    assert said in done.stderr
    assert "--events" in done.stderr
    assert not (tmp_path / ".canary").exists()


def test_a_slow_reader_holds_nobody_up():
    """More than a pipe holds is written while nobody reads, and all of it is there later."""
    reader, writer = os.pipe()
    stream = Writer(writer)
    for number in range(4000):
        stream.write(b"%099d\n" % number)
    assert "did not take all of it" in stream.close(0.1)
    with open(reader, "rb") as f:
        assert [int(line) for line in f] == list(range(4000))
    assert stream.close() is None


def test_a_full_disk_is_one_warning(tree, canary):
    done = canary("run", "--events", "/dev/full", "t/again.pyt", expect=8)
    assert done.stderr.count("is incomplete") == 1


FULL = """\
import os, resource, sys
from canary_json.stream import Writer
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (105, hard))
stream = Writer(os.dup(1))
for line in (b"first\\n", b"second\\n", b"x" * 200 + b"\\n", b"y\\n"):
    stream.write(line)
problem = stream.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print("later", problem)
"""


@pytest.mark.parametrize("how", [os.O_TRUNC, os.O_APPEND])
def test_a_full_disk_leaves_no_half_line(tmp_path, canary_environment, how):
    """And what others write there later follows the last line at once."""
    file = tmp_path / "stream"
    file.write_text("before\n")
    out = os.open(file, os.O_WRONLY | how)
    command = [sys.executable, "-c", FULL]
    done = subprocess.run(command, env=canary_environment, stdout=out, timeout=60)
    os.close(out)
    before = "before\n" if how == os.O_APPEND else ""
    assert done.returncode == 0
    assert file.read_text() == f"{before}first\nsecond\nlater File too large\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"kind":"stream","schema":2}\n', "schema 2, this release reads 1"),
        (b'{"kind":"notice"}\n', "begins with a line of kind"),
        (b'{"kind":"stream","schema":1}\nx\n', "f:2: "),
        (b"[]\n", "f:1: "),
        (b"", "f:1: the stream is empty"),
        (b'{"kind":"stream","schema":1}', "f:1: the stream is empty"),
        (b'{"kind":"stream","schema":"a"}\n', "f:1: this is no line"),
        (b'{"kind":"stream","schema":1}\n{"kind":"job"}\n', "f:2: what belongs to"),
        (b'{"kind":"stream","schema":1}\n{"kind":"job","job":{"id":"x"}}\n', "f:2: what"),
        (b'{"kind":"stream","schema":1}\n{"kind":"excluded","job":[1]}\n', "f:2: what"),
        (b'{"kind":"stream","schema":1}\n{"kind":"job_finished","id":"x"}\n', "f:2: what"),
        (b'{"kind":"stream","schema":1}\n{"kind":"job_finished","retry":0,"id":[]}\n', "f:2: "),
    ],
)
def test_what_is_no_stream_is_refused(text, said):
    with pytest.raises(RecordError) as caught:
        fold(text.splitlines(keepends=True), "f")
    assert said in str(caught.value)


def test_a_torn_last_line_and_unknown_kinds_are_left_out(capsys):
    lines = [b'{"kind":"stream","schema":1}\n', b'{"kind":"news"}\n', b'{"kind":"jo']
    assert fold(lines, "f") == []
    assert capsys.readouterr().err == "WARNING: f ends before its session: jobs may be missing\n"
    assert fold([*lines[:1], b'{"kind":"session_finished"}\n'], "f") == []
    assert capsys.readouterr().err == ""
