"""A random study: values drawn between bounds. The seed fixes them, so the names stay the same.

The area that a polygon encloses must approach pi a b, whatever the axes.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("fast", "numerics")
directives.parameterize(
    "a,b",
    [(0.5, 2.0), (0.1, 1.0)],
    type=canary.random_parameter_space,
    samples=4,
    random_seed=1859,
)


def enclosed(points):
    """The shoelace formula."""
    around = zip(points, points[1:] + points[:1])
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in around) / 2


def test():
    p = canary.get_instance().parameters
    n = 1000
    turns = [2 * math.pi * i / n for i in range(n)]
    area = enclosed([(p.a * math.cos(t), p.b * math.sin(t)) for t in turns])
    print(f"axes {p.a:.4f} and {p.b:.4f}: area {area:.8f}, pi a b = {math.pi * p.a * p.b:.8f}")
    # a regular polygon of n corners lacks the part (2/3) (pi/n)^2 of its circle, to leading order
    lacking = 1 - area / (math.pi * p.a * p.b)
    assert math.isclose(lacking, 2 / 3 * (math.pi / n) ** 2, rel_tol=1e-4)
    return 0


if __name__ == "__main__":
    sys.exit(test())
