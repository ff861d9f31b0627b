"""A batch system that lies: silent, forgetful, slow or plainly wrong; no test passes unseen."""

from __future__ import annotations

import os
import sys

import pytest

# one program by five names; what it says beside the truth is in LIE
CLUSTER = '''#!{python}
import glob, os, subprocess, sys, time

NAME, ARGS = os.path.basename(sys.argv[0]), sys.argv[1:]
HOME, LIE = os.environ["FAKE_SLURM"], os.environ.get("FAKE_LIE", "")
SILENT = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


def write(path, text):
    with open(path + "~", "w") as f:
        f.write(text)
    os.rename(path + "~", path)


def fail(text, code=1):
    sys.stderr.write(NAME + ": error: " + text + "\\n")
    sys.exit(code)


def ids():
    return sorted(int(os.path.basename(p)) for p in glob.glob(HOME + "/[0-9]*") if p[-1] != "~")


def state(number):
    with open(f"{{HOME}}/{{number}}") as f:
        word, pid = f.read().split()
    return word, int(pid)


def asked():
    """How often this program was asked."""
    with open(HOME + "/asked." + NAME, "a") as f:
        f.write("x")
        return f.tell()


if NAME == "sinfo":
    print("n1|4|1|1000|(null)|all*|infinite|(null)")
elif NAME == "sbatch":
    if LIE == "limit":
        fail("QOSMaxSubmitJobPerUserLimit")
    if LIE == "slow":
        time.sleep(3)
    number = 1 if LIE == "twice" and ids() else len(ids()) + 1
    if LIE in ("never runs", "vanishes"):
        write(f"{{HOME}}/{{number}}", "RUNNING 0")
    else:
        runner = (
            "import os, subprocess, sys\\n"
            "home, number, script = sys.argv[1:]\\n"
            "code = subprocess.call(['bash', script])\\n"
            "end = 'COMPLETED 0' if code == 0 else 'FAILED 0'\\n"
            "open(home + '/' + number + '~', 'w').write(end)\\n"
            "os.rename(home + '/' + number + '~', home + '/' + number)\\n"
        )
        words = [sys.executable, "-c", runner, HOME, str(number), ARGS[-1]]
        null = subprocess.DEVNULL
        pid = subprocess.Popen(words, stdout=null, stderr=null, start_new_session=True).pid
        if not os.path.exists(f"{{HOME}}/{{number}}"):
            write(f"{{HOME}}/{{number}}", f"RUNNING {{pid}}")
    print(f"{{number}};cluster")
elif NAME == "squeue":
    if LIE == "silent":
        fail(SILENT)
    if LIE == "slow":
        time.sleep(3)
    if LIE == "garbage":
        print("\\x00\\x1b[31m||||\\n1|\\n2|NO_SUCH_STATE|\\xff")
        sys.exit(0)
    if LIE == "vanishes" and asked() > 1:
        sys.exit(0)
    for number in ids():
        word, _ = state(number)
        if LIE == "never runs":
            word = "COMPLETED"
        if LIE == "requeues" and word == "RUNNING" and asked() <= 2:
            word = "REQUEUED"
        print(f"{{number}}|{{word}}|None")
elif NAME == "sacct":
    if LIE in ("silent", "empty accounts"):
        sys.exit(0)
    if LIE == "never runs":
        print("1|COMPLETED\\n2|COMPLETED")
elif NAME == "scancel":
    for number in ids():
        word, pid = state(number)
        if str(number) in ARGS and word == "RUNNING" and pid:
            try:
                os.killpg(pid, 15)
            except OSError:
                pass
            write(f"{{HOME}}/{{number}}", "CANCELLED 0")
'''
PROGRAMS = ("sinfo", "sbatch", "squeue", "sacct", "scancel")
ALL_RUN = {"a": "SUCCESS", "b": "FAILED"}


@pytest.fixture
def cluster(ours):
    """Programs of a Slurm that is none; a function that gives the environment for a lie."""
    if "slurm" not in ours.canary("plugins").out:
        pytest.skip("canary-slurm is not installed")
    place = ours.root / "here" / "slurm"
    (place / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        path = place / "bin" / name
        path.write_text(CLUSTER.format(python=sys.executable))
        path.chmod(0o755)
    (place / "jobs").mkdir()

    def lying(what):
        path = f"{place / 'bin'}:{ours.exe.parent}:{os.environ['PATH']}"
        return {"PATH": path, "FAKE_SLURM": str(place / "jobs"), "FAKE_LIE": what}

    return lying


def run(world, env, *more):
    world.job("a", "tell('ran.a')\nreturn 0")
    world.job("b", "tell('ran.b')\nreturn 1")
    words = ["run", "-b", "backend=slurm", "-b", "spec=count:2", *more, world.tests]
    return world.canary(*words, env=env, seconds=55)


@pytest.mark.experiment(29, "a scheduler that lies")
@pytest.mark.early
@pytest.mark.parametrize("lie", ["", "empty accounts", "silent", "requeues", "slow", "garbage"])
def test_29_the_tests_run(ours, see, cluster, lie):
    """Whatever it says, what they leave is believed."""
    done = run(ours, cluster(lie))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(ours.told("ran.") == ["ran.a", "ran.b"], "both ran", ours.told("ran."))
    see.same(ours.jobs(), ALL_RUN, "both have their results", more=done.trouble)
    see(done.code == 8, "exit code 8", done.trouble)
    left = ours.await_silence(5.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(29, "a scheduler that lies")
@pytest.mark.early
@pytest.mark.parametrize("lie", ["never runs", "vanishes", "limit"])
def test_29_the_tests_do_not_run(ours, see, cluster, lie):
    """Whatever it says, they do not pass; the reason names it."""
    done = run(ours, cluster(lie))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(not ours.told("ran."), "none ran", ours.told("ran."))
    found = ours.records()
    see(len(found) == 2, "both have results", found)
    for record in found:
        status = record["status"]
        see(status["category"] != "PASS", f"{record['name']} does not pass", status)
        see(status["reason"], f"{record['name']}: there is a reason", status)
    see(done.code & (8 | 16 | 32), "the exit code says so", done.trouble)


@pytest.mark.experiment(29, "a scheduler that lies")
def test_29_one_number_for_two(ours, see, cluster):
    """Each has what its own batch left."""
    done = run(ours, cluster("twice"))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    jobs = ours.jobs()
    for name, right in ALL_RUN.items():
        passed = jobs.get(name) == "SUCCESS"
        see(not passed or (right == "SUCCESS" and f"ran.{name}" in ours.told("ran.")), name, jobs)
    see(len(jobs) == 2, "both have results", jobs)
