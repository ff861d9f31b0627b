"""Second of three: heat conduction on the mesh of the same `n`.

`{n}` in a text is the value of the parameter, so each job waits for its own mesh. The jobs it
depends on are in `dependencies`, and what they wrote is in their work directories.
"""

import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("heat")
directives.parameterize("n", [32, 64])
directives.depends_on("mesh.n={n}")
directives.link("tridiagonal.py")


def heat(x):
    """Solve -u'' = sin(pi x), u(0) = u(1) = 0, by finite volumes on the nodes x."""
    import tridiagonal  # it is in the work directory, not beside this file

    inner = range(1, len(x) - 1)
    left = [1 / (x[i] - x[i - 1]) for i in inner]
    right = [1 / (x[i + 1] - x[i]) for i in inner]
    width = [(x[i + 1] - x[i - 1]) / 2 for i in inner]
    source = [w * math.sin(math.pi * x[i]) for i, w in zip(inner, width)]
    diagonal = [a + b for a, b in zip(left, right)]
    u = tridiagonal.solve([-a for a in left], diagonal, [-b for b in right], source)
    return [0.0, *u, 0.0]


def test():
    instance = canary.get_instance()
    (mesh,) = instance.dependencies
    x = json.loads(Path(mesh.working_directory, "mesh.json").read_text())
    u = heat(x)
    error = max(abs(b - math.sin(math.pi * a) / math.pi**2) for a, b in zip(x, u))
    print(f"{instance.parameters.n} cells: largest error {error:.3e}")
    Path("solution.json").write_text(json.dumps({"x": x, "u": u, "error": error}))
    return 0


if __name__ == "__main__":
    sys.exit(test())
