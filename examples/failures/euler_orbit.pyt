"""FAILED: explicit Euler steps push a planet out of its orbit, and the check on energy says so."""

import math
import sys

from canary_pyt import directives

directives.keywords("orbits")


def test():
    steps = 400
    dt = 2 * math.pi / steps
    x, y, u, v = 1.0, 0.0, 0.0, 1.0
    for _ in range(steps):
        r3 = math.hypot(x, y) ** 3
        x, y, u, v = x + dt * u, y + dt * v, u - dt * x / r3, v - dt * y / r3
    energy = (u * u + v * v) / 2 - 1 / math.hypot(x, y)
    print(f"after one year the planet is at ({x:.3f}, {y:.3f}), its energy {energy:.4f}, was -0.5")
    assert abs(energy / -0.5 - 1) < 1e-3, "energy is not conserved"
    return 0


if __name__ == "__main__":
    sys.exit(test())
