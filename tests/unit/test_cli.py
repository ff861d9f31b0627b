"""The way in and out: dispatch, aliases, additions from the environment, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from inspect import get_annotations
from pathlib import Path

import pytest

from canary import cli, commands, version
from canary.commands import CORE, load


def test_version(canary, capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{version}\n"
    assert canary("-d", "--version", expect=0).stdout == f"{version}\n"


def test_core_commands_are_what_the_table_says():
    """The table is read at start-up in place of the modules."""
    directory = Path(commands.__file__).parent
    with_command = {
        path.stem for path in directory.glob("*.py") if "\nEXAMPLES = " in path.read_text()
    }
    assert with_command == {name for name, _, _ in CORE}
    for name, help, _ in CORE:
        command = load(name)
        assert (command.name, command.help) == (name, help)
        kinds = {"args": "argparse.Namespace", "config": "Config", "return": "int"}
        assert get_annotations(command.run) == kinds
        kinds = {"parser": "argparse.ArgumentParser", "return": "None"}
        assert get_annotations(command.arguments) == kinds
        assert all("canary " in line for line in command.examples)


@pytest.mark.parametrize("name", [name for name, _, _ in CORE])
def test_every_command_has_help(canary, name):
    done = canary(name, "--help", expect=0)
    assert done.stdout.startswith(f"usage: canary {name}")
    assert done.stderr == ""
    assert canary("help", name, expect=0).stdout == done.stdout


def test_help(canary):
    overview = canary("--help", expect=0).stdout
    for name, help, _ in CORE:
        assert f"  {name:22} {help}\n" in overview
    assert canary(expect=0).stdout == overview
    assert canary("help", expect=0).stdout == overview
    assert canary("-h", expect=0).stdout == overview
    everything = canary("help", "--all", expect=0).stdout
    assert all(f"usage: canary {name}" in everything for name, _, _ in CORE)
    assert "--workers" in everything
    assert "git@DIRECTORY" in canary("help", "--pathspec", expect=0).stdout
    pathfile = canary("help", "--pathfile", expect=0).stdout
    assert json.loads(pathfile[pathfile.index("{") :])["testpaths"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["stauts"], "there is no command 'stauts' [did you mean status?]"),
        (["zzz"], "there is no command 'zzz' [canary --help lists all]"),
        (
            ["-p", "no:canary-slurm", "hpc", "run"],
            "there is no command 'hpc' here [pip install canary-slurm]",
        ),
        (["flux"], "there is no command 'flux' here"),
        (["dist"], "there is no command 'dist' here"),
        (["."], "there is no command '.' [to run it: canary run .]"),
        (["--wokers", "3", "run"], "unknown option --wokers [did you mean --workers?]"),
        (
            ["run", "-r", "cpus=3"],
            "unknown option -r [it stands before the command: canary -r ... run]",
        ),
        (["run", "--wokers", "3"], "canary run: unknown option --wokers [did you mean --workers?]"),
        (["-C", "nowhere", "status"], "no such directory"),
        (["-f", "nowhere.toml", "status"], "nowhere.toml: cannot be read"),
        (["-c", "nonsense", "status"], "-c nonsense: not an override"),
        (["run", "--timeout", "30"], "--timeout '30' [want --timeout TYPE=T]"),
        (["run", "--workers", "many"], "--workers: must be a whole number, or none, not 'many'"),
        (["--color", "sometimes", "status"], "--color: must be auto or always or never"),
    ],
)
def test_usage_errors(canary, words, problem):
    done = canary(*words, expect=2)
    assert problem in done.stderr
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_several_errors_are_a_line_each(canary, tmp_path):
    (tmp_path / "canary.toml").write_text("a = 1\n[run]\nb = 2\n")
    done = canary("config", "show", expect=2)
    assert [line.startswith("ERROR: ") for line in done.stderr.splitlines()] == [True, True]


def test_debug_shows_where_an_error_came_from(canary):
    assert "Traceback" not in canary("status").stderr
    assert "Traceback" in canary("-d", "status").stderr


def test_directory(canary, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    canary("-C", "a", "-C", "b", "init", expect=0)
    assert (tmp_path / "a" / "b" / ".canary").is_dir()
    (tmp_path / "a" / "canary.toml").write_text("[run]\nworkers = 7\n")
    assert "workers = 7" in canary("-C", "a/b", "config", "show", "run", expect=0).stdout


def test_workspace_that_is_named(canary, tmp_path):
    canary("init", "w", expect=0)
    (tmp_path / "w" / ".canary" / "config.toml").write_text("[run]\nworkers = 7\n")
    for words, env in (
        (["--canary-dir", "w"], {}),
        (["--canary-dir", "w/.canary"], {}),
        ([], {"CANARY_DIR": "w"}),
    ):
        done = canary(*words, "config", "show", "run", env=env, expect=0)
        assert "workers = 7" in done.stdout


def test_init_keeps_options_only_if_asked_to(canary, tmp_path):
    words = ("-c", "run:timeout:long:1h", "-e", "A=b c", "-r", "cpus=3", "-p", "./mine.py")
    (tmp_path / "mine.py").write_text("")
    canary(*words, "init", "plain", expect=0)
    assert not (tmp_path / "plain" / ".canary" / "config.toml").exists()
    canary(*words, "--workers=2", "init", "--save", "kept", expect=0)
    show = canary("config", "show", "--origin", cwd=tmp_path / "kept", expect=0).stdout
    file = tmp_path / "kept" / ".canary" / "config.toml"
    for line in (
        f'plugins = ["{tmp_path}/mine.py"]',
        "run.timeout.long = 3600.0",
        'environment.set.A = "b c"',
        "resource_pool.cpus = 3",
        "run.workers = 2",
    ):
        assert f"{line}  # workspace {file}\n" in show


def test_additions_from_the_environment(canary):
    env = {"CANARY_ADDOPTS": "-c run:workers:4", "CANARY_CONFIG_ADDOPTS": "show"}
    assert "workers = 4" in canary("config", "run", env=env, expect=0).stdout


def test_aliases(canary, tmp_path):
    (tmp_path / "canary.toml").write_text(
        "[aliases]\nworkers = 'config show run'\nshow = 'config show $@ --format json'\n"
        "again = 'show run'\nstatus = 'config show'\nround = 'round'\nnone = ''\n"
    )
    assert "default_tag" in canary("workers", expect=0).stdout
    assert json.loads(canary("show", "run", expect=0).stdout)["grace"] == 2.0
    assert json.loads(canary("again", expect=0).stdout)["grace"] == 2.0
    # words that an alias does not place are handed on
    assert json.loads(canary("workers", "--format", "json", expect=0).stdout)["grace"] == 2.0
    # a command of the core is never another thing
    assert "no workspace" in canary("status").stderr
    assert "no command 'round'" in canary("round", expect=2).stderr
    assert "stands for nothing" in canary("none", expect=2).stderr


def test_words_are_unquoted_and_files_of_words_read(canary, tmp_path):
    (tmp_path / "words").write_text("show\nrun\n")
    assert "grace" in canary("config", "@words", expect=0).stdout
    assert "grace" in canary("config", "sho%77", "run", expect=0).stdout


def test_messages_have_levels(canary):
    env = {"CANARY_PLUGINS": "no_such_module"}
    assert "WARNING" in canary("plugins", env=env).stderr
    assert canary("-q", "-q", "plugins", env=env).stderr == ""
    assert canary("--log-level", "error", "plugins", env=env).stderr == ""
    # an error is always shown
    assert "ERROR" in canary("-q", "-q", "-q", "-q", "-q", "nothing").stderr


def test_old_options_without_effect(canary):
    words = ("--banner", "--no-banner", "--echo", "--cache-dir", "x", "--lines", "3", "-P")
    assert canary(*words, "config", "show", "run", expect=0).stderr == ""


def test_profile(canary):
    done = canary("--profile", "config", "show", "run", expect=0)
    assert "cumulative" in done.stderr
    assert "grace" in done.stdout


def test_a_bug_says_that_it_is_one(canary, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import canary\n\ndef run(args, config):\n    return 1 / 0\n\n"
        "@canary.hookimpl\ndef canary_commands():\n"
        "    return [canary.Command(name='boom', help='h', run=run)]\n"
    )
    done = canary("-p", "mine.py", "boom", expect=3)
    assert "Traceback" in done.stderr
    assert done.stderr.endswith(
        "ERROR: this is a bug in canary, please report it: ZeroDivisionError: division by zero\n"
    )


def test_a_closed_pipe_is_quiet(tmp_path):
    """`canary help --all | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "canary", "help", "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_interrupt(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import canary, os, signal\n\ndef run(args, config):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    signal.pause()\n\n"
        "@canary.hookimpl\ndef canary_commands():\n"
        "    return [canary.Command(name='wait', help='h', run=run)]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "canary", "-p", "mine.py", "wait"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130
    assert done.stderr == "ERROR: interrupted\n"


def test_in_a_thread_of_a_program_that_ignores_interrupts(tmp_path):
    script = """
import signal, threading
signal.signal(signal.SIGINT, signal.SIG_IGN)
from canary.cli import main
codes = []
thread = threading.Thread(target=lambda: codes.append(main(["plugins"])))
thread.start()
thread.join()
raise SystemExit(codes != [0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_names_the_file_that_is_being_read(tmp_path):
    pipe, file = tmp_path / "pipe", tmp_path / "a.pyt"
    os.mkfifo(pipe)
    file.write_text(f"import time\nopen({str(pipe)!r}, 'w').close()\ntime.sleep(60)\n")
    (tmp_path / "b.pyt").touch()
    runner = subprocess.Popen(
        [sys.executable, "-m", "canary", "find", "."],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert pipe.read_text() == ""  # it is there
    runner.send_signal(signal.SIGINT)
    assert runner.communicate()[1] == f"ERROR: interrupted while {file} was read\n"
    assert runner.returncode == 130


def test_names_that_the_terminal_cannot_show(canary, tmp_path):
    """Neither an undecodable name nor an ASCII terminal is a traceback."""
    name = os.fsdecode(b"a\xff\xc3\xbc")
    done = canary(name, env={"PYTHONIOENCODING": "ascii"}, expect=2)
    assert "there is no command" in done.stderr
    assert "Traceback" not in done.stderr


def test_current_directory_that_is_gone(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        "import os, sys; os.chdir('gone'); os.rmdir('../gone'); "
        "from canary.cli import main; sys.exit(main(['status']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ERROR: the current directory is gone")


# canary config


def test_config_show(canary, tmp_path):
    (tmp_path / "canary.toml").write_text("[run]\nworkers = 3\n")
    assert canary("config", "show", "run:workers", expect=0).stdout == "[run]\nworkers = 3\n"
    everything = json.loads(canary("config", "show", "--format", "json", expect=0).stdout)
    assert everything["run"]["workers"] == 3
    origins = canary("config", "show", "run", "--origin", expect=0).stdout
    assert f"run.workers = 3  # project {tmp_path}/canary.toml\n" in origins
    assert "run.timeout.default = 300.0  # default\n" in origins
    assert "no such setting" in canary("config", "show", "rnu", expect=2).stderr


def test_config_set(canary, tmp_path):
    canary("init", expect=0)
    done = canary("config", "set", "run:timeout:default", "7m", expect=0)
    file = tmp_path / ".canary" / "config.toml"
    assert file.read_text() == '[run.timeout]\ndefault = "7m"\n'
    assert str(file) in done.stdout
    canary("config", "set", "run.workers", "3", "--project", expect=0)
    assert (tmp_path / "canary.toml").read_text() == "[run]\nworkers = 3\n"
    canary("config", "set", "debug", "yes", "--global", expect=0)
    user = Path(os.environ["XDG_CONFIG_HOME"]) / "canary" / "config.toml"
    assert user.read_text() == "debug = true\n"
    user.unlink()
    show = canary("config", "show", "run", expect=0).stdout
    assert "default = 420.0" in show
    assert "workers = 3" in show


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["run:wrokers", "3"], "run:wrokers: no such setting [did you mean run.workers?]"),
        (["run:workers", "many"], "run:workers: must be a whole number"),
        (["run", "3"], "run: no such setting"),
        (["run:workers", "none"], "cannot be written"),
    ],
)
def test_config_set_refuses(canary, tmp_path, words, problem):
    canary("init", expect=0)
    assert problem in canary("config", "set", *words, expect=2).stderr
    assert not (tmp_path / ".canary" / "config.toml").exists()


def test_config_set_without_a_workspace(canary):
    assert "canary init makes one" in canary("config", "set", "debug", "yes", expect=2).stderr
