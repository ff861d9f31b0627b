"""`xdiff`: results are known to differ from the reference, here a value of 1929. Passes as XDIFF.

A difference is not a failure: the program ran, its numbers are others. `raise canary.TestDiffed`,
or exit code 64, says so.
"""

import sys

import canary
from canary_pyt import directives

directives.keywords("constants")
directives.xdiff()


def test():
    reference, today = 2.99796e8, 2.99792458e8  # speed of light, m/s
    if abs(today - reference) > 1e3:
        raise canary.TestDiffed(f"{today} m/s, the reference has {reference}")
    return 0


if __name__ == "__main__":
    sys.exit(test())
