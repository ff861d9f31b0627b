"""The hook: the reporter `markdown`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `markdown`."""
    from canary_markdown.reporter import MarkdownReporter

    return [MarkdownReporter()]
