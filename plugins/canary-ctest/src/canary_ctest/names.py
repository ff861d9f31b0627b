"""Names that more than one module needs: of the format, of its files, and of a variable."""

from __future__ import annotations

from typing import Final

NAME: Final = "ctest"
TESTFILE: Final = "CTestTestfile.cmake"
# how many groups of resources a test was given, for the test
COUNT: Final = "CTEST_RESOURCE_GROUP_COUNT"
