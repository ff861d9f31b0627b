"""Test files, names, trees and configuration that mean harm, or are simply wrong."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise

import pytest
from harness import PATIENCE, THOROUGH, script

RTL = "\u202e"
ESCAPE = "\x1b[31m"
MEGABYTE = 1 << 20


def errors(done):
    return [line for line in done.err.splitlines() if "ERROR" in line]


NAMES = {
    "up": "../../../escape",
    "absolute": "/{flags}/escape",
    "nul": "a\\0b",
    "newline": "a\\nERROR: b",
    "long": "n" * 300,
    "dash": "-rf",
    "dots": "..",
    "empty": "",
    "right to left": RTL + "txt.exe",
    "escape": ESCAPE + "red",
    "percent": "%2E%2E",
    "surrogate": "\\udcff",
}


def judge_names(world, see, done, count):
    """Whatever they are called: nothing is outside, and it can be shown."""
    see("Traceback" not in done.text, "no traceback", done.trouble)
    outside = world.outside() + [n for n in world.told("") if not n.startswith("ran")]
    see(not outside, "nothing is outside", outside)
    see(RTL not in done.text and "\x1b" not in done.text, "shown harmlessly", done.text[-300:])
    everything = ["-rA"] if world.ours else ["-r", "A"]
    status = world.canary("status", *everything)
    see(status.code == 0, "`status` works", status.trouble)
    see(RTL not in status.out and "\x1b" not in status.out, "shown harmlessly", status.out[-300:])
    found = world.records()
    refused = errors(done)
    see(len(found) == count, f"{count} jobs, or why not", [r["name"] for r in found])
    places = [os.path.realpath(r["exec_dir"]) for r in found if r["status"]["outcome"] != "INVALID"]
    root = os.path.realpath(world.workspace) + "/"
    wrong = [p for p in places if not p.startswith(root)]
    see(not wrong, "their directories are in the workspace", wrong)
    see(len(set(places)) == len(places), "each has its own", places)
    see(len(world.told("ran")) + len(refused) >= count, "each ran or has a line", refused)


@pytest.mark.experiment(20, "hostile names and parameters")
@pytest.mark.parametrize("kind", ["name", "parameter"])
def test_20_names(world, see, kind):
    for number, text in enumerate(NAMES.values()):
        literal = '"' + text.replace("{flags}", str(world.flags)) + '"'
        line = {
            "name": f"canary.directives.name({literal})",
            "parameter": f"canary.directives.parameterize('p', [{literal}])",
        }[kind]
        world.job(f"f{number}", f"tell('ran.{number}')", directives=line)
    done = world.run("--parsing-policy", "permissive")
    judge_names(world, see, done, len(NAMES))
    see(len(world.told("ran")) >= 6, "most of them ran", world.told("ran"))


@pytest.mark.experiment(20, "hostile names and parameters")
def test_20_files(world, see):
    """Files and directories of such names."""
    names = (b"-rf.pyt", b"a\nb.pyt", b"a\xffb.pyt", b"n" * 240 + b".pyt", b"a b'\"$x.pyt")
    for number, name in enumerate(names):
        for place in (b".", b"d" + name[:-4]):
            body = script(f"tell('ran.{number}.{len(place)}')")
            directory = world.tests / os.fsdecode(place)
            directory.mkdir(exist_ok=True)
            (directory / os.fsdecode(name)).write_text(body)
    done = world.run()
    judge_names(world, see, done, 2 * len(names))
    see(done.code == 0, "all pass", done.trouble)


@pytest.mark.experiment(20, "hostile names and parameters")
def test_20_places(ours, see):
    """What says where to run or what to take along cannot lead out."""
    lines = [
        "canary.directives.execution_path('../../../x')",
        "canary.directives.execution_path('/tmp/x')",
        "canary.directives.copy(src='a.txt', dst='../../../x')",
        "canary.directives.link(src='a.txt', dst='/tmp/x/y')",
        "canary.directives.artifact('../../*')",
        "canary.directives.set_id('../../x')",
    ]
    ours.write({"a.txt": "text"})
    for number, line in enumerate(lines):
        ours.job(f"f{number}", f"tell('ran.{number}')", directives=line)
    judge_names(ours, see, ours.run("--parsing-policy", "permissive"), len(lines))


@pytest.mark.experiment(21, "links that loop, lead out, or are swapped")
def test_21_loops(world, see):
    """In the tree that is looked through, and in what is copied."""
    (world.tests / "up").symlink_to("..")
    (world.tests / "self").symlink_to(".")
    (world.tests / "a").symlink_to("b")
    (world.tests / "b").symlink_to("a")
    (world.tests / "data").mkdir()
    (world.tests / "data" / "again").symlink_to("../data")
    world.job("t", "tell('ran')", directives="canary.directives.copy('data')")
    done = world.run()
    see(done.code == 0, "it runs", done.trouble)
    see(len(world.records()) == 1, "one job", world.records())
    see("Traceback" not in done.text, "no traceback", done.trouble)


@pytest.mark.experiment(21, "links that loop, lead out, or are swapped")
@pytest.mark.parametrize("how", ["copy", "link"])
def test_21_directory_swapped(world, see, how):
    """A job puts a link where the next one's directory will be."""
    outside = world.root / "flags" / "outside"
    outside.mkdir()
    world.write({"data.txt": "text"})
    body = f"os.symlink({str(outside)!r}, '../b')\ntell('ran.a')"
    world.job("a", body)
    lines = f"canary.directives.{how}('data.txt')\ncanary.directives.depends_on('a')"
    world.job("b", "open('made', 'w').close()\ntell('ran.b')", directives=lines)
    done = world.run()
    found = os.listdir(outside)
    see(not found, "nothing is written outside", found)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(world.told("ran.a"), "the first ran", done.trouble)


@pytest.mark.experiment(21, "links that loop, lead out, or are swapped")
def test_21_links_in_the_view(world, see):
    """Somebody has put a link into the view where a directory was."""
    outside = world.root / "flags" / "outside"
    outside.mkdir()
    world.job("d/a", "tell('ran')")
    world.run()
    view = world.home / "TestResults"
    see((view / "d").exists(), "there is a view", os.listdir(world.home))
    for path in sorted(view.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (view / "d").symlink_to(outside)
    done = world.run("--only", "all")
    see(done.code == 0, "it runs", done.trouble)
    see(not os.listdir(outside), "nothing is written outside", os.listdir(outside))


@pytest.mark.experiment(21, "links that loop, lead out, or are swapped")
def test_21_wiping_leaves_what_is_foreign(ours, see):
    """`-w` removes what canary has made, and nothing else."""
    ours.job("d/a", "tell('ran')")
    ours.run()
    view = ours.home / "TestResults"
    (view / "thesis.txt").write_text("years of work")
    (view / "mine").mkdir()
    (view / "mine" / "more.txt").write_text("more of it")
    outside = ours.root / "flags" / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (view / "link").symlink_to(outside)
    done = ours.run("-w")
    see(done.code == 0, "it runs", done.trouble)
    left = sorted(os.listdir(view))
    see({"thesis.txt", "mine", "link"} <= set(left), "what is not of its making is left", left)
    see((view / "mine" / "more.txt").exists(), "all of it")
    see((outside / "kept").exists(), "no link is followed")
    see(len(ours.records()) == 1, "the session is new", ours.records())


@pytest.mark.experiment(21, "links that loop, lead out, or are swapped")
@pytest.mark.early
def test_21_a_very_deep_directory(ours, see):
    """A thousand levels below a job's directory, where names of files end, can be removed."""
    body = """
        for n in range(1100):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
        tell(f"ran.{len(os.listdir(FLAGS))}")
        return 1
    """
    ours.job("a", body)
    done = ours.run("--repeat-until-pass", "1")
    see(len(ours.told("ran")) == 2, "run again in a directory made anew", done.trouble)
    see(done.code == 8, "exit code 8", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    done = ours.run("-w")
    see(done.code == 8, "it can be wiped", done.trouble)
    see(len(ours.sessions()) == 1, "it is", ours.sessions())
    done = ours.canary("rm")
    see(done.code == 0 and not ours.workspace.exists(), "and removed", done.trouble)


LETTERS = "abcdefghijklmnopqrst"
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(LETTERS)
)
YAML = {
    "aliases": (ALIASES, "alias"),
    "depth": ("[" * 100_000, "deep|recursion|nested"),
    "twice": ("run:\n  workers: 1\n  workers: 2\n", "twice|duplicate"),
    "object": ("a: !!python/object/apply:os.system ['touch {flag}']\n", "python|tag"),
    "huge": (None, "larger|large|big"),
}


@pytest.mark.experiment(23, "YAML that is a bomb")
@pytest.mark.parametrize("what", YAML)
def test_23_configuration(world, see, what):
    text, said = YAML[what]
    path = world.root / "here" / "given.yaml"
    if text is None:
        with path.open("wb") as f:
            f.truncate(1 << 30)
    else:
        path.write_text(text.replace("{flag}", str(world.flag("imported"))))
    world.job("a", "tell('ran')")
    done, used = world.measured("-f", path, *world.words())
    see(not world.flag("imported").exists(), "nothing is run by reading it")
    see(used < 300 * MEGABYTE, "less than 300 MB", f"{used / MEGABYTE:.0f} MB")
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(done.code == 2, "refused", done.trouble)
    if done.code == 2:
        told = errors(done)
        see(len(told) == 1 and path.name in told[0], "one line names the file", told)
        see(re.search(said, done.err, re.IGNORECASE), "and says what is wrong", told)


@pytest.mark.experiment(23, "YAML that is a bomb")
@pytest.mark.parametrize("what", YAML)
def test_23_tests(ours, see, what):
    """The same as a test file; others are run, if the person says so."""
    text, said = YAML[what]
    if "yaml" not in ours.canary("plugins").out:
        pytest.skip("canary-yaml is not installed")
    path = ours.tests / "b.canary.yaml"
    if text is None:
        with path.open("wb") as f:
            f.truncate(1 << 30)
    else:
        path.write_text(text.replace("{flag}", str(ours.flag("imported"))))
    ours.job("a", "tell('ran')")
    done, used = ours.measured(*ours.words("--parsing-policy", "permissive"))
    see(not ours.flag("imported").exists(), "nothing is run by reading it")
    see(used < 300 * MEGABYTE, "less than 300 MB", f"{used / MEGABYTE:.0f} MB")
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(ours.told("ran") == ["ran"], "the other test is run", done.trouble)
    see(any("b.canary.yaml" in x for x in errors(done)), "a line names the file", errors(done))
    see(re.search(said, done.err, re.IGNORECASE), "and says what is wrong", errors(done))


@pytest.mark.experiment(26, "modules of the standard library in the current directory")
def test_26_modules_in_the_way(world, see):
    names = ("random", "select", "json", "yaml", "re", "site", "sitecustomize", "pluggy", "ast")
    for place in (world.home, world.tests, world.tests / "sub"):
        place.mkdir(exist_ok=True)
        for name in names:
            note = world.flag(f"imported.{name}")
            (place / f"{name}.py").write_text(f"open({str(note)!r}, 'w').close()\n1 / 0\n")
    # the script itself may import what lies beside it: this one imports nothing of the kind
    world.write({"sub/a.pyt": "import sys\nsys.exit(0)\n", "b.pyt": "import sys\nsys.exit(0)\n"})
    for name in ("sub/a.pyt", "b.pyt"):
        text = 'if __name__ == "__main__":\n    import sys\n    sys.exit(0)\n'
        (world.tests / name).write_text(text)
    for cwd in (world.home, world.tests):
        done = world.run("-w", cwd=cwd)
        see(done.code == 0, f"it runs in {cwd.name}", done.trouble)
        see(not world.told("imported"), "none is imported", world.told("imported"))
        done = world.canary("status", cwd=cwd)
        see(done.code == 0, f"`status` works in {cwd.name}", done.trouble)


LOCAL = ("-b", "backend=local")
WAYS = {
    "hpc run": ("hpc", "run", *LOCAL),
    "hpc exec": ("run", *LOCAL),
    "batches": ("-p", "lays.py", "run", *LOCAL),
    "detached": ("run", "--detach"),
    "-m": ("run",),
}
# whatever a batch is, it starts in a directory of its own
LAYS = """
import os, shutil
from canary_slurm.batch import BatchJob
prepare = BatchJob.prepare
def more(self, *words, **options):
    launch = prepare(self, *words, **options)
    lay(launch.cwd)
    return launch
def lay(place):
    shutil.copy("json.py", place)
    shutil.copytree("canary", os.path.join(place, "canary"))
BatchJob.prepare = more
"""


@pytest.mark.experiment(26, "modules of the standard library in the current directory")
@pytest.mark.parametrize("way", WAYS)
def test_26_a_canary_that_another_has_started(ours, see, way):
    """Where it starts lie a module `json` and a package of the same name as ours."""
    if way != "-m" and "slurm" not in ours.canary("plugins").out:
        pytest.skip("canary-slurm is not installed")
    text = f"open({str(ours.flag('imported'))!r}, 'w').close()\n1 / 0\n"
    (ours.home / "json.py").write_text(text)
    (ours.home / "lays.py").write_text(LAYS)
    if way == "-m":  # Python takes such a package before we are asked
        program = ours.root / "program.sh"
        program.write_text(f'#!/bin/sh\nexec {ours.exe.parent}/python -m canary "$@"\n')
        program.chmod(0o755)
        ours.exe = program
    else:
        (ours.home / "canary").mkdir()
        (ours.home / "canary" / "__init__.py").write_text(text)
    ours.job("a", "tell('ran')")
    done = ours.canary(*WAYS[way], ours.tests)
    left = ours.await_silence(PATIENCE)  # a detached run goes on
    see(not left, "no process is left", left)
    if way == "hpc exec":
        [batch] = ours.workspace.glob("sessions/*/hpc.batches/*")
        (batch / "events.jsonl").unlink()
        ours.flag("ran").unlink()
        done = ours.canary("hpc", "exec", batch)
    see(done.code == 0, "it runs", done.trouble)
    see(ours.told("ran") == ["ran"], "the test ran", done.trouble)
    see(not ours.told("imported"), "what lies there is not imported", done.trouble)
    see.same(ours.jobs(), {"a": "SUCCESS"}, "its result is there", more=done.trouble)


BAD_FILES = {
    "raises": "x = 1\nraise ValueError('no')\n",
    "exits": "import sys\n\nsys.exit(0)\n",
    "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "leaves": "import os\nos._exit(0)\n",
    "syntax": "def f(:\n",
    "recursion": "def f():\n    f()\nf()\n",
}
ODD_FILES = {
    "forks": "import os\nif os.fork() == 0:\n    pass\nelse:\n    os.wait()\n",
    "prints": "print('x' * 100_000)\nprint('\\x1b[31m')\n",
    "changes": "import os, signal\nos.chdir('/')\nos.environ.clear()\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\nos.close(1)\nos.umask(0o777)\n",
    "thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
}
RUNS = 'if __name__ == "__main__":\n    open({flag!r}, "w").close()\n'


def bad_and_good(world, bad):
    for name, text in {**(BAD_FILES if bad else {}), **ODD_FILES}.items():
        runs = RUNS.format(flag=str(world.flag(f"ran.{name}")))
        world.write({f"{name}.pyt": f"import canary\n{text}\n{runs}"})
    world.job("good", "tell('ran.good')")


@pytest.mark.experiment(27, "test files that do harm when they are read")
def test_27_by_default_nothing_is_run(world, see):
    bad_and_good(world, True)
    done = world.run()
    see(done.code == 3, "exit code 3", done.trouble)
    see(not world.told("ran"), "nothing is run", world.told("ran"))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    for name in BAD_FILES:
        told = [line for line in errors(done) if f"/{name}.pyt" in line]
        see(len(told) == 1, f"{name}: one line", told)
        if name in ("raises", "exits", "syntax"):
            see(told and re.search(r"\.pyt:\d+", told[0]), f"{name}: with its line", told)
    for name in (*ODD_FILES, "good"):
        told = [line for line in errors(done) if f"/{name}.pyt" in line]
        see(not told, f"{name} is no error", told)
    left = world.await_silence(2.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(27, "test files that do harm when they are read")
def test_27_permissive(world, see):
    bad_and_good(world, True)
    done = world.run("--parsing-policy", "permissive")
    jobs = world.jobs()
    see(world.told("ran.good") == ["ran.good"], "the others are run", done.trouble)
    see(jobs.get("good") == "SUCCESS", "the others have results", jobs)
    for name in ODD_FILES:
        see(jobs.get(name) == "SUCCESS", f"{name} is run", jobs.get(name))
    for name in BAD_FILES:
        see(jobs.get(name) == "INVALID", f"{name} has a row", jobs)


@pytest.mark.experiment(27, "test files that do harm when they are read")
def test_27_hangs(ours, see):
    """Named after the time for reading one file; what it started is dead."""
    text = """
        import os, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        while True:
            time.sleep(600)
    """
    ours.write({"hangs.pyt": text})
    ours.job("good", "tell('ran')")
    head, pool, *rest = ours.words("--parsing-policy", "permissive")
    done = ours.canary(head, pool, "-c", "run:timeout:collect:2s", *rest)
    told = [line for line in errors(done) if "hangs.pyt" in line]
    see(len(told) == 1 and "2 s" in told[0], "a line names it and the limit", done.trouble)
    see(ours.told("ran") == ["ran"], "the other is run", done.trouble)
    left = ours.await_silence(2.0)
    see(not left, "no process is left", left)


GRAPHS = {
    "itself": ({"a": "a"}, "a"),
    "cycle": ({"a": "b", "b": "c", "c": "a"}, "a.*b.*c|b.*c.*a|c.*a.*b|a.*c.*b"),
    "missing": ({"a": "nobody"}, "nobody"),
}


@pytest.mark.experiment(28, "dependencies that go in circles, are missing, or are very deep")
@pytest.mark.parametrize("what", GRAPHS)
def test_28_wrong_graphs(world, see, what):
    edges, said = GRAPHS[what]
    for name, other in edges.items():
        world.job(name, "tell('ran')", directives=f"canary.directives.depends_on({other!r})")
    done = world.run(seconds=20)
    see(done.code == 3, "exit code 3", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(not world.told("ran"), "nothing is run", world.told("ran"))
    line = " ".join(errors(done))
    see(re.search(said, re.sub(r"\S*/", "", line)), "the line names them", line)


@pytest.mark.experiment(28, "dependencies that go in circles, are missing, or are very deep")
@pytest.mark.early
@pytest.mark.parametrize("closed", [False, True])
def test_28_a_long_chain(ours, see, closed):
    """Thousands, each after the one before: put in order, or, where they meet, named."""
    count = 10_000 if THOROUGH else 2_000
    for n in range(count):
        before = n - 1 if n else count - 1
        line = f"canary.directives.depends_on('j{before}')\n" if n or closed else ""
        (ours.tests / f"j{n}.pyt").write_text(f"import canary\n{line}")
    done = ours.run("--dry-run")
    see("ecursion" not in done.text, "no recursion error", done.trouble[:300])
    see(done.code == (3 if closed else 0), "listed, or refused", done.trouble[:300])
    if closed:
        told = errors(done)
        see(len(told) == 1 and len(told[0]) < 2000, "one line of reasonable length", told[:2])


@pytest.mark.early
def test_very_many_tests_are_listed(ours, see):
    """A hundred thousand of one file, or a tenth of that: each is there, and memory is bounded."""
    count = 100_000 if THOROUGH else 10_000
    values = f"[(n,) for n in range({count})]"
    ours.write({"a.pyt": f"import canary\ncanary.directives.parameterize('p', {values})\n"})
    done, used = ours.measured("find", ours.tests, seconds=60)
    see(done.code == 0, "they are listed", done.trouble)
    listed = {int(n) for n in re.findall(r"\ba\.p=(\d+)", done.out)}
    see(listed == set(range(count)), f"all {count}", len(listed))
    see(used < 300 * MEGABYTE, "less than 300 MB", f"{used / MEGABYTE:.0f} MB")


def test_the_names_are_as_they_are_meant():
    """The experiment itself: what is written out is read as what it says."""
    for what, text in NAMES.items():
        line = '"' + text.replace("{flags}", "/x") + '"'
        made = json.loads(line.replace("\\0", "\\u0000").replace("\x1b", "\\u001b"))
        assert ("\0" in made) == (what == "nul")
    assert ALIASES.count("*") == 19 * 9
