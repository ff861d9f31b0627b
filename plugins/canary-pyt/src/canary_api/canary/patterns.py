"""`import canary.patterns`, as test files write it."""

import sys

from canary_pyt.tools import patterns

sys.modules[__name__] = patterns
