"""The explorer: a table of jobs that follows the workspace, and keys that do something with them.

Whatever changes the workspace is a `canary` command in a process of its own, whose output is kept
for the key `o`; the explorer itself only reads.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Final

from textual import work
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from canary.again import program
from canary.config import Config
from canary.errors import CanaryError
from canary.reporting import output, visible
from canary_tui.model import SORTS, Model, Row
from canary_tui.screens import Ask, Confirm, Pager
from canary_tui.table import JobTable

# of a job's output, from each end
ENDS: Final = 1 << 20
# what keys do to the table and its jobs
_OF_TABLE: Final = frozenset(
    "log details filter sort failure mark clear rerun failed command said baseline edit".split()  # noqa: SIM905 - words
)
HELP: Final = """\
j k, arrows     down, up          g G, Home End   first, last     Space   a screen down
n N             next, previous failure
Enter l         output of the job
d               details below the table; Tab goes there and back, to scroll them
f /             show only jobs with these words in name, ID, status or reason
s               sort by state, name, duration
x               mark              c               no marks
r               run the marked jobs again, or the current one
R               run again what failed
:               run PATH, or any other command of canary
o               what the last command wrote
b               new baseline of the marked jobs, or the current one: shows what would change first
e               edit the test file
q               quit (twice while something runs that was started here: it is ended)
"""


class Explorer(App[int]):
    """`canary tui`."""

    TITLE = "canary"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #top { height: 1; background: $accent; color: $text; }
    #table { height: 1fr; }
    #below { height: 40%; border-top: solid $accent; display: none; }
    #below.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,l", "log", "Output"),
        Binding("d", "details", "Details"),
        Binding("f,slash", "filter", "Filter"),
        Binding("s", "sort", "Sort"),
        Binding("n", "failure(1)", "Next failure", show=False),
        Binding("N", "failure(-1)", "Previous failure", show=False),
        Binding("x", "mark", "Mark"),
        Binding("c", "clear", "Clear", show=False),
        Binding("r", "rerun", "Rerun"),
        Binding("R", "failed", "Run failed", show=False),
        Binding("colon", "command", "Command"),
        Binding("o", "said", "What it wrote", show=False),
        Binding("b", "baseline", "Baseline"),
        Binding("e", "edit", "Edit"),
        Binding("question_mark", "help", "Help"),
        Binding("q", "leave", "Quit"),
    ]

    def __init__(
        self, model: Model, config: Config, *, refresh: float = 1.0, words: str = ""
    ) -> None:
        super().__init__()
        self.model = model
        self.words = words
        self.sort = SORTS[0]
        self.marked: frozenset[str] = frozenset()
        self.said = ""
        self.last: tuple[str, int | None] | None = None
        self._config = config
        self._every = refresh
        self._process: asyncio.subprocess.Process | None = None
        self._warned = False
        self._leaving = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What keys do to the table they do only where it is seen."""
        if action in _OF_TABLE and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    @property
    def table(self) -> JobTable:
        """The table."""
        return self.query_one("#table", JobTable)

    def compose(self) -> ComposeResult:
        """A line on top, the table, details, keys."""
        yield Static("", id="top", markup=False)
        yield JobTable(id="table")
        with VerticalScroll(id="below"):
            yield Static("", id="details", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow the workspace."""
        self.table.focus()
        self.look()
        self.set_interval(self._every, self.look)

    def look(self) -> None:
        """Look at the workspace; draw, if something has changed or runs."""
        try:
            changed = self.model.update()
        except (CanaryError, OSError) as e:
            self.notify(visible(str(e)), severity="error", markup=False)
            return
        if changed:
            self.draw()
        elif self.model.running:
            self.table.refresh()

    def draw(self) -> None:
        """Draw all anew."""
        rows = self.model.shown(self.words, self.sort)
        self.table.show(rows, self.marked)
        parts = [self.model.counts(), f"sorted by {self.sort}"]
        if self.words:
            parts.append(f"{len(rows)} with {self.words!r}")
        if self.marked:
            parts.append(f"{len(self.marked)} marked")
        if self.last is not None:
            command, code = self.last
            parts.append(f"{command}: {'runs' if code is None else f'ended with {code}'}")
        elif self.model.running:
            parts.append("a session runs")
        self.query_one("#top", Static).update("  ".join(parts))
        self._draw_details()

    def _draw_details(self) -> None:
        row = self.table.current
        if self.query_one("#below").has_class("shown"):
            lines = self.model.details(row) if row is not None else []
            text = "\n".join(f"{name:12} {value}" for name, value in lines)
            self.query_one("#details", Static).update(text)

    def on_job_table_moved(self) -> None:
        """The details are those of the current job."""
        self._draw_details()

    def on_job_table_chosen(self) -> None:
        """As Enter."""
        self.action_log()

    # looking

    def action_log(self) -> None:
        """What the current job wrote; it is read again while it runs."""
        row = self.table.current
        if row is None:
            return
        job = {"stdout": f"{row.directory}/canary-out.txt", **self._streams(row)}
        title, failed = f"{row.fullname} ({row.id[:7]})", row.state in ("FAIL", "ABORTED")
        # what went wrong is said last
        self.push_screen(Pager(title, lambda: output(job, ENDS), 1.0, at_end=failed))

    def _streams(self, row: Row) -> dict[str, str]:
        spec = self.model.spec(row)
        if spec is None:
            return {}
        streams = {"stdout": f"{row.directory}/{spec.stdout}"}
        return {**streams, "stderr": f"{row.directory}/{spec.stderr}"} if spec.stderr else streams

    def action_details(self) -> None:
        """Show or hide them."""
        below = self.query_one("#below")
        below.toggle_class("shown")
        if not below.has_class("shown"):
            self.table.focus()
        self._draw_details()

    @work
    async def action_filter(self) -> None:
        """Ask for words."""
        answer = await self.push_screen_wait(Ask("Only jobs with these words:", self.words))
        if answer is not None:
            self.words = answer
            self.draw()

    def action_sort(self) -> None:
        """By the next of the orders."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.draw()

    def action_failure(self, by: int) -> None:
        """To the next job that failed, round the end."""
        rows, at = self.table.rows, self.table.at
        for step in range(1, len(rows) + 1):
            if rows[(at + by * step) % len(rows)].state in ("FAIL", "ABORTED"):
                self.table.move_to((at + by * step) % len(rows))
                return

    def action_mark(self) -> None:
        """Mark the current job, or take its mark; then go on to the next."""
        row = self.table.current
        if row is not None:
            self.marked ^= {row.id}
            self.draw()
            self.table.action_move(1)

    def action_clear(self) -> None:
        """No marks."""
        self.marked = frozenset()
        self.draw()

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(Pager("Keys", lambda: HELP))

    # doing

    def _wanted(self) -> list[str]:
        """IDs of the marked jobs, or of the current one."""
        if self.marked:
            return sorted(self.marked)
        row = self.table.current
        return [row.id] if row is not None else []

    def action_rerun(self) -> None:
        """Run the marked jobs again, or the current one."""
        ids = self._wanted()
        if ids:
            self.start(["run", *(f"/{id}" for id in ids)])

    def action_failed(self) -> None:
        """Run again what failed."""
        self.start(["run", "--only", "failed"])

    @work
    async def action_command(self) -> None:
        """Ask for a command."""
        answer = await self.push_screen_wait(Ask("canary", "run "))
        if answer is None or not answer.strip():
            return
        try:
            self.start(shlex.split(answer))
        except ValueError as e:
            self.notify(str(e), severity="error", markup=False)

    @work
    async def action_baseline(self) -> None:
        """Show what would change, ask, do it."""
        ids = self._wanted()
        if not ids:
            return
        shown = [await self._ask_canary("rebaseline", "--dry-run", id) for id in ids]
        text = "".join(said for _, said in shown)
        if any(code for code, _ in shown):
            self.push_screen(Pager("rebaseline", lambda: text))
            return
        yes: bool = await self.push_screen_wait(Confirm(text, "Take these as reference?"))
        if yes:
            said = [await self._ask_canary("rebaseline", id) for id in ids]
            self.said = "".join(text for _, text in said)
            self.notify(f"rebaselined {sum(code == 0 for code, _ in said)} of {len(ids)} jobs")

    def action_edit(self) -> None:
        """The test file, in an editor that has the terminal for itself."""
        row = self.table.current
        if row is None:
            return
        try:
            with self.suspend():
                done = subprocess.run(self._command("edit", row.id), cwd=self._cwd, check=False)
                if done.returncode:
                    sys.stdout.write("Enter goes back to the table ")
                    sys.stdout.flush()
                    sys.stdin.readline()
        except SuspendNotSupported:
            self.notify("there is no terminal for an editor", severity="error")
        self.refresh()

    def action_said(self) -> None:
        """What the last command wrote, and writes."""
        self.push_screen(Pager("canary", lambda: visible(self.said), 1.0))

    def action_leave(self) -> None:
        """End; what was started here is asked to end first, if the person means it."""
        if self._process is not None and not self._warned:
            self._warned = True
            self.notify("a command runs: q again ends it", severity="warning")
            return
        if self._process is None:
            self.exit(0)
            return
        self._leaving = True  # once it has ended: it stops its jobs and writes down what there is
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def action_quit(self) -> None:
        """Ctrl-Q is textual's own key for this."""
        self.action_leave()

    @property
    def _cwd(self) -> str:
        return os.fspath(self._config.cwd)

    def _command(self, *words: str) -> list[str]:
        where = ("--canary-dir", str(self.model.workspace.root))
        return [*program(), *where, *words]

    async def _ask_canary(self, *words: str) -> tuple[int, str]:
        """A short command: its exit code, and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*words),
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, visible(said.decode(errors="surrogateescape"))

    def start(self, words: Sequence[str]) -> None:
        """Start a command, unless one runs."""
        if self._process is not None:
            self.notify("one command at a time: o shows what it writes", severity="warning")
        else:
            self._follow(list(words))

    @work(group="command")
    async def _follow(self, words: list[str]) -> None:
        name = " ".join(words[:1])
        # jobs are many words; a session of its own, so that Ctrl-C here is not meant for it
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(*words),
                cwd=self._cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as e:
            self.notify(f"{name}: {e.strerror}", severity="error", markup=False)
            return
        self.said, self._warned, self.last = "", False, (name, None)
        self.draw()
        try:
            stream = self._process.stdout
            while stream is not None and (data := await stream.read(1 << 16)):
                self.said = (self.said + data.decode(errors="surrogateescape"))[-ENDS:]
            code = await self._process.wait()
        finally:
            self._process = None
        if self._leaving:
            self.exit(0)
            return
        self.last = (name, code)
        self.model.update()
        self.draw()
        if code:
            last = visible(self.said.rstrip().rpartition("\n")[2], "\n")
            self.notify(f"{name} ended with {code}: {last}", severity="warning", markup=False)
