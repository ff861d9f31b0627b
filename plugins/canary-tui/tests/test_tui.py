"""`canary tui`: driven by textual's pilot, in a pseudo-terminal, and as text."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pytest
from textual.app import App
from textual.widgets import Log, Static

from canary.home import Workspace
from canary_tui.app import Explorer
from canary_tui.model import Model, Row
from canary_tui.screens import Ask, Confirm, Pager
from canary_tui.table import JobTable

# what a loaded machine may take for anything
PATIENCE = 20.0


class Config:
    """As much of a configuration as the explorer asks for."""

    def __init__(self, cwd):
        self.cwd = cwd
        self.workspace = None


def explore(world, act, monkeypatch):
    """Run the explorer without a terminal, and let `act(app, pilot)` use it; its exit code."""
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    model = Model(Workspace(world.directory / ".canary"))
    app = Explorer(model, Config(world.directory), refresh=0.1)

    async def main():
        async with app.run_test(size=(110, 30)) as pilot:
            await act(app, pilot)
        return app.return_value

    return asyncio.run(main())


async def until(pilot, holds):
    """Wait for what is to come."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "this has not come"
        await pilot.pause(0.02)


def names(app):
    return [row.fullname for row in app.table.rows]


def top(app):
    return str(app.screen_stack[0].query_one("#top", Static).content)


def paged(app):
    """The text that lies over the table."""
    found = app.screen.query(Log) if isinstance(app.screen, Pager) else ()
    return "\n".join(line for log in found for line in log.lines)


def screen(app):
    """All that is on the screen, as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip) for strip in strips)


def test_jobs_are_shown_failures_first(world, monkeypatch):
    async def act(app, pilot):
        assert names(app) == ["sub/x.a=1", "sub/x.a=0", "sub/x.a=2", "y"]
        assert top(app).startswith("4 jobs: 3 pass, 1 failed  sorted by state")
        assert "[red]\\x1b[2J is no colour[/red]" in screen(app)
        await pilot.press("s")
        assert names(app) == ["sub/x.a=0", "sub/x.a=1", "sub/x.a=2", "y"]
        assert app.table.current.fullname == "sub/x.a=1"  # the cursor stays on its job
        await pilot.press("q")

    assert explore(world, act, monkeypatch) == 0


def test_the_cursor_moves(world, monkeypatch):
    async def act(app, pilot):
        seen = []
        for key in ("j", "j", "up", "k", "k", "G", "g", "end", "home", "n", "N", "pagedown"):
            await pilot.press(key)
            seen.append(app.table.at)
        assert seen == [1, 2, 1, 0, 0, 3, 0, 3, 0, 0, 0, 3]
        await pilot.click(JobTable, offset=(5, 2))
        assert app.table.at == 1

    explore(world, act, monkeypatch)


def test_words_filter(world, monkeypatch):
    async def act(app, pilot):
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"SUB a=2", "enter")
        await until(pilot, lambda: names(app) == ["sub/x.a=2"])
        assert "1 with 'SUB a=2'" in top(app)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: not isinstance(app.screen, Ask))
        assert names(app) == ["sub/x.a=2"]

    explore(world, act, monkeypatch)


def test_output_details_and_help(world, monkeypatch):
    async def act(app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "this is the output of 1" in paged(app))
        log = app.screen.query_one(Log)
        await until(pilot, lambda: log.max_scroll_y > 0 and log.scroll_y == log.max_scroll_y)
        # what keys do to the table is not done behind the output, nor offered there
        await pilot.press("s", "x", "f")
        assert (app.sort, app.marked) == ("state", frozenset())
        assert isinstance(app.screen, Pager)
        assert "Back" in screen(app)
        assert "Rerun" not in screen(app)
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, Pager))
        await pilot.press("d")
        text = str(app.query_one("#details", Static).content)
        assert "Keywords     fast" in text
        assert "Parameters   a=1" in text
        assert "Before       F (newest last)" in text
        assert "Attributes   shade=grey" in text
        assert "duration " in text
        await pilot.press("j")
        assert "Parameters   a=0" in str(app.query_one("#details", Static).content)
        await pilot.press("question_mark")
        await until(pilot, lambda: "new baseline" in paged(app))

    explore(world, act, monkeypatch)


def test_marked_jobs_run_again(world, monkeypatch):
    """Whatever lies in the directory, nothing of it is taken for a part of canary."""
    monkeypatch.chdir(world.directory)
    (world.directory / "canary").mkdir()
    for name in ("json.py", "canary/__init__.py"):
        (world.directory / name).write_text("raise SystemExit(9)\n")

    async def act(app, pilot):
        await pilot.press("x", "x")
        assert "2 marked" in top(app)
        assert {row.fullname for row in app.table.rows if row.id in app.marked} == {
            "sub/x.a=1",
            "sub/x.a=0",
        }
        (world.directory / "mended").touch()
        await pilot.press("r")
        await until(pilot, lambda: app.last == ("run", 0))
        await until(pilot, lambda: "4 jobs: 4 pass" in top(app))
        await pilot.press("c")
        assert app.marked == frozenset()
        await pilot.press("o")
        await until(pilot, lambda: "2 total: 2 pass" in paged(app))

    explore(world, act, monkeypatch)


def test_a_running_session_is_followed(world, monkeypatch):
    """The job waits for a file, which is made once it is shown to run."""
    go = world.directory / "go"
    text = (
        f"import os, time\nif __name__ == '__main__':\n    while not os.path.exists({str(go)!r}):"
    )
    (world.directory / "t" / "wait.pyt").write_text(f"{text}\n        time.sleep(0.01)\n")

    async def act(app, pilot):
        await pilot.press("colon")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"t/wait.pyt", "enter")
        await until(pilot, lambda: [r.state for r in app.table.rows[:1]] == ["RUNS"])
        assert app.table.rows[0].fullname == "wait"
        assert app.model.running
        await pilot.press("r")  # one at a time
        await pilot.press("q")  # warns
        assert app.is_running
        go.touch()
        await until(pilot, lambda: app.last == ("run", 0))
        assert [r.status for r in app.table.rows if r.fullname == "wait"] == ["SUCCESS"]

    explore(world, act, monkeypatch)


def test_what_runs_is_ended_by_a_second_q(world, monkeypatch):
    text = "import time\nif __name__ == '__main__': time.sleep(60)\n"
    (world.directory / "t" / "sleep.pyt").write_text(text)

    async def act(app, pilot):
        app.start(["run", "t/sleep.pyt"])
        await until(pilot, lambda: [r.state for r in app.table.rows[:1]] == ["RUNS"])
        await pilot.press("q")
        assert app.return_value is None
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app.return_value is not None)

    assert explore(world, act, monkeypatch) == 0
    assert "INTERRUPTED" in world("tui", "--once").stdout


def test_a_baseline_is_shown_before_it_is_taken(world, monkeypatch):
    reference = world.directory / "t" / "sub" / "reference.txt"

    async def act(app, pilot):
        for answer in ("n", "y"):
            await pilot.press("b")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await until(pilot, lambda: "reference.txt: new, 3 bytes" in screen(app))
            assert not reference.exists()
            await pilot.press(answer)
        await until(pilot, lambda: "Rebaselined 1 job" in app.said)
        assert reference.read_text() == "new"
        await pilot.press("e")  # without a terminal there is no editor, and no harm

    explore(world, act, monkeypatch)


class Bare(App):
    """A table and nothing else."""

    def compose(self):
        yield JobTable()


def test_many_jobs_are_no_matter():
    rest = ("PASS", "SUCCESS", 1.0, "", "", "")
    rows = [Row(f"{n:064x}", f"job{n}", *rest) for n in range(50000)]

    async def main():
        app = Bare()
        async with app.run_test(size=(80, 20)) as pilot:
            app.query_one(JobTable).show(rows, frozenset())
            await pilot.press("G")
            await until(pilot, lambda: "job49999" in screen(app))
            assert "Duration  Job" in screen(app)
            assert "job49990" in screen(app)
            assert "job100 " not in screen(app)

    asyncio.run(main())


def test_once_is_text_for_scripts(world):
    lines = world("tui", "--once").stdout.splitlines()
    assert lines[0].split() == ["ID", "Status", "Duration", "Job", "Details"]
    assert lines[1].split()[1] == "FAILED"
    assert lines[1].endswith("sub/x.a=1  TestFailed: [red]\\x1b[2J is no colour[/red]")
    assert lines[-1] == "4 jobs: 3 pass, 1 failed"
    some = world("tui", "--once", "--filter", "FAILED red").stdout.splitlines()
    assert len(some) == 4
    assert some[-1] == "4 jobs: 3 pass, 1 failed, 3 not shown"
    below = world("tui", "--once", "t/sub").stdout.splitlines()
    assert below[-1] == "3 jobs: 2 pass, 1 failed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "canary tui --once"),
        (("--refresh", "0"), "at least 0.1"),
        (("--refresh", "nan"), "nan"),
    ],
)
def test_errors_are_one_line(world, words, said):
    done = world("tui", *words, expect=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_workspace_is_an_error(tmp_path, canary_without):
    done = canary_without("tui", "--once", expect=2)
    assert "workspace" in done.stderr


@pytest.fixture
def canary_without(tmp_path, world):
    (tmp_path / "elsewhere").mkdir()
    world.directory = tmp_path.parent / f"{tmp_path.name}-away"
    world.directory.mkdir()
    return world


def test_in_a_terminal(world):
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    mark = world.directory / "edited"
    editor = f"sh -c 'echo \"$1\" > {mark}; echo the editor' sh"
    environ = {**world.environ, "TERM": "xterm-256color", "CANARY_EDITOR": editor}
    with subprocess.Popen(
        world.command("tui"),
        cwd=world.directory,
        env=environ,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        seen = read_until(leader, b"sub/x.a=1")
        os.write(leader, b"e")
        # the editor has the terminal for itself, and then the table is back
        seen += read_until(leader, b"the editor")
        seen += read_until(leader, b"sub/x.a=1")
        assert mark.read_text() == f"{world.directory}/t/sub/x.pyt\n"
        os.write(leader, b"q")
        seen += read_until(leader, b"\x1b[?1049l")
        drain(leader)
        assert process.wait(PATIENCE) == 0
    os.close(leader)
    assert b"\x1b[?1049h" in seen


def read_until(fd, wanted):
    seen, end = b"", time.monotonic() + PATIENCE
    while wanted not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
        assert ready, seen
        seen += os.read(fd, 1 << 16)
    return seen


def drain(fd):
    """Take what is still written, so that the writer can end."""
    try:
        while os.read(fd, 1 << 16):
            pass
    except OSError:
        return
