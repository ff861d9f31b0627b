"""Hooks by which other plugins change what CDash is told of a job.

`job` is a job as reporters get it. Implement them with `@canary.hookimpl(optionalhook=True)`: they
are known only where this distribution is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import canary


@canary.hookspec(firstresult=True)
def canary_cdash_name(job: Mapping[str, Any]) -> str | None:
    """The name of a job's test; None: its own name."""


@canary.hookspec
def canary_cdash_labels(job: Mapping[str, Any]) -> Iterable[str] | None:
    """Labels of a job, beside its keywords."""


@canary.hookspec
def canary_cdash_subprojects() -> Iterable[str] | None:
    """Labels that are subprojects, beside those of the command line."""


@canary.hookspec
def canary_cdash_measurements(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Named measurements of a job, beside its own: texts and numbers."""


@canary.hookspec
def canary_cdash_files(job: Mapping[str, Any]) -> Iterable[Path] | None:
    """Files to attach to a job, beside its artifacts."""
