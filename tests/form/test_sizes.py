"""The core can be read in an afternoon: budgets for modules, functions and the whole."""

from __future__ import annotations

import ast
import io
import tokenize

CORE_LINES = 6000
MODULE_LINES = 500
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


def test_core_is_small(core):
    sizes = {m.path: code_lines(m) for m in core}
    assert sum(sizes.values()) <= CORE_LINES, sorted(sizes.items(), key=lambda item: -item[1])


def test_modules_are_short(core, plugins):
    long = {m.path: n for m in core + plugins if (n := m.text.count("\n")) > MODULE_LINES}
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
