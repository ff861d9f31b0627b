"""A run that was killed, or whose records were damaged: nothing is lost, nothing is run twice."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import re
import shutil
import signal
import sqlite3
import stat
from pathlib import Path

import pytest
from harness import THOROUGH, until

# six jobs: `a` and `b` are over, `x` and `y` run, `p` and `q` wait for them
QUICK = "n = begin('{name}')\ntell('end.{name}.%d' % n)"
SLOW = """
    n = begin("{name}")
    if n == 1:
        daemon("d.{name}")
        tell("up.{name}")
        hang()
    tell("end.{name}.%d" % n)
"""


def after(*names):
    return "".join(f"canary.directives.depends_on({name!r})\n" for name in names)


def six_jobs(world):
    for name in "ab":
        world.job(name, QUICK.replace("{name}", name))
    for name in "xy":
        world.job(name, SLOW.replace("{name}", name), directives=after("a", "b"))
    for name in "pq":
        world.job(name, QUICK.replace("{name}", name), directives=after("x", "y"))


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
@pytest.mark.parametrize("how", ["run", "resume"])
def test_05_kill_and_resume(world, see, how):
    if how == "resume" and not world.ours:
        pytest.skip("there is no `resume`")
    six_jobs(world)
    runner = world.start(*world.words())
    world.await_flags("up.x", "up.y", runner=runner)
    runner.send(signal.SIGKILL)
    runner.wait()
    words = world.words() if how == "run" else ["-c", "resource_pool:cpus:4", "resume"]
    done = world.canary(*words)
    see(done.code == 0, "the second run succeeds", done.trouble)
    jobs = world.jobs()
    see(jobs == dict.fromkeys("abxypq", "SUCCESS"), "every job has its result", jobs)
    see(not world.told("double."), "survivors are dead before", world.told("double."))
    see(world.ends() == dict.fromkeys("abxypq", 1), "each came to its end once", world.ends())
    see(not world.told("at.a.2"), "what had passed is not run again", world.told("at."))
    left = world.await_silence(1.0)
    see(not left, "no process of the first run is left", left)
    if world.ours:
        attempts = {r["name"]: r["attempt"] for r in world.records()}
        see(attempts["x"] == 2, "run again under a new attempt number", attempts)


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
@pytest.mark.parametrize("how", ["resume", "rm", "init"])
def test_05_without_its_mark(ours, see, how):
    """The session is known to be cut off, and what it left is ended before anything else."""
    ours.job("x", SLOW.replace("{name}", "x"))
    runner = ours.start(*ours.words("--launcher", "subprocess"))
    ours.await_flags("up.x", runner=runner)
    runner.send(signal.SIGKILL)
    runner.wait()
    (ours.sessions()[-1] / "running").unlink()
    doctor = ours.canary("doctor")
    see("cut off" in doctor.out, "doctor says that a session was cut off", doctor.out)
    words = {"resume": ["resume"], "rm": ["rm", "."], "init": ["init", "-w"]}[how]
    done = ours.canary(*words)
    see(done.code == 0, "it succeeds", done.trouble)
    left = ours.await_silence(1.0)
    see(not left, "no process of the first run is left", left)
    see(not ours.told("double."), "survivors are dead before", ours.told("double."))
    if how == "resume":
        see.same(ours.jobs(), {"x": "SUCCESS"}, "it was run again")
    else:
        see(not ours.workspace.exists() or not ours.sessions(), "nothing is kept")


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
def test_05_while_a_file_is_sourced(ours, see):
    """The shell, and what it has started, is the job's before the job is started."""
    again = "[ -e {0} ] || {{ touch {0}; (setsid sleep 600 &); sleep 600; }}\n"
    ours.write({"rc": again.format(ours.flag("up"))})
    ours.job("x", "tell('ran')", directives="canary.directives.source('rc')")
    runner = ours.start(*ours.words())
    ours.await_flags("up", runner=runner)
    runner.send(signal.SIGKILL)
    runner.wait()
    done = ours.canary("resume")
    see(done.code == 0, "it succeeds", done.trouble)
    see.same(ours.jobs(), {"x": "SUCCESS"}, "it was run again")
    left = ours.await_silence(1.0)
    see(not left, "no process of the first run is left", left)


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
@pytest.mark.parametrize("how", ["runner", "all"])
def test_05_of_batches_on_this_machine(ours, see, how):
    """No batch system holds them: what was cut off is as it is without batches."""
    six_jobs(ours)
    words = ours.words("-b", "backend=local", "-b", "spec=count:1")
    runner = ours.start(*words)
    ours.await_flags("up.x", "up.y", runner=runner)
    own = [p.pid for p in ours.living() if "--manifest" in p.command]
    see(len(own) >= 1, "jobs run in batches", ours.living())
    for pid in (runner.pid, *(own if how == "all" else ())):
        os.kill(pid, signal.SIGKILL)
    runner.wait()
    done = ours.canary(*words)
    see(done.code == 0, "the second run succeeds", done.trouble)
    see(not ours.told("double."), "survivors are dead before", ours.told("double."))
    see(ours.ends() == dict.fromkeys("abxypq", 1), "each came to its end once", ours.ends())
    left = ours.await_silence(1.0)
    see(not left, "no process of the first run is left", left)
    for _ in range(2):
        rows = [row for row in attempts(ours) if row[0] in "ax"]
        once = [("a", "SUCCESS", 1), ("x", "INTERRUPTED", 1), ("x", "SUCCESS", 2)]
        see.same(rows, once, "run again under a new attempt number")
        done = ours.canary("doctor", "--rebuild")
        see(done.code == 0, "and so it stands in the logs", done.trouble)


def attempts(world):
    """Name, outcome and attempt of all results that are in the store, the latest last."""
    sql = "select spec_name, status_outcome, attempt from results order by spec_name, session"
    with contextlib.closing(sqlite3.connect(database(world))) as db:
        return db.execute(sql).fetchall()


DEADLY = """
import os, signal
import canary

ends = []

@canary.hookimpl
def canary_event(event):
    ends.extend([event] * (event.kind == "job_finished"))
    if len(ends) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
def test_05_killed_with_nothing_left_to_run(ours, see):
    """All jobs are over, and their results are not in the store yet: resume puts them there."""
    three_jobs(ours)
    plugin = ours.home / "deadly.py"
    plugin.write_text(DEADLY)
    runner = ours.canary("-p", plugin, *ours.words())
    see(runner.code == -signal.SIGKILL, "it was killed", runner.trouble)
    see(len(ours.recorded()) == 3, "when all jobs were over", ours.recorded())
    done = ours.canary("resume")
    see(done.code == 7, "nothing is left to run", done.trouble)
    see("3 results kept" in done.err, "it says what is kept", done.err)
    see.same(ours.jobs(), THREE, "all results are there")
    see(ours.canary("doctor").code == 0, "doctor finds nothing")


@pytest.mark.experiment(5, "kill -9 of the main process, then resume")
def test_05_what_is_known_before_the_next_run(ours, see):
    """Looking at a workspace whose run was killed works, and changes nothing."""
    six_jobs(ours)
    runner = ours.start(*ours.words())
    ours.await_flags("up.x", "up.y", runner=runner)
    judge_unended(ours, see, "still runs")
    runner.send(signal.SIGKILL)
    runner.wait()
    judge_unended(ours, see, "was cut off")
    for words in (["status"], ["query", "jobs"], ["doctor"], ["info"]):
        done = ours.canary(*words)
        see("Traceback" not in done.text, f"`canary {words[0]}` works", done.trouble)
    doctor = ours.canary("doctor")
    see("cut off" in doctor.out, "doctor says that a session was cut off", doctor.out)
    # the mark and the ticket are there; rebuilding is no reason to run anything
    done = ours.canary("doctor", "--rebuild")
    see("Traceback" not in done.text, "`doctor --rebuild` works", done.trouble)
    jobs = ours.jobs()
    see(jobs.get("a") == "SUCCESS", "what was over is known", jobs)
    done = ours.run()
    said = ours.canary("status").err
    see(done.code == 0 and not said, "after the next run nothing is said", said + done.trouble)


def judge_unended(ours, see, what):
    """It is said that a session has no end, and no report takes what is missing for passed."""
    for words in (["status"], ["status", "--json"], ["info"], ["report", "json", "-o", "-"]):
        done = ours.canary(*words)
        line = done.err.strip()
        right = what in line and "4 of 6 jobs without a result" in line
        one = done.code == 0 and line.startswith("WARNING: ") and "\n" not in line
        see(right and one, f"`{' '.join(words)}` says in one line that it {what}", line)
    ends = {"a": "SUCCESS", "b": "SUCCESS", **dict.fromkeys("xy", "INTERRUPTED")}
    ends |= dict.fromkeys("pq", "CANCELLED")
    for more in ([], ["--session", "latest"]):
        report = json.loads(ours.canary("report", "json", "-o", "-", *more).out)
        said = {job["name"]: job["status"]["outcome"] for job in report.values()}
        see.same(said, ends, "the report has all jobs of the plan")
    for kind, bad, times in (
        ("junit", "<error", 4),
        ("tap", "not ok", 4),
        ("github", "::warning", 4),
        ("markdown", "ABORTED (CANCELLED) | 2", 1),
    ):
        said = ours.canary("report", kind, "-o", "-").out
        see(said.count(bad) == times, f"the report {kind} is not green", said[-400:])


THREE = {"a": "SUCCESS", "b": "FAILED", "c": "SUCCESS"}


def three_jobs(world):
    world.job("a", QUICK.replace("{name}", "a"))
    world.job("b", QUICK.replace("{name}", "b") + "\nreturn 1")
    world.job("c", QUICK.replace("{name}", "c"), directives=after("a"))


POINTS = ["log.append", "store.write", "store.commit", "rename", "mkdir", "spawn", "sync"]


@pytest.mark.experiment(7, "kill -9 at each write")
@pytest.mark.early
@pytest.mark.parametrize("first", range(1, 5) if THOROUGH else [1])
@pytest.mark.parametrize("point", POINTS)
def test_07_kill_at_every_write(ours, see, point, first):
    """At every fourth from the first, from the second and so on; or only from the first."""
    three_jobs(ours)
    for k in range(first, 100, 4):
        shutil.rmtree(ours.workspace, ignore_errors=True)
        for name in ours.told(""):
            ours.flag(name).unlink()
        first = ours.run(env={"CANARY_FAULT": f"{point}:kill:{k}"})
        if first.code != -signal.SIGKILL:
            see(first.code == 8, f"undisturbed from write {k} on", first.trouble)
            break
        known = [line["name"] for line in ours.recorded()]
        second = ours.run()
        at = f"killed at {point} {k}: "
        see(second.code == 8, at + "the next run has the tests' exit code", second.trouble)
        see.same(ours.stored(), THREE, at + "the same results")
        see(len(known) == len(set(known)), at + "no result twice", known)
        again = [n for n in known if n != "b" and ours.flag(f"at.{n}.2").exists()]
        see(not again, at + "what was recorded as passed is not run again", again)
        see(not ours.told("double."), at + "no job twice at once", ours.told("double."))
        left = ours.await_silence(1.0)
        see(not left, at + "no process is left", left)
        doctor = ours.canary("doctor")
        see(doctor.code == 0, at + "doctor finds nothing", doctor.trouble)
    else:
        see(False, "it comes to an end")
    see(k > 1, "there were such writes", k)


@pytest.mark.experiment(7, "kill -9 at each write")
@pytest.mark.parametrize("beside", [False, True])
def test_07_kill_while_the_store_is_made_anew(ours, see, beside):
    """At each step of `doctor --rebuild`: the next one keeps what the old store alone knew, also
    what of it was in a file of SQLite's `beside` it."""
    three_jobs(ours)
    ours.run("--tag", "mine", "-k", "none or not none")
    shutil.rmtree(ours.sessions()[0])  # nobody else knows of its results now
    ours.run()
    kept = ours.root / "kept"
    with contextlib.closing(sqlite3.connect(database(ours))) as db:
        if beside:
            db.execute("insert into selection_meta values('theirs', '{}')")
            db.commit()
        shutil.copytree(ours.workspace, kept)
    see((kept / "workspace.sqlite3-wal").exists() >= beside, "SQLite has a file beside it")
    for k in range(1, 40):
        shutil.rmtree(ours.workspace)
        shutil.copytree(kept, ours.workspace)
        fault = {"CANARY_FAULT": f"rename:kill:{k}"}
        first = ours.canary("doctor", "--rebuild", env=fault)
        at = f"killed at rename {k}: "
        if first.code != -signal.SIGKILL:
            see("BAD" not in first.out, at + "undisturbed", first.trouble)
            break
        second = ours.canary("doctor", "--rebuild")
        see(second.code == 0, at + "the next one succeeds", second.trouble)
        see.same(ours.stored(), THREE, at + "no result is lost")
        info = ours.canary("info").out
        see("mine" in info and ("theirs" in info) == beside, at + "no tag is lost", info)
        see((ours.workspace / "workspace.sqlite3.damaged").exists(), at + "the old one is kept")
        left = [p.name for p in ours.workspace.glob("workspace.sqlite3*")]
        see(not any("new" in name for name in left), at + "nothing is left over", left)
        see(ours.canary("doctor").code == 0, at + "doctor finds nothing")
    else:
        see(False, "it comes to an end")
    see(k > 2, "there were such steps", k)


@pytest.mark.experiment(7, "kill -9 at each write")
def test_07_kill_while_the_view_is_written(ours, see):
    """What it left is gone with the next view, and with the workspace."""
    run_once(ours)
    view = ours.home / "TestResults"
    for words in (["view", "refresh"], ["rm", "."]):
        first = ours.canary("view", "refresh", env={"CANARY_FAULT": "rename:kill"})
        left = list(view.glob(".canary-view.json.*~"))
        see(first.code == -signal.SIGKILL and left, "something is left", first.trouble)
        second = ours.canary(*words)
        see(second.code == 0, "the next command succeeds", second.trouble)
        left = [str(path) for path in view.glob(".canary-view.json.*~")]
        see(not left, f"`{words[0]}` removes it", left)
    see(not view.exists(), "nothing of the view stays")


@pytest.mark.experiment(12, "the file system of the store is full")
@pytest.mark.parametrize("point", ["write", "open", "rename", "sync"])
def test_12_while_the_store_is_made_anew(ours, see, point):
    """One line that says where; when there is room, it is made."""
    run_once(ours)
    for lock in ours.sessions()[0].glob("session.lock"):
        lock.unlink()
    done = ours.canary("doctor", "--rebuild", env={"CANARY_FAULT": f"{point}:ENOSPC"})
    said = done.err.splitlines()
    see(done.code != 0 and len(said) == 1, "it is one line", done.trouble)
    see(str(ours.workspace) in done.err and "make room" in done.err, "it says where", said)
    done = ours.canary("doctor", "--rebuild")
    see(done.code == 0, "it can be done later", done.trouble)
    see.same(ours.jobs(), THREE, "with all results")


def run_once(world):
    three_jobs(world)
    done = world.run()
    assert done.code == 8, done.trouble
    assert world.jobs() == THREE


def judge_damage(world, see, *, always=True):
    """One clear line, nothing wrong shown; and it can be mended."""
    done = world.canary("status")
    said = [line for line in done.err.splitlines() if line.strip()]
    if always or done.code:
        see(done.code != 0, "`status` fails", done.trouble)
        see(len(said) == 1 and "doctor" in done.err, "one line that says what to do", said)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    check = world.canary("doctor")
    see(check.code != 0, "doctor finds the damage", check.trouble)
    done = world.canary("doctor", "--rebuild")
    see(done.code == 0, "`doctor --rebuild` succeeds", done.trouble)
    if done.code == 0:
        see.same(world.jobs(), THREE, "all results are back")
        again = world.run()
        see(again.code == 8, "the next run goes on", again.trouble)
        see(world.told("at.a") == ["at.a.1"], "what passed is not run again", world.told("at.a"))


def database(world):
    return world.workspace / "workspace.sqlite3"


@pytest.mark.experiment(14, "header of the store overwritten")
def test_14_header(world, see):
    run_once(world)
    with database(world).open("r+b") as f:
        f.write(b"\x07garbage" * 16)
    judge_damage(world, see)


@pytest.mark.experiment(14, "header of the store overwritten")
def test_14_a_run_into_a_damaged_store(ours, see):
    run_once(ours)
    database(ours).write_bytes(b"garbage" * 1000)
    done = ours.run()
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see("doctor" in done.err, "it says what to do", done.trouble)
    see(ours.told("at.b") == ["at.b.1"], "nothing was run", ours.told("at.b"))


@pytest.mark.experiment(15, "store truncated; a stale journal beside it")
@pytest.mark.parametrize("part", [0.3, 0.5, 0.9])
def test_15_truncated(world, see, part):
    run_once(world)
    size = database(world).stat().st_size
    os.truncate(database(world), int(size * part) + 7)
    judge_damage(world, see, always=False)


@pytest.mark.experiment(15, "store truncated; a stale journal beside it")
@pytest.mark.parametrize("name", ["-wal", "-journal"])
def test_15_stale_journal(world, see, name):
    """What another database left is not taken for ours."""
    run_once(world)
    other = sqlite3.connect(world.root / "other", isolation_level=None)
    mode = name.removeprefix("-").replace("journal", "delete")
    other.execute(f"pragma journal_mode={mode}")
    other.execute("create table results(x)")
    other.execute("begin")
    other.executemany("insert into results values(?)", [("x" * 500,)] * 2000)
    if name == "-wal":
        other.execute("commit")
    stale = (world.root / f"other{name}").read_bytes()
    other.close()
    (world.root / f"workspace{name}").unlink(missing_ok=True)
    database(world).with_name(database(world).name + name).write_bytes(stale)
    done = world.canary("status")
    see("Traceback" not in done.text, "no traceback", done.trouble)
    if done.code == 0:
        see.same(world.jobs(), THREE, "the results are right")
    else:
        judge_damage(world, see)


@pytest.mark.experiment(15, "store truncated; a stale journal beside it")
def test_15_results_that_are_not_what_the_log_says(ours, see):
    """Damage that SQLite cannot see."""
    run_once(ours)
    with sqlite3.connect(database(ours)) as db:
        db.execute("update results set status_outcome='FAILED', status_category='FAIL'")
        db.execute("delete from results where spec_name='b'")
    db.close()
    check = ours.canary("doctor")
    see(check.code != 0, "doctor compares with the log", check.trouble)
    ours.canary("doctor", "--rebuild")
    see.same(ours.jobs(), THREE, "the log is the truth")


@pytest.mark.experiment(16, "garbage in a single record")
@pytest.mark.parametrize(
    "damage",
    [
        "timekeeper='{'",
        "timekeeper='[1]'",
        "measurements='nonsense'",
        "status_outcome='NO SUCH', status_category='NONE'",
        "status_code='x', timekeeper=x'00ff'",
    ],
)
def test_16_garbage_in_one_result(world, see, damage):
    run_once(world)
    with sqlite3.connect(database(world)) as db:
        try:
            db.execute(f"update results set {damage} where spec_name='a'")
        except sqlite3.Error as e:
            pytest.skip(f"no such column there: {e}")
    db.close()
    done = world.canary("status", "-rA" if world.ours else "-r", *([] if world.ours else ["A"]))
    see(done.code == 0, "`status` works", done.trouble)
    see("b" in done.out.split(), "others are shown", done.out[-300:])
    done = world.run()
    see(done.code in (0, 8), "the next run goes on", done.trouble)
    see.same(world.jobs(), THREE, "and has results of all")


@pytest.mark.experiment(16, "garbage in a single record")
def test_16_garbage_in_one_lock(world, see):
    run_once(world)
    path = next(p for p in world.sessions()[-1].rglob("testcase.lock") if p.parent.name == "a")
    path.unlink()
    path.write_bytes(b'{"schema": 1, "spec": [')
    done = world.canary("status")
    see(done.code == 0, "`status` works", done.trouble)
    # `c` is run again on its own, and reads what `a` came to
    done = world.canary("-c", "resource_pool:cpus:4", "run", "c")
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see.same(world.jobs()["c"], "SUCCESS", "what depends on it can be run")


@pytest.mark.experiment(16, "garbage in a single record")
def test_16_garbage_in_the_log(ours, see):
    """A line that is damaged is named and left out, and what it said is known from the store."""
    run_once(ours)
    log = ours.sessions()[-1] / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    at = next(i for i, x in enumerate(lines) if b'"job_finished"' in x and b'"a"' in x)
    for damage in (
        b"\xff\xfe\n",
        lines[at][:40] + b"\n",
        lines[at].replace(b"PASS", b"FAIL"),
    ):
        log.write_bytes(b"".join([*lines[:at], damage, *lines[at + 1 :]]))
        done = ours.canary("doctor", "--rebuild")
        see("Traceback" not in done.text, "no traceback", done.trouble)
        see("1 line" in done.text, "the damage is reported", done.text)
        see("1 result that its log lacked" in done.text, "what is kept is said", done.text)
        see.same(ours.jobs(), THREE, "nothing is lost, and nothing made up")
        see(ours.canary("doctor").code == 0, "it has come to an end", done.text)
        lines = log.read_bytes().splitlines(keepends=True)
        at = next(i for i, x in enumerate(lines) if b'"job_finished"' in x and b'"a"' in x)


@pytest.mark.experiment(16, "garbage in a single record")
@pytest.mark.early
@pytest.mark.parametrize("part", range(12) if THOROUGH else [0])
def test_16_the_log_ends_anywhere(ours, see, part):
    """Cut at each byte of its last lines: the rest counts, and nothing is made up."""
    run_once(ours)
    log = ours.sessions()[-1] / "events.jsonl"
    whole = log.read_bytes()
    first = whole.rindex(b'{"e":"job_finished"')
    for at in range(first + part, len(whole), 12 if THOROUGH else 150):
        log.write_bytes(whole[:at])
        done = ours.canary("doctor", "--rebuild")
        see(done.code == 0, f"byte {at}: it can be rebuilt", done.trouble)
        jobs = ours.stored()
        right = all(THREE[n] == o for n, o in jobs.items() if o != "INTERRUPTED")
        see(right and len(jobs) >= 2, f"byte {at}: what was whole counts", jobs)
    again = ours.run()
    see(again.code == 8, "the next run goes on", again.trouble)
    see.same(ours.jobs(), THREE, "and has all results")


@pytest.mark.experiment(15, "store truncated; a stale journal beside it")
@pytest.mark.early
@pytest.mark.parametrize("part", (None, 0.0, 0.5, 0.99) if THOROUGH else (None, 0.5))
def test_15_derived_files_that_are_gone_or_cut(ours, see, part):
    """Whatever is not the log can be made again, or was not needed."""
    run_once(ours)
    session = ours.sessions()[-1]
    view = ours.home / "TestResults"
    paths = [
        *(session / "session.lock", ours.workspace / "refs" / "latest", view / ".canary-view.json"),
        *(p for p in ours.workspace.iterdir() if p.name.startswith("workspace.sqlite3")),
        *sorted(session.glob("*/testcase.lock")),
    ]
    derived = {path: path.read_bytes() for path in paths}
    for group in [[p] for p in derived] if THOROUGH else [list(derived)]:
        for path in group:
            path.unlink(missing_ok=True)
            if part is not None:
                path.write_bytes(derived[path][: int(part * len(derived[path]))])
        at = f"{', '.join(p.name for p in group)}: "
        done = ours.canary("doctor", "--rebuild")
        see(done.code == 0, at + "it can be rebuilt", done.trouble)
        see.same(ours.jobs(), THREE, at + "all results are there")
        status = ours.canary("status")
        see("Traceback" not in status.text, at + "no traceback", status.trouble)
    again = ours.run()
    see(again.code == 8, "the next run goes on", again.trouble)
    see(ours.told("at.a") == ["at.a.1"], "what passed is not run again", ours.told("at.a"))


@pytest.mark.experiment(18, "two runs at once in one workspace")
def test_18_two_runs(world, see):
    for name in "abcd":
        body = f"n = begin('{name}')\ntell('up.{name}')\nhear('go')\ntell('end.{name}.%d' % n)"
        world.job(name, body)
    one = world.start(*world.words("--workers", "4"))
    world.await_flags(*(f"up.{n}" for n in "abcd"), runner=one)
    two = world.start(*world.words("--workers", "4"))
    signs = ("it waits", lambda: two.is_over() or "waiting" in two.text() or world.told("at.a.2"))
    until(*signs)
    world.flag("go").touch()
    first, second = one.wait(), two.wait()
    see(first.code == 0, "the first succeeds", first.trouble)
    see(second.code in (0, 7) or "lock" in second.text, "the second says why", second.trouble)
    see(not world.told("double."), "no job runs twice at once", world.told("double."))
    see(world.ends() == dict.fromkeys("abcd", 1), "each was run once", world.ends())
    see.same(world.jobs(), dict.fromkeys("abcd", "SUCCESS"), "all results are there")


@pytest.mark.experiment(18, "two runs at once in one workspace")
def test_18_different_tests(ours, see):
    """One after the other; neither loses anything."""
    for name in "ab":
        ours.job(f"{name}/{name}", f"tell('up.{name}')\nhear('go')")
    one = ours.start("run", ours.tests / "a")
    ours.await_flags("up.a", runner=one)
    two = ours.start("run", ours.tests / "b")
    until("the second says that it waits", lambda: "waiting" in two.text())
    ours.flag("go").touch()
    see(one.wait().code == 0, "the first succeeds", one.text())
    see(two.wait().code == 0, "the second succeeds", two.text())
    see.same(ours.jobs(), {"a": "SUCCESS", "b": "SUCCESS"}, "all results are there")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("how", ["rm", "init", "run"])
def test_18_no_workspace_is_removed_under_a_run(ours, see, how):
    """Who removes it waits, and who waits then for the same lock does not take it for the new
    one's."""
    ours.job("a", "n = begin('a')\ntell('up')\nhear('go')")
    one = ours.start(*ours.words())
    ours.await_flags("up", runner=one)
    removes = {"rm": ["rm", "."], "init": ["init", "-w"], "run": ours.words("-w")}
    others = [ours.start(*words) for words in (removes[how], removes["run"], ours.words())]
    for other in others:
        until("it waits", lambda other=other: "waiting" in other.text() or other.is_over())
    ours.flag("go").touch()
    see(one.wait().code == 0, "the first succeeds", one.text())
    for other in others:
        done = other.wait()
        see(done.code in (0, 7), "the others come to their end", done.trouble)
        see("Traceback" not in done.text, "no traceback", done.trouble)
    see(not ours.told("double."), "no job runs twice at once", ours.told("double."))
    see(not list(ours.home.glob(".canary.*")), "nothing is left beside it")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("how", ["rm", "init", "run"])
def test_18_no_workspace_is_removed_under_a_report(ours, see, how):
    """A run is not over before its reports are written: they would lack what the next removes."""
    ours.job("a", "print('told')")
    one = ours.reporting()
    two = ours.start(*{"rm": ["rm", "."], "init": ["init", "-w"], "run": ours.words("-w")}[how])
    until("it waits", lambda: "waiting" in two.text() or two.is_over())
    see(not two.is_over(), "it waits for the report", two.text())
    ours.flag("go").touch()
    see(one.wait().code == 0, "the first succeeds", one.text())
    see(two.wait().code == 0, "the second, too", two.text())
    see.same(ours.flag("out.a").read_text(), "told\n", "all is in the report")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("how", ["init", "run"])
def test_18_a_run_that_begins_while_the_workspace_is_made_anew(ours, see, how):
    """The old one is gone and the new one not there: whoever comes makes one, and is waited for."""
    ours.job("a", "n = begin('a')\ntell('up')\nhear('go')\ntell('end.a.%d' % n)")
    ours.canary("init")
    wiping = {"init": ["init", "-w"], "run": ours.words("-w")}[how]
    one = ours.start(*wiping, env={"CANARY_FAULT": "renew:slow=4:1"})
    until("the old one is gone", lambda: not ours.workspace.exists())
    two = ours.start(*ours.words())
    ours.await_flags("up", runner=two)
    until("the first waits for the second", lambda: "waiting" in one.text() or one.is_over())
    ours.flag("go").touch()
    see(two.wait().code == 0, "the second succeeds", two.text())
    see(one.wait().code == 0, "the first, too", one.text())
    see(not ours.told("double."), "no job runs twice at once", ours.told("double."))
    see.same(ours.jobs(), {"a": "SUCCESS"} if how == "run" else {}, "it was made anew")
    see(not list(ours.home.glob(".canary.*")), "nothing is left beside it")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("words", [[], ["-w"]], ids=["plain", "wiping"])
def test_18_first_runs_at_once(ours, see, words):
    """Each of them would make the workspace; with -w, each of them runs all."""
    for name in "ab":
        ours.job(name, f"n = begin('{name}')\ntell('end.{name}.%d' % n)")
    runs = [ours.start(*ours.words(*words)) for _ in range(4)]
    for run in runs:
        done = run.wait()
        see(done.code in ((0,) if words else (0, 7)), "it comes to its end", done.trouble)
        see("Traceback" not in done.text, "no traceback", done.trouble)
    see(not ours.told("double."), "no job runs twice at once", ours.told("double."))
    if not words:
        see.same(ours.ends(), dict.fromkeys("ab", 1), "each job runs once")
    see.same(ours.jobs(), dict.fromkeys("ab", "SUCCESS"), "its results are there")
    see(not list(ours.home.glob(".canary.*")), "nothing is left beside it")


# exit codes of commands that begin at once, whatever the others do
AT_ONCE = {
    "run": (0, 7),
    "run --only all": (0,),
    "run -w": (0,),
    "init -w": (0,),
    "rm .": (0, 2),
    "gc": (0, 2),
    "status": (0, 2),
    "query jobs": (0, 2),
    "collect": (0, 2),
}
LACKS = re.compile("ERROR: .*(no workspace at or above|the workspace was removed meanwhile)")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("seed", range(4 if THOROUGH else 1))
def test_18_all_kinds_of_commands_at_once(ours, see, seed):
    """Some of them take the workspace away; then there is none, or another, and no damaged one."""
    for name in "ab":
        ours.job(name, f"begin('{name}')\ntell('end.{name}')")
    chance = random.Random(seed)
    for _ in range(5):
        chosen = [chance.choice(list(AT_ONCE)) for _ in range(6)]
        paths = {words: words.startswith(("run", "collect")) for words in chosen}
        started = [ours.start(*w.split(), *[ours.tests] * paths[w]) for w in chosen]
        for words, one in zip(chosen, started, strict=True):
            done = one.wait()
            see(done.code in AT_ONCE[words], f"{words} among {chosen}", done.trouble)
            see(done.code != 2 or LACKS.search(done.err), f"{words}: says why", done.trouble)
            see("Traceback" not in done.text, "no traceback", done.trouble)
    see(ours.canary("run", "--only", "all", ours.tests).code == 0, "it can be used")
    see.same(ours.jobs(), dict.fromkeys("ab", "SUCCESS"), "its results are there")
    see(ours.canary("doctor").code == 0, "doctor finds nothing")
    see(not list(ours.home.glob(".canary.*")), "nothing is left beside it")


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("how", ["rm", "init", "run", "resume"])
def test_18_a_copy_ends_nothing_of_the_original(ours, see, how):
    """Whoever copies a workspace while it is in use has two, and the run belongs to the first."""
    copy = ours.root / "copy"
    ours.job("a", "n = begin('a')\ntell('up')\nif n == 1:\n    hear('go')\ntell('end.a.%d' % n)")
    one = ours.start(*ours.words())
    ours.await_flags("up", runner=one)
    shutil.copytree(ours.home, copy, symlinks=True)
    words = {"rm": ["rm", "."], "init": ["init", "-w"], "run": ours.words(), "resume": ["resume"]}
    for _ in range(2 if how in ("run", "resume") else 1):
        done = ours.canary(*words[how], cwd=copy)
        see(done.code in (0, 7), "it succeeds", done.trouble)
        said = [line for line in done.err.splitlines() if "is left as it is" in line]
        see(len(said) == 1 and str(one.pid) in said[0], "one line says who runs it", done.text)
        see(not one.is_over(), "the original's run goes on", one.text())
    see(not ours.told("end.a.1"), "its job, too")
    ours.flag("go").touch()
    see(one.wait().code == 0, "and succeeds", one.text())
    see.same(ours.jobs(), {"a": "SUCCESS"}, "its result is there")
    if how in ("run", "resume"):
        done = ours.canary("run", "--only", "all", cwd=copy)
        see("was cut off" in done.text, "what was copied is closed then", done.text)
        see(ours.canary("doctor", cwd=copy).code == 0, "all is well")


@pytest.mark.experiment(18, "two runs at once in one workspace")
def test_18_a_copy_ends_no_batch_of_the_original(ours, see):
    """Neither by `hpc cancel`, whose word would be the copied lock's, nor by a run."""
    copy = ours.root / "copy"
    ours.job("a", "n = begin('a')\ntell('up')\nif n == 1:\n    hear('go')")
    one = ours.start(*ours.words("-b", "backend=local"))
    ours.await_flags("up", runner=one)
    shutil.copytree(ours.home, copy, symlinks=True)
    for words in (["hpc", "cancel"], ["hpc", "attach"]):
        done = ours.canary(*words, cwd=copy)
        see(
            done.code == 2 and "a copy of" in done.err, f"`{' '.join(words)}`: a line", done.trouble
        )
    see(ours.canary("run", cwd=copy).code in (0, 7), "a run there succeeds")
    left = list(copy.glob(".canary/sessions/*/hpc.batches/*/batch.lock"))
    see(len(left) == 1, "and leaves the batch alone", left)
    see(not one.is_over(), "the original's run goes on", one.text())
    ours.flag("go").touch()
    see(one.wait().code == 0, "and succeeds", one.text())


@pytest.mark.experiment(18, "two runs at once in one workspace")
def test_18_a_waiting_run_can_be_interrupted(ours, see):
    ours.job("a", "tell('up')\nhear('go')")
    one = ours.start(*ours.words())
    ours.await_flags("up", runner=one)
    two = ours.start(*ours.words())
    until("the second says that it waits", lambda: "waiting" in two.text())
    two.send(signal.SIGINT)
    done = two.wait(10)
    see(done.code == 130, "exit code 130", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    ours.flag("go").touch()
    see(one.wait().code == 0, "the first does not notice", one.text())


LOCKS = {
    "another host": ({"host": "elsewhere", "pid": 1, "start": 1, "boot": "x"}, False),
    "another boot": ({"pid": os.getpid(), "start": 1, "boot": "x"}, True),
    "another process of that number": ({"pid": os.getpid(), "start": 1}, True),
    "garbage": (b"\xff{", True),
    "nothing": (b"", True),
    "wrong types": ({"host": [], "pid": {}, "start": None}, True),
}


@pytest.mark.experiment(18, "two runs at once in one workspace")
@pytest.mark.parametrize("name", LOCKS)
def test_18_stale_locks(ours, see, name):
    """A lock is somebody's only while that very process lives; on another host, nobody knows."""
    content, free = LOCKS[name]
    three_jobs(ours)
    ours.canary("init")
    lock = ours.workspace / "run.lock"
    if isinstance(content, dict):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        content = json.dumps({"host": os.uname().nodename, "boot": boot, **content}).encode()
    lock.write_bytes(content)
    done = ours.run()
    if free:
        see(done.code == 8, "the lock is recognised as stale", done.trouble)
        return
    see(done.code == 2, "refused", done.trouble)
    said = done.err.splitlines()
    see(len(said) == 1 and "elsewhere" in said[0], "one line names the other host", said)
    lock.unlink()
    see(ours.run().code == 8, "as the line says, removing it helps")


KINDS = {
    "pipe": lambda path, _: os.mkfifo(path),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
    "link": lambda path, outside: path.symlink_to(outside),
    "directory": lambda path, _: path.mkdir(),
    "socket": lambda path, _: os.mknod(path, stat.S_IFSOCK | 0o600),
}
SESSION = ".canary/sessions/*"
OWN_FILES = (
    *(".canary/VERSION", ".canary/run.lock", ".canary/refs/latest"),
    *(f"{SESSION}/session.lock", f"{SESSION}/events.jsonl", "TestResults/.canary-view.json"),
)
LOOKING = ("status", "info", "describe a", "resume", "log", "report html -o -", "gc", "doctor")
WRITING = ("view refresh", "run --only all t", "doctor --rebuild", "rm .", "init -w")


@pytest.mark.experiment(25, "stored state that names types, and pickles")
@pytest.mark.parametrize("name", OWN_FILES, ids=os.path.basename)
def test_25_what_is_no_file(ours, see, name):
    """In the place of each of canary's own files: nothing hangs, nothing is written elsewhere."""
    run_once(ours)
    (path,) = ours.home.glob(name)
    view, kept, outside = ours.home / "TestResults", ours.root / "kept", ours.root / "outside"
    shutil.copytree(ours.home, kept, symlinks=True)
    limit = ["sh", "-c", 'ulimit -v 4000000; exec "$0" "$@"']
    for kind in KINDS if THOROUGH else ("pipe", "device"):
        for words in (*LOOKING, *WRITING):
            for directory in (ours.workspace, view):
                shutil.rmtree(directory, ignore_errors=True)
                shutil.copytree(kept / directory.name, directory, symlinks=True)
            path.unlink()
            KINDS[kind](path, outside)
            done = ours.canary(*words.split(), before=limit)
            at = f"a {kind}, `{words}`: "
            wrong = "Traceback" in done.text or "MemoryError" in done.text or "a bug" in done.err
            see(done.code in (0, 1, 2, 7, 8) and not wrong, at + "it ends", done.trouble)
            see(not outside.exists(), at + "nothing is written elsewhere")
            if words == "doctor --rebuild" and not name.endswith(("VERSION", "run.lock")):
                healed = ours.canary("doctor")
                see(done.code == healed.code == 0, at + "it is made whole", done.trouble)
                see.same(ours.stored(), THREE, at + "with all results")


@pytest.mark.experiment(25, "stored state that names types, and pickles")
def test_25_foreign_state(world, see):
    """Whatever lies in the workspace, nothing of it is imported or unpickled."""
    run_once(world)
    evil = "evil_module_of_the_fault_tests"
    (world.home / f"{evil}.py").write_text(f"open({str(world.flag('imported'))!r}, 'w').close()\n")

    class Bomb:
        def __reduce__(self):
            return (os.system, (f"touch {world.flag('unpickled')}",))

    bomb = pickle.dumps(Bomb())
    tags = {"__type__": f"{evil}.X", "type": f"{evil}:X", "class": f"{evil}.X", "__module__": evil}
    for path in list(world.workspace.rglob("*")):
        if path.name == "testcase.lock":
            data = json.loads(path.read_text())
            for part in (data, data.get("spec", {}), data.get("state", {}), data.get("status", {})):
                if isinstance(part, dict):
                    part.update(tags)
            path.unlink()
            path.write_text(json.dumps(data))
        elif path.suffix in (".p", ".pkl", ".pickle"):
            path.write_bytes(bomb)
    for name in ("cache.pkl", "session.pickle", "workspace.p", "state.p"):
        (world.workspace / name).write_bytes(bomb)
    with sqlite3.connect(database(world)) as db:
        tables = [r[0] for r in db.execute("select name from sqlite_master where type='table'")]
        for table in tables:
            columns = [(r[1], r[2].upper()) for r in db.execute(f"pragma table_info({table})")]
            for column, kind in columns:
                if kind == "BLOB":
                    db.execute(f"update {table} set {column}=?", (bomb,))
                elif kind == "JSON":
                    for word, value in tags.items():
                        db.execute(
                            f"update {table} set {column}=json_set({column}, '$.\"{word}\"', ?)"
                            f" where json_valid({column}) and json_type({column})='object'",
                            (value,),
                        )
    db.close()
    env = {"PYTHONPATH": str(world.home)}  # where it could be found
    for words in (
        ["status"],
        ["query", "jobs"],
        ["location", "a"],
        ["describe", "c"],
        ["log", "b"],
    ):
        done = world.canary(*words, env=env)
        see("Traceback" not in done.text, f"`{words[0]}`: no traceback", done.trouble)
    done = world.run("--only", "all", env=env)
    see(done.code == 8, "runs go on", done.trouble)
    see(not world.flag("imported").exists(), "nothing is imported")
    see(not world.flag("unpickled").exists(), "nothing is unpickled")
