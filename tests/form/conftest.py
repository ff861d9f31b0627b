"""The source of the project, parsed once, for the tests that look at its form."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file: its place in the repository, its text and its syntax tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def name(self) -> str:
        """Dotted name below its import root."""
        words = self.path.removesuffix(".py").split("/")
        words = words[words.index("src") + 1 :] if "src" in words else words
        return ".".join(words).removesuffix(".__init__")

    def at(self, node: ast.AST) -> str:
        """`path:line`, as editors take it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def modules(pattern: str) -> list[Module]:
    found = sorted(p for p in ROOT.glob(pattern) if "cases" not in p.parts)
    return [Module(str(p.relative_to(ROOT)), p.read_text()) for p in found]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def core() -> list[Module]:
    """All modules of the core."""
    found = modules("canary/**/*.py")
    assert found
    return found


@pytest.fixture(scope="session")
def plugins() -> list[Module]:
    """All modules of all plugins."""
    return modules("plugins/*/src/**/*.py")


@pytest.fixture(scope="session")
def tests() -> list[Module]:
    """All tests of the core and of the plugins."""
    return modules("tests/**/*.py") + modules("plugins/*/tests/**/*.py")


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [p for p in (ROOT / name for name in listed.split("\0") if name) if p.is_file()]
