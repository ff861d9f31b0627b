"""What is meant by A and B in `canary compare A B`: results by job, wherever they come from.

A file that exists is that file; then a name is one of a session, a tag, a branch or a commit. If it
could be two of these, that is an error: `session:`, `tag:`, `branch:` and `file:` before it say
which one is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from canary.config import Config
from canary.errors import CanaryError, UsageError
from canary.home import Workspace
from canary.lookup import open_store, select_session
from canary.store import Result, Store, job_record
from canary_history import source

Job = Mapping[str, Any]
_BACK: Final = re.compile(r"(?:latest)?~(\d{1,6})")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Side:
    """`title` says what it is; `jobs` are those of `canary query jobs`, by ID."""

    title: str
    jobs: Mapping[str, Job]


def find(word: str, config: Config) -> Side:
    """The results that a word names; UsageError if it names none, or several."""
    kind, colon, rest = word.partition(":")
    path = Path(config.cwd, rest if kind == "file" and colon else word)
    if kind == "file" and colon:
        return _file(path)
    kinds: dict[str, Callable[[str, Workspace, Store], Side | None]] = {
        "session": _session,
        "tag": _tag,
        "branch": _branch,
    }
    if not (colon and kind in kinds) and path.is_file():
        return _file(path)
    workspace, store = open_store(Path(config.cwd), config.workspace)
    if colon and kind in kinds:
        found = {kind: kinds[kind](rest, workspace, store)}
    else:
        found = {kind: look(word, workspace, store) for kind, look in kinds.items()}
    sides = {kind: side for kind, side in found.items() if side is not None}
    if not sides:
        hint = "canary query sessions lists sessions, canary info tags"
        raise UsageError(f"{word!r} is no session, tag, branch or file", hint=hint)
    if len(sides) > 1:
        hint = f"write {' or '.join(f'{kind}:{word}' for kind in sides)}"
        raise UsageError(f"{word!r} is a {' and a '.join(sides)}", hint=hint)
    return next(iter(sides.values()))


def _session(word: str, workspace: Workspace, store: Store) -> Side | None:
    back = _BACK.fullmatch(word)
    if back:
        names = store.sessions()
        if int(back[1]) >= len(names):
            raise UsageError(f"{word}: there are {len(names)} sessions")
        name = names[-1 - int(back[1])]
    elif word == "latest" or word[:2].isdigit():
        try:
            name = select_session(word, workspace, store)
        except UsageError:
            if word == "latest":
                raise
            return None
    else:
        return None
    return Side(f"session {name}", _records(store.results(session=name)))


def _tag(word: str, workspace: Workspace, store: Store) -> Side | None:  # noqa: ARG001 - as others
    ids = store.tag(word)
    if ids is None:
        return None
    wanted = frozenset(ids)
    return Side(f"tag {word}", _records([r for r in store.results() if r.id in wanted]))


def _branch(word: str, workspace: Workspace, store: Store) -> Side | None:
    """All that is known of a branch or commit: each job's latest result there."""
    jobs: dict[str, Job] = {}
    last = ""
    for name in store.sessions():
        found = source.read(workspace.sessions / name)
        commit = str(found.get("commit", ""))
        if found.get("branch") == word or (_COMMIT.fullmatch(word) and commit.startswith(word)):
            jobs.update(_records(store.results(session=name)))
            last = commit[:10]
    return (
        Side(f"{word} ({last})" if last and last[:7] != word[:7] else word, jobs) if last else None
    )


def _records(results: list[Result]) -> dict[str, Job]:
    return {r.id: job_record(r) for r in results}


def _file(path: Path) -> Side:
    """A report of `canary report json`, or a stream of `canary run --events`."""
    try:
        text = path.read_bytes()
    except OSError as e:
        raise UsageError(f"cannot be read: {e.strerror}", file=str(path)) from None
    try:
        first = json.loads(text.partition(b"\n")[0] or b"{}") if text[:2] == b'{"' else {}
        data = _folded(text) if first.get("kind") == "stream" else json.loads(text)
        jobs = {id: _checked(job) for id, job in data.items() if job.get("excluded") is None}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        hint = "canary report json and canary run --events make such files"
        raise CanaryError("this holds no results of canary", hint=hint, file=str(path)) from None
    return Side(path.name, jobs)


def _checked(job: Job) -> Job:
    """A job that has what is compared; else TypeError or KeyError."""
    status, timings, values = job["status"], job["timings"], job["measurements"]
    texts = (job["id"], job["name"], job["fullname"], status["category"], status["outcome"])
    if not all(isinstance(x, str) for x in texts) or not isinstance(values, Mapping):
        raise TypeError
    float(timings.get("running", -1.0))
    return job


def _folded(text: bytes) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = {}
    over: dict[str, dict[str, Any]] = {}
    for raw in text.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break  # it is still being written
        line = json.loads(raw)
        if line["kind"] == "job":
            jobs[line["job"]["id"]] = line["job"]
        elif line["kind"] == "job_finished" and not line["retry"] and line["id"] in jobs:
            over[line["id"]] = {**jobs[line["id"]], **line["result"]}
    return over
