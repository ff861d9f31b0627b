"""`skipif` is decided when the tests are collected: the job is excluded, and the reason is shown.

    canary status --show-excluded
"""

import sys

from canary_pyt import directives

directives.skipif(sys.version_info >= (3, 0), reason="for Python 2 only")

if __name__ == "__main__":
    sys.exit("this never runs")
