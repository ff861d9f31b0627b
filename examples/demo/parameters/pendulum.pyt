"""A centred study: one point in the middle, and steps away from it, one parameter at a time.

Each row is (middle, step, steps to each side): 1 + 2 + 2 jobs. The period of a pendulum at large
amplitude, found by following its motion, must agree with Gauss's formula.
"""

import math
import sys

import canary
from canary_pyt import directives

directives.keywords("physics")
directives.parameterize(
    "length,amplitude",
    [
        (1.0, 0.25, 1),  # m
        (1.2, 0.4, 1),  # rad
    ],
    type=canary.centered_parameter_space,
)

G = 9.81


def period_by_motion(length, amplitude, steps=4000):
    """Four times the time from the turning point to the bottom; classical Runge-Kutta."""
    dt = 2 * math.pi * math.sqrt(length / G) / steps

    def slope(angle, rate):
        return rate, -G / length * math.sin(angle)

    angle, rate, time = amplitude, 0.0, 0.0
    while True:
        a1, r1 = slope(angle, rate)
        a2, r2 = slope(angle + dt / 2 * a1, rate + dt / 2 * r1)
        a3, r3 = slope(angle + dt / 2 * a2, rate + dt / 2 * r2)
        a4, r4 = slope(angle + dt * a3, rate + dt * r3)
        step = dt / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        if angle + step < 0:  # at the bottom the rate is stationary: a straight line will do
            return 4 * (time + dt * angle / -step)
        angle += step
        rate += dt / 6 * (r1 + 2 * r2 + 2 * r3 + r4)
        time += dt


def period_by_gauss(length, amplitude):
    """2 pi sqrt(l/g) / agm(1, cos(amplitude / 2))."""
    a, b = 1.0, math.cos(amplitude / 2)
    while abs(a - b) > 1e-15:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return 2 * math.pi * math.sqrt(length / G) / a


def test():
    p = canary.get_instance().parameters
    motion = period_by_motion(p.length, p.amplitude)
    gauss = period_by_gauss(p.length, p.amplitude)
    print(f"{p.length} m, {p.amplitude} rad: {motion:.8f} s by motion, {gauss:.8f} s by Gauss")
    assert math.isclose(motion, gauss, rel_tol=1e-6)
    assert gauss > 2 * math.pi * math.sqrt(p.length / G), "large swings take longer"
    return 0


if __name__ == "__main__":
    sys.exit(test())
