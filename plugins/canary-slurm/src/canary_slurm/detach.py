"""`canary run --detach`: the run goes on in a process of its own; following it, and ending it.

The process is the same command again, apart from the terminal. Until its session has begun it
speaks to the terminal, so that a mistake is seen; then it writes to a file of the session. If its
host goes down, `canary resume` takes its batches up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from canary import home
from canary.again import program
from canary.errors import NothingToRun, WorkspaceError
from canary.events import JobFinished, SessionFinished
from canary.home import Workspace
from canary.journal import LOG, decode_event
from canary.recovery import RUN_LOCK, Runner
from canary_slurm.attach import is_elsewhere
from canary_slurm.batch import DIRECTORY, OPEN, Tail, read_json

if TYPE_CHECKING:
    from canary.config import Config
    from canary_slurm.slurm import Slurm

VARIABLE: Final = "CANARY_DETACHED"
OUTPUT: Final = "detached.txt"
LOOK: Final = 0.5  # seconds between two looks at a log that somebody else writes


def leave() -> NoReturn:
    """Start the run apart and end this process: 0 once its session has begun, else as it ends."""
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [*program(), *sys.argv[1:]],
        stdin=subprocess.DEVNULL,
        env={**os.environ, VARIABLE: str(writer)},
        pass_fds=(writer,),
        start_new_session=True,
    )
    os.close(writer)
    with open(reader, encoding="utf-8") as told:
        session = told.read()
    if not session:
        _end(child.wait())
    child.returncode = 0  # it outlives us
    sys.stdout.write(f"session {session} goes on by itself: canary hpc attach, canary hpc cancel\n")
    _end(0)


def _end(code: int) -> NoReturn:
    """End at once: nothing was begun here, and an exception of a hook is taken for its failure."""
    sys.stdout.flush()
    os._exit(code)


def begun(session: str, directory: Path) -> None:
    """The session has begun: let go of whoever waits for that, and of the terminal."""
    writer = int(os.environ[VARIABLE])
    try:
        os.write(writer, session.encode())
        os.close(writer)
    except OSError:
        return  # the variable is of another process, above us
    out = os.open(directory / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for fd in (1, 2):
        os.dup2(out, fd)
    os.close(out)


def latest(config: Config) -> tuple[Workspace, str]:
    """The workspace and its last session."""
    workspace = home.require(config.cwd, config.workspace)
    if workspace.latest is None:
        raise NothingToRun("there is no session yet", hint="canary run PATH")
    return workspace, workspace.latest


def runner(workspace: Workspace, session: str) -> Runner | None:
    """Who runs in the workspace now; None if nobody does, WorkspaceError if this is a copy."""
    if is_elsewhere(workspace.sessions / session):
        raise WorkspaceError(
            f"session {session} runs in the workspace that this is a copy of",
            hint="look after it there",
            file=str(workspace.root),
        )
    found = Runner.fromdict(read_json(workspace.root / RUN_LOCK))
    return None if found is None or found.lives() is False else found


def attach(config: Config) -> int:
    """Show the ends of jobs until the session is over; its exit code."""
    workspace, session = latest(config)
    tail = Tail(workspace.sessions / session / LOG)
    while True:
        alive = runner(workspace, session) is not None
        for line in tail.read():
            event = decode_event(line)
            if isinstance(event, JobFinished) and not event.retry:
                sys.stdout.write(f"{event.status.text}  {event.id[:7]}  {event.name}\n")
            elif isinstance(event, SessionFinished):
                return event.exit_code
        sys.stdout.flush()
        if not alive:
            raise WorkspaceError(
                f"session {session} has lost its runner", hint="canary resume takes it up"
            )
        time.sleep(LOOK)


def cancel(config: Config, slurm: Slurm) -> int:
    """End the session that runs: by its runner, or where that is gone, its batches."""
    workspace, session = latest(config)
    found = runner(workspace, session)
    if found is not None and found.lives():
        os.kill(found.pid, signal.SIGINT)
        sys.stdout.write(f"session {session}: told its runner (process {found.pid})\n")
        return 0
    if found is not None:
        raise WorkspaceError(
            f"session {session} is run from {found.host}", hint="canary hpc cancel there"
        )
    locks = list((workspace.sessions / session).glob(f"{DIRECTORY}/*/{OPEN}"))
    tickets = [str(t) for lock in locks if (t := (read_json(lock) or {}).get("ticket"))]
    slurm.cancel(tickets)
    for lock in locks:
        lock.unlink(missing_ok=True)
    sys.stdout.write(f"session {session}: {len(tickets)} batches cancelled\n")
    return 0
