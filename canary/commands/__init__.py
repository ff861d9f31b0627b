"""The commands of the core: one module each, with `arguments`, `run` and `EXAMPLES`.

`CORE` is what the command line knows without importing any of them: name, one line of help, and
whether the command loads plugins. Those that only ask the workspace do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from canary.declare import Command

CORE: Final = (
    ("init", "make a workspace", False),
    ("run", "run tests", True),
    ("resume", "run what the last session left undone", True),
    ("collect", "find jobs and keep them in the workspace", True),
    ("find", "show the jobs that a path gives", True),
    ("select", "name a set of jobs", True),
    ("status", "show the latest results", False),
    ("log", "show a job's output, or what happened in the session", False),
    ("describe", "show what a test file or a job is", True),
    ("location", "show where a job's files are", False),
    ("query", "jobs and sessions as JSON", False),
    ("info", "show what is in the workspace", False),
    ("exec", "run one job now, in its directory", True),
    ("view", "make the view of the latest results anew", False),
    ("rm", "delete a workspace", False),
    ("gc", "remove superseded results", False),
    ("report", "write a report of the results", True),
    ("config", "show and set configuration", True),
    ("plugins", "list plugins, what they add, what is wrong with them", True),
    ("doctor", "check the workspace, and mend it", False),
    ("help", "show help", True),
)


def load(name: str) -> Command:
    """A command of the core: what its module has, and its help."""
    of = import_module(f"canary.commands.{name}")
    help = next(help for known, help, _ in CORE if known == name)
    return Command(name=name, help=help, run=of.run, arguments=of.arguments, examples=of.EXAMPLES)
