"""A time step that is too large, on purpose: explicit diffusion is stable up to dt = dx^2 / 2 only.

The test is expected to fail, and passes as XFAIL. `implicit` runs because of that.
"""

import sys

from canary_pyt import directives

directives.keywords("heat", "stability")
directives.xfail()


def test():
    n, ratio = 20, 0.6  # dt / dx^2
    u = [0.0] * (n // 2) + [1.0] + [0.0] * (n // 2)
    for _ in range(200):
        u = [0.0, *(u[i] + ratio * (u[i - 1] - 2 * u[i] + u[i + 1]) for i in range(1, n)), 0.0]
    largest = max(map(abs, u))
    print(f"largest temperature {largest:.3g}, it began as 1")
    assert largest <= 1, "diffusion makes no new extremes"
    return 0


if __name__ == "__main__":
    sys.exit(test())
