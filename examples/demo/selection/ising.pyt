"""Made to be selected: by keyword, owner, parameter, and an option that changes what there is.

    canary run -k 'statistical and not slow' examples/demo
    canary run --owner physics-group examples/demo
    canary run -p 'spins > 4' examples/demo
    canary run -o deep -k statistical examples/demo      # 14 spins as well

The sum over all states of a ring of spins must equal what the transfer matrix gives.
"""

import itertools
import math
import sys

import canary
from canary_pyt import directives

directives.keywords("statistical", "fast")
directives.owners("physics-group")
directives.parameterize("spins", [4, 7, 10], when="options='not deep'")
directives.parameterize("spins", [4, 7, 10, 14], when="options=deep")


def test():
    n = canary.get_instance().parameters.spins
    coupling, field = 0.6, 0.2  # in units of temperature
    total = 0.0
    for state in itertools.product((-1, 1), repeat=n):
        bonds = sum(state[i] * state[i - 1] for i in range(n))
        total += math.exp(coupling * bonds + field * sum(state))
    middle = math.exp(coupling) * math.cosh(field)
    half = math.sqrt(math.exp(2 * coupling) * math.sinh(field) ** 2 + math.exp(-2 * coupling))
    theory = (middle + half) ** n + (middle - half) ** n
    print(f"{n} spins: Z = {total:.10g}, by transfer matrix {theory:.10g}")
    assert math.isclose(total, theory, rel_tol=1e-12)
    return 0


if __name__ == "__main__":
    sys.exit(test())
