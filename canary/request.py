"""All that was asked of a run, as one frozen value; made by commands, read by the session.

No argparse, no configuration and no plugin from here on: what they had to say is in a `RunRequest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canary.collect import ScanRoot
from canary.frozen import shared
from canary.generate import FILE_SECONDS
from canary.job import LaunchSettings
from canary.resources import Machine
from canary.schedule import Policy
from canary.select import Criteria
from canary.settings import View


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """All that was asked of a run; times in seconds. `timeouts` are by keyword, `default` and `all`
    (or `*`). `asked` is what the command line said, as plain data for the record."""

    words: tuple[str, ...] = ()
    roots: tuple[ScanRoot, ...] = ()
    cwd: str
    argv: tuple[str, ...] = ()
    canary_dir: Path | None = None
    wipe: bool = False
    resume: str = ""  # the session whose work is to be done
    asked: tuple[Any, ...] = ()
    criteria: Criteria = field(default_factory=Criteria)
    only_given: bool = False
    options: frozenset[str] = frozenset()
    timeouts: Mapping[str, float] = shared()
    multiplier: float = 1.0
    permissive: bool = False
    empty_ok: bool = False
    machine: Machine | None = None
    counts: tuple[tuple[str, int], ...] = ()
    oversubscribe: tuple[tuple[str, int], ...] = ()
    launcher: str | None = None
    script_args: tuple[str, ...] = ()
    tag: str | None = None
    policy: Policy = field(default_factory=Policy)
    launch: LaunchSettings = field(default_factory=LaunchSettings)
    view: View = field(default_factory=View)
    file_seconds: float = FILE_SECONDS
    dry_run: bool = False
    default_tag: str = ":all:"
    teardown: bool = False
    shared_workspace: bool = False
