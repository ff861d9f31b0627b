"""Every hook is documented, called from one place, and shown to work by a test."""

from __future__ import annotations

import ast
import runpy

import pytest


@pytest.fixture(scope="module")
def hooks(root):
    """{hook name: definition} of canary/hookspecs.py, in order."""
    tree = ast.parse((root / "canary" / "hookspecs.py").read_text())
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("canary_")
    }
    assert found
    return found


def test_every_hook_says_what_it_is(hooks):
    """When it is called, and what its result means: a docstring of more than its first line."""
    brief = [name for name, node in hooks.items() if "When:" not in (ast.get_docstring(node) or "")]
    assert brief == []


def test_every_hook_has_an_example(hooks):
    texts = {
        name: " ".join((ast.get_docstring(node) or "").split()) for name, node in hooks.items()
    }
    assert [name for name, text in texts.items() if "Example: " not in text] == []


def test_reference_has_each_hook_with_its_exact_arguments(hooks, root):
    page = (root / "docs" / "reference" / "hooks.md").read_text().splitlines()
    wanted = [
        f"## {name}({', '.join(a.arg for a in node.args.args)})" for name, node in hooks.items()
    ]
    assert [line for line in page if line.startswith("## ")] == wanted


def test_reference_is_what_the_source_says(root):
    dev = runpy.run_path(str(root / "dev"))
    page = dev["hooks_page"]((root / "canary" / "hookspecs.py").read_text())
    written = (root / "docs" / "reference" / "hooks.md").read_text()
    assert written == page, "run ./dev docs"


def mentions(tree, name):
    return any(
        (isinstance(node, ast.Attribute) and node.attr == name)
        or (isinstance(node, ast.Constant) and node.value == name)
        for node in ast.walk(tree)
    )


def test_every_hook_is_called_from_one_module(hooks, core, plugins):
    """So that a reader of the walk finds where plugins come in."""
    places = {
        name: [m.path for m in core if m.name != "canary.hookspecs" and mentions(m.tree, name)]
        for name in hooks
    }
    # the command that rebaselines has a distribution of its own, and calls its hook from there
    places["canary_rebaseline"] = [m.path for m in plugins if mentions(m.tree, "canary_rebaseline")]
    assert {name: where for name, where in places.items() if len(where) != 1} == {}


def skips(node):
    return any(
        isinstance(inner, ast.Attribute) and inner.attr in ("skip", "skipif", "importorskip")
        for inner in ast.walk(node)
    )


def test_every_hook_has_a_test(hooks, tests):
    """`test_hook_<name>`, with or without the `canary_`, anywhere in the tests, never skipped."""
    tested = {
        node.name
        for module in tests
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_hook_")
        and not skips(node)
    }
    missing = [
        name
        for name in hooks
        if not tested & {f"test_hook_{name}", f"test_hook_{name.removeprefix('canary_')}"}
    ]
    assert missing == []
