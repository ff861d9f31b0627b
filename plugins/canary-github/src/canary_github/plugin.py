"""The hook: the reporter `github`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer `github`."""
    from canary_github.reporter import GithubReporter

    return [GithubReporter()]
