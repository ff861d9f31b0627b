"""Third of three: compare the solutions on both meshes.

The pattern matches several jobs; `expects` says how many there have to be, so that a renamed or
removed case is an error, not a weaker test.
"""

import json
import math
import sys
from pathlib import Path

import canary
from canary_pyt import directives

directives.keywords("heat", "post")
directives.depends_on({"job": "solve.n=*", "expects": 2})


def test():
    errors = {}
    for solve in canary.get_instance().dependencies:
        solution = json.loads(Path(solve.working_directory, "solution.json").read_text())
        errors[solve.parameters.n] = solution["error"]
    order = math.log2(errors[32] / errors[64])
    print(f"errors {errors}: order {order:.3f}")
    if abs(order - 2) > 0.1:
        raise canary.TestDiffed(f"order {order:.3f}, should be 2")
    return 0


if __name__ == "__main__":
    sys.exit(test())
