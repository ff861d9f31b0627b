"""Surroundings that one does not expect: jumping clocks, broken plugins, empty homes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import PATIENCE, script, until

# found by every Python that starts with it on its path: the wall clock obeys a file, the other not
JUMPING = """
import os, time
_time, _ns = time.time, time.time_ns
def _shift():
    try:
        with open(os.environ["FAULT_CLOCK"]) as f:
            return float(f.read() or 0)
    except (KeyError, OSError):
        return 0.0
time.time = lambda: _time() + _shift()
time.time_ns = lambda: _ns() + int(_shift() * 1e9)
"""


@pytest.mark.experiment(19, "the clock jumps by an hour")
@pytest.mark.early
@pytest.mark.parametrize("jump", [3600, -3600])
def test_19_clock(world, see, jump):
    """While two tests run: one comes to its end, the other to its time limit."""
    place = world.root / "here" / "clock"
    place.mkdir()
    (place / "sitecustomize.py").write_text(JUMPING)
    clock = world.flag("clock")
    clock.write_text("0")
    world.job("a", "tell('up.a')\nhear('go')", directives="canary.directives.timeout(60)")
    world.job("b", "tell('up.b')\nhang()", directives="canary.directives.timeout(6)")
    env = {"PYTHONPATH": str(place), "FAULT_CLOCK": str(clock)}
    began = time.monotonic()
    runner = world.start(*world.words(*world.only_ours("--grace=1")), env=env)
    world.await_flags("up.a", "up.b", runner=runner)
    world.flag("clock~").write_text(str(jump))
    world.flag("clock~").rename(clock)
    until("b is over", lambda: "TIMEOUT" in runner.text() or runner.is_over(), PATIENCE / 2)
    world.flag("go").touch()
    done = runner.wait()
    took = time.monotonic() - began
    see(done.code == 4, "exit code 4", done.trouble)
    see.same(world.jobs(), {"a": "SUCCESS", "b": "TIMEOUT"}, "limits are kept")
    for record in world.records():
        seconds = record["timings"]["running"]
        see(0 <= seconds <= took, f"{record['name']}: the time it ran", f"{seconds:.1f} s")


ENTITIES = '<?xml version="1.0"?>\n<!DOCTYPE a [\n<!ENTITY a0 "xxxxxxxxxx">\n' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">\n' for n in range(1, 12)
)


@pytest.mark.experiment(24, "CMake input that is a bomb")
@pytest.mark.early
@pytest.mark.parametrize("what", ["long property", "deep brackets", "endless loop", "garbage"])
def test_24_ctest(ours, see, what):
    """What CMake has written for ctest is a script: it is read by ctest, with a time limit."""
    if shutil.which("ctest") is None:
        pytest.skip("there is no ctest")
    text = {
        "long property": 'add_test(a "true")\nset_tests_properties(a PROPERTIES LABELS "%s")\n'
        % ("x;" * (4 << 20)),
        "deep brackets": 'add_test(a "true")\nset(x "%s")\n' % ("${" * 20_000),
        "endless loop": "while(TRUE)\nendwhile()\n",
        "garbage": "\x00\xff\x01 add_test(((\n",
    }[what]
    (ours.tests / "CTestTestfile.cmake").write_text(text, encoding="latin-1")
    ours.job("good", "tell('ran')")
    words = ours.words("--parsing-policy", "permissive")
    done, used = ours.measured("-c", "run:timeout:collect:3s", *words)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(used < 600 << 20, "less than 600 MB", f"{used >> 20} MB")
    see(ours.told("ran") == ["ran"], "the other test is run", done.trouble)
    see(done.seconds < 30, "in reasonable time", f"{done.seconds:.0f} s")
    left = ours.await_silence(2.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(24, "CMake input that is a bomb")
def test_24_xml(ours, see):
    """XML is written, and not read: a file of it beside the tests is nobody's."""
    (ours.tests / "Test.xml").write_text(ENTITIES + "]>\n<a>&a11;</a>\n")
    (ours.tests / "canary.xml").write_text(ENTITIES + "]>\n<a>&a11;</a>\n")
    ours.job("good", "tell('ran')")
    done, used = ours.measured(*ours.words())
    see(done.code == 0, "it runs", done.trouble)
    see(used < 200 << 20, "less than 200 MB", f"{used >> 20} MB")


# called in every run; while a job is set up; for other commands
HOOKS = (
    "canary_addhooks(pluginmanager)",
    "canary_settings()",
    "canary_configure(config)",
    "canary_unconfigure(config)",
    "canary_spec_generators()",
    "canary_ignore_path(path, config)",
    "canary_select(specs, config)",
    "canary_machine(config)",
    "canary_resources(config)",
    "canary_launchers(config)",
    "canary_group(jobs, config)",
    "canary_job_status(job, exit)",
    "canary_job_finish(job, exit)",
    "canary_session_start(session)",
    "canary_event(event)",
    "canary_session_finish(session, summary)",
    "canary_display(config)",
)
SETUP_HOOKS = ("canary_job_setup(job)", "canary_job_env(job)")
OTHER_HOOKS = {"report": "canary_reporters()", "of-a-plugin": "canary_commands()"}
PLUGIN = "import time\nimport canary\n\n\n@canary.hookimpl\ndef {hook}:\n    {body}\n"


def plugin(world, name, text):
    path = world.root / "here" / f"{name}.py"
    path.write_text(text)
    return path


def raising(world, hooks):
    """Options for plugins that each raise in one hook; `{hook: plugin}`."""
    words, names = ["--plugin-errors", "continue"], {}
    for hook in hooks:
        name = hook.partition("(")[0]
        names[name] = f"bad_{name}"
        text = PLUGIN.format(hook=hook, body=f"raise RuntimeError('from {name}')")
        words += ["-p", str(plugin(world, names[name], text))]
    return words, names


def judge_named(see, done, names):
    see("Traceback" not in done.text, "no traceback", done.trouble)
    for hook, name in names.items():
        told = [x for x in done.err.splitlines() if f"from {hook}" in x]
        see(told, f"{hook}: a line says so")
        see(all(name in x for x in told), f"{hook}: it is named", told)


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
def test_30_raises_in_every_hook(ours, see):
    """Named, and left out; the tests have their results."""
    three = {"a": "SUCCESS", "b/b": "FAILED", "c": "SUCCESS"}
    for name, outcome in three.items():
        ours.job(name, f"return {int(outcome == 'FAILED')}")
    words, names = raising(ours, HOOKS)
    done = ours.canary(*words, *ours.words())
    judge_named(see, done, names)
    see(done.code == 8, "the tests' exit code", done.trouble)
    see.same(ours.jobs(), {n[-1]: o for n, o in three.items()}, "all results")
    for command, hook in OTHER_HOOKS.items():
        words, names = raising(ours, [hook])
        judge_named(see, ours.canary(*words, command), names)
    see(ours.canary("doctor").code == 0, "doctor finds nothing")


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
@pytest.mark.parametrize("hook", SETUP_HOOKS)
def test_30_raises_while_a_job_is_set_up(ours, see, hook):
    """Nobody knows what that job lacks now: it is in error, and says why."""
    ours.job("a", "tell('ran')")
    words, names = raising(ours, [hook])
    done = ours.canary(*words, *ours.words())
    see("Traceback" not in done.text, "no traceback", done.trouble)
    [record] = ours.records()
    said = done.err + record["status"]["reason"]
    see(names.popitem()[1] in said, "it is named", said)
    if "setup" in hook:
        see(record["status"]["category"] == "FAIL", "it does not pass", record["status"])
        see(not ours.told("ran"), "it is not run", ours.told("ran"))


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
def test_30_by_policy_it_stops(ours, see):
    ours.job("a", "tell('ran')")
    text = PLUGIN.format(hook="canary_configure(config)", body="raise RuntimeError('no')")
    path = plugin(ours, "bad", text)
    done = ours.canary("--plugin-errors", "stop", "-p", path, *ours.words())
    told = [x for x in done.err.splitlines() if x.startswith("ERROR")]
    see(done.code != 0, "it does not run", done.trouble)
    see(len(told) == 1 and "bad" in told[0], "one line names it", told)
    see(not ours.told("ran"), "nothing is run", ours.told("ran"))
    left = ours.await_silence(1.0)
    see(not left, "no process is left", left)


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
@pytest.mark.early
@pytest.mark.parametrize("hook", ["canary_session_start(session)", "canary_job_finish(job, exit)"])
def test_30_hangs(ours, see, hook):
    """One that takes 5 s is named, once; nothing else suffers."""
    name = hook.partition("(")[0]
    path = plugin(ours, "slow", PLUGIN.format(hook=hook, body="time.sleep(5)"))
    ours.job("a", "return 0")
    done = ours.canary("-p", path, *ours.words())
    told = [x for x in done.err.splitlines() if "slow" in x]
    took = [float(n) for x in told for n in re.findall(r"(\d+\.\d) s", x)]
    see(done.code == 0, "the tests' exit code", done.trouble)
    see(len(told) == 1 and name in told[0], "one line names it", told)
    see(took and 5.0 <= took[0] <= 5.0 + ours.slack(), "and says how long it took", told)
    see.same(ours.jobs(), {"a": "SUCCESS"}, "the result is intact")


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
def test_30_lacks_something(ours, see):
    ours.job("a", "tell('ran')")
    path = plugin(ours, "lacking", "import no_such_module_at_all\n")
    for policy, code in (("continue", 0), ("stop", 3)):
        done = ours.canary("--plugin-errors", policy, "-p", path, *ours.words("--only", "all"))
        told = [x for x in done.err.splitlines() if "no_such_module_at_all" in x]
        see(len(told) == 1 and "lacking" in told[0], f"{policy}: one line names it", told)
        see("Traceback" not in done.text, f"{policy}: no traceback", done.trouble)
        see((done.code == 0) == (code == 0), f"{policy}: exit code", done.trouble)
    see(ours.told("ran") == ["ran"], "the test is run", ours.told("ran"))


@pytest.mark.experiment(30, "a plugin that raises, hangs, or lacks something")
def test_30_exits(ours, see):
    """`sys.exit` and the like in a hook are errors of that plugin."""
    body = "raise SystemExit(0)"
    path = plugin(ours, "leaver", PLUGIN.format(hook="canary_event(event)", body=body))
    ours.job("a", "return 1")
    done = ours.canary("--plugin-errors", "continue", "-p", path, *ours.words())
    see(done.code == 8, "the tests' exit code", done.trouble)
    see.same(ours.jobs(), {"a": "FAILED"}, "the result is intact")


# surroundings that are poor


def judge_pass(world, see, done):
    see(done.code == 0, "it runs", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(world.told("ran") == ["ran"], "the test ran", world.told("ran"))
    see.same(world.jobs(), {"a": "SUCCESS"}, "the result is there")


POOR = {
    "no home": {"HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None},
    "a home that is not there": {"HOME": "/nonexistent", "XDG_CACHE_HOME": None},
    "ASCII": {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no path": {"PATH": None},
    "a terminal nobody knows": {"TERM": "\x1b[31m", "COLUMNS": "x", "LINES": "-1"},
}


@pytest.mark.parametrize("what", POOR)
def test_poor_environments(world, see, what):
    world.job("a", "print('\\u00e4', file=open('x', 'w', encoding='utf-8'))\ntell('ran')")
    judge_pass(world, see, world.run(env=POOR[what]))


def test_an_empty_environment(ours, see):
    """But for what the experiment itself needs."""
    ours.job("a", "tell('ran')")
    kept = {"FAULT_FLAGS": str(ours.flags), "FAULT_MARK": ours.mark}
    words = ["env", "-i", *(f"{k}={v}" for k, v in kept.items())]
    judge_pass(ours, see, ours.start(*ours.words(), before=words).wait())


def test_few_descriptors(world, see):
    """More jobs at once than `ulimit -n` has room for: some may be in error, none is lost."""
    names = [f"j{n}" for n in range(40)]
    for name in names:
        world.job(name, f"tell('ran.{name}')")
    before = ["bash", "-c", 'ulimit -n 40; exec "$@"', "bash"]
    words = world.words("--workers", "32", cpus=32)
    done = world.start(*words, before=before).wait()
    see("Traceback" not in done.text, "no traceback", done.trouble)
    jobs = world.jobs()
    see(sorted(jobs) == sorted(names), "each has a result", jobs)
    passed = {f"ran.{n}" for n, o in jobs.items() if o == "SUCCESS"}
    see(passed <= set(world.told("ran.")), "none passes that did not run", passed)
    see(done.code == (0 if len(passed) == 40 else 8), "the exit code says so", done.trouble)


def test_few_processes(ours, see, crowded):
    """A job that forks until the system refuses: it ends, and all it made is dead."""
    body = """
        made = 0
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
                    hang()
            except OSError:
                break
            made += 1
        tell("made", made)
        return 1
    """
    ours.job("a", body)
    done = ours.run(before=crowded(60))
    see("Traceback" not in done.text, "no traceback", done.trouble)
    made = int(ours.flag("made").read_text()) if ours.told("made") else None
    see(made and 30 < made < 60, "it was refused more", made)
    see(done.code == 8, "exit code 8", done.trouble)
    see.same(ours.jobs(), {"a": "FAILED"}, "its own verdict")
    left = ours.await_silence(3.0)
    see(not left, "no process is left", left)


def test_odd_places(world, see):
    """Blanks, quotes, dollars and umlauts in the path of tests and workspace."""
    place = world.root / "here" / "a b'c\"d$e\u00e4;&(f)"
    (place / "t").mkdir(parents=True)
    (place / "t" / "a.pyt").write_text(script("tell('ran')"))
    done = world.canary("run", "t", cwd=place)
    see(done.code == 0, "it runs", done.trouble)
    see(world.told("ran") == ["ran"], "the test ran", world.told("ran"))
    see(world.jobs(cwd=place) == {"a": "SUCCESS"}, "the result is there")


ROOT = Path(__file__).parents[2]
INSTALLED = ("console", "ctest", "json", "local", "pyt")


def installed_in(place):
    """An environment there with canary and some plugins as a user would have them; its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    [site] = place.glob("lib/python*/site-packages")
    for path in Path(pytest.__file__).parents[1].iterdir():
        if not re.match(r"(_*editable|_?canary|_virtualenv)", path.name):
            (site / path.name).symlink_to(path)
    uv = Path(sys.executable).with_name("uv")
    words = ["pip", "install", "-q", "--offline", "--no-sources", "--no-deps"]
    projects = [ROOT, *(ROOT / "plugins" / f"canary-{name}" for name in INSTALLED)]
    python = place / "bin" / "python"
    words += ["--no-build-isolation", "--python", str(python), *map(str, projects)]
    subprocess.run([uv, *words], check=True)
    return place / "bin"


@pytest.mark.early
def test_installed_in_an_odd_place(ours, see):
    """Blanks and quotes in the path of everything: programs, tests, workspace and view."""
    place = ours.root / "here" / "my 'own\" place"
    programs = installed_in(place / "v env")
    (place / "t").mkdir()
    (place / "t" / "a.pyt").write_text(script("tell('ran', sys.executable)"))
    count = 1
    if shutil.which("ctest") is not None:
        count = 2
        text = 'add_test(b "/bin/sh" "-c" "touch $FAULT_FLAGS/ran.b")\n'
        (place / "t" / "CTestTestfile.cmake").write_text(text)
    ours.exe = programs / "canary"
    done = ours.canary("run", "t", cwd=place)
    see(done.code == 0, "it runs", done.trouble)
    see("Traceback" not in done.text, "no traceback", done.trouble)
    see(len(ours.told("ran")) == count, "all ran", f"{ours.told('')} {done.text}")
    used = ours.flag("ran").read_text() if ours.told("ran") else ""
    see(Path(used).parent == programs, "by the Python that is there", used)
    found = ours.jobs(cwd=place)
    see(list(found.values()) == ["SUCCESS"] * count, "all results are there", found)
    see((place / "TestResults" / "a").exists(), "there is a view", os.listdir(place))


def test_a_directory_that_is_gone(ours, see):
    """The current directory has been removed."""
    before = ["bash", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "bash"]
    done = ours.start("run", ".", before=before).wait()
    see(done.code == 2, "exit code 2", done.trouble)
    see(len(done.err.splitlines()) == 1, "one line", done.err)


def test_secrets_are_not_stored(ours, see):
    """What a variable's name says to be secret is nowhere in the workspace."""
    secret = "s3cr3t-of-the-fault-tests"
    ours.job("a", "tell('ran', os.environ.get('MY_TOKEN', ''))")
    text = "@canary.hookimpl\ndef canary_job_env(job):\n    return {'OTHER_PASSWORD': %r}\n"
    path = plugin(ours, "adds", "import canary\n\n\n" + text % secret)
    words = ["-p", path, "-e", f"A_TOKEN={secret}", *ours.words()]
    done = ours.canary(*words, env={"MY_TOKEN": secret})
    see(done.code == 0, "it runs", done.trouble)
    see(ours.flag("ran").read_text() == secret, "the test gets it")
    ours.canary("report", "json", "-o", ours.workspace / "report.json")
    ours.canary("report", "junit", "--full", "-o", ours.workspace / "report.xml")
    found = [
        str(p.relative_to(ours.workspace))
        for p in ours.workspace.rglob("*")
        if p.is_file() and secret.encode() in p.read_bytes()
    ]
    see(not found, "nothing of it is stored", found)


def test_the_wall_clock_jumps_and_the_other_does_not(tmp_path):
    """The experiment itself."""
    (tmp_path / "sitecustomize.py").write_text(JUMPING)
    (tmp_path / "clock").write_text("3600")
    code = "import time, json; print(json.dumps([time.time(), time.monotonic()]))"
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "FAULT_CLOCK": str(tmp_path / "clock")}
    words = [sys.executable, "-c", code]
    out = subprocess.run(words, env=env, capture_output=True, check=True).stdout
    wall, other = json.loads(out)
    assert wall > time.time() + 3000
    assert other < time.monotonic() + 1
