"""Whole sessions on a real terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"
MOVES = re.compile(rb"\x1b\[[0-9]*[AJK]")
COLOURS = re.compile(rb"\x1b\[(?:[0-9;]*;)?[349][0-7](?:;[0-9;]*)?m")


def test_failures_scroll_above_a_bar_that_is_gone_at_the_end(on_terminal, jobs, gate):
    jobs("good: true", "bad: exit 3", "differs: exit 64", f"held: {gate.command}")
    run = on_terminal("run", "t")
    seen = run.shows("3/4", "1 running", "held", "FAIL (FAILED)", "FAIL (DIFFED)")
    assert "1 diffed, 1 failed, 1 pass, 1 running" in seen
    assert "━" in seen
    assert seen.index("bad") < seen.index("held")
    gate.open()
    assert run.ends() == 10
    text = run.screen.text
    assert "running" not in text
    assert "━" not in text
    assert text.count("Job ") == 1
    assert re.search(r"^bad +\w{7}  FAIL \(FAILED\) +[\d.]+s  exit code 3$", text, re.M)
    assert run.screen.lines[-3] == "4 total: 2 pass, 1 diffed, 1 failed"
    assert re.fullmatch(r"Finished session \S+ in \S+ with returncode 10", run.screen.lines[-2])
    assert termios.tcgetattr(run.slave) == run.before


def seconds(text):
    """For how long the job runs that is shown."""
    shown = re.search(r"running +(\d+)s", text)
    return int(shown[1]) if shown else 0


def test_time_passes_on_the_screen_while_nothing_happens(on_terminal, jobs, gate):
    jobs(f"held: {gate.command}")
    run = on_terminal("run", "t")
    for least in (1, 3):
        run.until(lambda text, least=least: seconds(text) >= least)
    gate.open()
    assert run.ends() == 0


def test_ctrl_c_leaves_results_and_the_terminal_as_it_was(on_terminal, jobs, gate):
    jobs(f"held: {gate.command}", "good: true")
    run = on_terminal("run", "t")
    run.shows("held", "1 running", "1 pass")
    run.type(b"\x03")
    assert run.ends() == 128 + signal.SIGINT
    assert "ABORTED (INTERRUPTED)" in run.screen.text
    assert "━" not in run.screen.text
    assert run.screen.lines[-4] == "2 total: 1 pass, 1 interrupted"
    assert run.screen.lines[-2].endswith("canary resume")
    assert termios.tcgetattr(run.slave) == run.before


def test_ctrl_z_hands_the_terminal_over_and_fg_takes_it_back(on_terminal, jobs, gate):
    jobs(f"held: {gate.command}")
    run = on_terminal("run", "t")
    run.shows("1 running")
    run.type(b"\x1a")
    while True:
        done, status = os.waitpid(run.process.pid, os.WUNTRACED | os.WNOHANG)
        if done:
            break
        run.read(0.05)
    assert os.WIFSTOPPED(status)
    while run.read():
        pass
    assert "running" not in run.screen.text
    os.write(run.slave, b"what the shell says\n")
    os.kill(run.process.pid, signal.SIGCONT)
    seen = run.shows("1 running")
    assert seen.index("what the shell says") < seen.index("held")
    gate.open()
    assert run.ends() == 0
    assert "what the shell says" in run.screen.text


def test_a_killed_run_leaves_nothing_switched_on(on_terminal, jobs, gate):
    jobs(f"held: {gate.command}")
    run = on_terminal("run", "t")
    run.shows("1 running")
    run.process.kill()
    run.ends()
    assert b"\x1b[?" not in run.raw
    assert termios.tcgetattr(run.slave) == run.before


def test_the_runner_survives_its_terminal(on_terminal, jobs, gate, tmp_path):
    """A terminal that is closed ends the session as Ctrl-C would; its record is complete."""
    jobs(f"held: {gate.command}")
    run = on_terminal("run", "t")
    run.shows("1 running")
    os.close(run.slave)
    os.close(run.master)
    run.process.wait(20)
    run.master, run.slave = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "canary", "status", "-rA"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "INTERRUPTED" in done.stdout


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--plain"], {}),
        (["--color", "never"], {}),
        (["-c", "console:live:false"], {}),
        ([], {"CANARY_PLAIN": "1"}),
        ([], {"CANARY_CONSOLE_LIVE": "no"}),
        ([], {"CANARY_LIVE": "no"}),
        ([], {"TERM": "dumb"}),
        ([], {"TERM": None}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_plain_lines_where_they_are_asked_for(on_terminal, jobs, words, env):
    jobs("good: true")
    run = on_terminal(*words, "run", "t", env=env)
    assert run.ends() == 0
    assert re.search(r"PASS \(SUCCESS\).* 1/1  good", run.screen.text)
    assert not MOVES.search(run.raw)


def test_style_live_no_gives_plain_lines(on_terminal, jobs):
    jobs("good: true")
    run = on_terminal("run", "-s", "live=no", "t")
    assert run.ends() == 0
    assert not MOVES.search(run.raw)


def test_plain_lines_in_the_background(on_terminal, jobs):
    jobs("good: true")
    run = on_terminal("run", "t", back=True)
    assert run.ends() == 0
    assert re.search(r"PASS \(SUCCESS\).* 1/1  good", run.screen.text)
    assert not MOVES.search(run.raw)


def test_plain_lines_if_errors_go_to_a_file(on_terminal, jobs, tmp_path):
    jobs("good: true")
    with (tmp_path / "err").open("wb") as file:
        run = on_terminal("run", "t", stderr=file)
        assert run.ends() == 0
    assert "1/1  good" in (tmp_path / "err").read_text()
    assert not MOVES.search(run.raw)


def test_results_in_a_file_are_plain_and_the_screen_keeps_a_summary(on_terminal, jobs, tmp_path):
    jobs("good: true", "bad: exit 1")
    with (tmp_path / "out").open("wb") as file:
        run = on_terminal("run", "t", stdout=file)
        assert run.ends() == 8
    out = (tmp_path / "out").read_text()
    assert "\x1b" not in out
    assert "2 total: 1 pass, 1 failed" in out
    assert "2/2 1 failed, 1 pass" in run.screen.text
    assert "total" not in run.screen.text


def test_no_color_keeps_the_bar_and_drops_the_colour(on_terminal, jobs, gate):
    jobs("bad: exit 1", f"held: {gate.command}")
    run = on_terminal("run", "t", env={"NO_COLOR": "1"})
    run.shows("1 running", "1 failed", "━")
    gate.open()
    assert run.ends() == 8
    assert MOVES.search(run.raw)
    assert not COLOURS.search(run.raw)


def test_colour_is_there_otherwise(on_terminal, jobs):
    jobs("bad: exit 1")
    run = on_terminal("run", "t")
    assert run.ends() == 8
    assert COLOURS.search(run.raw)


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}], ids=str)
def test_where_only_ascii_is_known_only_ascii_is_drawn(on_terminal, jobs, gate, env):
    jobs("bad: exit 1", f"held: {gate.command}")
    run = on_terminal("run", "t", env=env, size=(40, 20))
    run.shows("1 running", "#", "---")
    gate.open()
    assert run.ends() == 8
    assert run.raw.isascii()


def test_what_users_write_never_reaches_the_terminal_raw(on_terminal, jobs, gate):
    jobs("[red]\x1b[31m\x07\u202e\x9b: exit 1", f"[/]\x1b[2J: {gate.command}")
    run = on_terminal("run", "t")
    run.shows(r"[red]\x1b[31m\x07\u202e\x9b", r"[/]\x1b[2J", "1 running")
    gate.open()
    assert run.ends() == 8
    assert r"[/]\x1b[2J" in run.screen.text
    assert b"\x07" not in run.raw


def test_names_are_long_if_that_is_asked_for(on_terminal, jobs, tmp_path):
    directory = jobs("bad: exit 1")
    (directory / "sub").mkdir()
    (directory / "tests.lines").rename(directory / "sub" / "tests.lines")
    run = on_terminal("run", "-s", "name=long", "t")
    assert run.ends() == 8
    assert len(re.findall(r"sub/bad\b", run.screen.text)) == 2


def test_what_others_print_does_not_break_the_drawing(on_terminal, jobs, gate, tmp_path):
    (tmp_path / "talk.py").write_text(
        "import sys, canary\n"
        "@canary.hookimpl\n"
        "def canary_job_finish(job):\n"
        "    print('to out:', job.name)\n"
        "    print('to err:', job.name, file=sys.stderr)\n"
    )
    jobs("good: true", f"held: {gate.command}")
    run = on_terminal("-p", "talk.py", "run", "t")
    seen = run.shows("1 running", "to err: good")
    assert "to out: good" in seen
    assert seen.count("1 running") == 1
    gate.open()
    assert run.ends() == 0
    assert "running" not in run.screen.text


def test_after_an_error_the_terminal_is_as_it_was(on_terminal, jobs, tmp_path):
    (tmp_path / "stop.py").write_text(
        "import canary\n"
        "@canary.hookimpl\n"
        "def canary_event(event):\n"
        "    if event.kind == 'job_finished':\n"
        "        raise canary.CanaryError('stopped here', hint='go on')\n"
    )
    jobs("good: true", "other: sleep 60")
    run = on_terminal("-p", "stop.py", "run", "t")
    assert run.ends() != 0
    assert "━" not in run.screen.text
    errors = [line for line in run.screen.lines if "stopped here" in line]
    assert errors
    assert all(line.startswith("ERROR: ") for line in errors)


def test_settings_that_make_no_sense_are_refused(on_terminal, jobs):
    jobs("good: true")
    run = on_terminal("-c", "console:refresh:0", "run", "t")
    assert run.ends() == 2
    assert "console.refresh: must be at least 0.05 s" in run.screen.text


def test_rich_is_not_loaded_without_a_terminal(jobs, tmp_path):
    jobs("good: true")
    code = (
        "import sys\n"
        f"sys.argv = ['canary', '-p', {str(CASES / 'lines.py')!r}, 'run', 't']\n"
        "from canary.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    print(e.code)\n"
        "print('canary_console.plugin' in sys.modules, 'rich' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True False"
