"""`canary report TYPE`: where options may stand, where paths lead, what is said of errors."""

from __future__ import annotations

import json
import os

import pytest

REPORTER = """\
import json
import canary
from canary.reporting import replacing, target
from canary.spec import JobSpec, Loaded, job_id


class Names(canary.Reporter):
    name = "names"
    help = "names, line by line"

    def arguments(self, parser):
        parser.add_argument("-o", "--output", default="names.txt")
        parser.add_argument("--upper", action="store_true")

    def report(self, results, options):
        path = target(options)
        if options["output"] == "where.json":
            started, submitted = list(results.events())[:2]
            past = [(p["name"], p["session"] < results.session) for p in results.past(5)]
            found = [started.machine, submitted.resources, past, list(results.past(0))]
            path.write_text(json.dumps(found))
            return [path]
        kinds = [event.kind for event in results.events()]
        assert (kinds[0], kinds[-1]) == ("session_started", "session_finished"), kinds
        with replacing(path) as f:
            for job in results.jobs():
                line = job["name"].upper() if options["upper"] else job["name"]
                f.write(f"{results.session} {line}\\n".encode())
        return [path]


@canary.hookimpl
def canary_reporters():
    return [Names()]


class Steps(canary.SpecGenerator):
    name = "steps"
    patterns = ("*.steps",)

    def load(self, file):
        return Loaded(None)

    def expand(self, file, data, context):
        repository = context.repository(file.file)
        return [
            JobSpec(
                file_root=file.root,
                file_path=file.path,
                id=job_id("one", repository, {}),
                family="one",
                name="one",
                command=("true",),
                generator=self.name,
                timeout=20.0,
            )
        ]


@canary.hookimpl
def canary_spec_generators():
    return [Steps()]
"""


BAD = """\
import sys
import canary


class Quit(BaseException):
    pass


class Bad(canary.Reporter):
    help = "never works"

    def __init__(self, name):
        self.name = name

    def arguments(self, parser):
        if self.name == "needs":
            parser.add_argument("--much", required=True)
        if self.name == "argues":
            raise RuntimeError("no options")

    def report(self, results, options):
        if self.name == "leaves":
            sys.exit(77)
        if self.name == "quits":
            raise Quit("enough")
        raise RuntimeError("broken")


@canary.hookimpl
def canary_reporters():
    return [Bad(name) for name in ("argues", "leaves", "needs", "quits", "raises")]
"""
# one that runs and fails
FAILS = """
import sys
if __name__ == "__main__":
    sys.exit(1)
"""


@pytest.fixture
def report(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.steps").write_text("")
    (tmp_path / "rep.py").write_text(REPORTER)
    canary("-p", "rep.py", "run", "t", expect=0)
    canary("-p", "rep.py", "run", "--only", "all", "t", expect=0)
    return lambda *words, **more: canary("-p", "rep.py", "report", *words, **more)


def test_options_stand_after_the_type(tmp_path, report):
    done = report("names", "create", "-o", "deep/er/n", "--upper", expect=0)
    assert done.stdout == f"{tmp_path}/deep/er/n\n"
    assert (tmp_path / "deep" / "er" / "n").read_text().endswith(" ONE\n")


def test_a_session_is_named_before_or_after_the_type(tmp_path, report):
    first, last = sorted(p.name for p in (tmp_path / ".canary" / "sessions").iterdir())
    report("--session", first, "names", expect=0)
    assert (tmp_path / "names.txt").read_text() == f"{first} one\n"
    report("names", "--session", "latest", expect=0)
    assert (tmp_path / "names.txt").read_text() == f"{last} one\n"


def test_paths_are_relative_to_the_directory_of_the_command(tmp_path, canary, report):
    (tmp_path / "else").mkdir()
    canary("-C", "else", "-p", tmp_path / "rep.py", "report", "names", expect=0)
    assert (tmp_path / "else" / "names.txt").exists()


def test_help_is_that_of_the_type(report):
    assert "--upper" in report("names", "--help", expect=0).stdout
    assert "names, line by line" in report(expect=0).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none",), "no reporter 'none'"),
        (("names", "--uper"), "did you mean --upper?"),
        (("names", "--session", "2000"), "names 0 sessions"),
        (("names", "-o", "rep.py/x"), "cannot write the report names"),
        (("names", "-o", "t"), "cannot write the report names"),
    ],
)
def test_errors_are_one_line(report, words, said):
    done = report(*words)
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reporter_learns_where_jobs_ran_and_how_they_ended_before(tmp_path, report):
    report("names", "-o", "where.json", expect=0)
    machine, resources, past, none = json.loads((tmp_path / "where.json").read_text())
    ((node, slots),) = machine.items()
    (cpu,) = resources["cpus"]
    assert slots["cpus"] >= 1
    assert (cpu["slots"], cpu["node"]) == (1, node)
    assert past == [["one", True]]
    assert none == []


def test_every_reporter_at_the_end_of_a_run_and_after(tmp_path, canary):
    """Those that need more than there is say so; what the tests came to stays what it is."""
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x.pyt").write_text(FAILS)
    (tmp_path / "bad.py").write_text(BAD)
    listed = canary("-p", "bad.py", "report", expect=0).stdout.splitlines()
    names = [line.split()[0] for line in listed]
    files = {"html", "json", "junit", "markdown", "tap", "cdash", "github", "gitlab-codequality"}
    server, bad = {"gitlab-issues", "gitlab-mr"}, {"argues", "leaves", "needs", "quits", "raises"}
    assert set(names) >= files | server | bad
    env = {n: None for n in ("GITHUB_STEP_SUMMARY", "CANARY_GITLAB_TOKEN", "GITLAB_TOKEN")}
    done = canary("-p", "bad.py", "run", "--report", ",".join(names), "t", env=env, expect=8)
    failed = {line.split()[2][:-1] for line in done.stderr.splitlines() if ": report " in line}
    assert failed >= server | bad
    assert not failed & files
    for name in sorted(files):
        canary("report", name, env=env, expect=0)


SAYS = """\
import sys
import canary
canary.directives.set_attribute(component="flow")
if __name__ == "__main__":
    self = canary.get_instance()
    self.set_attribute(solver="cg <b>")
    self.set_attributes(tries=[1, 2], tolerance=1e-9)
    sys.exit(1)
"""


def json_report(path):
    (job,) = json.loads(path.read_text()).values()
    return job


def test_what_a_test_says_of_itself_is_in_every_report(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "says.pyt").write_text(SAYS)
    canary("run", "--events", "e.jsonl", "--report", "json", "t", expect=8)
    said = {"solver": "cg <b>", "tries": [1, 2], "tolerance": 1e-9}
    job = json_report(tmp_path / "canary.json")
    assert job["attributes_set"] == said
    assert job["attributes"] == {"component": "flow", **said}
    canary("report", "json", "--from-events", "e.jsonl", "-o", "folded.json", expect=0)
    assert (tmp_path / "folded.json").read_bytes() == (tmp_path / "canary.json").read_bytes()
    # what is derived is made again from the log
    canary("doctor", "--rebuild", expect=0)
    canary("report", "json", "-o", "again.json", expect=0)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "canary.json").read_bytes()
    canary("report", "junit", expect=0)
    text = (tmp_path / "junit.xml").read_text()
    assert '<property name="says: attribute solver" value="cg &lt;b&gt;"/>' in text
    assert '<property name="says: attribute tries" value="[1, 2]"/>' in text
    canary("report", "markdown", "-o", "r.md", expect=0)
    text = (tmp_path / "r.md").read_text()
    assert "- Attribute <code>solver</code>: <code>cg &#60;b&#62;</code>\n" in text
    canary("report", "cdash", "create", "-d", "xml", expect=0)
    text = (tmp_path / "xml" / "Test-0.xml").read_text()
    assert 'type="numeric/double" name="tolerance"' in text
    assert 'type="text/string" name="solver"' in text
    assert 'name="tries"' not in text, "no text and no number"
    canary("report", "html", "--full", "pages", expect=0)
    text = (tmp_path / "pages" / f"{job['id']}.html").read_text()
    assert "Attributes it set" in text
    assert "cg &lt;b&gt;" in text


def test_a_job_that_is_run_again_says_it_again(tmp_path, canary):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "says.pyt").write_text(SAYS)
    canary("run", "t", expect=8)
    (tmp_path / "t" / "says.pyt").write_text(SAYS.replace("cg <b>", "gmres"))
    canary("exec", "says", expect=8)
    canary("report", "json", expect=0)
    assert json_report(tmp_path / "canary.json")["attributes_set"]["solver"] == "gmres"
    assert "gmres" in canary("query", "job", "says", "spec/attributes/solver", expect=0).stdout


def test_a_full_disk_at_the_end_of_a_run_is_said_as_after_it(tmp_path, canary, tree):
    place = tree({"t.pyt": "if __name__ == '__main__':\n    pass\n"})
    (tmp_path / "canary.json").symlink_to("/dev/full")
    done = canary("run", "--report", "json", place, expect=0)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    again = canary("report", "json", expect=2).stderr.rstrip("\n")
    assert line.removeprefix("WARNING") == again.removeprefix("ERROR")
    assert "cannot write the report json: No space left on device (ENOSPC) [" in line


@pytest.mark.parametrize(
    ("fault", "name"), [("write:ENOSPC", "ENOSPC"), ("open:EDQUOT", "EDQUOT"), ("stage:EIO", "EIO")]
)
def test_a_job_that_cannot_be_run_here_says_where_and_why(tmp_path, canary, tree, fault, name):
    place = tree({"t.pyt": "if __name__ == '__main__':\n    pass\n"})
    canary("run", place, expect=0)
    done = canary("exec", "t", env={"CANARY_FAULT": fault}, expect=1)
    assert len(done.stderr.splitlines()) == 1
    (session,) = (tmp_path / ".canary" / "sessions").iterdir()
    assert done.stderr.startswith(f"ERROR: {session / 't'}")
    assert "cannot run the job: " in done.stderr
    assert f"({name})" in done.stderr
    assert ("make room" in done.stderr) == (name != "EIO")


@pytest.mark.parametrize("fault", ["open:EMFILE", "write:ENOSPC", "write:EIO", "rename:EIO"])
def test_a_disk_that_fails_leaves_what_was_there(tmp_path, canary, tree, fault):
    """Of a report there is one line that names it, and no half of it."""
    place = tree({"t.pyt": "if __name__ == '__main__':\n    raise SystemExit('x' * 2**20)\n"})
    canary("run", place, expect=8)
    report = tmp_path / "report.html"
    report.write_text("before")
    words = ("report", "html", "-o", report, "--limit", "1000000")
    done = canary(*words, env={"CANARY_FAULT": fault}, expect=2)
    assert done.stderr.startswith(f"ERROR: {report}: cannot write the report html: ")
    assert len(done.stderr.splitlines()) == 1
    assert report.read_text() == "before"
    assert not [name for name in os.listdir(tmp_path) if name.endswith("~")]
