"""Runs last and in any case: `always` only waits. One text may hold several patterns."""

import sys

import canary
from canary_pyt import directives

directives.keywords("heat")
directives.depends_on({"job": "post implicit", "when": "always", "expects": 2})


def test():
    for job in canary.get_instance().dependencies:
        print(f"{job.name:10} exit code {job.returncode}")
    return 0


if __name__ == "__main__":
    sys.exit(test())
