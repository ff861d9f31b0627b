"""For all tests from here down: `canary_setup` runs once before them, `canary_teardown` after.

Both are jobs of their own, with a directory and an output like any other; the tests depend on the
setup, and the teardown waits for them.
"""

import json
import math
from pathlib import Path


def canary_setup(ctx):
    """Tabulate the error function once; every test here reads the table."""
    table = [(k / 100, math.erf(k / 100)) for k in range(301)]
    Path("erf.json").write_text(json.dumps(table))
    print(f"{len(table)} entries written to {ctx.working_directory}")


def canary_teardown(ctx):
    """Runs when all tests here are over, however they ended."""
    print(f"{len(ctx.dependencies)} jobs are over")
