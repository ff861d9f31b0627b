"""Uses what `canary_setup` in canaryconf.py made: its job is a dependency of this one."""

import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("tables")
directives.parameterize("degree", [1, 3])


def lagrange(points, x):
    total = 0.0
    for i, (xi, yi) in enumerate(points):
        others = [xj for j, (xj, _) in enumerate(points) if j != i]
        total += yi * math.prod((x - xj) / (xi - xj) for xj in others)
    return total


def test():
    instance = canary.get_instance()
    (made,) = instance.dependencies
    table = json.loads(Path(made.working_directory, "erf.json").read_text())
    degree = instance.parameters.degree
    worst = 0.0
    for k in range(3, 290, 7):
        x = (k + 0.5) / 100
        first = k - degree // 2
        near = table[first : first + degree + 1]
        worst = max(worst, abs(lagrange(near, x) - math.erf(x)))
    limit = {1: 2e-5, 3: 5e-9}[degree]
    print(f"degree {degree}: largest error {worst:.2e}, allowed {limit:.0e}")
    assert worst < limit
    return 0


if __name__ == "__main__":
    sys.exit(test())
