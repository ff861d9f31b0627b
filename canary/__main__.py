"""`python -m canary` and the script `canary`: the one place where the process ends itself."""

import sys

from canary.cli import main

if __name__ == "__main__":
    sys.exit(main())
