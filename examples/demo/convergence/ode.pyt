"""A composite base case: 12 runs, and a 13th that judges all of them together.

Each run solves the logistic equation y' = y (1 - y) with one method and one step size. When all
have passed, the base case `ode` reads their errors and checks the order of each method. This is how
a convergence study becomes one test: no single run could say whether the order is right.
"""

import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("numerics", "convergence")
directives.parameterize("method", ["euler", "heun", "rk4"])
directives.parameterize("steps", [20, 40, 80, 160])
directives.generate_composite_base_case()

START, END = 0.1, 5.0


def f(y):
    return y * (1 - y)


def exact(t):
    return 1 / (1 + (1 / START - 1) * math.exp(-t))


def euler(y, h):
    return y + h * f(y)


def heun(y, h):
    k1 = f(y)
    k2 = f(y + h * k1)
    return y + h / 2 * (k1 + k2)


def rk4(y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


METHODS = {"euler": (euler, 1), "heun": (heun, 2), "rk4": (rk4, 4)}


def run(instance):
    """One run: integrate, write down the largest error on the way."""
    p = instance.parameters
    step, _ = METHODS[p.method]
    h = END / p.steps
    y, error = START, 0.0
    for i in range(1, p.steps + 1):
        y = step(y, h)
        error = max(error, abs(y - exact(i * h)))
    print(f"{p.method}, h = {h:g}: largest error {error:.3e}")
    assert error < 0.1
    Path("error.json").write_text(json.dumps({"h": h, "error": error}))
    return 0


def analyze(instance):
    """The base case: the slope of log(error) over log(h) is the order."""
    wrong = []
    for method, (_, expected) in METHODS.items():
        runs = [job for job in instance.dependencies if job.parameters.method == method]
        data = [json.loads(Path(job.working_directory, "error.json").read_text()) for job in runs]
        order = slope([math.log(d["h"]) for d in data], [math.log(d["error"]) for d in data])
        print(f"{method:5} order {order:.3f}, expected {expected}, from {len(runs)} runs")
        if abs(order - expected) > 0.15:
            wrong.append(f"{method} {order:.3f}")
    if wrong:
        raise canary.TestDiffed(f"not of the order they should be: {', '.join(wrong)}")
    return 0


def slope(x, y):
    """Least squares."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y)) / sum((a - mx) ** 2 for a in x)


if __name__ == "__main__":
    instance = canary.get_instance()
    sys.exit(analyze(instance) if instance.multicase else run(instance))
