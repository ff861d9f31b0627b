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
        # not importlib, which would cost every test more than the directives do
        module: ModuleType = __import__(f"canary_pyt.{name}", fromlist=("*",))
        return module
    raise AttributeError(f"module 'canary_pyt' has no attribute {name!r}")
