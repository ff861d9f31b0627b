"""What the tests of whole walks share: trees from a few words, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path):
    """`tree({"a/b.pyt": text})` writes files below `t`, where the tests of a walk live."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "t"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return write


@pytest.fixture
def results(canary):
    """`results()` is `{full name: "CATEGORY OUTCOME"}` of every job, as `query jobs` has it."""

    def ask(*, cwd: Path | None = None) -> dict[str, str]:
        found = json.loads(canary("query", "jobs", cwd=cwd, expect=0).stdout)
        return {
            job["fullname"]: f"{job['status']['category']} {job['status']['outcome']}"
            for job in found
        }

    return ask
