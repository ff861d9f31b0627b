"""Pages of the guide that show commands do what they show.

In these pages a Python or TOML block that begins with `# some/path` is a file, and a `console`
block is what a shell says: after `$ ` a command, below it what it writes. A line `…` stands for any
lines, `…` in a line for any text; several blanks are as good as one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from canary.launch import ExitReason
from canary.testing.launchers import Bench

PAGES = ("cdash", "events", "history", "tui")
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(text):
    """(what, name, content): files to write, and commands with what they say."""
    for language, body in BLOCK.findall(text):
        first, _, rest = body.partition("\n")
        if language in ("python", "toml") and re.fullmatch(r"# [\w./-]+", first):
            yield "file", first[2:], rest
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, said = part.partition("\n")
                yield "command", command, said


def squeezed(text):
    """With one blank for several: what stands in columns moves with the longest."""
    return "".join(" ".join(line.split()) + "\n" for line in text.splitlines())


def pattern(said):
    """What a command says, as a regular expression."""
    lines = squeezed(said).splitlines(keepends=True)
    return "".join(
        "(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*") for line in lines
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_shows(tmp_path, page):
    programs = Path(sys.executable).parent
    environ = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "100"}
    done = 0
    for what, name, content in steps((GUIDE / f"{page}.md").read_text()):
        if what == "file":
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            continue
        ran = subprocess.run(
            ["bash", "-c", name],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"$ {name}\n{ran.stdout}{ran.stderr}"
        assert re.fullmatch(pattern(content), squeezed(ran.stdout)), told
        done += 1
    assert done > 0


# stand for programs of a batch system that nobody can install: enough to run what the page shows
PROGRAMS = {
    "qsub": """#!/bin/sh
[ -z "$REFUSE" ] || { echo "qsub: no such queue" >&2; exit 1; }
setsid sh "$2" >/dev/null 2>&1 &
echo $!.host
""",
    "qstat": """#!/bin/sh
shift 3
printf '{"Jobs": {'
for id in "$@"; do
  case $(cut -d ' ' -f 3 /proc/${id%.host}/stat 2>/dev/null) in
    ''|Z) ;;  # gone, though PID 1 may not have reaped it yet
    *) printf '%s"%s": {"job_state": "R"}' "$comma" $id; comma=, ;;
  esac
done
echo '}}'
""",
    "qdel": '#!/bin/sh\nfor id in "$@"; do kill -9 -${id%.host}; done\n',
}


def test_the_launcher_that_is_shown_works(tmp_path, monkeypatch):
    """As far as that can be said without PBS."""
    text = (GUIDE / "writing-a-launcher.md").read_text()
    (code,) = [body for language, body in BLOCK.findall(text) if language == "python"]
    page = {}
    exec(code, page)
    for name, script in PROGRAMS.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (launcher,) = page["canary_launchers"](None)
    launcher.interval = 1.0
    bench = Bench(launcher, tmp_path)
    try:
        ends, hangs = bench.shell("echo out; exit 3"), bench.shell("echo here; sleep 300")
        refused = bench.shell("exit 0", env={**os.environ, "REFUSE": "1"})
        bench.begin(ends, hangs, refused)
        bench.until(bench.says(hangs, "here"))
        launcher.cancel([hangs.id], 0.0)
        found = bench.finish()
    finally:
        bench.close()
    assert (found[ends.id].code, bench.output(ends)) == (3, "out\n")
    assert (found[hangs.id].code, found[hangs.id].reason) == (None, ExitReason.LOST)
    assert found[refused.id].reason is ExitReason.NOT_STARTED
    assert "no such queue" in found[refused.id].detail
