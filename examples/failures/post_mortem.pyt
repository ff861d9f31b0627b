"""PASS: `on_failure` runs a job if, and only if, another has failed. It collects what is left."""

import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("orbits")
directives.depends_on({"job": "euler_orbit", "when": "on_failure"})


def test():
    (failed,) = canary.get_instance().dependencies
    print(f"{failed.name} ended with exit code {failed.returncode}, its last words:")
    lines = Path(failed.working_directory, failed.ofile).read_text().splitlines()
    print("\n".join(lines[-3:]))
    return 0


if __name__ == "__main__":
    sys.exit(test())
