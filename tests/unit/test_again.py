"""What starts canary again takes nothing from where it is started."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from canary.again import program

SAYS = """
import json, sys
def main():
    print(json.dumps([sys.argv, sys.path]))
    return 3
"""


def start(directory, module, *words, **env):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [*program(module), *words]
    return subprocess.run(
        command, cwd=directory, env={**environ, **env}, capture_output=True, text=True, check=False
    )


def test_its_words_and_its_exit_code_are_those_of_the_program(tmp_path):
    (tmp_path / "says.py").write_text(SAYS)
    done = start("/", "says", "-c", "a b", PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert json.loads(done.stdout)[0] == [str(tmp_path / "says.py"), "-c", "a b"]


def test_what_lies_where_it_is_started_is_not_imported(tmp_path):
    (tmp_path / "says.py").write_text(SAYS)
    assert "No module named 'says'" in start(tmp_path, "says").stderr


@pytest.mark.parametrize("safe", ["", "1"])
@pytest.mark.parametrize("words", [("-m", "canary"), program()[1:]])
def test_what_the_user_has_put_on_the_path_stays_there(tmp_path, words, safe):
    """That directory, too, if it is named."""
    (tmp_path / "mine.py").write_text(
        "import canary\n\ndef run(args, config):\n    import says\n    return says.main()\n\n"
        "@canary.hookimpl\ndef canary_commands():\n"
        "    return [canary.Command(name='tell', help='h', run=run)]\n"
    )
    (tmp_path / "says.py").write_text(SAYS)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": safe}
    command = [program()[0], *words, "-p", "mine.py", "tell"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    argv, path = json.loads(done.stdout)
    assert argv[0].endswith("/canary/__main__.py")
    assert path.count(str(tmp_path)) == 1


def test_in_a_directory_that_is_gone(tmp_path):
    (tmp_path / "gone").mkdir()
    for words in (("-m", "canary"), program()[1:]):
        shell = f'rmdir "{tmp_path}/gone"; "$@"; mkdir "{tmp_path}/gone"'
        done = subprocess.run(
            ["sh", "-c", shell, "sh", program()[0], *words, "status"],
            cwd=tmp_path / "gone",
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ERROR: the current directory is gone" in done.stderr
        assert "Traceback" not in done.stderr
