"""The hooks: four commands and an archive. What each does is in the module of its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import canary
from canary.declare import Command
from canary_extras import archive

if TYPE_CHECKING:
    from canary.events import Summary
    from canary.session import Session


@canary.hookimpl
def canary_commands() -> list[Command]:
    """Add `edit`, `fetch`, `docs` and `learn`."""
    from canary_extras import docs, edit, fetch, learn  # most commands load plugins and not these

    return [edit.COMMAND, fetch.COMMAND, docs.COMMAND, learn.COMMAND]


@canary.hookimpl
def canary_settings() -> type[canary.Settings]:
    """Offer `--archive`."""
    return archive.Archive


@canary.hookimpl
def canary_session_finish(session: Session, summary: Summary) -> None:  # noqa: ARG001 - the hook's
    """Write the archive, if one is wanted."""
    name = session.config.settings(archive.Archive).name
    if name is not None:
        archive.write(Path(session.config.cwd, name), session.jobs)
