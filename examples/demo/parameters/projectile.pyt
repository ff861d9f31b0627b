"""A product: two calls of `parameterize` make every combination, here 2 x 3 jobs.

A body thrown at angle A and at 90 - A degrees lands at the same distance, v^2 sin(2A) / g.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("fast", "physics")
directives.parameterize("speed", [10.0, 30.0])
directives.parameterize("angle", [30, 45, 60])

G = 9.81


def distance(speed, angle, dt):
    """Fly in steps of dt (velocity Verlet, exact under constant force) until the ground is met."""
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    x = y = 0.0
    while True:
        last_x, last_y = x, y
        x += vx * dt
        y += vy * dt - G * dt * dt / 2
        vy -= G * dt
        if y < 0:
            return last_x + (x - last_x) * last_y / (last_y - y)


def test():
    p = canary.get_instance().parameters
    there = distance(p.speed, math.radians(p.angle), dt=1e-3)
    theory = p.speed**2 * math.sin(2 * math.radians(p.angle)) / G
    print(f"{p.speed} m/s at {p.angle} degrees: {there:.4f} m, theory {theory:.4f} m")
    assert math.isclose(there, theory, rel_tol=1e-5)
    return 0


if __name__ == "__main__":
    sys.exit(test())
