"""TIMEOUT: Newton's method caught in a cycle. 0, 1, 0, 1, ... never gets to the root.

The limit is one second; the job is asked to end, and made to after a grace.
"""

import itertools
import sys

from canary_pyt import directives

directives.keywords("roots")
directives.timeout(1)


def test():
    x = 0.0
    for step in itertools.count():
        fx, slope = x**3 - 2 * x + 2, 3 * x**2 - 2
        if step < 6:
            print(f"step {step}: x = {x:g}", flush=True)
        if abs(fx) < 1e-12:
            return 0
        x -= fx / slope


if __name__ == "__main__":
    sys.exit(test())
