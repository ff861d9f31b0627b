"""A table of cases: each row of `parameterize` is one job.

Each rule integrates exp(x) from 0 to 1; its error must have the right sign and stay below the bound
that theory gives.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("fast", "numerics")
directives.parameterize(
    "rule,n",
    [
        ("trapezoid", 8),
        ("trapezoid", 16),
        ("simpson", 8),
        ("simpson", 16),
    ],
)


def trapezoid(f, n):
    h = 1 / n
    return h * (f(0) / 2 + sum(f(i * h) for i in range(1, n)) + f(1) / 2)


def simpson(f, n):
    h = 1 / n
    odd = sum(f(i * h) for i in range(1, n, 2))
    even = sum(f(i * h) for i in range(2, n, 2))
    return h / 3 * (f(0) + 4 * odd + 2 * even + f(1))


def test():
    p = canary.get_instance().parameters
    rule = {"trapezoid": trapezoid, "simpson": simpson}[p.rule]
    order, divisor = {"trapezoid": (2, 12), "simpson": (4, 180)}[p.rule]
    error = rule(math.exp, p.n) - (math.e - 1)
    bound = math.e * (1 / p.n) ** order / divisor  # every derivative of exp is at most e here
    print(f"{p.rule}, {p.n} intervals: error {error:.3e}, bound {bound:.3e}")
    assert 0 < error <= bound
    return 0


if __name__ == "__main__":
    sys.exit(test())
