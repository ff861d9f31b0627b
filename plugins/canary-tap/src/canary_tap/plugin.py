"""The hook: the reporter `tap`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `tap`."""
    from canary_tap.reporter import TapReporter

    return [TapReporter()]
