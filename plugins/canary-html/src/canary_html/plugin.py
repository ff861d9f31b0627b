"""The hook: the reporter `html`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `html`."""
    from canary_html.reporter import HtmlReporter

    return [HtmlReporter()]
