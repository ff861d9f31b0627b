"""A test with directives: it has keywords to be found by, a time limit, and a function to run."""

import math
import sys

from canary_pyt import directives

directives.keywords("fast", "physics")
directives.timeout("10s")


def test():
    """The fine-structure constant from SI values is 1/137.036, as it is known to be."""
    e = 1.602176634e-19  # C
    hbar = 1.054571817e-34  # J s
    c = 299792458.0  # m/s
    epsilon0 = 8.8541878128e-12  # F/m
    alpha = e**2 / (4 * math.pi * epsilon0 * hbar * c)
    print(f"1/alpha = {1 / alpha:.6f}")
    assert math.isclose(1 / alpha, 137.035999, rel_tol=1e-8)
    return 0


if __name__ == "__main__":
    sys.exit(test())
