"""Numbers that belong to a result: they are kept with the job and can be asked for, and followed.

    canary query job measurements/orbit measurements

A planet goes round its star 20 times by the leapfrog method. Its energy may swing, but must not
drift: that is what the method is used for.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("physics", "orbits")


def energy(x, y, u, v):
    return (u * u + v * v) / 2 - 1 / math.hypot(x, y)


def test():
    steps_a_turn, turns, eccentricity = 400, 20, 0.3
    dt = 2 * math.pi / steps_a_turn
    x, y, u, v = 1 - eccentricity, 0.0, 0.0, math.sqrt((1 + eccentricity) / (1 - eccentricity))
    start = energy(x, y, u, v)
    swing, ends = 0.0, []
    for step in range(1, steps_a_turn * turns + 1):
        r3 = math.hypot(x, y) ** 3
        u, v = u - dt / 2 * x / r3, v - dt / 2 * y / r3
        x, y = x + dt * u, y + dt * v
        r3 = math.hypot(x, y) ** 3
        u, v = u - dt / 2 * x / r3, v - dt / 2 * y / r3
        swing = max(swing, abs(energy(x, y, u, v) / start - 1))
        if step % steps_a_turn == 0:
            ends.append(energy(x, y, u, v) / start - 1)
    drift = abs(ends[-1] - ends[0])
    print(f"{turns} turns: energy swings by {swing:.2e}, drifts by {drift:.2e}")
    job = canary.get_job()
    job.add_measurement("energy_swing", swing)
    job.add_measurement("energy_drift", drift)
    assert swing < 1e-3
    assert drift < 1e-5
    return 0


if __name__ == "__main__":
    sys.exit(test())
