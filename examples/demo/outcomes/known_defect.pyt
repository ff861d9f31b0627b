"""`xfail`: a known defect. While it is there the job passes as XFAIL; once mended, it fails.

With `code`, only that exit code is expected: another crash is not excused.
"""

import math
import sys

from canary_pyt import directives

directives.keywords("roots")
directives.xfail(code=3)


def smaller_root(a, b, c):
    """As in school books: loses all digits if b^2 is much larger than 4 a c."""
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


def test():
    root = smaller_root(1.0, 1e9, 1.0)
    print(f"root {root!r}, should be -1e-09")
    return 0 if math.isclose(root, -1e-9, rel_tol=1e-6) else 3


if __name__ == "__main__":
    sys.exit(test())
