"""BLOCKED: it needs the orbit, and there is none. Not a failure of its own: it adds nothing."""

import sys

from canary_pyt import directives

directives.keywords("orbits")
directives.depends_on("euler_orbit")


def test():
    return 0


if __name__ == "__main__":
    sys.exit(test())
