"""First of three: make a mesh of the unit interval, finer towards the left. `solve` needs it."""

import json
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("heat", "mesh")
directives.parameterize("n", [32, 64])


def test():
    n = canary.get_instance().parameters.n
    stretch = 0.5
    nodes = [(1 - stretch) * i / n + stretch * (i / n) ** 2 for i in range(n + 1)]
    assert nodes[0] == 0 and nodes[-1] == 1
    assert all(a < b for a, b in zip(nodes, nodes[1:]))
    Path("mesh.json").write_text(json.dumps(nodes))
    print(f"{n} cells from {nodes[1]:.4g} to {1 - nodes[-2]:.4g} wide")
    return 0


if __name__ == "__main__":
    sys.exit(test())
