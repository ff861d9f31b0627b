"""The core can be read in an afternoon: budgets for modules, functions and the whole."""

from __future__ import annotations

import ast
import io
import tokenize

# see docs/adr/0007-what-is-counted.md: the walk, its edges (languages, configuration, command
# line), and what is there for authors of plugins
WALK_LINES = 7330
REPAIR_LINES = 750
EDGE_LINES = 5665
TESTING_LINES = 700
EDGES = (
    "cli config detect discovery loader oldstore oldtool options parser plugins progress reporting"
    " scope settings table textdata words yamldata"
)
REPAIR = "faults mending recovery survivors"
MODULE_LINES = 500
# the contract of the job was given, with its long list of names: it stays in one module
CONTRACT = {"canary/job.py": 1000}
FUNCTION_LINES = 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) and ast.get_docstring(node):
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


def code_lines(module):
    """Lines that are neither blank nor comment nor docstring."""
    nothing = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - set(docstring_lines(module.tree)))


def area(path):
    _, first, *_ = path.split("/")
    if first == "testing":
        return "testing"
    if first.removesuffix(".py") in REPAIR.split():
        return "repair"
    is_edge = first in ("commands", "expression") or first.removesuffix(".py") in EDGES.split()
    return "edge" if is_edge else "walk"


def test_core_is_small(core):
    sizes = {"walk": 0, "repair": 0, "edge": 0, "testing": 0}
    for module in core:
        sizes[area(module.path)] += code_lines(module)
    assert sizes["walk"] <= WALK_LINES, sizes
    assert sizes["repair"] <= REPAIR_LINES, sizes
    assert sizes["edge"] <= EDGE_LINES, sizes
    assert sizes["testing"] <= TESTING_LINES, sizes


def test_modules_are_short(core, plugins):
    long = {
        m.path: n
        for m in core + plugins
        if (n := m.text.count("\n")) > CONTRACT.get(m.path, MODULE_LINES)
    }
    assert long == {}


def test_functions_are_short(core, plugins):
    long = [
        f"{module.at(node)} {node.name}: {node.end_lineno - node.lineno + 1}"
        for module in core + plugins
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS) and node.end_lineno - node.lineno >= FUNCTION_LINES
    ]
    assert long == []


def test_modules_say_why_they_exist(core, plugins):
    silent = [m.path for m in core + plugins if m.text.strip() and not ast.get_docstring(m.tree)]
    assert silent == []
