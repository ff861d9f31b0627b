"""Time limits: a job that runs longer is ended, with all it has started, and is a TIMEOUT.

The limit may depend on the parameters. Without a directive it follows from the keywords: 2 minutes
with `fast`, 15 with `long`, else 5, unless configured otherwise.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("numerics")
directives.parameterize("cells", [10, 40])
directives.timeout("10s", when={"parameters": "cells < 20"})
directives.timeout("1m", when={"parameters": "cells >= 20"})


def test():
    instance = canary.get_instance()
    n = instance.parameters.cells
    print(f"{n} cells, at most {instance.timeout:g} s")
    # Gauss-Seidel for -u'' = 1: each sweep lessens the error by cos^2(pi / n)
    u = [0.0] * (n + 1)
    exact = [i * (n - i) / (2 * n * n) for i in range(n + 1)]
    needed = math.ceil(math.log(1e-8) / math.log(math.cos(math.pi / n) ** 2))
    for sweep in range(1, needed + 1):
        for i in range(1, n):
            u[i] = (u[i - 1] + u[i + 1] + 1 / n**2) / 2
    error = max(abs(a - b) for a, b in zip(u, exact)) / max(exact)
    print(f"after {sweep} sweeps the relative error is {error:.1e}")
    assert error < 2e-8
    return 0


if __name__ == "__main__":
    sys.exit(test())
