"""`setup` runs before the test and `teardown` after it, both in the job's work directory.

If `setup` fails the job is BROKEN and the test does not run; a `teardown` that fails changes no
verdict.
"""

import json
import math
import sys
from pathlib import Path

from canary_pyt import directives

directives.keywords("orbits")


@directives.setup
def write_input(job):
    """Semi-major axes in astronomical units, periods in years."""
    planets = {
        "Mercury": [0.387098, 0.240846],
        "Mars": [1.523680, 1.880848],
        "Saturn": [9.5826, 29.4571],
    }
    Path("planets.json").write_text(json.dumps(planets))


@directives.teardown
def remove_scratch(job):
    Path("scratch.txt").unlink(missing_ok=True)


def test():
    """Kepler's third law."""
    planets = json.loads(Path("planets.json").read_text())
    lines = []
    for name, (axis, period) in planets.items():
        ratio = period**2 / axis**3
        lines.append(f"{name:8} T^2 / a^3 = {ratio:.4f}\n")
        assert math.isclose(ratio, 1, rel_tol=0.02)
    Path("scratch.txt").write_text("".join(lines))
    print("".join(lines), end="")
    return 0


if __name__ == "__main__":
    sys.exit(test())
