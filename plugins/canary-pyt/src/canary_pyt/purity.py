"""Does what a file said depend on nothing but its text? If so, it need not be executed next time.

The module's own bytecode is looked at, without what stands below `if __name__ == "__main__"` and
without the bodies of functions that nothing calls. Anything not known to be harmless counts as
harmful: a wrong "no" costs a tenth of a millisecond per run, a wrong "yes" a wrong test.
"""

from __future__ import annotations

import builtins
import opcode
import sys
from collections.abc import Mapping
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, Final

_OP: Final = opcode.opmap
_LOAD_NAME: Final = _OP["LOAD_NAME"]
_LOAD_GLOBAL: Final = _OP["LOAD_GLOBAL"]
_LOAD_CONST: Final = _OP["LOAD_CONST"]
_LOAD_ATTR: Final = _OP["LOAD_ATTR"]
_LOAD_METHOD: Final = _OP.get("LOAD_METHOD", -1)
_CACHE: Final = _OP.get("CACHE", -1)
_STORE_NAME: Final = _OP["STORE_NAME"]
_IMPORT_NAME: Final = _OP["IMPORT_NAME"]
_IMPORT_FROM: Final = _OP["IMPORT_FROM"]
_EXTENDED: Final = _OP["EXTENDED_ARG"]
# what may stand between an import and the names that it binds
_BINDING: Final = frozenset(
    _OP[n]
    for n in ("IMPORT_FROM", "STORE_NAME", "EXTENDED_ARG", "CACHE", "ROT_TWO", "SWAP", "POP_TOP")
    if n in _OP
)
_JUMPS: Final = frozenset(
    _OP[n] for n in ("POP_JUMP_IF_FALSE", "POP_JUMP_FORWARD_IF_FALSE") if n in _OP
)
# the lowest bit of some arguments says something else than which name it is
_GLOBAL_SHIFT: Final = 1 if sys.version_info >= (3, 11) else 0
_ATTR_SHIFT: Final = 1 if sys.version_info >= (3, 12) else 0
_CO_OPTIMIZED: Final = 0x1  # of functions, not of class bodies

_SPACES: Final = "list_parameter_space centered_parameter_space random_parameter_space"
# what may be asked of a module while a file is read; None: anything
_MODULES: Final[Mapping[str, frozenset[str] | None]] = MappingProxyType(
    {
        "canary": frozenset(f"directives enums {_SPACES} FILE_SCANNING".split()),
        "canary.directives": None,
        "canary.enums": None,
        "canary_pyt": frozenset(("directives", "enums")),
        "canary_pyt.directives": None,
        "canary_pyt.enums": None,
        "sys": frozenset(("platform", "version_info", "maxsize", "byteorder", "exit")),
        "math": None,
        "itertools": None,
        "typing": None,
        "__future__": None,
    }
)
_BUILTINS: Final = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "format",
        "frozenset",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "map",
        "max",
        "min",
        "pow",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
        "__name__",
        "__file__",
        "__doc__",
        "__debug__",
        "__build_class__",
    ]
)
_PLAIN: Final = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset, range, type(None))


def is_pure(code: CodeType, namespace: Mapping[str, Any]) -> bool:
    """Would executing `code`, which left `namespace`, come to the same in another process?"""
    try:
        return _Module(code, namespace).is_pure()
    except (IndexError, KeyError):  # bytecode of a Python that we do not know
        return False


class _Module:
    """The bytecode of a module: `ops` holds one byte for each instruction."""

    def __init__(self, code: CodeType, namespace: Mapping[str, Any]) -> None:
        self.code = code
        self.raw = code.co_code
        self.ops = self.raw[::2]
        self.names = code.co_names
        self.namespace = namespace
        self.modules: dict[str, str] = {}  # name -> module that an import binds to it
        self.harmful: set[str] = set()  # names bound by other imports
        self.imports: set[int] = set()  # where imports bind names

    def is_pure(self) -> bool:
        for i in self.positions(_IMPORT_NAME):
            if not self.note_import(i):
                return False
        for const in self.code.co_consts:
            if isinstance(const, CodeType) and not self.is_inner_pure(const):
                return False
        twice = self.bound_twice()
        body = self.guarded_body()
        for op in (_LOAD_NAME, _LOAD_GLOBAL):
            shift = _GLOBAL_SHIFT if op == _LOAD_GLOBAL else 0
            for i in self.positions(op):
                if i not in body:
                    name = self.names[self.argument(i) >> shift]
                    if name in twice or not self.is_harmless(name, i):
                        return False
        return True

    def bound_twice(self) -> set[str]:
        """Names that may have been something else, a function or a module, when they were used."""
        names = [self.name(i) for i in self.positions(_STORE_NAME) if i not in self.imports]
        seen = {*self.modules, *self.harmful}
        if len(seen) + len(names) == len(seen.union(names)):
            return set()
        return {n for n in names if n in seen or seen.add(n)}  # type: ignore[func-returns-value]  # None, false

    def positions(self, op: int) -> list[int]:
        out = []
        find = self.ops.find
        i = find(op)
        while i >= 0:
            out.append(i)
            i = find(op, i + 1)
        return out

    def argument(self, i: int) -> int:
        raw = self.raw
        value, shift = raw[2 * i + 1], 8
        while i > 0 and raw[2 * i - 2] == _EXTENDED:
            i -= 1
            value |= raw[2 * i + 1] << shift
            shift += 8
        return value

    def name(self, i: int) -> str:
        return self.names[self.argument(i)]

    def note_import(self, i: int) -> bool:
        """Remember what the import at `i` binds; false if importing it may have had an effect."""
        module = self.name(i)
        allowed = _MODULES.get(module, frozenset())
        if module not in _MODULES and module.partition(".")[0] not in sys.stdlib_module_names:
            return False
        taken: str | None = None
        j = i + 1
        if self.ops[j] not in _BINDING:
            return False  # from module import *
        while self.ops[j] in _BINDING:
            if self.ops[j] == _IMPORT_FROM:
                taken = self.name(j)
            elif self.ops[j] == _STORE_NAME:
                name = self.name(j)
                self.imports.add(j)
                if taken is not None and f"{module}.{taken}" in _MODULES:
                    self.modules[name] = f"{module}.{taken}"
                elif taken is not None:
                    if allowed is not None and taken not in allowed:
                        self.harmful.add(name)
                elif module in _MODULES and name != module.partition(".")[0]:
                    self.modules[name] = module  # import module as name
                elif module.partition(".")[0] in _MODULES:
                    self.modules[name] = module.partition(".")[0]
                else:
                    self.harmful.add(name)
            j += 1
        return True

    def guarded_body(self) -> range:
        """The instructions below `if __name__ == "__main__"`, which reading leaves out."""
        ops = self.ops
        for i in self.positions(_LOAD_NAME):
            k = self.after(i)
            if self.name(i) != "__name__" or ops[k] != _LOAD_CONST:
                continue
            if self.code.co_consts[self.argument(k)] != "__main__":
                continue
            # the comparison follows, then the jump, with caches about that the version decides
            for j in range(k + 1, min(k + 10, len(ops))):
                if ops[j] in _JUMPS:
                    target = self.argument(j)
                    if sys.version_info >= (3, 11):  # forwards, from behind its own cache
                        target += j + 1
                        while ops[j + 1] == _CACHE:
                            j, target = j + 1, target + 1
                    return range(j, target)
        return range(0)

    def is_harmless(self, name: str, i: int) -> bool:
        """May module-level code load `name`, as it does at `i`?"""
        if name in self.harmful:
            return False
        module = self.modules.get(name)
        if module is not None:
            allowed = _MODULES[module]
            return allowed is None or self.attribute_after(i) in allowed
        if name not in self.namespace:
            return name in _BUILTINS
        value = self.namespace[name]
        if isinstance(value, _PLAIN):
            return True
        if isinstance(value, ModuleType):
            return value.__name__ in _MODULES and _MODULES[value.__name__] is None
        home = getattr(value, "__module__", None)
        return home in _MODULES and home not in ("canary", "sys")

    def after(self, i: int) -> int:
        """The instruction after that at `i`."""
        i += 1
        while self.ops[i] in (_EXTENDED, _CACHE):
            i += 1
        return i

    def attribute_after(self, i: int) -> str | None:
        j = self.after(i)
        if self.ops[j] == _LOAD_ATTR:
            return self.names[self.argument(j) >> _ATTR_SHIFT]
        return self.name(j) if self.ops[j] == _LOAD_METHOD else None

    def is_inner_pure(self, code: CodeType) -> bool:
        """For code that may have run with the module: class bodies, comprehensions, lambdas.

        A function with a name is harmless as long as the module does not load that name.
        """
        if code.co_flags & _CO_OPTIMIZED and not code.co_name.startswith("<"):
            return True
        for name in code.co_names:
            value = self.namespace.get(name)
            known = name in self.modules or name in self.harmful
            if known or isinstance(value, FunctionType):
                return False
            if value is None and hasattr(builtins, name) and name not in _BUILTINS:
                return False
        return all(self.is_inner_pure(c) for c in code.co_consts if isinstance(c, CodeType))
