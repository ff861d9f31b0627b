"""A workspace to explore, made once, and the command line in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TEST = """\
import os, sys
import canary
canary.directives.parameterize("a", [0, 1, 2])
canary.directives.keywords("fast")
canary.directives.baseline(src="out.txt", dst="reference.txt")
if __name__ == "__main__":
    a = canary.get_instance().parameters.a
    print("line\\n" * 80, "this is the output of", a)
    canary.get_instance().set_attribute(shade="grey")
    open("out.txt", "w").write("new")
    if a == 1 and not os.path.exists(os.environ["MENDED"]):
        raise canary.TestFailed("[red]\\x1b[2J is no colour[/red]")
"""


class World:
    """`world("run", …)` in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        dropped = ("CANARY_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        self.environ.update(HOME=str(directory / "home"), MENDED=str(directory / "mended"))

    def command(self, *words):
        return [sys.executable, "-m", "canary", *words]

    def __call__(self, *words, expect=0):
        done = subprocess.run(
            self.command(*words),
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def world(tmp_path):
    """Three jobs, one of which failed."""
    (tmp_path / "t" / "sub").mkdir(parents=True)
    (tmp_path / "t" / "sub" / "x.pyt").write_text(TEST)
    (tmp_path / "t" / "y.pyt").write_text("if __name__ == '__main__': pass\n")
    made = World(tmp_path)
    made("run", "t", expect=8)
    return made
