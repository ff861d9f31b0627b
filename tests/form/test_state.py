"""Where state may live: in objects that are handed on, never in a module or in the process."""

from __future__ import annotations

import ast

MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_TYPES = {
    "list",
    "dict",
    "set",
    "bytearray",
    "defaultdict",
    "deque",
    "OrderedDict",
    "Counter",
    "WeakKeyDictionary",
    "WeakValueDictionary",
    "ContextVar",
    "local",
}
# Final[...] of one of these: the type checker refuses every change.
READ_ONLY = {"Mapping", "Sequence", "Collection", "Set", "AbstractSet", "Iterable"}
# May import inside functions: what is loaded depends on the command, or on the name asked for.
LATE_IMPORTS = ("canary/commands/", "canary/cli.py", "canary/__init__.py")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def module_level(tree):
    """Statements that run at import, those inside `if`, `try`, `with` and `for` included."""
    todo = list(tree.body)
    while todo:
        node = todo.pop(0)
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                todo.extend(getattr(node, name, []))


def is_mutable(value):
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
        return name in MUTABLE_TYPES
    return isinstance(value, MUTABLE_DISPLAYS)


def is_read_only(annotation):
    """`Final[Mapping[...]]` and the like."""
    if not isinstance(annotation, ast.Subscript) or not ast.unparse(annotation).startswith("Final"):
        return False
    inner = annotation.slice
    inner = inner.value if isinstance(inner, ast.Subscript) else inner
    return ast.unparse(inner).rpartition(".")[2] in READ_ONLY


def assignments(nodes):
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield node, [ast.unparse(t) for t in node.targets], node.value, None
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node, [ast.unparse(node.target)], node.value, node.annotation


def test_no_mutable_object_at_module_level(core, plugins):
    wrong = [
        f"{module.at(node)}: {', '.join(names)}"
        for module in core + plugins
        for node, names, value, annotation in assignments(module_level(module.tree))
        if names != ["__all__"] and is_mutable(value) and not is_read_only(annotation)
    ]
    assert wrong == []


def test_no_global_statement(core, plugins):
    wrong = [
        module.at(node)
        for module in core + plugins
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]
    assert wrong == []


def test_function_level_imports_only_where_loading_late_is_the_point(core):
    wrong = [
        module.at(node)
        for module in core
        if not module.path.startswith(LATE_IMPORTS)
        for function in ast.walk(module.tree)
        if isinstance(function, FUNCTIONS)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert sorted(set(wrong)) == []


# The child process that loads users' test files puts back what a file has changed.
RESTORES = ("canary/generate.py",)


def changes_process(node):
    """True for a call or assignment that changes the runner's directory or environment."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name in ("os.chdir", "os.fchdir", "os.putenv", "os.unsetenv", "os.umask"):
            return True
        owner, _, method = name.rpartition(".")
        return owner == "os.environ" and method in ("update", "pop", "setdefault", "clear")
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Delete)):
        return any(t is not None and ast.unparse(t).startswith("os.environ") for t in targets)
    return False


def test_the_runner_changes_neither_its_directory_nor_its_environment(core):
    """Directory and environment are fields of a `Launch`."""
    wrong = [
        f"{module.at(node)}: {ast.unparse(node)}"
        for module in core
        if module.path not in RESTORES
        for node in ast.walk(module.tree)
        if changes_process(node)
    ]
    assert wrong == []
