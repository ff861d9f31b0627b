"""What a person means by a job or a session: names, IDs and beginnings of them, looked up in the
store.

For commands of the core and of plugins alike. An ambiguous name is an error that lists what it
could be, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from canary import fsio, home
from canary.errors import UsageError
from canary.store import Result, Store


def open_store(cwd: Path, explicit: Path | None = None) -> tuple[home.Workspace, Store]:
    """The workspace around `cwd` (or the one named) and its store, for reading."""
    workspace = home.require(cwd, explicit)
    return workspace, Store(workspace.database)


def select_session(name: str, workspace: home.Workspace, store: Store) -> str:
    """A session by name, beginning of a name, or `latest`."""
    names = store.sessions()
    if name == "latest":
        latest = workspace.latest
        if latest is None and not names:
            raise UsageError("there is no session yet", hint="canary run PATH")
        return latest or names[-1]
    found = [n for n in names if n == name] or [n for n in names if n.startswith(name)]
    if len(found) != 1:
        known = ", ".join(names[-3:]) or "none"
        raise UsageError(f"{name!r} names {len(found)} sessions", hint=f"newest: {known}")
    return found[0]


def is_over(workspace: home.Workspace) -> bool:
    """Has the newest session an end, so far as can be seen at a glance? Where not, `recovery` knows
    more, and takes longer to load."""
    names = workspace.session_names()
    if not names:
        return True
    newest = workspace.sessions / names[-1]
    known, _, end = fsio.read_text(f"{newest}/session.lock").rpartition('"returncode":')
    return known != "" and not (end.lstrip().startswith("null") or (newest / "running").exists())


def left_out(workspace: home.Workspace, store: Store) -> list[tuple[str, str, str]]:
    """ID, full name and reason of each job that the last run left out, also if nothing was left to
    run and there is no session of it; UsageError if nothing has been run."""
    return store.excluded("") or store.excluded(select_session("latest", workspace, store))


def select_job(spec: str, store: Store) -> Result:
    """The latest result of the one job that `spec` names, see `pick`."""
    return pick(spec, store.results())


def pick(spec: str, results: Sequence[Result]) -> Result:
    """The one that `spec` names: exact name or ID first, then ID prefix, then the name without
    parameters, then parts of names."""
    wanted = spec.strip()
    path = wanted.lstrip("/")
    rules = (
        [r for r in results if wanted in (r.id, r.fullname, r.name, r.workspace)],
        [r for r in results if len(path) >= 3 and r.id.startswith(path)],
        [r for r in results if r.fullname.endswith("/" + wanted) or r.file_path == wanted],
        [r for r in results if r.name.startswith(wanted + ".")],
        [r for r in results if wanted in r.fullname],
    )
    for found in rules:
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{r.fullname} ({r.id[:7]})" for r in found[:4])
            raise UsageError(f"{spec!r} could be {len(found)} jobs: {names}", hint="give an ID")
    raise UsageError(f"no job {spec!r} in this workspace", hint="canary status -rA lists all")
