"""`import canary.enums`, as test files write it: another name of `canary_pyt.enums`."""

import sys

from canary_pyt import enums

sys.modules[__name__] = enums
