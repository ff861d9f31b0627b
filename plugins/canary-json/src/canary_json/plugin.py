"""The hook: the reporter `json`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `json`."""
    from canary_json.reporter import JsonReporter

    return [JsonReporter()]
