"""A dictionary that refuses to change, so that it can be a default shared by fifty thousand
values."""

from __future__ import annotations

import sys
from dataclasses import field
from typing import Any, Final, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """Reads like a dict (and is one for `json`); every way to change it raises TypeError."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # dict has None
        return hash(frozenset(self))

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        return FrozenDict, (dict(self),)  # a copy is made whole, not filled

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this mapping is frozen")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


EMPTY: Final[FrozenDict[Any, Any]] = FrozenDict()


def shared(value: FrozenDict[Any, Any] = EMPTY, **more: Any) -> Any:
    """A field of a dataclass whose default is `value` itself; `more` goes to `dataclasses.field`.

    Python 3.10 takes every dictionary for a mutable one and wants a factory.
    """
    if sys.version_info >= (3, 11):
        return field(default=value, **more)
    return field(default_factory=lambda: value, **more)
