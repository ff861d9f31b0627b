"""Where canary asks for test files of vvtest and makes their jobs ready to run.

Imported by every command that loads plugins, so what reads files is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import canary

if TYPE_CHECKING:
    from canary.config import Config
    from canary.job import Job
    from canary.spec import SpecGenerator


@canary.hookimpl
def canary_spec_generators() -> Iterable[SpecGenerator]:
    """The format `vvt`."""
    from canary_vvtest.generator import VvtGenerator

    return [VvtGenerator()]


@canary.hookimpl
def canary_job_setup(job: Job) -> None:
    """Write `vvtest_util.py` for jobs of this format."""
    if job.spec.generator == "vvt":
        from canary_vvtest.util import write

        write(job)


@canary.hookimpl(tryfirst=True)
def canary_rebaseline(job: Job, config: Config) -> Iterable[Path] | None:  # noqa: ARG001 - as the hook has it
    """Let the test know that its references are renewed; whoever renews them comes next."""
    if job.spec.generator == "vvt":
        from canary_vvtest.util import write

        write(job, baseline=True)
    return None
