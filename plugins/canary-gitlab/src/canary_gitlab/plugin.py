"""The hook: the reporters `gitlab-mr`, `gitlab-codequality` and `gitlab-issues`."""

from __future__ import annotations

from collections.abc import Iterable

import canary


@canary.hookimpl
def canary_reporters() -> Iterable[canary.Reporter]:
    """Offer all three."""
    from canary_gitlab.issues import IssuesReporter
    from canary_gitlab.note import NoteReporter
    from canary_gitlab.quality import QualityReporter

    return [NoteReporter(), QualityReporter(), IssuesReporter()]
