"""BROKEN: a file it needs does not exist, so it is not even started."""

import sys
from pathlib import Path

from canary_pyt import directives

directives.keywords("mesh")
directives.copy("wing.mesh")  # nobody committed it


def test():
    return 0 if Path("wing.mesh").read_text() else 1


if __name__ == "__main__":
    sys.exit(test())
