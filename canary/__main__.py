"""`python -m canary` and the script `canary`: the one place where the process ends itself."""

import os
import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    # `-m` has put the current directory first, as if it were a place to import from
    try:
        if sys.path[0] == os.getcwd():  # noqa: PTH109 - a text
            sys.path.pop(0)
    except OSError:
        pass  # it is gone, and `-m` has left it out

from canary.cli import main

if __name__ == "__main__":
    sys.exit(main())
