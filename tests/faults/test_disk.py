"""Disks that are full, slow, broken or read-only: tests keep their verdicts, files stay whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from harness import THOROUGH

UNSHARE = ["unshare", "--mount", "--propagation", "private"]


def can_mount():
    """May we have a small file system of our own?"""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "t", "/mnt"], capture_output=True)
    return done.returncode == 0


def whole(see, place):
    """No half-written JSON, XML or SQLite below `place`."""
    for path in place.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            if path.suffix in (".json", ".lock") and path.stat().st_size:
                json.loads(path.read_text())
            elif path.suffix == ".xml":
                ET.parse(path)
            elif path.suffix == ".sqlite3":
                with sqlite3.connect(path) as db:
                    answer = db.execute("pragma integrity_check").fetchone()[0]
                db.close()
                see(answer == "ok", f"{path.name} is sound", answer)
        except (ValueError, ET.ParseError, sqlite3.Error) as e:
            see(False, f"{path.relative_to(place)} is whole", e)
        see("~" not in path.suffix, "no temporary file is left", path)


def warnings(done):
    return [line for line in done.err.splitlines() if line.startswith(("WARNING", "ERROR"))]


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_full_file_system(world, see):
    """A job fills it while others run; those have what they need, and end as they should."""
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    world.job(
        "fill",
        """
        hear("up.pass"); hear("up.fail")
        block = b"x" * 4096
        try:
            with open("fill", "wb", buffering=0) as f:
                for _ in range(2048):  # and no more where it is run again
                    f.write(block)
        except OSError as e:
            tell("ended by", e.errno)
        tell("full")
        """,
    )
    for name, code in (("pass", 0), ("fail", 1)):
        world.job(name, f"tell('up.{name}')\nhear('full')\nreturn {code}")
    script = world.root / "mounted.sh"
    copy = world.root / "copy"
    script.write_text(
        f"""
        mount -t tmpfs -o size=3m t {world.home} || exit 77
        cp -r {world.root}/tests {world.tests} && cd {world.home} || exit 77
        "$@"
        code=$?
        rm -f .canary/sessions/*/fill/fill
        cp -a {world.home} {copy}
        exit $code
        """
    )
    shutil.copytree(world.tests, world.root / "tests")
    before = [*UNSHARE, "sh", str(script)]
    done = world.start(*world.words("--workers", "4"), before=before).wait()
    see.same(world.flag("ended by").read_text(), str(errno.ENOSPC), "the file system was full")
    see(done.code == 8, "the exit code is that of the tests", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(len(warnings(done)) <= 1, "one warning at most", warnings(done))
    whole(see, copy)
    shutil.copytree(copy / ".canary", world.workspace, symlinks=True)
    if not world.ours:
        see(world.jobs() == {"fill": "SUCCESS", "pass": "SUCCESS", "fail": "FAILED"}, "results")
        return
    # what could not be stored then is made up for now that there is room
    again = world.run()
    see(again.code in (0, 8), "the next run goes on", again.trouble)
    jobs = world.jobs()
    see(jobs == {"fill": "SUCCESS", "pass": "SUCCESS", "fail": "FAILED"}, "all results", jobs)


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_streams_and_reports_on_a_full_file_system(ours, see):
    """No line of a stream is torn; of a report the file is named, and nothing else is left."""
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    ours.job(
        "fill",
        """
        for size in (4096, 1):
            try:
                with open("../../../../fill", "ab", buffering=0) as f:
                    for _ in range(4096):
                        f.write(b"x" * size)
            except OSError:
                pass
        """,
    )
    for n in range(6):
        ours.job(f"later{n}", "return 0", directives="canary.directives.depends_on('fill')")
    script = ours.root / "mounted.sh"
    script.write_text(
        f"""
        mount -t tmpfs -o size=700k t {ours.home} && cd {ours.home} || exit 77
        "$@"
        code=$?
        df . > {ours.root}/df
        cat /dev/zero >> fill
        {ours.exe} report markdown > {ours.root}/later 2>&1
        cp events {ours.root}/events
        ls > {ours.root}/ls
        exit $code
        """
    )
    shutil.move(ours.tests, ours.root / "tests")
    before = [*UNSHARE, "sh", str(script)]
    words = ["run", "--events", "events", "--report", "html", ours.root / "tests"]
    done = ours.start(*words, before=before).wait()
    see("100%" in (ours.root / "df").read_text(), "the file system was full")
    see(done.code == 8, "what could not be set up is broken", done.trouble)
    stream = (ours.root / "events").read_bytes()
    see(stream.endswith(b"\n"), "the stream ends with a line", stream[-40:])
    see(all(map(json.loads, stream.splitlines())), "each line is whole")
    see("stream of events (events) is incomplete" in done.err, "that it lacks some is said")
    (line,) = [line for line in warnings(done) if "report html" in line]
    why = "cannot write the report html: No space left on device (ENOSPC) [make room"
    see(f"{ours.home}/canary.html: {why}" in line, "what could not be written, and why", line)
    later = (ours.root / "later").read_text()
    see("cannot write the report markdown" in later, "nor another report", later)
    left = (ours.root / "ls").read_text().split()
    see(not {"canary.html", "MARKDOWN"} & set(left), "nothing is left of either", left)


THREE = {"a": "SUCCESS", "b": "FAILED", "c": "SUCCESS"}


def three_jobs(world):
    world.job("a", "return 0")
    world.job("b", "return 1")
    world.job("c", "return 0", directives="canary.directives.depends_on('a')")


# each fault, and what the three jobs come to: None where they are as without it
RECORDS = [
    f"{point}:{name}" for point in ("log.append", "store.write") for name in ("ENOSPC", "EIO")
]
RECORDS += ["sync:EIO", "store.commit:ENOSPC", "write:short"]


@pytest.mark.experiment(12, "the file system of the store is full")
@pytest.mark.parametrize("fault", RECORDS)
def test_12_records_that_cannot_be_written(ours, see, fault):
    """From the third time on (the first are those of the plan), and for ever."""
    three_jobs(ours)
    nth = "" if fault == "write:short" else ":3+"
    done = ours.run(env={"CANARY_FAULT": fault + nth})
    see(done.code == 8, "the exit code is that of the tests", done.trouble)
    see(len(warnings(done)) <= 1, "one warning at most", warnings(done))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    if fault != "write:short" and not fault.startswith("store.commit"):
        see(warnings(done), "one warning", done.err)
    whole(see, ours.workspace)
    again = ours.run()
    see(again.code == 8, "the next run goes on", again.trouble)
    told = [line for line in again.err.splitlines() if "kept" in line]
    see(all("3 results kept" in line for line in told), "it says what is kept", told)
    see(told or not fault.startswith("log."), "and that there was something to keep", again.err)
    see.same(ours.jobs(), THREE, "all results are there")
    doctor = ours.canary("doctor")
    see(doctor.code == 0, "doctor finds nothing", doctor.trouble)


@pytest.mark.experiment(12, "the file system of the store is full")
@pytest.mark.parametrize("point", ["log.append", "store.write"])
def test_12_space_comes_back(ours, see, point):
    """What could not be written meanwhile is written later, in the same run."""
    names = "abcdef"
    for before, name in zip(" " + names, names, strict=False):
        # longer than what is written together, so that there are some writes more
        lines = f"canary.directives.depends_on({before!r})" if before != " " else ""
        ours.job(name, "time.sleep(0.3)", directives=lines)
    done = ours.run(env={"CANARY_FAULT": ",".join(f"{point}:ENOSPC:{n}" for n in (3, 4))})
    see(done.code == 0, "the exit code is that of the tests", done.trouble)
    see(len(warnings(done)) == 1, "one warning", warnings(done))
    see.same(ours.jobs(), dict.fromkeys(names, "SUCCESS"), "all results are there")
    ours.canary("doctor", "--rebuild")
    see.same(ours.jobs(), dict.fromkeys(names, "SUCCESS"), "the log has all of them")


# what one job needs: that job is broken, the others are not
ONE_JOB = [
    "mkdir:EACCES:2",
    "mkdir:ENOSPC:2",
    "output:ENOSPC:2",
    "spawn:EMFILE:2",
    "spawn:EAGAIN:2",
]


@pytest.mark.experiment(12, "the file system of the store is full")
@pytest.mark.parametrize("fault", ONE_JOB)
def test_12_a_job_that_cannot_be_set_up(ours, see, fault):
    for name in "abcd":
        ours.job(name, "return 0")
    done = ours.run(env={"CANARY_FAULT": fault})
    jobs = ours.jobs()
    bad = {n: o for n, o in jobs.items() if o != "SUCCESS"}
    see(done.code == 8, "exit code 8", done.trouble)
    see(len(bad) == 1 and set(bad.values()) <= {"BROKEN", "ERROR"}, "one is broken", jobs)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    reason = next(r["status"]["reason"] for r in ours.records() if r["name"] in bad)
    see(reason, "and says why", reason)


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_nothing_can_be_written_from_the_start(ours, see):
    three_jobs(ours)
    for fault in ("store.write:ENOSPC", "open:EACCES", "log.open:EMFILE", "log.append:EIO"):
        shutil.rmtree(ours.workspace, ignore_errors=True)
        done = ours.run(env={"CANARY_FAULT": fault})
        see(done.code != 0, f"{fault}: no success", done.trouble)
        see("Traceback" not in done.text, f"{fault}: no traceback", done.trouble)
        see(len(warnings(done)) == 1, f"{fault}: one line", warnings(done))


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_slow_disk(ours, see):
    """Every write takes its time; time limits are those of the jobs, not of the disk."""
    three_jobs(ours)
    done = ours.run(env={"CANARY_FAULT": "write:slow=0.05,sync:slow=0.3,store.write:slow=0.3"})
    see(done.code == 8, "exit code 8", done.trouble)
    see.same(ours.jobs(), THREE, "all results are there")


POINTS = (
    *("open", "rename", "sync", "log.open", "log.append", "store.open", "store.write"),
    *("store.commit", "mkdir", "stage", "output", "spawn", "fork", "lock", "session", "renew"),
    "view",
)
KINDS = ("ENOSPC", "EIO", "EACCES", "EMFILE")


# each with every kind of fault, or with one of them
TRIALS = [
    (point, kind)
    for at, point in enumerate(POINTS)
    for kind in (KINDS if THOROUGH else [KINDS[at % len(KINDS)]])
]
TRIALS += [("write", kind) for kind in ((*KINDS, "short") if THOROUGH else (KINDS[0], "short"))]


@pytest.mark.experiment(12, "the file system of the store is full")
@pytest.mark.parametrize(("point", "kind"), TRIALS)
def test_12_each_boundary(ours, see, point, kind):
    """What goes wrong there, once or for ever, is a line or a job's result; later all is well."""
    three_jobs(ours)
    for nth in ("1", "2+") if THOROUGH else ("2+",):
        shutil.rmtree(ours.workspace, ignore_errors=True)
        wiping = ["-w"] if point == "renew" else []
        done = ours.run(*wiping, env={"CANARY_FAULT": f"{point}:{kind}:{nth}"})
        see("Traceback" not in done.text, f"{nth}: no traceback", done.trouble)
        see("this is a bug" not in done.err, f"{nth}: no bug of canary's", done.trouble)
        told = done.code == 8 or warnings(done)
        see(told, f"{nth}: the tests' exit code, or a line", done.text)
        left = ours.await_silence(2.0)
        see(not left, f"{nth}: no process is left", left)
        again = ours.run()
        see(again.code == 8, f"{nth}: the next run goes on", again.trouble)
        see.same(ours.stored(), THREE, f"{nth}: all results are there")
        doctor = ours.canary("doctor")
        see(doctor.code == 0, f"{nth}: doctor finds nothing", doctor.trouble)


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_the_points_are_those_of_the_manual(ours, see):
    """And each is known to the source."""
    root = Path(__file__).parents[2]
    sources = [*root.glob("canary/**/*.py"), *root.glob("plugins/*/src/**/*.py")]
    found = {p for f in sources for p in re.findall(r"\bfault\(\"([a-z.]+)\"\)", f.read_text())}
    see(found == set(POINTS), "those tried are all", found ^ set(POINTS))
    page = (root / "docs/explanation/recovery.md").read_text()
    missing = [p for p in (*POINTS, "write") if f"`{p}`" not in page]
    see(not missing, "the manual has them", missing)


@pytest.mark.experiment(12, "the file system of the store is full")
def test_12_a_fault_that_is_none(ours, see):
    done = ours.run(env={"CANARY_FAULT": "nonsense"})
    see(done.code == 2, "exit code 2", done.trouble)
    see(len(done.err.splitlines()) == 1, "one line", done.err)


def one_line(see, done, path, name):
    said = warnings(done)
    see(done.code == 2, "exit code 2", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(len(said) == 1, "one line", said)
    see(said and str(path) in said[0] and name in said[0], f"names {path.name} and {name}", said)


def blank_directory(world, mode):
    place = world.root / "place"
    place.mkdir()
    place.chmod(mode)
    return place


@pytest.mark.experiment(17, "a read-only workspace, a wrong owner, umask 077")
def test_17_directory_that_cannot_be_written(world, see, powerless):
    three_jobs(world)
    place = blank_directory(world, 0o555)
    done = world.start(*world.words(), cwd=place, before=powerless).wait()
    one_line(see, done, place, "EACCES")


@pytest.mark.experiment(17, "a read-only workspace, a wrong owner, umask 077")
def test_17_workspace_of_somebody_else(ours, see, powerless):
    """Made by one, and not writable by the other, who may still look."""
    three_jobs(ours)
    if not powerless:
        pytest.skip("there is only one user")
    ours.run()
    for path in (ours.workspace, *ours.workspace.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    done = ours.start(*ours.words(), before=powerless).wait()
    one_line(see, done, ours.workspace, "EACCES")
    for words in (["status"], ["query", "jobs"], ["log", "b"]):
        done = ours.start(*words, before=powerless).wait()
        see(done.code == 0, f"`{words[0]}` works", done.trouble)


@pytest.mark.experiment(17, "a read-only workspace, a wrong owner, umask 077")
def test_17_read_only_file_system(ours, see):
    if not can_mount():
        pytest.skip("no file system can be mounted here")
    three_jobs(ours)
    ours.run()
    script = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && "$@"'
    before = [*UNSHARE, "sh", "-c", script, "sh"]
    done = ours.start(*ours.words(), before=before).wait()
    one_line(see, done, ours.workspace, errno.errorcode[errno.EROFS])
    for words in (["rm", "."], ["init", "-w"], ours.words("-w")):
        done = ours.start(*words, before=before).wait()
        one_line(see, done, ours.workspace / "run.lock", errno.errorcode[errno.EROFS])
    for words in (["status"], ["query", "jobs"], ["doctor"]):
        done = ours.start(*words, before=before).wait()
        see("Traceback" not in done.text, f"`{words[0]}` works", done.trouble)
        see(words[0] == "doctor" or done.code == 0, f"`{words[0]}` works", done.trouble)


@pytest.mark.experiment(17, "a read-only workspace, a wrong owner, umask 077")
def test_17_umask(world, see):
    """What is made is for its owner alone, and works."""
    three_jobs(world)
    before = ["sh", "-c", 'umask 077 && exec "$@"', "sh"]
    done = world.start(*world.words(), before=before).wait()
    see(done.code == 8, "it works", done.trouble)
    others = [
        p for p in world.workspace.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o77
    ]
    see(not others, "nothing is for others", [str(p) for p in others[:3]])
    see.same(world.jobs(), THREE, "all results are there")


@pytest.mark.experiment(17, "a read-only workspace, a wrong owner, umask 077")
def test_17_workspace_that_others_may_write(ours, see):
    """Who can write there can choose what is run: refused, unless the owner allows it."""
    three_jobs(ours)
    ours.run()
    ours.workspace.chmod(0o777)
    done = ours.run(env={"CI": None})
    see(done.code == 2, "refused", done.trouble)
    see(len(warnings(done)) == 1 and "chmod" in done.err, "one line with the remedy", done.err)
    see(ours.canary("status").code == 0, "looking is allowed")
    ours.workspace.chmod(0o755)
    see(ours.run().code == 8, "the remedy helps")
