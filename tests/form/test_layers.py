"""Who may import whom. The layers themselves are in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

# The one place of third-party names in the core: its declared dependencies, and what an extra adds.
THIRD_PARTY = {
    "pluggy": {"canary.hookspecs", "canary.plugins"},
    "stevedore": {"canary.plugins"},
    "platformdirs": None,
    "tomli": None,
    "yaml": None,
    "pytest": {"canary.testing"},
}
# Rooms of the engine that a plugin reaches through hooks alone.
ENGINE = {
    "canary.__main__",
    "canary.cli",
    "canary.commands",
    "canary.session",
    "canary.collect",
    "canary.generate",
    "canary.select",
    "canary.schedule",
    "canary.record",
}


def imported(tree):
    """(node, dotted name) of each import, those for the type checker alone left out."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def is_in(name, rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def test_layers_and_contracts_hold(root):
    program = str(Path(sys.executable).parent / "lint-imports")
    done = subprocess.run(
        [program, "--no-logo"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_core_imports_only_what_it_declares(core):
    wrong = []
    for module in core:
        for node, name in imported(module.tree):
            top = name.partition(".")[0]
            if top == "canary" or top in sys.stdlib_module_names:
                continue
            rooms = THIRD_PARTY.get(top, set())
            if (top, module.name) == ("canary_api", "canary"):
                continue  # the namespace in which distributions add to the lazy face
            if rooms is not None and not is_in(module.name, rooms):
                wrong.append(f"{module.at(node)}: {name}")
    assert wrong == []


def test_core_does_not_import_its_own_face(core):
    """`canary/__init__.py` is for users: a module that imports it imports everything."""
    wrong = [
        f"{module.at(node)}: import {name}"
        for module in core
        for node, name in imported(module.tree)
        if name == "canary" and module.name not in ("canary", "canary.testing")
    ]
    assert wrong == []


def test_no_plugin_imports_another(plugins):
    """A distribution may ship several packages (names for `canary`, say); these know each other."""
    own: dict[str, set[str]] = {}
    for module in plugins:
        _, distribution, _, package, *_ = module.path.split("/")
        own.setdefault(distribution, set()).add(package.removesuffix(".py"))
    wrong = [
        f"{module.at(node)}: {name}"
        for module in plugins
        for node, name in imported(module.tree)
        if name.startswith("canary_")
        and name.partition(".")[0] not in own[module.path.split("/")[1]]
    ]
    assert wrong == []


def test_plugins_stay_below_the_engine(plugins):
    wrong = [
        f"{module.at(node)}: {name}"
        for module in plugins
        for node, name in imported(module.tree)
        if is_in(name, ENGINE)
    ]
    assert wrong == []


def test_core_names_no_plugin(core, root):
    """The core finds plugins through entry points; a name in its source would be a second way."""
    names = {p.name.replace("-", "_") for p in root.glob("plugins/*") if p.is_dir()}
    wrong = [
        f"{module.at(node)}: {node.value}"
        for module in core
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert wrong == []
