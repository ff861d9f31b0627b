"""Whole walks with a test format of three lines: from words to a summary, and what is left behind.

Everything is real but the format and the display: files, processes, the store, the view.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from canary import config, hookspecs, journal, plugins, session
from canary.catalog import Catalog
from canary.declare import Display
from canary.errors import CanaryErrors, NothingToRun, SpecError, UsageError, WorkspaceError
from canary.events import JobFinished, JobStarted, Notice, SessionFinished, SessionStarted
from canary.job import load_job_from_file
from canary.request import RunRequest
from canary.schedule import Policy
from canary.select import Criteria
from canary.settings import View
from canary.signals import Interrupted
from canary.spec import DependencyPattern, JobSpec, Loaded, Mask, SpecGenerator, job_id, job_name


class Shell(SpecGenerator):
    """A shell script whose first line is `# {json}`: fields of its spec, `depends`, `names`."""

    name = "shell"
    patterns = ("*.shx",)

    def load(self, file):
        with open(file.file) as f:
            first = f.readline()
        try:
            return Loaded(json.loads(first[1:]) if first.startswith("# {") else {}, True)
        except ValueError as e:
            raise SpecError(f"the first line cannot be read: {e}", line=1) from None

    def expand(self, file, data, context):
        given = dict(data)
        stem = file.path.rpartition("/")[2].removesuffix(".shx")
        patterns = [DependencyPattern(*d) for d in given.pop("depends", [])]
        mask = given.pop("mask", None)
        parameters = given.pop("parameters", {})
        return [
            JobSpec(
                file_root=file.root,
                file_path=file.path,
                id=job_id(family, context.repository(file.file), parameters),
                family=family,
                name=job_name(family, parameters),
                command=("/bin/sh", f"{stem}.shx"),
                generator=self.name,
                parameters=parameters,
                dependencies=tuple(patterns),
                mask=Mask(True, mask) if mask else Mask(),
                **{"timeout": context.timeout_for(given.get("keywords", ())), **given},
            )
            for family in given.pop("names", [stem])
        ]


class Plugin:
    @hookspecs.hookimpl
    def canary_spec_generators(self):
        return [Shell()]


class Seen(Display):
    """Remembers what it is shown."""

    def __init__(self):
        self.events = []
        self.said = []
        self.calls = []
        self.on_event = None

    def start(self, session):
        self.session = session
        self.calls.append("start")

    def event(self, event):
        self.events.append(event)
        if self.on_event:
            self.on_event(event)

    def flush(self):
        pass

    def finish(self, session, summary):
        self.calls.append("finish")

    def say(self, text, level="info"):
        self.said.append((level, text))

    def of(self, kind):
        return [e for e in self.events if isinstance(e, kind)]


class Walk:
    """A tree, and runs in it."""

    def __init__(self, root):
        self.root = root
        self.tree = root / "t"
        self.tree.mkdir()
        self.plugins = [Plugin()]
        self.said = []

    def write(self, name, script="", **fields):
        path = self.tree / f"{name}.shx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {json.dumps(fields)}\n{textwrap.dedent(script)}\n")
        return path

    def config(self):
        manager = plugins.PluginManager(say=lambda *said: self.said.append(said))
        for i, plugin in enumerate(self.plugins):
            manager.add(plugin, f"p{i}")
        return config.load(self.root, environ={}).with_plugins(manager)

    def request(self, *words, only=None, **more):
        criteria = more.pop("criteria", None) or Criteria(only=only or "not_pass")
        more = {"cwd": str(self.root), "only_given": only is not None, **more}
        return RunRequest(words=tuple(map(str, words)), criteria=criteria, **more)

    def run(self, *words, **more):
        self.display = Seen()
        return session.run(self.request(*words, **more), self.config(), self.display)

    def store(self):
        return Catalog(self.root / ".canary" / "workspace.sqlite3")

    def results(self):
        book = self.store()
        try:
            return {r.name: r.outcome for r in book.results()}
        finally:
            book.close()

    def row(self, name):
        book = self.store()
        try:
            return next(r for r in book.results() if r.name == name)
        finally:
            book.close()

    def ran(self):
        """Names of the jobs of the last run whose command was started."""
        return [e.name for e in self.display.of(JobStarted)]


@pytest.fixture
def walk(tmp_path):
    (tmp_path / ".canary-root").touch()
    return Walk(tmp_path)


# a run


def test_from_a_path_to_a_summary(walk):
    walk.write("pass", "exit 0")
    walk.write("d/diff", "exit 64")
    walk.write("d/fail", "exit 3")
    walk.write("skip", "exit 80")
    walk.write("xfail", "exit 1", xstatus=-1)
    summary = walk.run("t")
    assert summary.exit_code == 2 + 8
    assert summary.line() == "5 total: 1 pass, 1 xfail, 1 skipped, 1 diffed, 1 failed"
    assert walk.results() == {
        "pass": "SUCCESS",
        "diff": "DIFFED",
        "fail": "FAILED",
        "skip": "SKIPPED",
        "xfail": "XFAIL",
    }
    assert walk.display.calls == ["start", "finish"]
    assert walk.display.said == []


def test_events_are_ordered_and_complete(walk):
    walk.write("a")
    walk.write("b", depends=[["a"]])
    walk.run("t", argv=("canary", "run", "t"))
    events = walk.display.events
    assert isinstance(events[0], SessionStarted)
    assert isinstance(events[-1], SessionFinished)
    assert (events[0].jobs, events[0].argv) == (2, ("canary", "run", "t"))
    assert (events[-1].exit_code, events[-1].counts) == (0, {"SUCCESS": 2})
    kinds = [(e.kind.removeprefix("job_"), e.name) for e in events[1:-1]]
    assert kinds == [(k, n) for n in "ab" for k in ("submitted", "started", "finished")]
    log = walk.display.session.directory / journal.LOG
    decoded = [journal.decode_event(line) for line in journal.read_lines(log)]
    assert [e for e in decoded if e is not None] == events


def test_what_a_session_leaves_behind(walk):
    walk.write("d/a", "echo hello; pwd > where")
    summary = walk.run("t")
    directory = walk.root / ".canary" / "sessions" / summary.session
    work = directory / "d" / "a"
    assert sorted(os.listdir(directory)) == ["d", "events.jsonl", "session.lock"]
    assert sorted(os.listdir(work)) == ["a.shx", "canary-out.txt", "testcase.lock", "where"]
    assert (work / "canary-out.txt").read_text() == "hello\n"
    assert (work / "where").read_text().strip() == str(work)
    assert (work / "a.shx").readlink() == walk.tree / "d" / "a.shx"
    lock = json.loads((directory / "session.lock").read_text())
    assert lock["returncode"] == 0
    assert len(lock["job_ids"]) == 1
    assert (walk.root / ".canary" / "refs" / "latest").read_text().strip().endswith(summary.session)
    assert (walk.root / "TestResults" / "d" / "a" / "where").exists()
    job = load_job_from_file(work)
    assert job.status.outcome.name == "SUCCESS"
    row = walk.row("a")
    assert (row.session, row.workspace, row.fullname) == (summary.session, str(work), "d/a")
    assert row.times["submitted"] <= row.times["started"] <= row.times["stopped"]


def test_dependencies_see_each_other_s_directories(walk):
    walk.write("first", "echo 42 > value")
    walk.write("second", "cp ../first/value mine", depends=[["first"]])
    assert walk.run("t").exit_code == 0
    (lock,) = (walk.root / ".canary/sessions").glob("*/second/testcase.lock")
    assert json.loads(lock.read_text())["dependencies"][0]["path"] == "first"


def test_a_blocked_job_says_why(walk):
    walk.write("bad", "exit 1")
    walk.write("after", depends=[["bad"]])
    walk.write("anyway", depends=[["bad", "always"]])
    assert walk.run("t").exit_code == 8
    assert walk.results() == {"bad": "FAILED", "after": "BLOCKED", "anyway": "SUCCESS"}
    assert "bad" in walk.row("after").reason


def test_timeouts_come_by_keyword_with_a_multiplier(walk):
    walk.write("slow", "sleep 60", keywords=["tiny"])
    summary = walk.run("t", timeouts={"tiny": 0.1}, multiplier=2.0)
    assert summary.exit_code == 4
    assert walk.results() == {"slow": "TIMEOUT"}
    assert "0.2 s" in walk.row("slow").reason


def test_jobs_too_long_for_the_session_are_left_out(walk):
    walk.write("short", timeout=10.0)
    walk.write("long", timeout=50.0)
    walk.run("t", policy=Policy(session_timeout=60.0), multiplier=1.0)
    assert walk.results() == {"short": "SUCCESS", "long": "SUCCESS"}
    walk.run("t", only="all", policy=Policy(session_timeout=60.0), multiplier=2.0)
    assert walk.ran() == ["short"]


def test_the_session_s_environment_is_stored_without_secrets(walk, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hush")
    monkeypatch.setenv("MY_NAME", "value")
    walk.write("a", '[ "$MY_TOKEN" = hush ]')
    assert walk.run("t").exit_code == 0
    book = walk.store()
    data = book.session(walk.display.session.name)
    book.close()
    assert data["environment"]["MY_NAME"] == "value"
    found = subprocess.run(
        ["grep", "-rla", "hush", str(walk.root / ".canary")], capture_output=True, check=False
    )
    assert found.stdout == b""


def test_retries_are_events_and_the_last_result_counts(walk):
    walk.write("flaky", 'n=$(cat ../../../../n 2>/dev/null); echo 1$n > ../../../../n; [ "$n" ]')
    assert walk.run("t", policy=Policy(until_pass=1)).exit_code == 0
    ends = [(e.status.outcome.name, e.attempt, e.retry) for e in walk.display.of(JobFinished)]
    assert ends == [("FAILED", 1, True), ("SUCCESS", 2, False)]
    assert walk.row("flaky").attempt == 2


# again


def test_what_passed_is_not_run_again(walk):
    walk.write("good")
    walk.write("bad", "[ -e ../../../../mended ]")
    first = walk.run("t")
    assert first.exit_code == 8
    (walk.root / "mended").touch()
    second = walk.run("t")
    assert walk.ran() == ["bad"]
    assert second.exit_code == 0
    assert walk.results() == {"good": "SUCCESS", "bad": "SUCCESS"}
    assert second.session > first.session
    with pytest.raises(NothingToRun, match="2 left out: passed before"):
        walk.run("t")


def test_without_words_what_is_known_is_run_again(walk):
    walk.write("a")
    walk.write("b", "exit 1", depends=[["a"]])
    walk.run("t")
    walk.run()
    assert walk.ran() == ["b"]
    walk.run(only="all")
    assert sorted(walk.ran()) == ["a", "b"]


def test_an_upstream_that_is_not_run_again_lends_its_directory(walk):
    walk.write("a", "echo once >> ../../../../count; echo 42 > value")
    walk.write("b", "exit 1", depends=[["a"]])
    walk.run("t")
    walk.write("b", "cat testcase.lock; exit 0", depends=[["a"]])
    assert walk.run("t").exit_code == 0
    assert (walk.root / "count").read_text() == "once\n"
    job = load_job_from_file(walk.row("b").workspace)
    (upstream,) = job.upstreams
    assert upstream.workspace.joinpath("value").read_text() == "42\n"
    assert upstream.status.outcome.name == "SUCCESS"


def test_only_what_changed(walk):
    old, new = walk.write("old"), walk.write("new")
    walk.run("t")
    os.utime(old, (1.0, 1.0))
    os.utime(new, (9e9, 9e9))
    walk.run("t", only="changed")
    assert walk.ran() == ["new"]


def test_jobs_are_run_again_by_name_id_and_path_of_the_view(walk):
    for name in ("a", "d/b"):
        walk.write(name)
    walk.run("t")
    id = walk.row("b").id
    for word in ("b", "d/b", id, id[:9], f"/{id[:9]}", "TestResults/d/b", "TestResults/d"):
        walk.run(word)
        assert walk.ran() == ["b"], word
    walk.run("a", "b")
    assert sorted(walk.ran()) == ["a", "b"]


def test_a_name_that_nobody_has_is_an_error(walk):
    walk.write("a")
    walk.run("t")
    with pytest.raises(UsageError, match="'zzz' is no path, and no job or tag"):
        walk.run("zzz")


def test_a_tag_is_a_selection_with_a_name(walk):
    walk.write("a", keywords=["k"])
    walk.write("b")
    walk.run("t", tag="mine", criteria=Criteria(keywords=("k",)))
    walk.run("t")
    assert walk.ran() == ["b"]
    with pytest.raises(NothingToRun, match="passed before"):  # not as with a name or an ID
        walk.run("mine")
    walk.run("mine", only="all")
    assert walk.ran() == ["a"]
    with pytest.raises(UsageError, match="cannot be a tag"):
        walk.run("t", only="all", tag="a/b")


def test_a_file_that_is_gone_leaves_its_last_result(walk):
    walk.write("a")
    walk.write("b").unlink()
    walk.run("t")
    (walk.tree / "a.shx").unlink()
    with pytest.raises(NothingToRun):
        walk.run("t")
    assert walk.results() == {"a": "SUCCESS"}


def test_run_times_are_learnt(walk):
    walk.write("a", "sleep 0.2")
    walk.run("t")
    seen = walk.run("t", only="all")
    assert seen.exit_code == 0
    (job,) = walk.display.session.jobs
    assert 0.2 <= job.runtime < 10
    assert job.history.count == 2


def test_unchanged_files_are_not_read_again(walk, monkeypatch):
    walk.write("a")
    walk.run("t")
    monkeypatch.setattr(Shell, "load", lambda self, file: 1 / 0)
    assert walk.run("t", only="all").exit_code == 0


# what is left out


def test_what_is_left_out_has_a_reason(walk):
    walk.write("a", keywords=["k"])
    walk.write("b")
    walk.write("off", mask="not here")
    walk.run("t", criteria=Criteria(keywords=("k",)))
    book = walk.store()
    reasons = {name: reason for _, name, reason in book.excluded(walk.display.session.name)}
    book.close()
    assert reasons == {"b": "keyword expression 'k'", "off": "not here"}
    assert walk.display.of(SessionStarted)[0].excluded == {
        "keyword expression 'k'": 1,
        "not here": 1,
    }
    assert walk.results() == {"a": "SUCCESS"}


def test_nothing_to_run_says_why(walk):
    walk.write("a")
    with pytest.raises(NothingToRun, match="1 left out: keyword expression 'zzz'") as caught:
        walk.run("t", criteria=Criteria(keywords=("zzz",)))
    assert caught.value.exit_code == 7
    (walk.root / "empty").mkdir()
    with pytest.raises(NothingToRun, match=r"^no jobs to run"):
        walk.run("empty")
    assert os.listdir(walk.root / ".canary" / "sessions") == []


def test_no_workspace_and_no_path(walk):
    with pytest.raises(UsageError, match="no workspace here and no path"):
        walk.run()
    assert not (walk.root / ".canary").exists()


def test_an_oversized_job_is_a_result(walk):
    walk.write("wide", parameters={"cpus": 5000})
    walk.write("narrow")
    assert walk.run("t").exit_code == 32
    assert walk.results() == {"wide.cpus=5000": "OVERSIZED", "narrow": "SUCCESS"}


def test_counts_and_oversubscription_change_the_machine(walk):
    walk.write("wide", parameters={"cpus": 64})
    assert walk.run("t", counts=(("cpus", 64),)).exit_code == 0
    assert walk.run("t", only="all", counts=(("cpu", 32),)).exit_code == 32
    counts = {"counts": (("cpus", 32),), "oversubscribe": (("cpus", 2),)}
    assert walk.run("t", only="all", **counts).exit_code == 0


# bad input


def test_all_errors_are_shown_at_once_and_nothing_runs(walk):
    walk.write("good")
    (walk.tree / "bad.shx").write_text("# {\n")
    walk.write("lost", depends=[["nowhere"]])
    with pytest.raises(CanaryErrors) as caught:
        walk.run("t")
    assert caught.value.exit_code == 3
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{walk.tree}/bad.shx:1: the first line cannot be read")
    assert "'nowhere'" in lines[1]
    assert walk.results() == {}


def test_a_resource_that_is_no_int_is_an_error_of_its_file(walk):
    walk.write("bad", parameters={"cpus": 1.5})
    walk.write("good")
    with pytest.raises(CanaryErrors, match=r"bad\.shx: cpus: .*cpus=1\.5 is a float"):
        walk.run("t")
    assert os.listdir(walk.root / ".canary" / "sessions") == []


def test_permissive_runs_the_rest_and_records_what_is_invalid(walk):
    walk.write("good")
    (walk.tree / "bad.shx").write_text("# {\n")
    walk.write("lost", depends=[["nowhere"]])
    walk.write("after", depends=[["lost"]])
    walk.write("odd", parameters={"cpus": 1.5})
    summary = walk.run("t", permissive=True)
    assert summary.exit_code == 8
    assert walk.results() == {
        "good": "SUCCESS",
        "bad": "INVALID",
        "lost": "INVALID",
        "after": "BLOCKED",
        "odd.cpus=1.5": "INVALID",
    }
    assert "bad.shx:1" in walk.row("bad").reason
    assert "nowhere" in walk.row("lost").reason
    assert {level for level, _ in walk.display.said} == {"error"}
    assert len(walk.display.said) == 3


def test_permissive_with_nothing_but_bad_files(walk):
    (walk.tree / "bad.shx").write_text("# {\n")
    assert walk.run("t", permissive=True).exit_code == 8
    assert walk.results() == {"bad": "INVALID"}


def test_two_roots_with_one_tree_do_not_share_directories(walk):
    for root in ("one", "two"):
        walk.tree = walk.root / root
        walk.write("d/a", f"echo {root} > who")
    assert walk.run("one", "two").exit_code == 0
    book = walk.store()
    works = [r.workspace for r in book.results()]
    book.close()
    assert sorted(Path(w, "who").read_text() for w in works) == ["one\n", "two\n"]
    views = [p.parent for p in (walk.root / "TestResults").glob("*/*/who")]
    assert len(set(views)) == 2


def test_a_file_whose_name_is_no_utf8(walk):
    path = os.fsencode(walk.tree) + b"/t\xff.shx"
    with open(path, "w") as f:
        f.write("exit 64\n")
    assert walk.run("t").exit_code == 2
    assert walk.results() == {"t\\xff": "DIFFED"}
    assert walk.run("t").exit_code == 2
    assert walk.run().exit_code == 2


# the view


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ({}, {"good", "bad"}),
        ({"only": "failed"}, {"bad"}),
        ({"only": "passed"}, {"good"}),
        ({"when": "never"}, None),
        ({"when": "on_success"}, None),
        ({"when": "on_failure"}, {"good", "bad"}),
        ({"mode": "copy"}, {"good", "bad"}),
    ],
)
def test_which_view_is_made(walk, view, shown):
    walk.write("good", "echo x")
    walk.write("bad", "exit 1")
    walk.run("t", view=View(name="V", **view))
    place = walk.root / "V"
    assert place.exists() == (shown is not None)
    if shown is not None:
        assert {p.name for p in place.iterdir()} == {".canary-view.json", *shown}
        assert all(p.is_symlink() != ("mode" in view) for p in place.iterdir() if p.is_dir())


def test_a_directory_in_the_way_of_the_view_is_a_warning(walk):
    walk.write("a")
    (walk.root / "TestResults").mkdir()
    (walk.root / "TestResults" / "mine").touch()
    assert walk.run("t").exit_code == 0
    (notice,) = walk.display.of(Notice)
    assert notice.level == "warning"
    assert "no view of canary's" in notice.text
    assert os.listdir(walk.root / "TestResults") == ["mine"]


def test_blocked_jobs_have_no_place_in_the_view(walk):
    walk.write("bad", "exit 1")
    walk.write("after", depends=[["bad"]])
    walk.run("t")
    assert not (walk.root / "TestResults" / "after").exists()


# workspaces


def test_a_workspace_may_be_elsewhere_or_wiped(walk):
    walk.write("a")
    far = walk.root / "far"
    far.mkdir()
    walk.run("t", canary_dir=far)
    assert (far / ".canary").is_dir()
    assert (far / "TestResults" / "a").exists()
    assert not (walk.root / ".canary").exists()
    walk.run("t", canary_dir=far, wipe=True)
    assert len(os.listdir(far / ".canary" / "sessions")) == 1


def test_a_workspace_of_the_older_tool_is_refused(walk):
    walk.write("a")
    walk.run("t")
    (walk.root / ".canary" / "VERSION").write_text("1.0.0")
    with pytest.raises(UsageError, match="older canary"):
        walk.run("t")
    (walk.root / ".canary" / "VERSION").write_text("9.0.0")
    with pytest.raises(WorkspaceError, match="version 9"):
        walk.run("t")


def test_a_preview_writes_nothing(walk):
    walk.write("a", keywords=["k"])
    walk.write("b")
    request = walk.request("t", criteria=Criteria(keywords=("k",)))
    choice = session.choose(request, walk.config(), None)
    specs = choice.collected.graph.specs
    assert len(specs) == 2
    assert [specs[id].name for id in choice.plan.run] == ["a"]
    (job,), machine = session.dry_run(request, walk.config())
    assert (job.name, machine.types) == ("a", {"cpus", "gpus"})
    assert sorted(os.listdir(walk.root)) == [".canary-root", "t"]


# ends


def test_an_interrupt_ends_a_session_in_order(walk):
    """The signal comes while the first of two is running, through the handler a user's would."""
    walk.write("slow", "sleep 60")
    walk.write("later", depends=[["slow", "always"]])
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    seen = Seen()
    seen.on_event = lambda e: os.kill(os.getpid(), signal.SIGTERM) if e.kind == "job_started" else 0
    summary = session.run(walk.request("t"), walk.config(), seen)
    assert summary.exit_code == 128 + signal.SIGTERM
    assert summary.interrupted == signal.SIGTERM
    assert walk.results() == {"slow": "INTERRUPTED", "later": "CANCELLED"}
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    book = walk.store()
    data = book.session(summary.session)
    book.close()
    assert (data["returncode"], data["measurements"]["sum"]) == (143, 16)


@pytest.mark.parametrize(
    ("error", "number"), [(Interrupted(signal.SIGTERM), 15), (KeyboardInterrupt(), 2)]
)
def test_an_interrupt_before_the_first_job_is_told_as_one(walk, error, number):
    class Slow:
        @hookspecs.hookimpl
        def canary_session_start(self):
            raise error

    walk.plugins.append(Slow())
    walk.write("a")
    summary = walk.run("t")
    assert (summary.exit_code, summary.interrupted) == (128 + number, number)
    row = walk.row("a")
    assert (row.outcome, row.reason) == ("CANCELLED", f"interrupted by signal {number}")
    assert walk.display.events[-1].exit_code == 128 + number
    book = walk.store()
    data = book.session(summary.session)
    book.close()
    assert (data["returncode"], data["measurements"]["sum"]) == (128 + number, 16)


def test_an_error_of_ours_is_raised_after_everything_is_written(walk, no_child_is_left):
    walk.write("a", "sleep 60")
    seen = Seen()

    def fail(event):
        if event.kind == "job_started":
            raise RuntimeError("a bug in the display")

    seen.on_event = fail
    with pytest.raises(RuntimeError, match="a bug in the display"):
        session.run(walk.request("t"), walk.config(), seen)
    assert walk.results() == {"a": "CANCELLED"}
    no_child_is_left()


def test_a_session_runs_in_another_thread_too(walk):
    walk.write("a", "exit 64")
    out = []
    thread = threading.Thread(target=lambda: out.append(walk.run("t").exit_code))
    thread.start()
    thread.join()
    assert out == [2]


def test_a_run_of_another_process_is_waited_for(walk):
    """Two at once in one workspace: the second says so, waits, and finds the results."""
    walk.write("a", "touch ../../../../begun; while [ ! -e ../../../../go ]; do sleep 0.02; done")
    first = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(tests=str(Path(__file__)), root=str(walk.root))]
    )
    while not (walk.root / "begun").exists():
        assert first.poll() is None
    seen = Seen()
    seen.say = lambda text, level="info": (seen.said.append(text), (walk.root / "go").touch())
    with pytest.raises(NothingToRun, match="passed before"):
        session.run(walk.request("t"), walk.config(), seen)
    assert first.wait() == 0
    assert str(first.pid) in seen.said[0]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


CHILD = """
import importlib.util
from pathlib import Path
spec = importlib.util.spec_from_file_location("test_session", {tests!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
walk = object.__new__(module.Walk)
walk.root, walk.plugins, walk.said = Path({root!r}), [module.Plugin()], []
raise SystemExit(walk.run("t").exit_code)
"""


def test_the_record_of_a_run_that_was_killed_is_taken_over(walk):
    """What had finished is kept; the rest runs; nothing of the killed run is left."""
    walk.write("done", "exit 64")
    walk.write("cut", "echo $$ > ../../../../pid; sleep 60", depends=[["done", "always"]])
    first = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(tests=str(Path(__file__)), root=str(walk.root))]
    )
    while not (walk.root / "pid").exists() or not (walk.root / "pid").read_text().strip():
        assert first.poll() is None
    first.kill()
    first.wait()
    survivor = int((walk.root / "pid").read_text())
    walk.write("cut", "exit 0", depends=[["done", "always"]])
    summary = walk.run("t", only="not_run")
    assert walk.ran() == ["cut"]
    assert summary.exit_code == 0
    assert walk.results() == {"done": "DIFFED", "cut": "SUCCESS"}
    assert any("was cut off: 1 result kept" in text for _, text in walk.display.said)
    assert not alive(survivor)
