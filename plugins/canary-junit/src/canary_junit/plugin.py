"""The hook: the reporter `junit`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `junit`."""
    from canary_junit.reporter import JunitReporter

    return [JunitReporter()]
