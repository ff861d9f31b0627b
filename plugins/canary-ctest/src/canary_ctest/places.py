"""Which `CTestTestfile.cmake` of a build tree defines a test: the best guess from what ctest says.

The guess decides names and IDs of jobs, so that it follows the older tool: the directory that was
being configured, mapped from the source tree to the build tree, else the test's own directory, else
the root of the tree.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from canary_ctest.names import TESTFILE

_HOME: Final = "CMAKE_HOME_DIRECTORY:INTERNAL="


class Places:
    """The build tree at `root`, an absolute path."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.binary, self.source = _cache(root)
        self._known: dict[str, str | None] = {}

    def guess(self, source: str | None, directory: str) -> str:
        """The file for a test defined by `source`, which runs in `directory`; absolute."""
        found = self._built(source) if source else None
        return found or self._file(directory) or f"{self.root}/{TESTFILE}"

    def found(self, directory: str) -> None:
        """Take note that there is a test file in a directory of the tree."""
        self._known[directory] = f"{directory}/{TESTFILE}"

    def _built(self, source: str) -> str | None:
        directory = os.path.dirname(source)
        if self.source is None or self.binary is None:
            return None
        if directory != self.source and not directory.startswith(self.source + "/"):
            return None
        return self._file(self.binary + directory[len(self.source) :])

    def _file(self, directory: str) -> str | None:
        """The test file in `directory`, if there is one and it is part of the tree."""
        if directory not in self._known:
            inside = directory == self.root or directory.startswith(self.root + "/")
            file = f"{directory}/{TESTFILE}"
            self._known[directory] = file if inside and os.path.isfile(file) else None
        return self._known[directory]


def _cache(root: str) -> tuple[str | None, str | None]:
    """Build and source directory of the tree that `root` is part of, as CMake's cache has them."""
    for directory in (root, *map(str, Path(root).parents)):
        try:
            with open(f"{directory}/CMakeCache.txt", encoding="utf-8", errors="replace") as f:
                for line in f:
                    if line.startswith(_HOME):
                        return directory, line[len(_HOME) :].strip()
        except OSError:
            continue
        break
    return None, None
