"""The hook: four commands. What each does is in the module of its name."""

from __future__ import annotations

import canary
from canary.declare import Command
from canary_extras import docs, edit, fetch, learn


@canary.hookimpl
def canary_commands() -> list[Command]:
    """Add `edit`, `fetch`, `docs` and `learn`."""
    return [edit.COMMAND, fetch.COMMAND, docs.COMMAND, learn.COMMAND]
