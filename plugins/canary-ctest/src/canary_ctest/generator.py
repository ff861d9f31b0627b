"""`CTestGenerator`: the two halves of reading a build tree, for canary's collection.

What ctest says depends on more files than the one that is found (it includes others, and what
discovery of GoogleTest or Catch2 wrote), so nothing is kept from one run to the next. What reads
and expands is imported when there is a tree: a run of other formats does without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from canary.errors import SpecError
from canary.spec import ExpandContext, JobSpec, Loaded, SpecFile, SpecGenerator
from canary_ctest.names import NAME, TESTFILE


class CTestGenerator(SpecGenerator):
    """Build trees of CMake. `config` is that of `ctest -C`, `limit` the timeout in seconds of tests
    that set none; with `ask_always` ctest itself reads every tree."""

    name: ClassVar[str] = NAME
    patterns: ClassVar[tuple[str, ...]] = (TESTFILE,)
    version: ClassVar[int] = 1
    description: ClassVar[str] = "tests of CMake build trees, as ctest lists them"

    def __init__(
        self, config: str | None = None, limit: float | None = None, *, ask_always: bool = False
    ) -> None:
        self.config = config
        self.limit = limit
        self.ask_always = ask_always

    def prune(self, files: Sequence[SpecFile]) -> Sequence[SpecFile]:
        """Leave out what lies below another: ctest enters the subdirectories that belong to a
        tree."""
        directories = {file.path.rpartition("/")[0] for file in files}
        covered: dict[str, bool] = {"": False}

        def is_covered(directory: str) -> bool:
            """Is there a test file in a directory above?"""
            known = covered.get(directory)
            if known is None:
                above = directory.rpartition("/")[0]
                known = covered[directory] = above in directories or is_covered(above)
            return known

        return [file for file in files if not is_covered(file.path.rpartition("/")[0])]

    def load(self, file: SpecFile) -> Loaded:
        """See `SpecGenerator.load`; without a ctest that can be asked, a warning and no tests."""
        if not os.path.isfile(file.file):
            raise SpecError("no such file")  # ctest would say that there are no tests
        from canary_ctest import query

        directory = os.path.dirname(file.file)
        rows: list[query.Row] = []
        try:
            rows = query.as_started(query.read(directory, self.config, ask_always=self.ask_always))
        except query.NoCTestError as e:
            query.warn(f"{e.located(file=file.file)}; its tests are left out")
        else:
            others = 0 if rows else query.unavailable(directory, self.config)
            if others:
                text = f"{file.file}: {others} tests are there, none of them in this configuration"
                query.warn(f"{text} [say which with --ctest-config]")
        return Loaded({"tests": rows})

    def expand(self, file: SpecFile, data: Any, context: ExpandContext) -> list[JobSpec]:
        """See `SpecGenerator.expand`."""
        from canary_ctest.expand import expand

        return expand(file, data["tests"], context, self.limit)

    def describe(self, file: SpecFile, data: Any) -> Mapping[str, Any]:  # noqa: ARG002 - as loaded
        """How many tests there are, in how many directories, and their labels."""
        tests = data["tests"]
        labels = dict.fromkeys(x for t in tests for x in t["properties"].get("LABELS") or ())
        out: dict[str, Any] = {
            "tests": len(tests),
            "directories": len({t["file"] for t in tests}),
        }
        if labels:
            out["labels"] = list(labels)
        return out
