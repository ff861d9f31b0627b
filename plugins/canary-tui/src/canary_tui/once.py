"""`canary tui --once`: what the explorer would show, as text."""

from __future__ import annotations

import sys

from canary.config import Config
from canary.table import safe_write, table, use_colour, width
from canary_tui.model import COLOURS, SORTS, Model


def write(model: Model, words: str, config: Config) -> int:
    """Write the table."""
    model.update()
    rows = model.shown(words, SORTS[0])
    cells = [[row.id[:7], row.status, row.took(), row.fullname, row.reason] for row in rows]
    colours = [COLOURS.get(row.state, "") for row in rows]
    on = use_colour(config.main.color, sys.stdout)
    head = ("ID", "Status", "Duration", "Job", "Details")
    lines = table(head, cells, colours=colours, on=on, columns=width(sys.stdout))
    running = " (a session runs)" if model.running else ""
    hidden = f", {len(model.rows) - len(rows)} not shown" if len(rows) < len(model.rows) else ""
    safe_write(sys.stdout, "\n".join([*lines, "", f"{model.counts()}{hidden}{running}"]) + "\n")
    return 0
