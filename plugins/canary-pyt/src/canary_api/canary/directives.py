"""`import canary.directives`, as test files write it: another name of `canary_pyt.directives`."""

import sys

from canary_pyt import directives

sys.modules[__name__] = directives
