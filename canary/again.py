"""The words that start this Python once more, with canary or another program of ours.

With `-m` it would import from the directory in which it is started: a user's, or a job's.
"""

from __future__ import annotations

import sys
from typing import Final

# the name is for those who look at `ps`; an empty entry is that directory, and there is none with
# PYTHONSAFEPATH
_CODE: Final = (
    '"{module}"; import sys; sys.path[:1] = filter(None, sys.path[:1]); import {module} as program;'
    " sys.argv[0] = program.__file__; sys.exit(program.main())"
)


def program(module: str = "canary.__main__", python: str = sys.executable) -> tuple[str, ...]:
    """What starts the `main` of a module; words of its own follow."""
    return (python, "-c", _CODE.format(module=module))
