"""Each hook of a run, in the order of the run, by a plugin that is a file and nothing else.

The hooks by which a plugin declares itself are in `test_plugins_walk.py`.
"""

from __future__ import annotations

import json
import textwrap

import pytest

# a format of its own, so that no other plugin is needed: each line is `NAME: shell command`
FORMAT = """
import os
import sys
from pathlib import Path

import canary
from canary.events import SessionFinished
from canary.launch import BlockingLauncher, Exit, ExitReason
from canary.resources import Machine
from canary.spec import JobSpec, Loaded, Mask, SpecGenerator, job_id, job_name
from canary.status import Outcome, Status


class Lines(SpecGenerator):
    name = "lines"
    patterns = ("*.lines",)

    def load(self, file):
        return Loaded(Path(file.file).read_text())

    def expand(self, file, data, context):
        out = []
        for line in data.splitlines():
            name, _, command = line.partition(": ")
            needs = {"tokens": 1} if "token" in name else {}
            where = {"launcher": "theirs"} if "theirs" in name else {}
            out.append(
                JobSpec(
                    file_root=file.root,
                    file_path=file.path,
                    id=job_id(name, context.repository(file.file), needs),
                    family=name,
                    name=name,
                    command=("/bin/sh", "-c", command),
                    meta_parameters=needs,
                    options=where,
                )
            )
        return out


@canary.hookimpl
def canary_spec_generators():
    return [Lines()]

"""


@pytest.fixture
def play(canary, tmp_path, results):
    """`play(hooks, lines)` runs a file of lines with a plugin that has these hooks."""

    def run(hooks: str, lines: str, *words: str, expect: int = 0, **more):
        (tmp_path / "mine.py").write_text(FORMAT + textwrap.dedent(hooks))
        (tmp_path / "t").mkdir(exist_ok=True)
        (tmp_path / "t" / "a.lines").write_text(textwrap.dedent(lines).lstrip("\n"))
        done = canary("-p", "mine.py", *words, "run", "-w", "t", expect=expect, **more)
        return done, results()

    return run


def said(tmp_path, name: str) -> str:
    [output] = tmp_path.glob(f"TestResults/{name}/canary-out.txt")
    return output.read_text()


def test_hook_spec_generators(play, canary, tmp_path):
    _, found = play("", "one: true\ntwo: exit 3\n", expect=8)
    assert found == {"one": "PASS SUCCESS", "two": "FAIL FAILED"}
    assert "a.lines" in canary("-p", "mine.py", "find", "--files", "t", expect=0).stdout
    (tmp_path / "other.py").write_text(FORMAT)
    done = canary("-p", "mine.py", "-p", "other.py", "run", "t", expect=3)
    assert "plugin 'mine'" in done.stderr
    assert "plugin 'other'" in done.stderr
    assert "'lines'" in done.stderr


def test_hook_ignore_path(play, tmp_path):
    (tmp_path / "t" / "third_party").mkdir(parents=True)
    (tmp_path / "t" / "third_party" / "b.lines").write_text("never: exit 1\n")
    _, found = play(
        """
        @canary.hookimpl
        def canary_ignore_path(path, config):
            return path.name == "third_party" or None
        """,
        "one: true\n",
    )
    assert found == {"one": "PASS SUCCESS"}


def test_hook_select(play, canary):
    _, found = play(
        """
        @canary.hookimpl
        def canary_select(specs, config):
            return {s.id: Mask(True, "not on Mondays") for s in specs if s.family == "two"}
        """,
        "one: true\ntwo: true\n",
    )
    assert found == {"one": "PASS SUCCESS"}
    assert "not on Mondays" in canary("status", "--show-excluded", expect=0).stdout


def test_hook_machine(play, tmp_path):
    _, found = play(
        """
        @canary.hookimpl
        def canary_machine(config):
            return Machine.single("elsewhere", cpus=2, tokens=1)
        """,
        "token: true\n",
    )
    assert found == {"token": "PASS SUCCESS"}
    lock = json.loads((tmp_path / "TestResults" / "token" / "testcase.lock").read_text())
    assert "elsewhere" in json.dumps(lock)


RESOURCES = """
@canary.hookimpl
def canary_resources(config):
    return {"tokens": [{"id": "t7", "slots": 1, "properties": {"colour": "red"}}]}
"""


def test_hook_resources(play, canary, tmp_path):
    _, found = play(RESOURCES, "token: true\n")
    assert found == {"token": "PASS SUCCESS"}
    lock = (tmp_path / "TestResults" / "token" / "testcase.lock").read_text()
    assert '"t7"' in lock
    _, found = play(NONE, "token: true\n", expect=32)
    assert found == {"token": "NOTRUN OVERSIZED"}
    (tmp_path / "mine.py").write_text(FORMAT + RESOURCES)
    (tmp_path / "other.py").write_text("import canary\n" + RESOURCES)
    done = canary("-p", "mine.py", "-p", "other.py", "run", "t", expect=3)
    assert "plugin 'mine'" in done.stderr
    assert "plugin 'other'" in done.stderr
    assert "tokens" in done.stderr


NONE = """
@canary.hookimpl
def canary_resources(config):
    return {"tokens": []}
"""

LAUNCHER = """
class Theirs(BlockingLauncher):
    name = "theirs"

    def run(self, launch, cancelled):
        Path(launch.stdout).write_text("not really run: " + launch.argv[-1])
        return Exit(launch.id, 0.0, 0)


@canary.hookimpl
def canary_launchers(config):
    return [Theirs()]
"""


def test_hook_launchers(play, canary, tmp_path):
    _, found = play(LAUNCHER, "theirs: exit 9\none: echo done\n")
    assert found == {"theirs": "PASS SUCCESS", "one": "PASS SUCCESS"}
    assert said(tmp_path, "theirs") == "not really run: exit 9"
    assert said(tmp_path, "one") == "done\n"
    _, found = play(LAUNCHER, "one: exit 9\n", "--launcher", "theirs")
    assert found == {"one": "PASS SUCCESS"}
    done = canary("-p", "mine.py", "run", "-R", "--launcher", "nobody", "t", expect=2)
    assert "no launcher 'nobody'" in done.stderr


def test_hook_group(play):
    """Here in the other order, which the scheduler then sees."""
    done, found = play(
        """
        @canary.hookimpl
        def canary_group(jobs, config):
            sys.stderr.write(f"grouped {sorted(job.name for job in jobs)}\\n")
            return list(reversed(jobs))
        """,
        "one: true\ntwo: true\n",
    )
    assert "grouped ['one', 'two']" in done.stderr
    assert found == {"one": "PASS SUCCESS", "two": "PASS SUCCESS"}


def test_hook_job_setup(play, tmp_path):
    hooks = """
    @canary.hookimpl
    def canary_job_setup(job):
        if job.name == "bad":
            raise RuntimeError("no disk")
        (job.workspace.dir / "gift").write_text("for " + job.name)
    """
    _, found = play(hooks, "one: cat gift\nbad: true\n", expect=8)
    assert found == {"one": "PASS SUCCESS", "bad": "FAIL BROKEN"}
    assert said(tmp_path, "one") == "for one"
    _, found = play(hooks, "bad: true\nbad2: cat gift\n", expect=8)
    assert found == {"bad": "FAIL BROKEN", "bad2": "PASS SUCCESS"}


def test_hook_job_setup_says_why(play, canary):
    play(
        """
        @canary.hookimpl
        def canary_job_setup(job):
            raise RuntimeError("no disk")
        """,
        "one: true\n",
        expect=8,
    )
    [job] = json.loads(canary("query", "jobs", expect=0).stdout)
    assert "plugin 'mine'" in job["status"]["reason"]
    assert "no disk" in job["status"]["reason"]


def test_hook_job_env(play, tmp_path):
    play(
        """
        @canary.hookimpl
        def canary_job_env(job):
            return {"GIFT": job.name, "UNWANTED": None}
        """,
        "one: echo $GIFT-$UNWANTED-\n",
        env={"UNWANTED": "x"},
    )
    assert said(tmp_path, "one") == "one--\n"


def test_hook_job_status(play):
    _, found = play(
        """
        @canary.hookimpl
        def canary_job_status(job, exit):
            if exit.code == 42:
                return Status.make(outcome=Outcome.SKIPPED, reason="not here", code=42)
        """,
        "one: exit 42\ntwo: exit 41\n",
        expect=8,
    )
    assert found == {"one": "NOTRUN SKIPPED", "two": "FAIL FAILED"}


def test_hook_job_finish(play, canary):
    play(
        """
        @canary.hookimpl
        def canary_job_finish(job, exit):
            return {"speed": 3.5, "code": exit.code}
        """,
        "one: true\n",
    )
    [job] = json.loads(canary("query", "jobs", expect=0).stdout)
    assert job["measurements"]["speed"] == 3.5
    assert job["measurements"]["code"] == 0


def test_hook_job_finish_that_raises_changes_nothing(play):
    done, found = play(
        """
        @canary.hookimpl
        def canary_job_finish(job, exit):
            raise RuntimeError("no thermometer")
        """,
        "one: true\ntwo: exit 1\n",
        expect=8,
    )
    assert found == {"one": "PASS SUCCESS", "two": "FAIL FAILED"}
    assert "no thermometer" in done.stderr


def test_hook_display(play):
    done, _ = play(
        """
        from canary.declare import Display

        class Quiet(Display):
            def start(self, session):
                print("begin", len(session.jobs))

            def event(self, event):
                pass

            def flush(self):
                pass

            def finish(self, session, summary):
                print("end", summary.exit_code)

        @canary.hookimpl
        def canary_display(config):
            return Quiet()
        """,
        "one: true\n",
    )
    assert done.stdout == "begin 1\nend 0\n"


def test_hook_session_start(play):
    done, _ = play(
        """
        @canary.hookimpl
        def canary_session_start(session):
            sys.stderr.write(f"start {[job.name for job in session.jobs]} {session.name}\\n")
        """,
        "one: true\n",
    )
    assert "start ['one'] 20" in done.stderr


def test_hook_event(play, tmp_path):
    play(
        """
        @canary.hookimpl
        def canary_event(event):
            with open("events", "a") as f:
                f.write(f"{event.kind} {getattr(event, 'name', '')}\\n")
        """,
        "one: true\n",
    )
    assert (tmp_path / "events").read_text().splitlines() == [
        "session_started ",
        "job_submitted one",
        "job_started one",
        "job_finished one",
        "session_finished ",
    ]


def test_hook_session_finish(play):
    hooks = """
    @canary.hookimpl
    def canary_session_finish(session, summary):
        sys.stderr.write(f"finish {summary.line()}\\n")
        raise RuntimeError("no mail")
    """
    done, found = play(hooks, "one: exit 1\n", expect=8)
    assert "finish 1 total: 1 failed" in done.stderr
    assert "canary_session_finish raised RuntimeError: no mail" in done.stderr
    assert found == {"one": "FAIL FAILED"}


@pytest.mark.parametrize("hook", ["canary_session_start(session)", "canary_event(event)"])
def test_a_watcher_that_stops_the_run(play, canary, hook):
    """Asked for with -p, so its failure stops the command: in order, and on record."""
    done, found = play(
        f"""
        @canary.hookimpl
        def {hook}:
            raise RuntimeError("no mail")
        """,
        "one: true\n",
        expect=3,
    )
    assert "RuntimeError: no mail" in done.stderr
    assert "Traceback" not in done.stderr
    assert set(found.values()) <= {"PASS SUCCESS", "ABORTED CANCELLED"}


def test_of_two_formats_of_one_file_the_first_has_it(play, canary, tmp_path):
    play("", "one: true\n")
    other = FORMAT.replace('name = "lines"', 'name = "others"')
    (tmp_path / "other.py").write_text(other)
    words = ("-p", "mine.py", "-p", "other.py")
    done = canary(*words, "run", "t", expect=3)
    [line] = done.stderr.splitlines()
    assert line.startswith(
        f"ERROR: plugin 'other' ({tmp_path}/other.py): its 'others' claims *.lines"
    )
    assert f"'lines' of plugin 'mine' ({tmp_path}/mine.py)" in line
    assert line.endswith("[leave it out: -p no:other]")
    done = canary(*words, "-p", "no:other", "run", "-w", "t", expect=0)
    assert done.stderr.count("WARNING") == 0
    done = canary(*words, "--plugin-errors", "continue", "run", "-w", "t", expect=0)
    assert done.stderr.count("going on without its claim") == 1


# the hooks that are called for each job, in a plugin that breaks at the third of five
BREAKS = {
    "canary_job_env(job)": ('return {"GIFT": "1"}', "test $GIFT", "ABORTED CANCELLED"),
    "canary_job_setup(job)": ('job.path("gift").touch()', "test -e gift", "ABORTED CANCELLED"),
    "canary_job_status(job, exit)": (
        "return Status.make(outcome=Outcome.SUCCESS)",
        "exit 1",
        "FAIL ERROR",
    ),
}
FIVE = "".join(f"j{i}: COMMAND\n" for i in range(1, 6))


def breaking(hook):
    body, command, third = BREAKS[hook]
    body = body.replace('job.path("gift")', '(job.workspace.dir / "gift")')
    text = f"""
    @canary.hookimpl
    def {hook}:
        if job.name == "j3":
            raise RuntimeError("no disk")
        {body}
    """
    return text, FIVE.replace("COMMAND", command), third


@pytest.mark.parametrize("hook", BREAKS)
def test_a_plugin_that_breaks_at_a_job_stops_the_session(play, canary, hook):
    """What is over stays, nothing goes on without the plugin, and one line says so."""
    text, lines, third = breaking(hook)
    words = ("--plugin-errors", "stop")
    options = {"env": {"CANARY_RUN_WORKERS": "1"}, "expect": 3}
    done, found = play(text, lines, *words, **options)
    over = [name for name, end in found.items() if end == "PASS SUCCESS"]
    assert "j3" not in over
    assert found["j3"] == third
    assert {found[name] for name in found if name not in (*over, "j3")} <= {"ABORTED CANCELLED"}
    errors = [x for x in done.stderr.splitlines() if x.startswith(("ERROR", "Traceback"))]
    assert len(errors) == 1
    assert "plugin 'mine'" in errors[0]
    assert "raised RuntimeError: no disk" in errors[0]
    jobs = json.loads(canary("query", "jobs", expect=0).stdout)
    for job in jobs:
        assert ("no disk" in job["status"]["reason"]) is (job["name"] not in over)
    canary("doctor", expect=0)


@pytest.mark.parametrize("hook", ["canary_job_env(job)", "canary_job_status(job, exit)"])
def test_a_plugin_that_breaks_at_a_job_is_left_out(play, hook):
    text, lines, _ = breaking(hook)
    done, found = play(text, lines, "--plugin-errors", "continue", expect=8)
    assert len(found) == 5
    assert set(found.values()) <= {"PASS SUCCESS", "FAIL FAILED"}
    assert found["j3"] == "FAIL FAILED"
    assert done.stderr.count("no disk") == 1


WRONG = [
    ("canary_select(specs, config)", "{specs[0].id: 'no'}"),
    ("canary_group(jobs, config)", "3"),
    ("canary_group(jobs, config)", "[1]"),
    ("canary_group(jobs, config)", "jobs[1:]"),
    ("canary_job_env(job)", "{'A': 3}"),
    ("canary_job_status(job, exit)", "'PASS'"),
    ("canary_display(config)", "3"),
]


@pytest.mark.parametrize(("hook", "answer"), WRONG)
def test_an_answer_of_another_type_is_the_failure_of_its_plugin(
    play, canary, tmp_path, hook, answer
):
    """By policy it ends the command, or the tests have the results that they have without it."""
    play("", "one: true\ntwo: exit 3\n", expect=8)
    text = f"import canary\n\n@canary.hookimpl\ndef {hook}:\n    return {answer}\n"
    (tmp_path / "bad.py").write_text(text)
    words = ("-p", "mine.py", "-p", "bad.py")
    said = f"plugin 'bad' ({tmp_path}/bad.py): {hook.partition('(')[0]} must return "
    done = canary(*words, "run", "-w", "t", expect=3)
    errors = [x for x in done.stderr.splitlines() if x.startswith(("ERROR", "Traceback"))]
    assert len(errors) == 1
    assert errors[0].startswith(f"ERROR: {said}")
    done = canary(*words, "--plugin-errors", "continue", "run", "-w", "t", expect=8)
    told = [x for x in done.stderr.splitlines() if "plugin" in x]
    assert len(told) == 1
    assert told[0].startswith(f"WARNING: {said}")
    assert told[0].endswith("going on without it")
    found = json.loads(canary("query", "jobs", expect=0).stdout)
    assert {j["name"]: j["status"]["outcome"] for j in found} == {"one": "SUCCESS", "two": "FAILED"}


def test_a_plan_of_another_type(play, canary):
    _, _ = play("@canary.hookimpl\ndef canary_plan(jobs):\n    return 3\n", "one: true\n")
    done = canary("-p", "mine.py", "run", "-w", "--dry-run", "t", expect=3)
    assert "plugin 'mine'" in done.stderr
    assert "canary_plan must return a list of str, not 3" in done.stderr


def test_a_watcher_that_is_left_out(play):
    done, found = play(
        """
        @canary.hookimpl
        def canary_event(event):
            raise RuntimeError("no mail")
        """,
        "one: true\n",
        "--plugin-errors",
        "continue",
    )
    assert done.stderr.count("no mail") == 1
    assert found == {"one": "PASS SUCCESS"}
