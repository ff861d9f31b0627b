"""What is done if the cheap method fails. `when` may name any outcome.

`on_success` is the default; there are `on_failure`, `always`, and every outcome: `diffed`,
`timeout`, `xfail`, ... A job whose condition does not hold is BLOCKED, not failed.
"""

import sys

import canary
from canary_pyt import directives

directives.keywords("heat", "stability")
directives.depends_on({"job": "explicit", "when": "xfail"})
directives.link("tridiagonal.py")


def test():
    import tridiagonal

    (explicit,) = canary.get_instance().dependencies
    print(f"{explicit.name} ended with code {explicit.returncode}: use the implicit method")
    n, ratio = 20, 0.6
    off, diagonal = [-ratio] * (n - 1), [1 + 2 * ratio] * (n - 1)
    u = [0.0] * (n - 1)
    u[n // 2 - 1] = 1.0
    for _ in range(200):
        u = tridiagonal.solve(off, diagonal, off, u)
        assert 0 <= min(u) and max(u) <= 1, "diffusion makes no new extremes"
    print(f"after 200 steps the largest temperature is {max(u):.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(test())
