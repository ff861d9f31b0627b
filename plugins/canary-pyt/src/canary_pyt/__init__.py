"""Test files in Python: `*.pyt` and `canary_*.py`.

Every such file imports this package when it runs, so importing it does no work: its parts are
imported when they are asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from canary_pyt import directives as directives
    from canary_pyt import enums as enums

# True only while a file is executed to be read; `canary_pyt.reader` sets it
FILE_SCANNING = False


def __getattr__(name: str) -> "ModuleType":
    if name in ("directives", "enums"):
        from importlib import import_module

        return import_module(f"canary_pyt.{name}")
    raise AttributeError(f"module 'canary_pyt' has no attribute {name!r}")
