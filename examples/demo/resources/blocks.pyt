"""`cpus` is a parameter like others, and a request: the job gets that many CPUs to itself.

The sum 1/1^2 + 1/2^2 + ... is made in blocks by as many processes as there are CPUs. The blocks are
the same however many share them, so the answer must be the same to the last bit.
"""

import math
import multiprocessing
import sys

import canary
from canary_pyt import directives

directives.keywords("parallel")
directives.parameterize("cpus", [1, 2])

BLOCK, BLOCKS = 25_000, 8


def partial(block):
    first = block * BLOCK + 1
    return math.fsum(1 / k**2 for k in range(first, first + BLOCK))


def test():
    instance = canary.get_instance()
    print(f"{instance.cpus} CPUs: {', '.join(instance.cpu_ids)}")
    assert len(instance.cpu_ids) == instance.parameters.cpus
    with multiprocessing.get_context("fork").Pool(instance.cpus) as pool:
        total = sum(pool.map(partial, range(BLOCKS)))
    print(f"{BLOCK * BLOCKS} terms: {total!r}, pi^2/6 = {math.pi**2 / 6!r}")
    assert total == sum(map(partial, range(BLOCKS)))
    rest = 1 / (BLOCK * BLOCKS)  # what the terms left out amount to
    assert math.isclose(total + rest, math.pi**2 / 6, rel_tol=1e-9)
    return 0


if __name__ == "__main__":
    sys.exit(test())
